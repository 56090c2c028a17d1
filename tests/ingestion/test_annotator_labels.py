"""Tags by CLIP, of a list of labels that people edit."""

from __future__ import annotations

import json

import pytest

from gallery.models import ImageTag, Tag
from ingestion.annotators import all_network_annotators
from ingestion.models import Label, Template
from search.filling import fill_one
from search.generations import begin, begin_wanted
from search.models import Feature, Generation
from tests.ingestion.annotator_contract import NetworkAnnotatorContract
from tests.ingestion.colour_networks import COLOURS, ColourClip, ColourNetwork, followed, image_of, known, made_visible
from tests.ingestion.scene import bring_image, data
from tests.networks.made import made
from tests.networks.scenes import COLOURS as SCENE_COLOURS
from tests.networks.scenes import SHAPES, UNSEEN, draw
from tests.networks.small_clip import NAME


class LabelContract(NetworkAnnotatorContract):
    role = "labels"
    clip: ColourNetwork

    def network(self, seen: float = 1.0) -> ColourNetwork:
        self.clip = ColourClip(f"colour:{seen}", seen)
        return self.clip

    def prepare(self) -> None:
        """The vectors of all pictures by the CLIP that was asked for, and a list of labels."""
        for name in COLOURS:
            Label.objects.get_or_create(name=name)
        Template.objects.get_or_create(text="a photo that is {}.")
        fill_clip(self.clip)


def fill_clip(network: ColourNetwork) -> Generation:
    made = Generation.objects.filter(role="clip", network=known(network).name).first()
    if made is None:
        Generation.objects.filter(role="clip").update(state="former")
        made = Generation.objects.create(
            role="clip", network=network.name, fingerprint=network.fingerprint(), state="current"
        )
    while fill_one(made):
        pass
    return made


class TestContract(LabelContract):
    pass


@pytest.fixture
def contract(transactional_db) -> LabelContract:
    contract = LabelContract()
    contract.network()
    return contract


def shown(image) -> set[str]:
    return set(ImageTag.objects.filter(image=image, shown=True).values_list("tag__name", flat=True))


def begun() -> list[str]:
    """What the worker does every minute, for this role alone."""
    begin_wanted()
    found = Generation.objects.filter(role="labels", state__in=("beside", "current")).order_by("pk")
    for generation in found:
        while fill_one(generation):
            pass
    followed()
    return [generation.state for generation in found.all()]


def test_it_works(contract: LabelContract):
    """The worker begins by itself, when there is a CLIP and a list."""
    image = image_of("red")
    assert begun() == []
    contract.prepare()
    assert begun() == ["current"]
    assert shown(image) == {"red"}
    assert begun() == ["current"]


def test_an_edit_of_the_list_makes_it_anew_and_no_picture_is_looked_at(contract: LabelContract):
    image = image_of("red")
    contract.prepare()
    begun()
    asked = contract.clip.asked
    Label.objects.create(name="fire", prompts="red and hot\nsomething red")
    assert begun() == ["current"]
    assert shown(image) == {"red", "fire"}
    assert contract.clip.asked == asked
    Label.objects.filter(name="red").update(enabled=False)
    begun()
    assert shown(image) == {"fire"}


def test_an_edit_costs_the_sentences_that_are_new(contract: LabelContract, monkeypatch):
    """CLIP has read the others before."""
    read: list[str] = []
    encode = contract.clip.encode_texts
    monkeypatch.setattr(contract.clip, "encode_texts", lambda texts: read.extend(texts) or encode(texts))
    image = image_of("red")
    contract.prepare()
    begun()
    assert len(read) == len(COLOURS)
    read.clear()
    Label.objects.create(name="fire", prompts="red and hot")
    Label.objects.filter(name="blue").update(prompts="blue as the sky")
    begun()
    assert sorted(read) == ["a photo that is blue as the sky.", "a photo that is red and hot."]
    assert shown(image) == {"red", "fire"}
    first, last = Generation.objects.filter(role="labels").order_by("pk").values_list("learned", flat=True)
    assert kept_vectors(first)["red"] == kept_vectors(last)["red"]
    read.clear()
    Label.objects.filter(name="fire").delete()
    begun()
    assert read == []
    Template.objects.update(text="a drawing that is {}.")
    begun()
    assert len(read) == len(COLOURS)


def kept_vectors(learned: bytes) -> dict[str, bytes]:
    head, _, vectors = bytes(learned).partition(b"\n")
    names = [name for name, *_ in json.loads(head)["labels"]]
    size = len(vectors) // len(names)
    return {name: vectors[size * n : size * (n + 1)] for n, name in enumerate(names)}


def test_another_clip_reads_all_anew(contract: LabelContract):
    image_of("red")
    contract.prepare()
    begun()
    contract.clip.seen = 2.0  # other weights under the same name
    Generation.objects.filter(role="clip").delete()
    Feature.objects.filter(engine="clip").delete()
    read: list[str] = []
    encode = contract.clip.encode_texts
    contract.clip.encode_texts = lambda texts: read.extend(texts) or encode(texts)  # type: ignore[method-assign]
    contract.prepare()
    begin("labels", contract.clip.name)
    begun()
    assert len(read) == len(COLOURS)


def test_an_edit_does_not_stop_the_one_that_answers(contract: LabelContract):
    """It goes on with the list as it was, until the next one takes over."""
    image_of("red")
    contract.prepare()
    begun()
    (current,) = Generation.objects.filter(role="labels")
    Label.objects.create(name="fire", prompts="red")
    blue = image_of("blue")
    contract.prepare()
    fill_one(current)
    current.refresh_from_db()
    assert current.error == ""
    assert shown(blue) == {"blue"}


def test_another_clip_brings_other_labels(contract: LabelContract):
    image = image_of("red")
    contract.prepare()
    begun()
    other = LabelContract()
    other.network(2.0)
    other.prepare()
    begun()
    current = Generation.objects.current("labels")
    assert current
    assert current.network == "colour:2.0"
    assert shown(image) == {"red"}


def test_what_is_kept_is_small(contract: LabelContract):
    image_of("red")
    contract.prepare()
    begun()
    assert len(Feature.objects.get(engine="labels").data) < 40


def test_a_label_keeps_its_category(contract: LabelContract):
    image_of("red")
    contract.prepare()
    Label.objects.filter(name="red").update(category="colour")
    begun()
    assert Tag.objects.get(name="red").category == "colour"


def test_without_labels_nothing_is_begun(contract: LabelContract):
    image_of("red")
    contract.prepare()
    Label.objects.update(enabled=False)
    assert begun() == []


def test_it_reads_what_clip_has_made():
    assert all_network_annotators()["labels"].made_of == "clip"


def test_scenes_are_tagged_by_a_clip_that_has_learned(transactional_db, settings):
    """From the pictures to the tags: nothing between is replaced."""
    settings.WEIGHTS, settings.NETWORKS = made("small_clip"), {**settings.NETWORKS, "clip": [NAME]}
    scenes = [scene for scene in UNSEEN if scene.count == 1][:8]
    images = [made_visible(bring_image(data(draw(scene, 7000 + n), "PNG"))) for n, scene in enumerate(scenes)]
    names = [f"{colour} {shape}" for colour in SCENE_COLOURS for shape in SHAPES]
    Label.objects.all().delete()
    Template.objects.all().delete()
    Label.objects.bulk_create(Label(name=name) for name in [*names, "thing by day", "thing at night"])
    Template.objects.bulk_create(Template(text=text) for text in ("a photo of a {}", "a drawing of a {}"))
    clip = begin("clip", NAME)
    while fill_one(clip):
        pass
    assert begun() == ["current"]
    surest = [
        image.image_tags.filter(tag__name__in=names).order_by("-confidence").values_list("tag__name", flat=True).first()
        for image in images
    ]
    assert sum(name == f"{s.colour} {s.shape}" for name, s in zip(surest, scenes, strict=True)) >= 4
    lights = [
        {"day": "thing by day", "night": "thing at night"}[scene.light] in shown(i)
        for i, scene in zip(images, scenes, strict=True)
    ]
    assert sum(lights) >= 6
    assert set(ImageTag.objects.values_list("origin", flat=True)) == {NAME}

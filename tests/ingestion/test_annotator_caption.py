"""Captions that a network writes."""

from __future__ import annotations

import pytest

from gallery.models import Caption, Image
from ingestion.annotators import all_network_annotators
from ingestion.annotators.caption import CaptionWriter
from search.filling import fill_one
from search.generations import begin
from search.models import Unmade
from tests.ingestion.annotator_contract import NetworkAnnotatorContract
from tests.ingestion.colour_networks import ColourCaptioner, ColourNetwork, image_of, known, made_visible
from tests.ingestion.scene import bring_image, data
from tests.networks.made import made
from tests.networks.scenes import UNSEEN, draw
from tests.networks.small_blip import NAME


class TestContract(NetworkAnnotatorContract):
    role = "caption"

    def network(self, seen: float = 1.0) -> ColourNetwork:
        return ColourCaptioner(f"colour:{seen}", seen)


class Strange(ColourCaptioner):
    """Says nothing about red pictures, and far too much about blue ones."""

    def caption(self, pictures):
        said = super().caption(pictures)
        return [({"red": " \n", "blue": "on and " * 400}.get(text.split()[-1], text), sure) for text, sure in said]


@pytest.mark.django_db(transaction=True)
def test_it_writes_nothing_where_there_is_nothing_to_say():
    for colour in ("red", "blue", "green"):
        image_of(colour)
    generation = begin("caption", known(Strange("colour:strange")).name)
    while fill_one(generation):
        pass
    assert Caption.objects.get().text == "a picture that is green"
    assert generation.features.count() == 3
    assert not Unmade.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_stands_for_the_picture():
    image = image_of("green")
    TestContract().fill(ColourCaptioner("colour:1"))
    assert Image.objects.get(pk=image.pk).alt == "a picture that is green"


def test_it_is_not_run_while_a_picture_comes_in():
    assert isinstance(all_network_annotators()["caption"], CaptionWriter)


@pytest.mark.django_db(transaction=True)
def test_a_blip_that_has_learned_says_what_is_to_be_seen(settings):
    settings.WEIGHTS = made("small_blip")
    scenes = [scene for scene in UNSEEN if scene.count == 1][:8]
    images = [made_visible(bring_image(data(draw(scene, 7000 + n), "PNG"))) for n, scene in enumerate(scenes)]
    generation = begin("caption", NAME)
    while fill_one(generation):
        pass
    captions = [image.captions.get() for image in images]
    assert sum(scene.colour in caption.text for scene, caption in zip(scenes, captions, strict=True)) >= 5
    assert sum(scene.light in caption.text for scene, caption in zip(scenes, captions, strict=True)) >= 6
    for caption in captions:
        assert (caption.origin, caption.shown) == (NAME, True)
        assert caption.confidence
        assert 0.1 < caption.confidence <= 1

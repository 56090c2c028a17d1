"""How sure CLIP is of a label: by numbers, and by a CLIP that has learned to see drawn scenes."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from gallery.pictures import decode
from gallery.words import tag_name
from ingestion.labels import confidences, label_vectors, scale_for
from ingestion.models import Label, Template, seed_labels
from ingestion.models.labels import TEMPLATES, shipped_labels
from search.encoders import get_network
from search.encoders._base import TextEncoder
from tests.networks.made import made
from tests.networks.scenes import COLOURS, LIGHTS, PLACES, SHAPES, UNSEEN, draw
from tests.networks.small_clip import NAME
from tests.pictures import encode


def normal(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_it_works():
    """Twenty ordinary labels, and one that stands out."""
    rng = np.random.default_rng(0)
    labels = normal(rng.normal(0, 1, (21, 256)))
    pictures = normal([labels[3] + normal([rng.normal(0, 1, 256)])[0]])
    sure = confidences(pictures, labels, scale_for(pictures, labels))[0]
    assert sure.argmax() == 3
    assert sure[3] > 0.9
    assert sure[3] - np.delete(sure, 3).max() > 0.3
    assert np.median(sure) < 0.2
    assert np.logical_and(sure >= 0, sure <= 1).all()


def test_labels_do_not_take_certainty_from_each_other():
    rng = np.random.default_rng(0)
    labels = normal(rng.normal(0, 1, (40, 256)))
    alone, both = normal([labels[3]]), normal([labels[3] + labels[4]])
    scale = scale_for(alone, labels)
    one, two = confidences(alone, labels, scale)[0], confidences(both, labels, scale)[0]
    assert one[3] > 0.99
    assert two[3] > 0.95
    assert two[4] > 0.95


def test_nothing_is_sure_where_nothing_stands_out():
    labels = normal(np.eye(50))
    assert confidences(normal([np.ones(50)]), labels, 100.0).max() < 0.05


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_handles_short_lists(count: int):
    labels = normal(np.eye(8)[:count])
    sure = confidences(normal([np.eye(8)[0]]), labels, scale_for(normal([np.eye(8)[0]]), labels))
    assert sure.shape == (1, count)
    assert np.isfinite(sure).all()
    assert sure[0].argmax() == 0


def test_sentences_of_a_label_are_averaged():
    means = label_vectors(np.array([[1, 0], [0, 1], [0, 1]], np.float32), [2, 1])
    assert means == pytest.approx(normal([[1, 1], [0, 1]]))


class TestOnScenes:
    """Scenes that the small CLIP has not seen; every label is true of some of them."""

    LABELS = [
        *((f"{colour} {shape}", {"colour": colour, "shape": shape}) for colour in COLOURS for shape in SHAPES),
        *((f"{colour} thing", {"colour": colour}) for colour in COLOURS),
        *((shape, {"shape": shape}) for shape in SHAPES),
        *((f"thing {words}", {"light": light}) for light, words in LIGHTS.items()),
        *((f"thing {words}", {"place": place}) for place, words in PLACES.items()),
    ]

    @pytest.fixture(scope="class")
    @classmethod
    def answers(cls) -> tuple[np.ndarray, np.ndarray]:
        """(scenes, labels): confidences, and whether they are true."""
        clip = get_network(NAME, made("small_clip"))
        assert isinstance(clip, TextEncoder)
        pictures = [decode(encode(draw(scene, 5000 + n, 96), "PNG")) for n, scene in enumerate(UNSEEN)]
        sentences = [t.format(name) for name, _ in cls.LABELS for t in ("a photo of a {}", "a drawing of a {}", "{}")]
        labels = label_vectors(clip.encode_texts(sentences), [3] * len(cls.LABELS))
        vectors = clip.encode(pictures)
        truth = np.array([[scene.has(**wanted) for _, wanted in cls.LABELS] for scene in UNSEEN])
        return confidences(vectors, labels, scale_for(vectors, labels)), truth

    def test_what_is_shown_is_mostly_true(self, answers):
        sure, truth = answers
        shown = sure >= 0.5
        precision, recall = (shown & truth).sum() / shown.sum(), (shown & truth).sum() / truth.sum()
        print(f"{len(self.LABELS)} labels, {len(truth)} scenes: precision {precision:.2f}, recall {recall:.2f}")
        assert precision > 0.65
        assert recall > 0.65
        assert truth.mean() < 0.15  # by chance

    def test_the_surer_the_truer(self, answers):
        sure, truth = answers
        shares = [truth[(sure >= low) & (sure < low + 0.2)].mean() for low in (0.0, 0.2, 0.4)]
        assert shares == sorted(shares)
        assert truth[sure >= 0.5].mean() > 4 * truth[sure < 0.5].mean()

    def test_several_things_are_true_at_once(self, answers):
        sure, truth = answers
        assert ((sure >= 0.5) & truth).sum(axis=1).mean() > 2


class TestList:
    def test_it_works(self, db):
        Label.objects.all().delete()
        Template.objects.all().delete()
        seed_labels()
        assert 200 <= Label.objects.count() <= 400
        assert list(Template.objects.values_list("text", flat=True)) == list(TEMPLATES)
        assert Label.objects.get(name="dog").category == "animal"

    def test_it_is_seeded_once(self, db):
        Label.objects.all().delete()
        Label.objects.create(name="mine")
        seed_labels()
        assert Label.objects.get().name == "mine"

    def test_shipped_labels_are_tags(self):
        names = [name for name, _ in shipped_labels()]
        assert len(set(names)) == len(names)
        assert [tag_name(name) for name in names] == names

    def test_the_back_office_edits_it(self, as_admin):
        as_admin.post("/admin/ingestion/label/add/", {"name": " Red  Panda ", "prompts": "", "enabled": "on"})
        assert Label.objects.filter(name="red panda").exists()
        for text in ("no place", "{} and {}"):
            as_admin.post("/admin/ingestion/template/add/", {"text": text})
            assert not Template.objects.filter(text=text).exists()

    @pytest.mark.parametrize("name", ["", "\x00", "x" * 101])
    def test_rejects_what_is_no_tag(self, db, name: str):
        with pytest.raises(ValidationError):
            Label(name=name).full_clean()

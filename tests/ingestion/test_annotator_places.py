"""Tags that say where a picture was taken."""

from __future__ import annotations

import pytest

from gallery.models import ImageTag, Tag
from gallery.pictures import decode
from search.encoders import get_network
from search.encoders.places import Seen
from search.filling import fill_one
from search.generations import begin
from tests.ingestion.annotator_contract import NetworkAnnotatorContract
from tests.ingestion.colour_networks import COLOURS, ColourClassifier, ColourNetwork, image_of
from tests.networks import tiny


class TestContract(NetworkAnnotatorContract):
    role = "places"

    def network(self, seen: float = 1.0) -> ColourNetwork:
        return ColourClassifier(f"colour:{seen}", seen)


class SeesPlaces(ColourClassifier):
    """Green and blue is outdoors; what is red is warm, and surely not wet."""

    attribute_names = ["wet", "warm", "red"]

    def see(self, pictures):
        outdoors = [list(COLOURS).index(colour) for colour in ("green", "blue")]
        return [
            Seen(row, float(row[outdoors].sum()), [("warm", 0.5 + row[0] / 2), ("red", 0.75), ("wet", 0.3)])
            for row in self.classify(pictures)
        ]


@pytest.fixture
def tags(transactional_db) -> dict[str, dict[str, ImageTag]]:
    """{colour of a picture: {tag: its row}}"""
    images = {colour: image_of(colour) for colour in ("red", "green")}
    TestContract().fill(SeesPlaces("colour:places"))
    return {
        colour: {row.tag.name: row for row in image.image_tags.select_related("tag")}
        for colour, image in images.items()
    }


def test_it_works(tags):
    assert tags["green"]["outdoors"].confidence > 0.9
    assert tags["red"]["indoors"].confidence > 0.9
    assert "indoors" not in tags["green"]
    assert "outdoors" not in tags["red"]


def test_attributes_count_from_even_on(tags):
    assert tags["red"]["warm"].confidence > 0.9
    assert "wet" not in tags["red"]


def test_a_kind_that_is_an_attribute_too_is_one_tag(tags):
    assert tags["red"]["red"].confidence > 0.9
    assert tags["green"]["red"].confidence == pytest.approx(0.5, abs=0.01)


def test_tags_have_a_category(tags):
    assert dict(Tag.objects.values_list("name", "category"))["warm"] == "scene attribute"
    assert dict(Tag.objects.values_list("name", "category"))["green"] == "scene"


@pytest.mark.django_db(transaction=True)
def test_the_files_of_places365_are_read(settings, tmp_path):
    """A network of the true form with weights that have learned nothing: what it says is what is written down."""
    settings.WEIGHTS = tmp_path
    tiny.places(tmp_path / "places", "resnet18", kinds=12)
    image = image_of("green")
    generation = begin("places", "places:resnet18")
    while fill_one(generation):
        pass
    generation.refresh_from_db()
    assert generation.error == ""
    network = get_network("places:resnet18", tmp_path)
    (seen,) = network.see([decode(image.screen.path)])  # type: ignore[attr-defined]
    said = {row.tag.name: row.confidence for row in image.image_tags.select_related("tag")}
    best = int(seen.confidences.argmax())
    assert said[network.names[best]] == pytest.approx(float(seen.confidences[best]), abs=0.01)  # type: ignore[attr-defined]
    assert ("outdoors" in said) == (seen.outdoors >= 0.5)
    assert ("indoors" in said) != ("outdoors" in said)

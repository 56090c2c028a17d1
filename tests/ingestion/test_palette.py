"""The few colours of a picture that a person would name."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw

from gallery.models import Image
from gallery.pictures import decode
from ingestion.annotators.palette import CLOSE, SHOWN, colours_of
from tests.ingestion.annotator_contract import AnnotatorContract
from tests.pictures import encode, photo


class TestContract(AnnotatorContract):
    name = "palette"

    def said(self, image: Image) -> Any:
        return Image.objects.get(pk=image.pk).palette

    def test_it_is_kept_as_hex(self):
        image = self.annotate(stripes("red", "red", "red", "blue"))
        assert [colour for colour, _ in self.said(image)] == ["ff0000", "0000ff"]
        assert [share for _, share in self.said(image)] == pytest.approx([0.75, 0.25], abs=0.02)


def stripes(*colours: str) -> PillowImage.Image:
    """Upright stripes of the same width."""
    image = PillowImage.new("RGB", (96 * len(colours), 96))
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate(colours):
        draw.rectangle((96 * number, 0, 96 * number + 95, 96), fill=colour)
    return image


def palette(picture: PillowImage.Image) -> list:
    return colours_of(decode(encode(picture, "PNG"), longest=1600))


def test_it_works():
    found = palette(stripes("white", "white", "#1040c0", "#c03010"))
    assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
    for expected in ((255, 255, 255), (0x10, 0x40, 0xC0), (0xC0, 0x30, 0x10)):
        assert any(distance(colour, expected) < 20 for colour, _ in found), expected


def test_one_colour_is_all_of_it():
    assert palette(PillowImage.new("RGB", (50, 50), "#204060")) == [((0x20, 0x40, 0x60), 1.0)]


def test_a_spot_of_colour_is_seen_beside_much_grey():
    greys = [f"#{level:02x}{level:02x}{level:02x}" for level in range(0, 256, 28)]
    found = palette(stripes(*greys, "red"))
    assert any(distance(colour, (255, 0, 0)) < 40 for colour, _ in found)


def test_close_colours_are_one():
    assert len(palette(stripes("#800000", "#880400", "#7c0008"))) == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_photograph_has_a_few_that_differ(seed):
    found = palette(photo(seed))
    assert 1 <= len(found) <= SHOWN
    assert 0 < sum(share for _, share in found) <= 1.01
    colours = [colour for colour, _ in found]
    assert all(distance(a, b) >= CLOSE for a in colours for b in colours if a is not b)


def test_the_size_of_the_picture_does_not_matter():
    small, large = palette(photo(3).resize((160, 120))), palette(photo(3).resize((1600, 1200)))
    assert distance(small[0][0], large[0][0]) < CLOSE


def distance(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5

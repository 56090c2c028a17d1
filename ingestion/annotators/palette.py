"""The few colours that a person would name, with their share of the picture."""

from __future__ import annotations

from typing import cast

from PIL import Image as PillowImage

from gallery.models import Image
from gallery.pictures import Picture
from ingestion.annotators._base import Annotator

SIDE = 96
COLOURS = 12
SHOWN = 6
CLOSE = 40
"""Distance in RGB below which two colours are shown as one."""


class Palette(Annotator):
    def annotate(self, image: Image, picture: Picture) -> None:
        palette = [[f"{r:02x}{g:02x}{b:02x}", share] for (r, g, b), share in colours_of(picture)]
        Image.objects.filter(pk=image.pk).update(palette=palette)


def colours_of(picture: Picture) -> list[tuple[tuple[int, int, int], float]]:
    """At most SHOWN ((r, g, b), share of all pixels), largest share first."""
    small = picture.pil()
    small.thumbnail((SIDE, SIDE), PillowImage.Resampling.BOX)
    quantised = small.quantize(COLOURS, method=PillowImage.Quantize.MEDIANCUT, kmeans=2)
    table = quantised.getpalette() or []
    counts = sorted(cast("list[tuple[int, int]]", quantised.getcolors() or []), reverse=True)
    merged: list[tuple[tuple[int, int, int], int]] = []
    for count, index in counts:
        colour = (table[3 * index], table[3 * index + 1], table[3 * index + 2])
        _merge(merged, colour, count)
    total = small.width * small.height
    ranked = sorted(merged, key=lambda item: -item[1])[:SHOWN]
    return [(colour, round(count / total, 3)) for colour, count in ranked]


def _merge(merged: list[tuple[tuple[int, int, int], int]], colour: tuple[int, int, int], count: int) -> None:
    """Add to a close colour that is there, or stand alone."""
    for i, (other, n) in enumerate(merged):
        if sum((a - b) ** 2 for a, b in zip(colour, other, strict=True)) < CLOSE**2:
            merged[i] = (other, n + count)
            return
    merged.append((colour, count))


ANNOTATOR = Palette()

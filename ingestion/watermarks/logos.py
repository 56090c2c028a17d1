"""Logos that nobody has: drawn shapes, with letters or without."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw

from ingestion.watermarks.typefaces import Typeface
from ingestion.watermarks.words import name

_FINER = 2
"""Times as large are they drawn, for smooth edges."""

Pen = ImageDraw.ImageDraw
Shape = Callable[[Pen, int, Random, Typeface], None]


def logo(random: Random, face: Typeface, side: int) -> Image.Image:
    """(side, side) "L": where its ink is."""
    large = max(16, side) * _FINER
    image = Image.new("L", (large, large))
    random.choice(_SHAPES)(ImageDraw.Draw(image), large, random, face)
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _width(side: int, random: Random) -> int:
    return max(2, round(side * random.uniform(0.03, 0.09)))


def _letters(pen: Pen, side: int, random: Random, face: Typeface, share: float, fill: int = 255) -> None:
    text = random.choice(("©", "©", name(random)[0], name(random)[:2].upper(), name(random)[:3].upper(), "TM", "@"))
    font = face.at(max(6, round(side * share / max(1, 0.6 * len(text)))))
    pen.text((side / 2, side / 2), text, fill=fill, font=font, anchor="mm")


def _ring(pen: Pen, side: int, random: Random, face: Typeface) -> None:
    pen.ellipse((1, 1, side - 2, side - 2), outline=255, width=_width(side, random))
    if random.random() < 0.4:
        inner = side * random.uniform(0.1, 0.2)
        pen.ellipse((inner, inner, side - inner, side - inner), outline=255, width=_width(side, random))
    _letters(pen, side, random, face, 0.55)


def _disc(pen: Pen, side: int, random: Random, face: Typeface) -> None:
    pen.ellipse((1, 1, side - 2, side - 2), fill=255)
    _letters(pen, side, random, face, 0.6, fill=0)


def _badge(pen: Pen, side: int, random: Random, face: Typeface) -> None:
    filled = random.random() < 0.5
    top = side * random.uniform(0, 0.25)
    box = (1, top, side - 2, side - 2 - top)
    pen.rounded_rectangle(
        box, side * random.uniform(0, 0.2), fill=255 if filled else 0, outline=255, width=_width(side, random)
    )
    _letters(pen, side, random, face, 0.55, fill=0 if filled else 255)


def _star(pen: Pen, side: int, random: Random, face: Typeface) -> None:
    """Also polygons."""
    points, inner, turn = random.randint(3, 9), random.choice((0.4, 0.55, 0.9)), random.uniform(0, math.pi)
    corners = []
    for i in range(2 * points):
        radius = side / 2 * (inner if i % 2 else 0.97)
        angle = turn + math.pi * i / points
        corners.append((side / 2 + radius * math.cos(angle), side / 2 + radius * math.sin(angle)))
    if random.random() < 0.5:
        pen.polygon(corners, fill=255)
    else:
        pen.line([*corners, corners[0]], fill=255, width=_width(side, random), joint="curve")


def _camera(pen: Pen, side: int, random: Random, face: Typeface) -> None:
    width = _width(side, random)
    pen.rounded_rectangle((1, side * 0.25, side - 2, side * 0.85), side * 0.08, outline=255, width=width)
    pen.rectangle((side * 0.32, side * 0.15, side * 0.68, side * 0.25), outline=255, width=width)
    pen.ellipse((side * 0.33, side * 0.38, side * 0.67, side * 0.72), outline=255, width=width)


def _rings(pen: Pen, side: int, random: Random, face: Typeface) -> None:
    width = _width(side, random)
    for _ in range(random.randint(2, 4)):
        x, y, radius = (side * random.uniform(0.3, 0.7) for _ in "xyr")
        radius *= 0.45
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=255, width=width)


def _waves(pen: Pen, side: int, random: Random, face: Typeface) -> None:
    width, waves = _width(side, random), random.uniform(1, 3)
    for row in range(random.randint(2, 4)):
        middle = side * (0.25 + 0.17 * row)
        line = [(x, middle + side * 0.08 * math.sin(waves * 2 * math.pi * x / side)) for x in range(0, side, 3)]
        pen.line(line, fill=255, width=width)


_SHAPES: tuple[Shape, ...] = (_ring, _ring, _disc, _badge, _badge, _star, _camera, _rings, _waves)

"""What is easily taken for a watermark and is none: a sign that stands in the scene, seen from the side."""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ingestion.watermarks.typefaces import Typeface
from ingestion.watermarks.words import name


def put_up_sign(image: Image.Image, random: Random, face: Typeface) -> Image.Image:
    """The picture with a board with words in it: opaque, in the light of the scene, and never square to the camera."""
    width = round(image.width * random.uniform(0.12, 0.45))
    board = _board(random, face, width, round(width * random.uniform(0.3, 1.1)))
    board, shape = (_seen_from_the_side(each, corners) for corners in [_corners(board.size, random)]
                    for each in (board, Image.new("L", board.size, 255)))  # fmt: skip
    soft = ImageFilter.GaussianBlur(random.uniform(0.4, 1.4))
    where = random.randint(0, max(0, image.width - board.width)), random.randint(0, max(0, image.height - board.height))
    scene = image.copy()
    scene.paste(board.filter(soft), where, shape.filter(soft))
    return scene


def _board(random: Random, face: Typeface, width: int, height: int) -> Image.Image:
    paint = tuple(random.randrange(256) for _ in range(3))
    letters = (20, 20, 20) if sum(paint) > 380 else (235, 235, 235)
    board = Image.new("RGB", (max(8, width), max(8, height)), paint)
    pen, lines = ImageDraw.Draw(board), random.randint(1, 4)
    if random.random() < 0.5:
        pen.rectangle((2, 2, board.width - 3, board.height - 3), outline=letters, width=max(1, width // 60))
    size = max(6, round(0.6 * board.height / lines))
    for line in range(lines):
        text = name(random)
        size_here = max(6, min(size, round(1.7 * 0.9 * board.width / len(text))))
        place = (board.width / 2, board.height * (line + 0.5) / lines)
        pen.text(place, text, fill=letters, font=face.at(size_here), anchor="mm")
    return _lit(board, random)


def _lit(board: Image.Image, random: Random) -> Image.Image:
    """Brighter on one side, and with the grain that things have."""
    light = np.linspace(random.uniform(0.5, 1), random.uniform(0.5, 1), board.width, dtype=np.float32)
    grain = np.random.default_rng(random.randrange(2**32)).normal(
        0, random.uniform(1, 7), (board.height, board.width, 1)
    )
    pixels = np.asarray(board, np.float32) * light[None, :, None] + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


Corners = list[tuple[float, float]]


def _corners(size: tuple[int, int], random: Random) -> Corners:
    """Upper left, lower left, lower right, upper right, of what is to become the board's rectangle."""
    width, height = size
    lean = lambda: random.uniform(0.02, 0.25)  # noqa: E731
    return [
        (-width * lean(), -height * lean()),
        (-width * lean(), height * (1 + lean())),
        (width * (1 + lean()), height * (1 + lean())),
        (width * (1 + lean()), -height * lean()),
    ]


def _seen_from_the_side(image: Image.Image, corners: Corners) -> Image.Image:
    flat = tuple(number for corner in corners for number in corner)
    return image.transform(image.size, Image.Transform.QUAD, flat, Image.Resampling.BICUBIC)

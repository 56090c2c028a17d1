"""Drawn signs: words on photographs, as they stand in streets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from search.encoders import get_network
from search.errors import WeightsMissing
from tests.pictures import photo

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
GREEN, RED, YELLOW = (0, 130, 60), (200, 20, 30), (250, 210, 0)


def needs(languages: str = "eng") -> pytest.MarkDecorator:
    """Where Tesseract or one of its languages is not installed, the test is skipped."""
    missing = ""
    try:
        get_network(f"tesseract:{languages}", Path("/nowhere")).look()
    except WeightsMissing as error:
        missing = str(error)
    return pytest.mark.skipif(bool(missing), reason=missing)


def plate(
    word: str,
    height: int = 90,
    ink: str | tuple[int, int, int] = "white",
    ground: str | tuple[int, int, int] = GREEN,
    size: tuple[int, int] = (900, 600),
    font: str = FONT,
) -> Image.Image:
    """A word in the middle of a picture that is nothing else: a sign as it is photographed from near."""
    picture = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(picture)
    draw.text((size[0] / 2, size[1] / 2), word, font=ImageFont.truetype(font, height), fill=ink, anchor="mm")
    return picture


def sign(
    *lines: str,
    size: tuple[int, int] = (1200, 900),
    height: int = 60,
    ink: int = 20,
    ground: int = 235,
    quarters: int = 0,
    degrees: float = 0.0,
    at: tuple[float, float] = (0.5, 0.5),
    seed: int = 1,
) -> Image.Image:
    """A board with these lines, letters of ``height`` pixels, whose middle is ``at`` shares of a photograph.

    ``quarters``: turned so often against the clock, the whole picture; ``degrees``: the board alone.
    """
    picture = photo(seed, *size)
    font = ImageFont.truetype(FONT, height)
    wide = round(max(font.getlength(line) for line in lines)) + height
    board = Image.new("RGBA", (wide, round(1.4 * height * len(lines)) + height // 2), (ground, ground, ground, 255))
    draw = ImageDraw.Draw(board)
    for number, line in enumerate(lines):
        draw.text((height // 2, height // 4 + round(1.4 * height * number)), line, font=font, fill=(ink, ink, ink))
    board = board.rotate(degrees, expand=True, resample=Image.Resampling.BICUBIC)
    x, y = round(at[0] * size[0] - board.width / 2), round(at[1] * size[1] - board.height / 2)
    picture = picture.copy()
    picture.paste(board, (x, y), board)
    return Image.fromarray(np.rot90(np.asarray(picture), quarters).copy())

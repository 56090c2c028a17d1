"""Metadata goes, and the pixels stay as they are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from search.datasets.cleaning import exif, orientation, without_metadata
from tests.pictures import photo

SECRET = b"Somebody's garden"


def written(format: str, turn: int = 6, **options: object) -> bytes:
    """With a place, a camera and a comment."""
    about = Image.Exif()
    about[0x0112], about[0x010F] = turn, SECRET.decode()
    about.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 2.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    out = io.BytesIO()
    photo(3).resize((64, 48)).save(out, format, exif=about.tobytes(), **options)
    return out.getvalue()


def upright(content: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))


def options(format: str) -> dict[str, object]:
    if format != "PNG":
        return {"xmp": b"<x>" + SECRET + b"</x>"}
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    return {"pnginfo": text}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", [1, 6])
def test_it_works(format, turn):
    content = written(format, turn, **options(format))
    assert SECRET in content
    clean = without_metadata(content, format)
    assert clean
    assert SECRET not in clean
    assert not Image.open(io.BytesIO(clean)).getexif().get_ifd(0x8825)
    assert np.array_equal(upright(clean), upright(content))
    assert Image.open(io.BytesIO(clean)).getexif().get(0x0112, 1) == turn


def test_a_progressive_jpeg_with_comment_and_profile():
    content = written("JPEG", 1, progressive=True, comment=SECRET, icc_profile=b"a profile")
    clean = without_metadata(content, "JPEG")
    assert clean
    assert SECRET not in clean
    assert Image.open(io.BytesIO(clean)).info["icc_profile"] == b"a profile"
    assert np.array_equal(upright(clean), upright(content))


def test_what_lies_behind_the_picture_goes():
    content = written("JPEG")
    assert without_metadata(content + SECRET, "JPEG") == without_metadata(content, "JPEG")
    png = written("PNG")
    assert without_metadata(png + SECRET, "PNG") == without_metadata(png, "PNG")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_cut_off_files_need_a_new_one(format):
    content = written(format, **options(format))
    whole = without_metadata(content, format)
    for length in range(0, len(content), 37):
        clean = without_metadata(content[:length], format)
        assert clean is None or (SECRET not in clean and len(clean) <= len(whole or b"") + 40)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_other_formats_need_a_new_file(format):
    assert without_metadata(b"anything", format) is None


@pytest.mark.parametrize("turn", range(1, 9))
def test_which_side_is_up(turn):
    assert orientation(exif(turn)) == turn


@pytest.mark.parametrize("content", [b"", b"II", b"II*\0\xff\xff\xff\xff\0\0", b"MM\0*\0\0\0\x08\0\x01" + b"\xff" * 12])
def test_nonsense_is_upright(content):
    assert orientation(content) == 1

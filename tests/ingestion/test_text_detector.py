"""Pictures in which there seems to be text, and those in which there is none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ingestion.text_detector import ROW, SURE_ROW, longest_row
from tests.ingestion.signs import GREEN, RED, YELLOW, plate, sign
from tests.pictures import photo


def grey(picture) -> np.ndarray:
    return np.asarray(picture.convert("L"))


def holds_text(grey: np.ndarray) -> bool:
    return longest_row(grey, ROW) >= ROW


def test_it_works():
    assert holds_text(grey(sign("SECURITY", "entrance")))
    assert not holds_text(grey(photo(1, 1200, 900)))


@pytest.mark.parametrize(
    "how",
    [
        {"height": 14},
        {"height": 150},
        {"quarters": 1},
        {"quarters": 2},
        {"quarters": 3},
        {"degrees": 7},
        {"ink": 240, "ground": 60},
        {"ink": 100, "ground": 130},
        {"size": (400, 300), "height": 12},
        {"size": (3000, 2000), "height": 60},
    ],
    ids=str,
)
def test_it_finds_text(how):
    assert holds_text(grey(sign("SECURITY", "entrance", **how)))


SHORT = ["EXIT", "STOP", "TAXI", "CAFE", "Cafe", "BAR"]


@pytest.mark.parametrize("height", [30, 60, 90, 160, 280])
@pytest.mark.parametrize(("ink", "ground"), [("white", GREEN), ("white", RED), ("black", YELLOW)], ids=str)
def test_it_finds_short_words(height, ink, ground):
    assert all(holds_text(grey(plate(word, height, ink, ground))) for word in SHORT)
    assert all(holds_text(grey(sign(word, height=height, size=(1200, 900)))) for word in SHORT)


def test_short_words_may_be_blurred_and_tilted():
    for word in SHORT:
        assert holds_text(grey(plate(word).filter(ImageFilter.GaussianBlur(4))))
        assert holds_text(grey(sign(word, height=90, degrees=8, size=(900, 600))))


def test_windows_are_no_short_word():
    wall = Image.new("RGB", (900, 600), (190, 180, 170))
    for at in range(3):
        ImageDraw.Draw(wall).rectangle((200 + 24 * at, 200, 209 + 24 * at, 226), fill=(60, 60, 70))
    assert not holds_text(grey(wall))


@pytest.mark.parametrize("words", ["Übergang Straße", "БИБЛИОТЕКА", "ΒΙΒΛΙΟΘΗΚΗ"])
def test_it_knows_no_alphabet(words):
    assert holds_text(grey(sign(words)))


def test_most_photographs_hold_none():
    assert sum(holds_text(grey(photo(seed, 800, 600))) for seed in range(30)) <= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 1600), (1600, 1), (5, 7), (2, 900)])
@pytest.mark.parametrize("level", [0, 255])
def test_it_handles_any_picture(size, level):
    assert longest_row(np.full(size, level, np.uint8)) == 0


def test_noise_is_handled_in_time():
    noise = np.random.default_rng(1).integers(0, 256, (1600, 1600), dtype=np.uint8)
    assert longest_row(noise) < SURE_ROW


def test_it_looks_no_further_than_asked():
    page = grey(sign(*["a line of many small letters that go on"] * 12, height=20))
    assert ROW <= longest_row(page, ROW) <= longest_row(page)

"""Words out of what Tesseract says."""

from __future__ import annotations

import numpy as np
import pytest

from ingestion.reading import (
    Word,
    cleaned,
    confidence_of,
    is_word,
    letters,
    merged,
    packed,
    text_of,
    turned_back,
    unpacked,
    words_of,
)
from search.encoders._base import Seen


def seen(text: str, x: int, y: int, line: int = 0, confidence: float = 0.95, width: int = 100) -> Seen:
    return Seen(text, confidence, x, y, width, 30, (line,))


def word(text: str, x: float, y: float, width: float = 0.1, height: float = 0.03, confidence: float = 0.9) -> Word:
    return Word(text, x, y, width, height, confidence)


def test_it_works():
    lines = words_of([seen("“Museum", 100, 50), seen("entrance|", 220, 50), seen("~", 330, 50)], 1000, 500)
    assert text_of(lines) == "Museum entrance"
    assert lines[0][0] == (*("Museum", 0.1, 0.1, 0.1, 0.06), 0.95)


def test_nothing_comes_that_hides_or_turns_others():
    (line,) = words_of([seen("Mus\x00e\x07um", 100, 50), seen("\u202eenil\ud800", 300, 50)], 1000, 500)
    assert [word.text for word in line] == ["Museum", "enil"]


@pytest.mark.parametrize(
    ("text", "confidence", "expected"),
    [
        ("SECURITY", 0.6, True),
        ("SECURITY", 0.59, False),
        ("Straße", 0.7, True),
        ("Übergang.", 0.7, True),
        ("Библиотека", 0.7, True),
        ("don't", 0.8, True),
        ("www.example.org", 0.9, True),
        ("24/7", 0.9, True),
        ("1999", 0.8, True),
        ("out", 0.7, False),
        ("out", 0.8, True),
        ("of", 0.8, False),
        ("of", 0.9, True),
        ("A", 0.85, False),
        ("A", 0.95, True),
        ("eeee", 0.8, False),
        ("SECuRiTY", 0.7, False),
        ("a1b2", 0.7, False),
        ("M25", 0.95, True),
        ("bcdfg", 0.7, False),
        ("CBОДА", 0.7, False),  # two alphabets
        ("|/\\_", 0.99, False),
        ("%&#=a", 0.99, False),
        ("x" * 50, 0.99, False),
        ("", 0.99, False),
        ("看板", 0.9, True),
        ("\u202e\u0000", 0.99, False),
    ],
)
def test_noise_is_no_word(text, confidence, expected):
    assert is_word(cleaned(text), confidence) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|Museum", "Museum"),
        ("(closed)", "(closed)"),
        ("Now!", "Now!"),
        ("‘Keep—", "Keep"),
        ("...", ""),
        ("¿Qué?", "¿Qué?"),
    ],
)
def test_edges_are_cut_off(text, expected):
    assert cleaned(text) == expected


def test_short_words_alone_are_noise():
    assert words_of([seen("ait", 100, 50, confidence=0.85)], 1000, 500) == []
    assert words_of([seen("A", 100, 50, confidence=0.99)], 1000, 500) == []
    assert (
        text_of(words_of([seen("and", 100, 50, confidence=0.85), seen("butter", 220, 50)], 1000, 500)) == "and butter"
    )
    assert text_of(words_of([seen("OUT", 100, 50, confidence=0.96)], 1000, 500)) == "OUT"


def test_two_looks_say_a_word_once():
    page = [[word("Museum", 0.1, 0.1), word("entrance", 0.25, 0.1)]]
    scattered = [[word("Museum", 0.101, 0.1, confidence=0.95)], [word("entr", 0.25, 0.1, width=0.05)]]
    assert text_of(merged(page, scattered)) == "Museum entrance"
    assert merged(page, scattered)[0][0].confidence == 0.95  # the better one


def test_a_word_that_one_look_has_broken_is_whole():
    page = [[word("the", 0.05, 0.1, width=0.04), word("har", 0.1, 0.1, width=0.06), word("our", 0.17, 0.1, width=0.06)]]
    assert text_of(merged(page, [[word("harbour", 0.1, 0.1, width=0.13)]])) == "the harbour"
    assert text_of(merged(page, [[word("ha", 0.1, 0.1, width=0.13)]])) == "the har our"


def test_what_only_one_look_saw_comes_in_its_place():
    page = [[word("first", 0.1, 0.1)], [word("third", 0.1, 0.5)]]
    scattered = [[word("fourth", 0.1, 0.7)], [word("second", 0.1, 0.3)], [word("further", 0.21, 0.5)]]
    assert text_of(merged(page, scattered)).split() == ["first", "second", "third", "further", "fourth"]
    assert text_of(merged(page, scattered)).splitlines()[2] == "third further"


def test_nothing_and_something():
    some = [[word("Museum", 0.1, 0.1)]]
    assert merged([], some) == merged(some, []) == some
    assert merged([], []) == []


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_boxes_are_turned_back(quarters):
    picture = np.zeros((200, 400), np.uint8)
    picture[20:40, 40:160] = 255
    turned = np.rot90(picture, quarters)
    rows, columns = np.nonzero(turned)
    height, width = turned.shape
    box = (
        columns.min() / width,
        rows.min() / height,
        (columns.max() + 1 - columns.min()) / width,
        (rows.max() + 1 - rows.min()) / height,
    )
    ((back,),) = turned_back([[Word("on", *box, 0.9)]], quarters)
    assert back[1:5] == pytest.approx((0.1, 0.1, 0.3, 0.1))


def test_they_are_kept_as_features():
    lines = [[word("Straße", 1 / 3, 0.1), word("frei", 0.2, 0.1)], [word("Ω", 0.1, 0.2)]]
    again = unpacked(packed(lines))
    assert text_of(again) == "Straße frei\nΩ"
    assert again[0][0].x == 0.3333
    assert packed([]) == b""
    assert unpacked(b"") == []


def test_long_words_count_for_more():
    lines = [[word("entrances", 0.1, 0.1, confidence=0.9), word("to", 0.3, 0.1, confidence=0.1)]]
    assert confidence_of(lines) == pytest.approx((9 * 0.9 + 2 * 0.1) / 11)
    assert confidence_of([]) == 0
    assert letters(lines) == pytest.approx(9 * 0.9 + 2 * 0.1)

"""Words inside a picture as the image page shows them: as lines to read and copy, and as boxes over the picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein

from gallery.models import Image, OcrText

VIEW = 1000
"""Units of the longest side of a picture that boxes are drawn on."""
ALIKE = 0.3
"""Edits for each letter of a word that is still the searched one."""
_WORD = re.compile(r"\w+")
MOST_MARKS = 32
"""Searched words that are looked for; more would be no search of a person."""
_TALL = 1.5
"""A word of several letters that is so much higher than wide is written upwards or downwards."""
_BASE, _SIZE = 0.8, 0.95
"""Of the height of a box: where its letters stand, and their size."""


@dataclass(frozen=True)
class Placed:
    """A word on the picture; units of the drawing."""

    number: int
    text: str
    x: float
    y: float
    width: float
    height: float
    is_marked: bool

    @property
    def is_tall(self) -> bool:
        return len(self.text) > 2 and self.height > _TALL * self.width

    @property
    def length(self) -> float:
        """Of the written word, in reading direction."""
        return max(1.0, self.height if self.is_tall else self.width)

    @property
    def size(self) -> float:
        return round(_SIZE * (self.width if self.is_tall else self.height), 1)

    @property
    def base(self) -> tuple[float, float]:
        """Where the first letter stands."""
        if self.is_tall:
            return round(self.x + (1 - _BASE) * self.width, 1), self.y
        return self.x, round(self.y + _BASE * self.height, 1)


@dataclass(frozen=True)
class Said:
    """One text, as lines of words; ``lines`` is empty where nobody knows the places of its words."""

    row: OcrText
    lines: list[list[Placed]]


@dataclass(frozen=True)
class Inside:
    width: int
    height: int
    said: list[Said]
    asked: str

    @property
    def words(self) -> list[Placed]:
        return [word for said in self.said for line in said.lines for word in line]

    @property
    def marked(self) -> int:
        return sum(word.is_marked for word in self.words)


def inside(image: Image, texts: Iterable[OcrText], asked: str = "") -> Inside:
    """``asked``: words of a search, which are marked where they stand, also misspelt."""
    scale = VIEW / max(image.width, image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    marks = words_in(asked)[:MOST_MARKS]
    numbers = iter(range(10**9))
    return Inside(*size, [Said(text, _lines(text, size, marks, numbers)) for text in texts], asked)


def words_in(text: str) -> list[str]:
    return list(dict.fromkeys(_WORD.findall(text.casefold())))


def is_meant(word: str, marks: Iterable[str]) -> bool:
    """One of the marks, perhaps misspelt."""
    parts = words_in(word)
    return any(_is_like(part, mark) for part in parts for mark in marks)


def _is_like(word: str, mark: str) -> bool:
    allowed = int(ALIKE * min(len(word), len(mark)))
    return DamerauLevenshtein.distance(word, mark, score_cutoff=allowed) <= allowed


def _lines(text: OcrText, size: tuple[int, int], marks: list[str], numbers: Iterator[int]) -> list[list[Placed]]:
    """The words of the text, line by line. None of them if they are not the words of the text."""
    rows = [row for row in text.words if _is_row(row)]
    lines: list[list[Placed]] = []
    for written in text.text.splitlines():
        line: list[Placed] = []
        for word in written.split():
            if not rows or rows[0][0] != word:
                return []
            line.append(_placed(next(numbers), rows.pop(0), size, marks))
        lines.append(line)
    return [] if rows else [line for line in lines if line]


def _is_row(row: Any) -> bool:
    """[word, x, y, width, height, ...], shares of the sides: others may have written it."""
    return (
        isinstance(row, list)
        and len(row) >= 5
        and isinstance(row[0], str)
        and all(isinstance(value, int | float) and 0 <= value <= 1 for value in row[1:5])
    )


def _placed(number: int, row: list[Any], size: tuple[int, int], marks: list[str]) -> Placed:
    word, x, y, width, height = row[:5]
    wide, high = size
    place = (round(x * wide, 1), round(y * high, 1), round(width * wide, 1), round(height * high, 1))
    return Placed(number, word, *place, bool(marks) and is_meant(word, marks))

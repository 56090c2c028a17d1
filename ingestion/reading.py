"""Words out of what a reader of pictures says: noise left out, two looks at one picture merged, in reading order. Pure.

Of what Tesseract sees in photographs most is noise: leaves, fur, railings. It is told from words by confidence, which
must be the higher the shorter the word is, and by its letters.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gallery.names import printable
from search.encoders._base import Seen

SURE = 0.6
"""Confidence of a word of four letters and more."""
_SURE_OF_SHORT = {1: 0.9, 2: 0.85, 3: 0.75}
_SURE_OF_ALONE = 0.9
"""Of one of three letters that is alone in its line."""
_SURE_OF_STRANGE = 0.88
"""Of what is put together as words seldom are: letters and digits, small and capital letters, two alphabets."""
LONGEST = 45
_NOISE = "|~_=\\/<>{}[]^`´¨¦§°¬«»*•·—–-+¢£¥€$®©™“”‘’'\"„‚"
"""Cut off the ends of words: edges look like these."""
_AROUND = "([¿¡.,:;!?)]"
"""What may stand around a word."""
_REPEATED = re.compile(r"(.)\1\1")
_MIXED = re.compile(r"[a-zà-ÿа-я][A-ZÀ-ÞА-Я]")
_SAME_PLACE = 0.5
"""Two words of which so much of the smaller one is in the other are one."""
DIGITS = 4


class Word(NamedTuple):
    """Shares of the sides of the upright picture; confidence 0..1."""

    text: str
    x: float
    y: float
    width: float
    height: float
    confidence: float

    @property
    def row(self) -> list[str | float]:
        """As OcrText.words has it."""
        return [self.text, *(round(value, DIGITS) for value in self[1:])]


Line = list[Word]


# --- what is a word
def cleaned(text: str) -> str:
    """Without the edges that were taken for characters, and without what hides or turns others."""
    text = printable(text)
    core = text.strip(_NOISE + _AROUND)
    if not core:
        return ""
    start = text.find(core)
    before, after = text[:start], text[start + len(core) :]
    return "".join(c for c in before if c in "(¿¡")[-1:] + core + "".join(c for c in after if c in ").,:;!?")[:2]


def is_word(text: str, confidence: float) -> bool:
    """Of a cleaned text."""
    core = text.strip(_AROUND)
    letters = [c for c in core if c.isalnum()]
    if not letters or len(core) > LONGEST or len(letters) < 0.7 * len(core):
        return False
    if confidence < _SURE_OF_SHORT.get(len(letters), SURE):
        return False
    if is_strange(core):
        return confidence >= _SURE_OF_STRANGE
    return True


def is_strange(core: str) -> bool:
    letters = "".join(c for c in core if c.isalnum())
    has_digits, has_letters = any(c.isdigit() for c in letters), any(c.isalpha() for c in letters)
    if has_digits and not has_letters:
        return False
    return bool(
        (has_digits and has_letters)
        or _REPEATED.search(letters.lower())
        or _MIXED.search(letters)
        or len(set(letters.lower())) < min(3, len(letters) - 1)
        or len({_alphabet(c) for c in letters}) > 1
        or (len(letters) > 3 and not any(_may_sound(c) for c in letters.lower()))
    )


def _alphabet(letter: str) -> str:
    code = ord(letter)
    return "latin" if code < 0x250 else "greek" if code < 0x400 else "cyrillic" if code < 0x530 else "other"


def _may_sound(letter: str) -> bool:
    return letter in "aeiouyаеёиоуыэюяієїαεηιουω" or not ("a" <= letter <= "z" or "а" <= letter <= "я")


def words_of(seen: Iterable[Seen], width: int, height: int) -> list[Line]:
    """Lines of the words that look like words. ``width``, ``height``: of the picture that was read, in pixels."""
    lines: dict[tuple[int, ...], Line] = {}
    for each in seen:
        text = cleaned(each.text)
        if is_word(text, each.confidence) and each.width < 0.98 * width and each.height > 0:
            place = each.x / width, each.y / height, each.width / width, each.height / height
            lines.setdefault(each.line, []).append(Word(text, *place, min(1.0, each.confidence)))
    return [line for line in lines.values() if has_word(line)]


def has_word(line: Line) -> bool:
    """A letter or two alone are none: they are on every fence."""
    longest = max(line, key=_length)
    if _length(longest) == 3 and len(line) == 1:
        return longest.confidence >= _SURE_OF_ALONE
    return _length(longest) > 2 or sum(map(_length, line)) > 4


def _length(word: Word) -> int:
    return sum(c.isalnum() for c in word.text)


# --- two looks
def merged(page: Sequence[Line], scattered: Sequence[Line]) -> list[Line]:
    """Of two looks at one picture: lines of the first, with what only the second has seen at its place among them."""
    lines = [list(line) for line in page]
    for line in scattered:
        fresh = [word for word in line if not _settled(word, lines)]
        if fresh:
            _put(fresh, lines)
    return lines


def _settled(word: Word, lines: list[Line]) -> bool:
    """The place has words already. They give way to this one if it is worth more than all of them together."""
    there = [line for line in lines if any(_overlap(word, other) > _SAME_PLACE for other in line)]
    if len(there) == 1:
        (line,) = there
        under = [i for i, other in enumerate(line) if _overlap(word, other) > _SAME_PLACE]
        if _worth(word) > sum(_worth(line[i]) for i in under):
            line[under[0] : under[-1] + 1] = [word]
    return bool(there)


def _worth(word: Word) -> float:
    return word.confidence * min(_length(word), 12)


def _overlap(a: Word, b: Word) -> float:
    """Of the smaller one."""
    wide = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    high = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    smaller = min(a.width * a.height, b.width * b.height)
    return max(0.0, wide) * max(0.0, high) / smaller if smaller else 0.0


def _put(fresh: Line, lines: list[Line]) -> None:
    """Into the line that goes on there, or as a line of its own before the first one that begins below it."""
    for line in lines:
        if all(_beside(word, line) for word in fresh):
            line.extend(fresh)
            line.sort(key=lambda word: word.x)
            return
    top = min(word.y + word.height / 2 for word in fresh)
    place = next((i for i, line in enumerate(lines) if min(word.y for word in line) > top), len(lines))
    lines.insert(place, fresh)


def _beside(word: Word, line: Line) -> bool:
    return any(
        abs((word.y + word.height / 2) - (other.y + other.height / 2)) < 0.4 * min(word.height, other.height)
        and max(word.height, other.height) < 2 * min(word.height, other.height)
        and max(word.x - other.x - other.width, other.x - word.x - word.width) < max(word.width, other.width) / 2
        for other in line
    )


# --- turned pictures
def turned_back(lines: Sequence[Line], quarters: int) -> list[Line]:
    """Lines of a picture that was turned by so many quarters against the clock (as numpy.rot90), on the picture."""
    for _ in range(quarters % 4):
        lines = [[w._replace(x=1 - w.y - w.height, y=w.x, width=w.height, height=w.width) for w in o] for o in lines]
    return list(lines)


def letters(lines: Iterable[Line]) -> float:
    """How much was read: letters, each as much as it is sure."""
    return sum(_worth(word) for line in lines for word in line)


# --- as features
def packed(lines: Sequence[Line]) -> bytes:
    """b"" if there is no word."""
    rows = [[word.row for word in line] for line in lines]
    return zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()) if rows else b""


def unpacked(feature: bytes) -> list[Line]:
    return [[Word(*row) for row in line] for line in json.loads(zlib.decompress(feature))] if feature else []


def text_of(lines: Sequence[Line]) -> str:
    return "\n".join(" ".join(word.text for word in line) for line in lines)


def confidence_of(lines: Sequence[Line]) -> float:
    """The mean of the words, a long one as much as its letters; 0 if there is none."""
    count = sum(_length(word) for line in lines for word in line)
    return sum(word.confidence * _length(word) for line in lines for word in line) / count if count else 0.0

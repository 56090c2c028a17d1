"""Which words of the vocabulary are like a given one.

Candidates by missing letters (search.phonetic.keys), not by trigrams: among a million words, of 300 questions with one
and two random typos, the word that was meant was among the first ten in 0.987 and 0.867 (0.967 and 0.783 by trigrams),
in 7 and 5 ms (78 and 152), from an index of 367 MB (136).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from django.db.models import Q, QuerySet
from rapidfuzz import process
from rapidfuzz.distance import OSA

from search.models import OcrWord
from search.phonetic import SOUND_BONUS, keys, latin, likeness, words_in

MOST = 200
"""Words that one word may stand for, the likest first."""


class Alike(NamedTuple):
    """A word of the vocabulary, and how much it is like the one that was asked for: 0..1."""

    id: int
    word: str
    score: float


def alike(asked: str, least: float, most: int = MOST) -> list[Alike]:
    """The words of the vocabulary that are like this one, at least so much; the likest first.

    ``asked`` is a word as search.phonetic.words_in gives it. All words within two edits are looked at, and all that
    sound the same: with words of random typing errors this finds what a comparison with every word finds (bench).
    """
    places = keys(asked)
    rows = OcrWord.objects.filter(keys__overlap=places) if places else OcrWord.objects.filter(word=asked)
    found = list(rows.values_list("id", "word"))
    near = _near(asked, [word for _, word in found], least)
    scored = [Alike(pk, word, likeness(asked, word)) for pk, word in (found[place] for place in near)]

    def order(each: Alike) -> tuple:
        # Of equally like words first those of the same length: no letter was lost.
        return -each.score, abs(len(each.word) - len(asked)), each.word

    return sorted((each for each in scored if each.score >= least), key=order)[:most]


def _near(asked: str, words: Sequence[str], least: float) -> np.ndarray:
    """Places of the words that are worth a closer look: most share a key by chance only."""
    if not words:
        return np.empty(0, np.int64)
    letters = latin(asked)
    others = [latin(word) for word in words]
    # Wide enough for two pairs of letters that were read as one, which count less when looked at closely.
    allowed = math.floor((1 - least + SOUND_BONUS) * max(len(letters), 1)) + 3
    edits = process.cdist([letters], others, scorer=OSA.distance, score_cutoff=allowed)[0]
    return np.flatnonzero(edits <= allowed)


def matching(pattern: str) -> QuerySet[OcrWord]:
    """Words that go on where the pattern has a * (``secur*``, ``*ity``, ``*curi*``, ``s*y``), also by Latin letters.

    A beginning is found through an index; without one every word is looked at (about 0.2 s at a million).
    """
    pieces = [_one_word(piece) for piece in pattern.split("*")]
    in_latin = [latin(piece) for piece in pieces]
    found = _written("word", pieces)
    if list(map(bool, pieces)) == list(map(bool, in_latin)):  # else a piece that cannot be written so would be left out
        found |= _written("word", in_latin) | (_written("latin", in_latin) & ~Q(latin=""))
    return OcrWord.objects.filter(found)


def _one_word(piece: str) -> str:
    return "".join(word for _, word in words_in(piece))


def _written(column: str, pieces: Sequence[str]) -> Q:
    first, *middle, last = pieces
    parts = Q(**{f"{column}__startswith": first}) if first else Q()
    for piece in filter(None, middle):
        parts &= Q(**{f"{column}__contains": piece})
    return parts & Q(**{f"{column}__endswith": last}) if last else parts

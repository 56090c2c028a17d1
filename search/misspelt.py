"""Words that stand in a picture almost as they were asked for: misspelt by their writer, by the machine that read them,
or by the searcher. What is written exactly so is found by search/lexical.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from search.compiling.lexemes import Lexicon
from search.engines._base import Grade, Hit
from search.language.tree import Word
from search.lexical import CUTOFF, Lexical, in_time
from search.ocr_words import ocr_hits
from search.phonetic import words_in

SURE = 0.75
"""Of ocr_hits: from here on a word is taken for the one that was asked for."""


def find_misspelt(
    words: Sequence[Word],
    limit: int,
    among: np.ndarray | None = None,
    user: AbstractBaseUser | AnonymousUser | None = None,
) -> Lexical:
    """Among what all see, and what ``user`` alone sees.

    At most ``limit`` hits. ``among``: ids that may be answered. EngineError if the database takes too long."""
    with in_time():
        asked = _told(words)
        near = [hit for hit in ocr_hits(asked, limit, among, user) if hit.words and not is_exact(asked, hit.words)]
    return Lexical(
        [Hit(each.image_id, _score(each.score), Grade.LOOKS_LIKE, False, _evidence(asked, each.words)) for each in near]
    )


def _told(words: Sequence[Word]) -> str:
    """What was asked, without the words that say nothing: "the" stands in every text, and is like many."""
    each = [Word(part) for word in words for part in word.text.split()]
    lexicon = Lexicon(each)
    return " ".join(part.text for part in each if not lexicon.is_stop(part))


def is_exact(asked: str, words: Sequence[str]) -> bool:
    return not set(_compared(asked)) - set(_compared(" ".join(words)))


def misspelt_part(asked: str, words: Sequence[str]) -> tuple[str, list[str]]:
    """(what of the question is not to the letter among the words, those of the words that are not of the question)"""
    wrote, read = _compared(asked), _compared(" ".join(words))
    lacking = " ".join(written for word, written in wrote.items() if word not in read)
    return lacking, [written for word, written in read.items() if word not in wrote]


def _compared(text: str) -> dict[str, str]:
    """{word as it is compared: as it stands}"""
    return {word: written for written, word in words_in(text)}


def _evidence(asked: str, words: list[str]) -> dict[str, Any]:
    return {"read": words, "wrote": asked}


def _score(likeness: float) -> float:
    """Where it is sure, from the cut-off on, but below what a picture gets that holds the words themselves."""
    share = (likeness - SURE) / (1 - SURE)
    return round(CUTOFF + 0.1 * share if likeness >= SURE else 0.98 * CUTOFF * likeness / SURE, 4)


def explain(evidence: dict[str, Any]) -> str:
    """ "SECURITY in the picture (you wrote sekurity)" """
    return f"{' '.join(evidence['read'])} in the picture (you wrote {evidence['wrote']})"

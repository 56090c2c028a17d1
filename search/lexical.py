"""What is said of a picture, and written in it: the words of a search looked up in tags, titles, captions, sources and
text inside pictures.

A picture in which all words occur, each in a tag or in a text, is a hit (a score of 0.5 and more); so is one with a tag
that is all of the words. One that has only some of them is a weak hit. A word counts as much as the best place where
it stands (WEIGHTS): a tag and a title name the picture, a caption describes it, a text inside it may be about anything,
and an address or an author says little of what is seen. Words that stand close together in one text count a little
more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from math import log
from operator import add
from typing import Any

from django.db.models import Case, FloatField, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Least

from gallery import text_language
from gallery.models import Image, ImageQuerySet
from search.compiler import Compiler
from search.compiling.budget import TooSlow, within
from search.compiling.facts import Reader
from search.engines._base import Grade, Hit
from search.errors import EngineError
from search.language.tree import And, Node, Or, Tagged, Word
from search.wording import Rank, Wording, worded

LABEL = "Words"
CUTOFF = 0.5
SECONDS = 3.0
MOST_WORDS = 16
"""More words of one query are not looked up: each is a comparison with each text."""
NEWEST = 5000
"""So many of the pictures with all words are compared: a word of 300,000 pictures says little about any of them."""
_OF_EACH = 1000
"""So many pictures with one of the words, the newest, may become weak hits."""
WEIGHTS = (0.4, 0.2, 0.6, 1.0)
"""Of text inside pictures, sources, captions and titles, as ts_rank_cd wants them. A tag counts 1."""
_NEAR = 0.2
"""Share of the score that says how close together the words stand."""


@dataclass
class Lexical:
    hits: list[Hit] = field(default_factory=list)
    """Best first."""
    is_cut: bool = False
    """More pictures than NEWEST have all words: only the newest were compared."""
    letter: Node | None = None
    """What all hits but the weak ones fulfil, as a query of operators."""
    count: int = 0
    """Pictures that fulfil it; NEWEST if there are more."""
    notices: list[str] = field(default_factory=list)


def find_words(words: Sequence[Word], user: Reader, limit: int, among: Q | None = None) -> Lexical:
    """At most ``limit`` hits, and as many weak ones. ``among``: what an image must fulfil.

    EngineError if the database takes longer than SECONDS.
    """
    images = Image.objects.visible_to(user).filter(among if among is not None else Q())
    with in_time():
        return _Search(list(dict.fromkeys(words)), user, images).answer(limit)


class _Search:
    def __init__(self, words: list[Word], user: Reader, images: ImageQuerySet) -> None:
        self.images = images
        self.left_out = max(0, len(words) - MOST_WORDS)
        whole = Tagged(" ".join(word.text for word in words))
        self.compiler = Compiler(And((*words[:MOST_WORDS], whole)), user)
        kept = [word for word in words[:MOST_WORDS] if not self.compiler.is_ignored(word)]
        self.wordings = worded(kept, self.compiler.tags, self.compiler.lexicon)
        self.conditions = [self.compiler.condition(word) for word in kept]
        self.whole = whole if len(words) > 1 and self.compiler.tags.ids(whole.name) else None

    def answer(self, limit: int) -> Lexical:
        letter = self._letter()
        if letter is None:
            return Lexical()
        full = _newest(self.images.filter(self.compiler.condition(letter)), NEWEST + 1)
        cut, full = len(full) > NEWEST, full[:NEWEST]
        found = Lexical(self._hits(full, limit, self._score_of_all()), cut, letter, len(full))
        if len(self.wordings) > 1 and len(found.hits) < limit:
            found.hits += self._weak(set(full), limit)
        if self.left_out:
            found.notices.append(f"{LABEL}: only the first {MOST_WORDS} of your words were looked up.")
        if rewriting := text_language.rewriting():
            found.notices.append(f"{LABEL}: {rewriting}")
        return found

    # --- which
    def _letter(self) -> Node | None:
        """What every hit fulfils; None if nothing of the words can be looked up."""
        words = tuple(each.word for each in self.wordings)
        every: list[Node] = [And(words) if len(words) > 1 else words[0]] if words else []
        every += [self.whole] if self.whole else []
        return Or(tuple(every)) if len(every) > 1 else every[0] if every else None

    def _weak(self, full: set[int], limit: int) -> list[Hit]:
        of_each = [_newest(self.images.filter(each), _OF_EACH) for each in self.conditions]
        rare = [log(2 + _OF_EACH / (1 + len(ids))) for ids in of_each]
        some = set[int]().union(*of_each) - full
        share = reduce(add, (Value(r) * s for r, s in zip(rare, self._strengths(), strict=True)))
        return self._hits(sorted(some), limit, share * Value(0.98 * CUTOFF / sum(rare)))

    # --- how well
    def _strengths(self) -> list[Combinable]:
        """0..1 for each word: how telling the best place is where it stands."""
        return [_strength(each) for each in self.wordings]

    def _score_of_all(self) -> Combinable:
        """CUTOFF..1"""
        share: Combinable = Value(0.0)
        if self.wordings:
            strengths = self._strengths()
            share = reduce(add, strengths) * Value((1 - _NEAR) / len(strengths)) + Value(_NEAR) * self._near()
        if self.whole:
            share = Case(When(self.compiler.condition(self.whole), then=1.0), default=share, output_field=FloatField())
        return Value(CUTOFF) + share * Value(1 - CUTOFF)

    def _near(self) -> Combinable:
        """0..1: all words in one text, and close together; a single word is as near as it is strong."""
        together = " & ".join(f"({each.lexemes})" for each in self.wordings if each.lexemes)
        if len(self.wordings) == 1 or not together:
            return self._strengths()[0]
        return Least(Value(1.0), Rank(WEIGHTS, together))

    def _hits(self, ids: Sequence[int], limit: int, score: Combinable) -> list[Hit]:
        names = [f"strength_{place}" for place in range(len(self.wordings))]
        each = dict(zip(names, self._strengths(), strict=True))
        rows = (
            Image.objects.filter(pk__in=list(ids))
            .annotate(score=score, **each)
            .order_by("-score", "-pk")
            .values_list("pk", "score", "tag_ids", *names)[:limit]
        )
        return [self._hit(*row) for row in rows]

    def _hit(self, pk: int, score: float, tags: list[int], *strengths: float) -> Hit:
        has = [each.word.text for each, strength in zip(self.wordings, strengths, strict=True) if strength > 0]
        lacks = [each.word.text for each, strength in zip(self.wordings, strengths, strict=True) if strength <= 0]
        evidence: dict[str, Any] = {"has": has, "lacks": lacks}
        if self.whole and set(tags) & set(self.compiler.tags.ids(self.whole.name)):
            evidence = {"tag": self.whole.name}
        return Hit(pk, round(score, 4), Grade.LOOKS_LIKE, False, evidence)


def _strength(wording: Wording) -> Combinable:
    tagged = Case(When(tag_ids__overlap=list(wording.tags), then=1.0), default=0.0, output_field=FloatField())
    if not wording.lexemes:
        return tagged
    told = Least(Value(1.0), Rank(WEIGHTS, wording.lexemes))
    return Greatest(tagged, told) if wording.tags else told


def _newest(images: QuerySet[Image], most: int) -> list[int]:
    return list(images.order_by("-pk").values_list("pk", flat=True)[:most])


def explain(evidence: dict[str, Any]) -> str:
    """ "tagged “red rose”", "has both of your words", "has “sea”, not “storm”"."""
    if "tag" in evidence:
        return f"tagged “{evidence['tag']}”"
    if not evidence["lacks"]:
        count = len(evidence["has"])
        return "has your word" if count == 1 else "has both of your words" if count == 2 else f"has all {count} words"
    return f"has {_quoted(evidence['has'])}, not {_quoted(evidence['lacks'])}"


def _quoted(words: list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words)


@contextmanager
def in_time() -> Iterator[None]:
    """What the database is asked inside ends after SECONDS, and leaves no statement behind."""
    try:
        with within(SECONDS * 1000):
            yield
    except TooSlow as error:
        raise EngineError(f"{LABEL}: no answer within {SECONDS:g} seconds.") from error

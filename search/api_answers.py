"""How a search is answered to a program: ranked matches in pages, or to the letter in pages without end.

A page after the first is asked anew. Its cursor names the last matches of the page before, so that pictures that have
come or gone since move nothing: what comes after the last of them that is still there is the next page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, QueryDict
from ninja import Schema
from pydantic import Field

from gallery.api_pages import opened, reader_of, sealed
from gallery.images_schemas import ImageOut, images_out
from gallery.models import Image
from search.api_fields import GRADES, Wanted, names_in
from search.compiler import compiled
from search.errors import QueryError
from search.forms import AnswerForm
from search.language.tree import Fact, Word
from search.listed import listing_of
from search.meaning import Meaning, parse_meaning
from search.query import Colour, Query, parse_colours
from search.retrieval import LIMIT, TEXT_LIMIT, Answer, Found, explained, limit_of, retrieve

REMEMBERED = 5
FITS = "fits"
"""The grade of what fulfils a query to the letter."""


class Hit(Schema):
    """What one engine saw."""

    score: float
    grade: str
    certain: bool
    says: str
    evidence: dict[str, Any]


class Match(Schema):
    image: ImageOut
    score: float = Field(description="0..1, calibrated: 0.5 is where unrelated pictures begin to appear.")
    grade: str = Field(description=f"{', '.join(GRADES)}; {FITS}: it fulfils a query without plain words.")
    certain: bool = Field(description="Proof that it is the same picture, or a part of it.")
    weak: bool = Field(description="Below the line of every engine: probably nothing.")
    evidence: str = Field(description="Why, in words.")
    hits: dict[str, Hit] | None = Field(None, description="By engine; only with explain.")


class SearchAnswer(Schema):
    query: dict[str, Any] = Field(description="What was understood.")
    matches: list[Match] = Field(description="Best first.")
    weak_count: int = Field(description="So many more are probably nothing: ask with weak to get them.")
    notices: list[str] = Field(description="What could not be asked, and why.")
    seconds: float
    next: str | None = Field(None, description="The cursor of the next matches; null after the last ones.")


@dataclass
class Question:
    """A search, read as far as it can be without asking anybody. QueryError."""

    request: HttpRequest
    wanted: Wanted
    query: Query | None = None
    """With the asked picture; None if there is none."""
    told: dict[str, Any] = field(default_factory=dict)
    """What was understood of the picture."""
    besides: int | None = None
    """An image that is no part of the answer."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Of an address that was saved: its filters and its order."""

    def __post_init__(self) -> None:
        self.started = time.perf_counter()
        self.colours: tuple[Colour, ...] = parse_colours(self.wanted.colours)
        alone = self.query is None and not self.colours and not self.wanted.text.strip()
        self.form = AnswerForm(_params(self.params, self.wanted.q), "", alone=alone)
        if self.form.mistake:
            raise self.form.mistake
        self.meaning = self._meaning()

    def _meaning(self) -> Meaning:
        asked, said = parse_meaning(self.wanted.text), self.form.meaning
        return Meaning(f"{asked.text} {said.text}".strip(), (*asked.without, *said.without))

    @property
    def is_letter(self) -> bool:
        return self.form.is_letter and not names_in(self.wanted.engines)

    @property
    def asked(self) -> Query:
        """What the engines are asked."""
        if self.query is not None:
            return replace(self.query, text=str(self.meaning), words_weigh=self.form.words_weigh / 100)
        if self.meaning:
            return Query(text=str(self.meaning), words=self._words())
        if not self.colours:
            raise QueryError("Nothing was asked: send a picture, url, id, text, q or colours.")
        return Query(colours=self.colours)

    def _words(self) -> tuple[Word, ...]:
        own = tuple(Word(part) for part in parse_meaning(self.wanted.text).text.split() if any(map(str.isalnum, part)))
        return own + self.form.asked(None).words if self.form.meaning else own

    @property
    def among(self) -> Q | None:
        """What else must be true of a match."""
        found = [] if (q := self.form.condition(reader_of(self.request))) is None else [q]
        if self.colours and (self.query is not None or self.meaning):
            codes = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in self.colours]
            found += [compiled(Fact("colour", code), reader_of(self.request)) for code in codes]
        return reduce(and_, found) if found else None

    def understood(self) -> dict[str, Any]:
        said = {
            "text": self.meaning.text,
            "without": list(self.meaning.without),
            "q": self.form.canonical or self.form.written,
            "colours": ["{:02x}{:02x}{:02x}".format(*colour) for colour in self.colours],
            "engines": names_in(self.wanted.engines),
            "grades": names_in(self.wanted.grades),
            "least": self.wanted.least,
        }
        return self.told | {name: value for name, value in said.items() if value}


def _params(saved: Mapping[str, str], q: str) -> QueryDict:
    """As the page of the answer takes them. One shuffle for all pages of an answer."""
    params = QueryDict(mutable=True)
    params.update(saved)
    params["q"], params["seed"] = q, params.get("seed") or "1"
    return params


# --- the answer
def answer_to(question: Question, keep: Callable[[], str]) -> SearchAnswer:
    """``keep``: gives the token of the asked picture, for a cursor; "" if the fields say which it is."""
    return _listed(question) if question.is_letter else _ranked(question, keep)


@dataclass(frozen=True)
class Place:
    """Where a page begins, as its cursor says."""

    token: str = ""
    """Of the asked picture."""
    last: tuple[int, ...] = ()
    """Ids of the matches before it, the nearest first: some, for one may be gone by then."""
    number: int = 0
    """Of matches before it."""

    @classmethod
    def of(cls, wanted: Wanted) -> Place:
        """Refusal for a cursor of something else. An answer to the letter has no such place."""
        place = opened(wanted.cursor, wanted.asked)
        kind, _, rest = place.partition(":")
        if kind != "ranked":
            return cls()
        token, last, number = rest.split(".")
        return cls(token, tuple(map(int, last.split("-"))), int(number))

    @classmethod
    def after(cls, token: str, page: Sequence[Found], number: int) -> Place:
        return cls(token, tuple(one.match.image_id for one in reversed(page[-REMEMBERED:])), number)

    def __str__(self) -> str:
        return f"ranked:{self.token}.{'-'.join(map(str, self.last))}.{self.number}"

    def among(self, ids: Sequence[int]) -> int:
        """The place itself, among the ids of all matches as they are now."""
        here = {pk: place for place, pk in enumerate(ids, 1)}
        return next((here[pk] for pk in self.last if pk in here), min(self.number, len(ids)))


def _listed(question: Question) -> SearchAnswer:
    request, wanted = question.request, question.wanted
    place = opened(wanted.cursor, wanted.asked).removeprefix("letter:")
    listing = listing_of(question.form, reader_of(request))
    images, after = listing.page(place, wanted.limit)
    same: dict[str, Any] = {"score": 1.0, "grade": FITS, "certain": False, "weak": False, "evidence": ""}
    return SearchAnswer(
        query=question.understood(),
        matches=[Match(image=out, **same) for out in _images(images, request)],
        weak_count=0,
        notices=list(listing.notes),
        seconds=time.perf_counter() - question.started,
        next=sealed(f"letter:{after}", wanted.asked) if after else None,
    )


def _ranked(question: Question, keep: Callable[[], str]) -> SearchAnswer:
    wanted, place = question.wanted, Place.of(question.wanted)
    ranking = _Ranking(question)
    begin = ranking.begin(place)
    page = ranking.slice(begin, wanted.limit)
    until = begin + len(page)
    further = Place.after(keep(), page, until) if page and len(ranking.found) > until else None
    return SearchAnswer(
        query=question.understood(),
        matches=_matches(page, question),
        weak_count=0 if wanted.weak else len(ranking.answer.weak),
        notices=list(dict.fromkeys([*question.form.parsed.notes, *ranking.answer.notices])),
        seconds=time.perf_counter() - question.started,
        next=sealed(str(further), wanted.asked) if further else None,
    )


class _Ranking:
    """All matches in their order; more are asked for when the first ones do not reach."""

    def __init__(self, question: Question) -> None:
        self.question, self.query, self.among = question, question.asked, question.among
        self.answer = self._ask(limit_of(self.query))
        self.found = self._chosen(self.answer)
        self._is_whole = limit_of(self.query) >= TEXT_LIMIT or len(self.answer.found) < LIMIT

    def begin(self, place: Place) -> int:
        if place.number > len(self.found):
            self._widen()
        return place.among([one.match.image_id for one in self.found])

    def slice(self, begin: int, size: int) -> list[Found]:
        if begin + size >= len(self.found):
            self._widen()
        return self.found[begin : begin + size]

    def _widen(self) -> None:
        """What was first stays first."""
        if self._is_whole:
            return
        self._is_whole = True
        wider = self._ask(TEXT_LIMIT)
        here = {one.match.image_id for one in self.found}
        self.found += [one for one in self._chosen(wider) if one.match.image_id not in here]
        self.found = self.found[:TEXT_LIMIT]

    def _ask(self, limit: int) -> Answer:
        names = names_in(self.question.wanted.engines) or None
        return retrieve(self.query, reader_of(self.question.request), limit, names, self.among)

    def _chosen(self, answer: Answer) -> list[Found]:
        wanted = self.question.wanted
        found = [*self.question.form.ordered(answer.found), *(answer.weak if wanted.weak else ())]
        grades = {GRADES[name] for name in names_in(wanted.grades)} or set(GRADES.values())
        return [
            one
            for one in found
            if one.match.grade in grades
            and one.match.score >= wanted.least
            and one.match.image_id != self.question.besides
        ]


def _matches(found: Sequence[Found], question: Question) -> list[Match]:
    images = _images([one.image for one in found], question.request)
    return [_match(one, image, question.wanted.explain) for one, image in zip(found, images, strict=True)]


def _images(images: Sequence[Image], request: HttpRequest) -> list[ImageOut]:
    return images_out(images, reader_of(request), request)


def _match(found: Found, image: ImageOut, explain: bool) -> Match:
    match = found.match
    hits = {name: _hit(name, hit) for name, hit in match.hits.items()} if explain else None
    return Match(
        image=image,
        score=min(1.0, max(0.0, match.score)),
        grade=match.grade.name.lower(),
        certain=match.certain,
        weak=match.weak,
        evidence=found.evidence,
        hits=hits,
    )


def _hit(name: str, hit: Any) -> Hit:
    return Hit(
        score=hit.score,
        grade=hit.grade.name.lower(),
        certain=hit.certain,
        says=explained(name, hit),
        evidence=hit.evidence,
    )

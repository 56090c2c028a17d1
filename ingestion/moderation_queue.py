"""Which candidates a moderator looks at, and in what order: the sieve in the address, pages by keyset, counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Count, F, FloatField, Q, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Abs, Cast, Coalesce, Least, Length

from gallery.models.images import HEAVY as IMAGE_HEAVY
from ingestion.cut_offs import lines, lines_of
from ingestion.filters import all_scores
from ingestion.filters._base import Score
from ingestion.judgement import Lines
from ingestion.models import Candidate, CandidateQuerySet, CutOff
from ingestion.models.candidates import HEAVY

State = Candidate.State

PAGE = 24
BIGINT = 2**63 - 1
LAST = 1e18
"""Where what has no such score is ordered."""
TABS: dict[str, tuple[str, tuple[str, ...]]] = {
    "waiting": ("Waiting", (State.WAITING,)),
    "accepted": ("Accepted", (State.ACCEPTED, State.PUBLISHED)),
    "rejected": ("Rejected", (State.REJECTED,)),
    "failed": ("Failed", (State.FAILED,)),
    "left": ("Left out", (State.LEFT,)),
    "known": ("Here already", (State.KNOWN,)),
}
COMING = (State.FOUND, State.FETCHED)
ADVICE = {"pass": "passes all filters", "hold": "ask a person", "reject": "reject"}


@dataclass(frozen=True)
class Sieve:
    """What the address asks for. Whatever it asks that makes no sense is left out."""

    state: str = "waiting"
    source: str = ""
    advice: str = ""
    sort: str = "oldest"
    decision: int = 0
    """Only the candidates of one decision, whatever has become of them."""

    @classmethod
    def read(cls, params: Mapping[str, str]) -> Sieve:
        asked = {name: params.get(name, "") for name in ("state", "source", "advice", "sort")}
        decision = params.get("decision", "")
        return cls(
            asked["state"] if asked["state"] in TABS else "waiting",
            asked["source"][:80],
            asked["advice"] if asked["advice"] in ADVICE else "",
            asked["sort"] if asked["sort"] in sorts() else "oldest",
            int(decision) if decision.isdecimal() and len(decision) < 19 else 0,
        )

    def with_(self, **changes: Any) -> Sieve:
        return replace(self, **changes)

    @property
    def params(self) -> dict[str, Any]:
        """Those that are not as usual."""
        usual = vars(Sieve())
        return {name: value for name, value in vars(self).items() if value != usual[name]}

    @property
    def query(self) -> str:
        return urlencode(self.params)

    @property
    def is_narrow(self) -> bool:
        return bool(self.source or self.advice or self.decision)

    def within(self) -> CandidateQuerySet:
        """All of its source and advice, in every state."""
        found: CandidateQuerySet = Candidate.objects.all()
        if self.source:
            found = found.filter(source__name=self.source)
        if self.advice:
            found = found.filter(advice=self.advice)
        return found

    def candidates(self) -> CandidateQuerySet:
        if self.decision:
            return self.within().filter(steps__decision=self.decision)
        return self.within().filter(state__in=TABS[self.state][1])

    def ordered(self) -> CandidateQuerySet:
        """With ``rank`` and ``has_thumbnail``; of two with the same rank the older comes first."""
        found = self.candidates().annotate(rank=rank(self.sort), drawn=Length("thumbnail"))
        found = found.select_related("source", "image").defer(*HEAVY, *(f"image__{name}" for name in IMAGE_HEAVY))
        return found.order_by("rank", "pk")


def page_of(sieve: Sieve, after: str, size: int = PAGE) -> tuple[list[Candidate], str]:
    """(candidates, the mark after which the next page begins, or "")."""
    found = sieve.ordered()
    if mark := read_mark(after):
        found = found.filter(Q(rank__gt=mark[0]) | Q(rank=mark[0], pk__gt=mark[1]))
    rows = list(found[: size + 1])
    return rows[:size], mark_of(rows[size - 1]) if len(rows) > size else ""


def beside(sieve: Sieve, candidate: Candidate) -> tuple[Candidate | None, Candidate | None]:
    """(the one before, the one behind) in this order, whether it is itself in the sieve or not."""
    ranked = Candidate.objects.annotate(rank=rank(sieve.sort)).filter(pk=candidate.pk).first()
    if ranked is None:
        return None, None
    here = ranked.rank
    behind = sieve.ordered().filter(Q(rank__gt=here) | Q(rank=here, pk__gt=candidate.pk))
    before = sieve.ordered().filter(Q(rank__lt=here) | Q(rank=here, pk__lt=candidate.pk))
    return before.order_by("-rank", "-pk").first(), behind.first()


def mark_of(candidate: Candidate) -> str:
    return f"{candidate.rank!r}~{candidate.pk}"  # type: ignore[attr-defined] # annotated by Sieve.ordered


def read_mark(text: str) -> tuple[float, int] | None:
    """None of what is no mark."""
    number, _, pk = text.partition("~")
    try:
        mark = float(number), int(pk)
    except ValueError:
        return None
    return mark if math.isfinite(mark[0]) and 0 < mark[1] <= BIGINT else None


# --- orders
PLAIN = {"oldest": "Oldest first", "newest": "Newest first", "unsure": "Least certain first"}
WAYS = {"low": "low first", "high": "high first", "unsure": "nearest to the line"}


def sorts() -> dict[str, str]:
    """{order: words}"""
    scores = all_scores().items()
    return PLAIN | {f"{name}-{way}": f"{score.label}: {words}" for name, score in scores for way, words in WAYS.items()}


def rank(sort: str) -> Any:
    """What the candidates are ordered by, from low to high: a number of the database."""
    if sort == "newest":
        return Cast(-F("id"), FloatField())
    if sort == "oldest":  # what was put off comes behind the others
        return F("skips")  # not as a float: the index candidate_waiting is in this order
    usual, own = _lines() if sort.endswith("unsure") else ({}, {})
    if sort == "unsure":
        distances = [_distance(score, usual, own) for score in all_scores().values()]
        near = [distance for distance in distances if distance is not None]
        return Least(*near, _last(), _last())
    name, _, way = sort.rpartition("-")
    value = _distance(all_scores()[name], usual, own) if way == "unsure" else _value(name)
    if value is None:
        return _last()
    return Coalesce(-value if way == "high" else value, _last())


def _last() -> Any:
    return Cast(Value(LAST), FloatField())


def _value(name: str) -> Any:
    """The score of this name; NULL of a candidate that has none."""
    return Cast(KeyTextTransform(name, "scores"), FloatField())


def _distance(score: Score, usual: Lines, own: Mapping[int, Lines]) -> Any:
    """From the line, in widths of what the score usually spans; NULL of a candidate without it; None: no line."""
    there = [
        When(source=source, then=Value(drawn[score.name][0])) for source, drawn in own.items() if score.name in drawn
    ]
    here = usual.get(score.name)
    if here is None and not there:
        return None
    line = Case(*there, default=Value(here[0] if here else None), output_field=FloatField())
    span = abs(score.high - score.low) or 1.0
    return Abs(_value(score.name) - line) / Value(span)


def _lines() -> tuple[Lines, dict[int, Lines]]:
    """(those of all sources, {source: its own})"""
    own = CutOff.objects.exclude(source=None).values_list("source", flat=True)
    return lines(), lines_of(own)


# --- counts
@dataclass(frozen=True)
class Counts:
    """Of a sieve's source and advice, in all states."""

    states: dict[str, int]

    @classmethod
    def of(cls, sieve: Sieve) -> Counts:
        found = sieve.within().order_by().values_list("state").annotate(Count("id"))
        return cls(dict(found))

    def sum(self, states: tuple[str, ...]) -> int:
        return sum(self.states.get(state, 0) for state in states)

    @cached_property
    def waiting(self) -> int:
        return self.sum(TABS["waiting"][1])

    @cached_property
    def coming(self) -> int:
        """Found, and not judged yet."""
        return self.sum(COMING)

    @cached_property
    def total(self) -> int:
        return sum(self.states.values())


def tabs(sieve: Sieve, counts: Counts) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": label,
            "count": counts.sum(states),
            "query": sieve.with_(state=name, decision=0).query,
        }
        for name, (label, states) in TABS.items()
    ]

"""Where a line through a score would be, and what it would mean: for what waits, and for what people have decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, FloatField, Func, IntegerField, Q, QuerySet, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Abs, Cast, Greatest, Least

from ingestion.filters._base import Score
from ingestion.models import Candidate, Source

State = Candidate.State
BINS = 60
BORDER = 12
"""Pictures next to the line."""
GROUPS = ("waiting", "accepted", "rejected")


@dataclass(frozen=True)
class Side:
    """What lies on the two sides of a line."""

    passing: int = 0
    beyond: int = 0

    @property
    def all(self) -> int:
        return self.passing + self.beyond


@dataclass(frozen=True)
class Judged:
    """What a line would do, beside what people have decided."""

    waiting: Side
    accepted: Side
    rejected: Side

    @property
    def precision(self) -> float | None:
        """Of those that pass, the share that people have accepted; None if nobody has decided on any of them."""
        passing = self.accepted.passing + self.rejected.passing
        return self.accepted.passing / passing if passing else None

    @property
    def recall(self) -> float | None:
        """Of those that people have accepted, the share that passes."""
        return self.accepted.passing / self.accepted.all if self.accepted.all else None


def scored(score: Score, source: Source | None = None) -> QuerySet[Any]:
    """Candidates that wait or that a person has decided on, with ``value``, their score, and ``group``."""
    people = Q(decided_by__isnull=False)
    group = Case(
        When(state=State.WAITING, then=Value("waiting")),
        When(people & Q(state__in=(State.ACCEPTED, State.PUBLISHED)), then=Value("accepted")),
        When(people & Q(state=State.REJECTED), then=Value("rejected")),
        default=None,
    )
    found: QuerySet[Any] = Candidate.objects.filter(scores__has_key=score.name)
    found = found.filter(source=source) if source else found
    value = Cast(KeyTextTransform(score.name, "scores"), FloatField())
    return found.annotate(value=value, group=group).filter(group__isnull=False)


def passing(score: Score, line: float) -> Q:
    """On the right side of the line; a value on it passes (ingestion.judgement.passes)."""
    return Q(value__gte=line) if score.good == "high" else Q(value__lte=line)


def judged(score: Score, line: float, source: Source | None = None) -> Judged:
    inside = Count("id", filter=passing(score, line))
    rows = scored(score, source).order_by().values_list("group").annotate(all=Count("id"), inside=inside)
    sides = {group: Side(inside, every - inside) for group, every, inside in rows}
    return Judged(*(sides.get(group, Side()) for group in GROUPS))


def histogram(score: Score, source: Source | None = None) -> dict[str, list[int]]:
    """{group: how many in each of BINS equal parts of the scale}; what lies outside is counted at its ends."""
    place = Func(
        F("value"),
        Value(score.low),
        Value(score.high),
        Value(BINS),
        function="width_bucket",
        output_field=IntegerField(),
    )
    held = Least(Greatest(place, Value(1)), Value(BINS))
    rows = scored(score, source).order_by().values_list("group", held).annotate(count=Count("id"))
    bars = {group: [0] * BINS for group in GROUPS}
    for group, number, count in rows:
        bars[group][number - 1] += count
    return bars


def border(score: Score, line: float, source: Source | None = None) -> list[Any]:
    """Candidates that wait next to the line, with ``value``, in the order of the score; half of them on each side, as
    far as there are."""
    waiting = scored(score, source).filter(state=State.WAITING)
    nearest = Abs(F("value") - Value(line))
    right = waiting.filter(passing(score, line)).order_by(nearest, "id")[: BORDER // 2]
    wrong = waiting.exclude(passing(score, line)).order_by(nearest, "id")[: BORDER // 2]
    return sorted([*right, *wrong], key=lambda one: (one.value, one.pk))

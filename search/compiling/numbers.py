"""Comparisons and ranges on columns of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Case, CharField, F, FloatField, Func, JSONField, Lookup, Q, Value, When
from django.db.models.fields.json import HasKey, KeyTransform
from django.db.models.functions import Cast
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual

from gallery.models.words import PERSON
from search.compiling.walk import askable
from search.errors import QueryError
from search.language.tree import Between, Compare
from search.language.values import ValueMistake, around, day_range, days, is_span, number

WHOLE = ("width", "height", "pixels", "bytes")
DAYS = {"date": "taken_at", "added": "added_at"}
SCORE = "score."
CONFIDENCE = "confidence"
Bounds = tuple[float, float]
"""Both ends belong to it, but an infinite one."""

_OPS: dict[str, type[Lookup]] = {">=": GreaterThanOrEqual, "<=": LessThanOrEqual, ">": GreaterThan, "<": LessThan}


def compared(part: Compare | Between) -> Q:
    """A comparison of anything but the confidence, which belongs to tags."""
    with _explained(part):
        return _of_days(part) if part.field in DAYS else _of_numbers(part)


@contextmanager
def _explained(part: Compare | Between) -> Iterator[None]:
    try:
        yield
    except ValueMistake as mistake:
        written = part.value if isinstance(part, Compare) else f"{part.first}..{part.last}"
        field = part.field[:40]
        raise QueryError(f"“{field}” cannot be compared with “{written[:40]}”: write {mistake}.") from mistake


def of_number(part: Compare | Between, holds: Callable[[str, float], Q]) -> Q:
    """``holds(op, number)`` says >=, <=, > or < of what is compared."""
    if isinstance(part, Between):
        low, high = around(part.field, part.first)[0], around(part.field, part.last)[1]
        return holds(">=", low) & holds("<=", high)
    if part.op in ("==", "!="):
        low, high = around(part.field, part.value)
        if part.op == "==":
            return holds(">=", low) & holds("<=", high)
        return holds("<", low) | holds(">", high)
    return holds(part.op, number(part.field, part.value))


def _of_numbers(part: Compare | Between) -> Q:
    if part.field in WHOLE:
        return of_number(part, lambda op, value: _whole(part.field, op, value))
    if part.field == "ratio":
        return of_number(part, _ratio)
    if part.field.startswith(SCORE):
        return of_number(part, lambda op, value: _score(part.field.removeprefix(SCORE), op, value))
    raise QueryError(f"“{part.field[:40]}” cannot be compared.")


def _whole(field: str, op: str, value: float) -> Q:
    """No column has parts of a pixel: the nearest whole number says the same."""
    if op in (">", "<="):
        least = math.floor(value)
        return Q(**{f"{field}__gt": least}) if op == ">" else Q(**{f"{field}__lte": least})
    least = math.ceil(value)
    return Q(**{f"{field}__gte": least}) if op == ">=" else Q(**{f"{field}__lt": least})


def _ratio(op: str, value: float) -> Q:
    """Width against so many heights: nothing is divided by nothing."""
    width = Cast("width", FloatField())
    return Q(_OPS[op](width, Value(value, FloatField()) * Cast("height", FloatField())))


def _score(name: str, op: str, value: float) -> Q:
    """Where no filter has given such a score, no comparison holds."""
    if not askable(name):
        return Q(pk__in=[])
    # A filter that has failed may have left text: it is neither more nor less than a number.
    given = KeyTransform(name, "scores")
    is_number: Any = Exact(Func(given, function="jsonb_typeof", output_field=CharField()), Value("number"))
    return Q(HasKey(F("scores"), name)) & Q(is_number) & Q(_OPS[op](given, Value(value, JSONField())))


def sure(part: Compare | Between) -> Q:
    """Of rows of ImageTag: whoever said so was so sure. What a person says counts as 1."""
    sureness = Case(When(origin=PERSON, then=1.0), default=F("confidence"), output_field=FloatField())
    with _explained(part):
        return of_number(part, lambda op, value: Q(_OPS[op](sureness, Value(value, FloatField()))))


def _of_days(part: Compare | Between) -> Q:
    column = DAYS[part.field]
    if isinstance(part, Between):
        return _spanned(column, *day_range(part.first, part.last))
    first, last = days(part.value)
    if part.op == "==":
        return _spanned(column, first, last)
    if part.op == "!=":
        return Q(**{f"{column}__isnull": False}) & ~_spanned(column, first, last)
    if part.op in (">", ">="):
        later = part.op == ">" and not is_span(part.value)
        return _spanned(column, last + timedelta(days=1) if later else first, None)
    until = last if part.op == "<=" and not is_span(part.value) else first - timedelta(days=1)
    return _spanned(column, None, until)


def _spanned(column: str, first: date | None, last: date | None) -> Q:
    """Whole days in UTC, the last one included. An unknown day lies nowhere."""
    chosen: dict[str, Any] = {f"{column}__isnull": False}
    if first is not None:
        chosen[f"{column}__gte"] = _midnight(first)
    if last is not None:
        chosen[f"{column}__lt"] = _midnight(last + timedelta(days=1))
    return Q(**chosen)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)

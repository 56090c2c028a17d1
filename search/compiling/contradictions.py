"""Parts of a query that no picture can satisfy together, whatever is in the gallery."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from search.language.tree import And, Between, Compare, Fact, Node, Not, Or
from search.language.values import around, days, is_span, number

_DAYS = ("date", "added")
_SHAPES = ("wide", "tall", "square")
Range = tuple[float, float]
"""Both ends belong to it."""


def contradictions(node: Node | None) -> Iterator[tuple[Node, Node]]:
    """Pairs of parts of the same "and", where the whole answer depends on it: not below a "not" or an "or"."""
    if not isinstance(node, And):
        return
    for one, other in combinations(node.parts, 2):
        if excludes(one, other):
            yield one, other
    for part in node.parts:
        if not isinstance(part, Or):
            yield from contradictions(part)


def excludes(one: Node, other: Node) -> bool:
    if one == Not(other) or other == Not(one):
        return True
    if isinstance(one, Fact) and isinstance(other, Fact):
        (kind, mine), (other_kind, its) = _only_one(one), _only_one(other)
        return bool(kind) and kind == other_kind and mine != its
    first, second = _range(one), _range(other)
    if first is None or second is None or one.field != other.field:  # type: ignore[union-attr]
        return False
    return first[1] < second[0] or second[1] < first[0]


def _only_one(part: Fact) -> tuple[str, str]:
    """(what a picture has only one of, which it is): its format, or its shape. ("", "") of other facts."""
    if part.field == "format":
        return "format", part.value
    return ("shape", part.value) if part.field in ("is", "orientation") and part.value in _SHAPES else ("", "")


def _range(part: Node) -> Range | None:
    if not isinstance(part, Compare | Between) or part.field == "confidence":  # many tags, each with its own
        return None
    if isinstance(part, Compare) and part.op == "!=":
        return None
    return _of_days(part) if part.field in _DAYS else _of_number(part)


def _of_number(part: Compare | Between) -> Range:
    if isinstance(part, Between):
        return around(part.field, part.first)[0], around(part.field, part.last)[1]
    if part.op == "==":
        return around(part.field, part.value)
    value = number(part.field, part.value)
    ends = {
        ">": (math.nextafter(value, math.inf), math.inf),
        ">=": (value, math.inf),
        "<": (-math.inf, math.nextafter(value, -math.inf)),
        "<=": (-math.inf, value),
    }
    return ends[part.op]


def _of_days(part: Compare | Between) -> Range | None:
    if isinstance(part, Between):
        return days(part.first)[0].toordinal(), days(part.last)[1].toordinal()
    if is_span(part.value):
        return None
    first, last = (day.toordinal() for day in days(part.value))
    ends: dict[str, Range] = {
        "==": (first, last),
        ">": (last + 1, math.inf),
        ">=": (first, math.inf),
        "<": (-math.inf, first - 1),
        "<=": (-math.inf, last),
    }
    return ends[part.op]

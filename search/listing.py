"""The answer to a query of the letter: pages without end, and how many pictures there are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from django.db.models import QuerySet

from gallery.models import Image
from gallery.paging import ORDERS, CursorError, Order
from search.compiler import compile_query
from search.compiling.budget import PAGE_MILLISECONDS, TOO_LONG, TooSlow, within
from search.compiling.facts import Reader
from search.errors import QueryError
from search.language.tree import Parsed

COUNTED, COUNT_MILLISECONDS = 20_000, 250
"""More are not counted one by one, nor for longer."""
WALK_MILLISECONDS = 200
"""For the first way to a page; then another one is taken."""


@dataclass(frozen=True)
class Count:
    number: int
    is_exact: bool = True
    """Otherwise it is what PostgreSQL expects: it may be wrong by a factor where tags come together."""

    def __str__(self) -> str:
        return f"{self.number:,}" if self.is_exact else f"about {_rounded(self.number):,}"


class Listing:
    """Pictures that a query means, in an order; ``sort:`` and ``limit:`` of the query stand above what is given.

    QueryError for what this user cannot ask.
    """

    def __init__(self, parsed: Parsed, user: Reader, order: Order | None = None) -> None:
        order = order or Order()
        self.order = order if parsed.sort in ("", "relevance") else replace(order, sort=sort_of(parsed.sort))
        self.limit = parsed.limit
        compiled = compile_query(parsed.tree, user)
        self.images = Image.objects.visible_to(user).filter(compiled.condition)
        self.notes = (*parsed.notes, *compiled.notes)
        """Sentences for the reader."""

    def page(self, cursor: str, size: int) -> tuple[list[Image], str]:
        """(images of the page, cursor of the next page or ""). CursorError for a cursor of something else,
        QueryError if it takes too long."""
        if self.limit is None:
            return self._page(cursor, size)
        seen, place = _seen_in(cursor)
        size = min(size, self.limit - seen)
        if size <= 0:
            return [], ""
        images, further = self._page(place, size)
        seen += len(images)
        return images, f"{seen}_{further}" if further and seen < self.limit else ""

    def _page(self, cursor: str, size: int) -> tuple[list[Image], str]:
        # PostgreSQL expects what fits to lie everywhere, and walks along the order until a page is full. Where all of
        # it is old that goes through the whole gallery: 1.6 s instead of 0.3 s among a million (bench_tags).
        try:
            with within(WALK_MILLISECONDS):
                return self.order.page(self.images, cursor, size)
        except TooSlow:
            pass
        try:
            with within(PAGE_MILLISECONDS):
                return self.order.page(self.images, cursor, size, walk=False)
        except TooSlow as error:
            raise QueryError(TOO_LONG) from error

    def count(self) -> Count:
        most = COUNTED if self.limit is None else min(COUNTED, self.limit)
        counted = _count(self.images, most + 1)
        if counted is not None and counted <= most:
            return Count(counted)
        if counted is not None and self.limit is not None and most == self.limit:
            return Count(self.limit)
        expected = max(_expected(self.images), counted or 0)
        return Count(expected if self.limit is None else min(expected, self.limit), is_exact=False)


def sort_of(name: str) -> str:
    if name not in ORDERS:
        raise QueryError(f"There is no order “{name[:40]}”; choose {', '.join(ORDERS)}.")
    return name


def _seen_in(cursor: str) -> tuple[int, str]:
    """(pictures before the page, cursor of the order): with a limit the address counts."""
    if not cursor:
        return 0, ""
    seen, _, place = cursor.partition("_")
    if not (seen.isascii() and seen.isdecimal() and len(seen) < 10 and place):
        raise CursorError("This page address is broken. Start again from the first page.")
    return int(seen), place


def _count(images: QuerySet[Image], most: int) -> int | None:
    """At most ``most``; None if that takes too long."""
    try:
        with within(COUNT_MILLISECONDS):
            return images.order_by().values("pk")[:most].count()
    except TooSlow:
        return None


def _expected(images: QuerySet[Image]) -> int:
    """How many rows the planner expects."""
    plans = json.loads(images.order_by().values("pk").explain(format="json"))
    return int(plans[0]["Plan"]["Plan Rows"])


def _rounded(number: int) -> int:
    """Two digits: more would be a claim."""
    power = 10 ** max(0, len(str(number)) - 2)
    return round(number / power) * power

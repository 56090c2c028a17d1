"""Lists in the order of their names, in pages: one's own, those that others share, those that can be brought back.

A cursor is the number and the name of the last one of a page: what comes or goes meanwhile shifts no page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from gallery.names import printable
from gallery.paging import BIGINT, NUMBER, CursorError

Lines = Callable[[list[Any]], list[Any]]
LONGEST_PART = 100
"""Letters of a name that is looked for."""


@dataclass(frozen=True)
class Part:
    rows: list[Any] = field(default_factory=list)
    onward: str = ""
    """The query of the address of the next page."""


@dataclass(frozen=True)
class PageAsked:
    """What the address of a page says."""

    of: str = ""
    """The list that is shown alone; all of them without it."""
    after: str = ""
    """The cursor, in that list."""
    name: str = ""
    """A part of the names that are wanted."""

    @classmethod
    def by(cls, params: Mapping[str, str]) -> PageAsked:
        of = params.get("of", "")
        return cls(of, params.get("after", "") if of else "", printable(params.get("q", "")[:LONGEST_PART]))

    @property
    def is_whole(self) -> bool:
        """All lists from their beginning, and all that is in them."""
        return not (self.of or self.name)

    @property
    def further(self) -> str:
        """The list that is gone through page by page; "" where names are looked for."""
        return "" if self.name else self.of

    @property
    def query(self) -> str:
        """The same as the query of an address."""
        written = {"of": self.of, "after": self.after, "q": self.name}
        return urlencode({key: value for key, value in written.items() if value})


def parts(lists: Mapping[str, QuerySet[Any]], asked: PageAsked, size: int, lines: Lines = list) -> dict[str, Part]:
    """The first page of each list; or of the one that is asked for the page after the cursor, alone. CursorError.

    ``lines``: makes of the objects of a page what its template shows.
    """
    if asked.of not in ("", *lists):
        raise CursorError("There is no such list. Start again from the first page.")
    return {
        name: _part(name, found, asked, size, lines) if asked.of in ("", name) else Part()
        for name, found in lists.items()
    }


def _part(
    name: str, found: QuerySet[Any], asked: PageAsked, size: int, lines: Callable[[list[Any]], list[Any]]
) -> Part:
    if asked.name:
        found = found.filter(name__icontains=asked.name)
    rows = list(_beyond(found, asked.after).order_by("name", "pk")[: size + 1])
    page = rows[:size]
    last = f"{page[-1].pk}.{page[-1].name}" if len(rows) > size else ""
    return Part(lines(page), PageAsked(name, last, asked.name).query if last else "")


def _beyond(found: QuerySet[Any], after: str) -> QuerySet[Any]:
    if not after:
        return found
    number, _, name = after.partition(".")
    if not NUMBER.fullmatch(number) or abs(int(number)) > BIGINT or not name or "\x00" in name:
        raise CursorError("This page address is broken. Start again from the first page.")
    return found.filter(Q(name__gt=name) | Q(name=name, pk__gt=int(number)))


def shown(asked: PageAsked, found: Mapping[str, Part]) -> dict[str, Any]:
    """What the template of such a page says, also of the field to find a name in, which only long lists have."""
    return {
        **found,
        "asked": asked,
        "is_found": any(part.rows for part in found.values()),
        "is_long": bool(asked.name or asked.after) or any(part.onward for part in found.values()),
        "longest_part": LONGEST_PART,
    }

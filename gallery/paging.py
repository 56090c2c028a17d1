"""Keyset paging: the page after a picture, in any order, as fast for page 5,000 as for page 1.

The cursor holds the sort keys of the last picture of a page, so that pictures that arrive or leave never shift a page.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, DecimalField, Expression, F, Func, Lookup, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, Extract
from django.db.models.lookups import GreaterThan, LessThan

from gallery.models import Image, ImageQuerySet

BIGINT = 2**63 - 1
NUMBER = re.compile("-?[0-9]{1,19}")


class CursorError(Exception):
    """The address of a page was changed by hand."""


@dataclass(frozen=True)
class Order:
    """A sort of the gallery (a key of ORDERS); random has a seed."""

    sort: str = "newest"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sort not in ORDERS:
            raise CursorError(f"There is no order {self.sort[:40]!r}; choose {', '.join(ORDERS)}.")

    @property
    def query(self) -> str:
        """The order as it stands in an address."""
        return f"sort=random&seed={self.seed}" if self.sort == "random" else f"sort={self.sort}"

    def cursor(self, image: Image) -> str:
        return ".".join(str(getattr(image, key)) for key, _ in ORDERS[self.sort])

    def of(self, images: ImageQuerySet) -> QuerySet[Image]:
        """The images in this order, with the sort keys that ``cursor`` needs."""
        return self._annotated(images).order_by(*(F(k).desc() if down else F(k).asc() for k, down in ORDERS[self.sort]))

    def after(self, images: ImageQuerySet, cursor: str) -> QuerySet[Image]:
        return self.of(images).filter(self._beyond(cursor, forward=True))

    def before(self, images: ImageQuerySet, cursor: str) -> QuerySet[Image]:
        """Nearest to the cursor first, that is in the opposite order."""
        return self.of(images).filter(self._beyond(cursor, forward=False)).reverse()

    def page(self, images: ImageQuerySet, cursor: str, size: int, walk: bool = True) -> tuple[list[Image], str]:
        """(images of the page, cursor of the next page or "").

        Without ``walk`` all images are found before they are sorted: slower where many fit, but never lost on the way
        along an index through pictures that do not.
        """
        chosen = self.after(images, cursor) if cursor else self.of(images)
        if not walk:
            chosen = chosen.order_by(
                *((F(k) + 0).desc() if down else (F(k) + 0).asc() for k, down in ORDERS[self.sort])
            )
        rows = self._take(chosen, size + 1)
        return rows[:size], self.cursor(rows[size - 1]) if len(rows) > size else ""

    def neighbours(self, images: ImageQuerySet, image: Image) -> tuple[Image | None, Image | None]:
        """(previous, next) of an image in this order."""
        row = self._annotated(Image.objects.filter(pk=image.pk)).get()
        cursor = self.cursor(row)
        sides = self._take(self.before(images, cursor), 1), self._take(self.after(images, cursor), 1)
        previous, following = (side[0] if side else None for side in sides)
        return previous, following

    def _take(self, chosen: QuerySet[Image], count: int) -> list[Image]:
        # Ids first: a shuffle looks at every picture, and their index is a fraction of the rows. No list says what the
        # camera has said.
        return list(self.of(Image.objects.defer("exif").filter(pk__in=chosen.values("pk")[:count])))

    def _annotated(self, images: ImageQuerySet) -> ImageQuerySet:
        if self.sort in _TAKEN:
            return images.annotate(moment=_moment(_TAKEN[self.sort]))
        if self.sort != "random":
            return images
        # A keyed hash of the id is a shuffle that needs no memory of who has seen what. hashint8extended is what
        # PostgreSQL partitions tables with: its values never change between versions.
        shuffle = Func(F("id"), Value(self.seed), function="hashint8extended", output_field=BigIntegerField())
        return images.annotate(shuffle=shuffle)

    def _beyond(self, cursor: str, forward: bool) -> Lookup:
        keys = ORDERS[self.sort]
        values = self._parse(cursor, len(keys))
        # A comparison of whole rows: PostgreSQL starts in the middle of the index even among equal first keys.
        down = keys[0][1]
        further = LessThan if down == forward else GreaterThan
        return further(_row(F(key) for key, _ in keys), _row(Value(v, BigIntegerField()) for v in values))

    @staticmethod
    def _parse(cursor: str, parts: int) -> list[int]:
        found = cursor.split(".")
        values = [int(part) for part in found if NUMBER.fullmatch(part)]
        if len(found) != parts or len(values) != parts or values[-1] < 1 or any(abs(v) > BIGINT for v in values):
            raise CursorError("This page address is broken. Start again from the first page.")
        return values


def _row(parts: Iterable[Expression | F]) -> Func:
    return Func(*parts, function="ROW", output_field=BigIntegerField())


ORDERS: dict[str, tuple[tuple[str, bool], ...]] = {
    "newest": (("id", True),),
    "oldest": (("id", False),),
    "largest": (("pixels", True), ("id", True)),
    "random": (("shuffle", False), ("id", False)),
    "smallest": (("pixels", False), ("id", False)),
    "widest": (("width", True), ("id", True)),
    "tallest": (("height", True), ("id", True)),
    "heaviest": (("bytes", True), ("id", True)),
    "lightest": (("bytes", False), ("id", False)),
    "taken": (("moment", True), ("id", True)),
    "earliest": (("moment", False), ("id", False)),
}
"""{sort: ((key, descending), ...)}; all in one direction, the last key unique. Ids follow the order of arrival."""
SORTS = ("newest", "oldest", "largest", "random")
"""Those that the page of all pictures offers; the others must be asked for."""
_TAKEN = {"taken": -BIGINT, "earliest": BIGINT}
"""What stands for a day that is not known: such pictures come last."""


def _moment(unknown: int) -> Coalesce:
    """When it was taken, in microseconds since 1970."""
    seconds = Extract("taken_at", "epoch", output_field=DecimalField())
    return Coalesce(Cast(seconds * 1_000_000, BigIntegerField()), Value(unknown, BigIntegerField()))


def order_from(params: Any, draw: Callable[[], int] = lambda: secrets.randbelow(10**6)) -> Order:
    """The order that an address asks for. CursorError if it makes no sense."""
    seed = params.get("seed", "")
    if seed and not (seed.isascii() and seed.isdecimal() and len(seed) <= 9):
        raise CursorError("The seed of a random order is a number of at most nine digits.")
    return Order(params.get("sort", "newest"), int(seed) if seed else draw())

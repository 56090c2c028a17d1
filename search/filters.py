"""Which pictures may be answered at all, told by what is known of them: chosen before the best are taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.datastructures import MultiValueDict

from gallery.models import Image
from gallery.pictures import MIME
from search.compiler import compiled
from search.compiling.facts import SHAPES
from search.language.tree import And, Tagged

ORIENTATIONS = {"wide": "wider than high", "tall": "higher than wide", "square": "square"}
FORMATS = tuple(sorted(MIME))
MAX_TAGS, MAX_NAME = 20, 100
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Filters:
    """Nothing is asked of a picture where a field is empty."""

    orientation: str = ""
    side: int | None = None
    """Pixels that the smaller side has at least."""
    mp: float | None = None
    """Megapixels, at least."""
    format: str = ""
    added_from: date | None = None
    added_to: date | None = None
    """Days are whole, in UTC, and the last one belongs to it."""
    taken_from: date | None = None
    taken_to: date | None = None
    tag: tuple[str, ...] = ()
    """Names or other names, read as ``tag:`` reads them: a picture has all of these tags, or some that imply them."""

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) not in ("", None, ()) for field in fields(self))

    @property
    def condition(self) -> Q:
        """Of the images that pass."""
        chosen = SHAPES.get(self.orientation, Q())
        if self.side is not None:
            chosen &= Q(width__gte=self.side, height__gte=self.side)
        if self.mp is not None:
            chosen &= Q(pixels__gte=round(self.mp * 1_000_000))
        if self.format:
            chosen &= Q(format=self.format)
        chosen &= _between("added_at", self.added_from, self.added_to)
        chosen &= _between("taken_at", self.taken_from, self.taken_to)
        if self.tag:
            chosen &= compiled(And(tuple(map(Tagged, self.tag))), None)
        return chosen

    def among(self, user: AbstractBaseUser | AnonymousUser) -> np.ndarray | None:
        """Sorted int64 ids of those that pass and that this user may see; None if nothing is asked: all."""
        return ids_of(Image.objects.visible_to(user).filter(self.condition)) if self else None

    def params(self) -> list[tuple[str, str]]:
        """As they stand in an address."""
        return [(name, _written(value)) for name, value in self._each()]

    def said(self) -> Iterator[tuple[str, Filters]]:
        """What is asked, one by one, in words, each with the filters that stay without it."""
        for name, value in self._each():
            yield _SAID[name].format(_SAYS.get(name, str)(value)), self._without(name, value)

    def _without(self, name: str, value: Any) -> Filters:
        if name == "tag":
            return replace(self, tag=tuple(each for each in self.tag if each != value))
        nothing: dict[str, Any] = {name: getattr(Filters(), name)}
        return replace(self, **nothing)

    def _each(self) -> Iterator[tuple[str, Any]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                yield from ((field.name, each) for each in value)
            elif value not in ("", None):
                yield field.name, value


_SAID = {
    "orientation": "{}",
    "side": "at least {} pixels a side",
    "mp": "at least {} megapixels",
    "format": "{}",
    "added_from": "added since {}",
    "added_to": "added until {}",
    "taken_from": "taken since {}",
    "taken_to": "taken until {}",
    "tag": "tagged “{}”",
}
_SAYS: dict[str, Callable[[Any], str]] = {
    "orientation": ORIENTATIONS.__getitem__,
    "mp": "{:g}".format,
    "side": "{:,}".format,
}


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _between(field: str, first: date | None, last: date | None) -> Q:
    chosen = Q()
    if first is not None:
        chosen &= Q(**{f"{field}__gte": _midnight(first)})
    if last is not None:
        chosen &= Q(**{f"{field}__lt": _midnight(last + timedelta(days=1))})
    return chosen


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def ids_of(images: QuerySet[Image]) -> np.ndarray:
    """Sorted int64 ids. In one value of 8 bytes an image: a million rows, one by one, take ten times as long."""
    try:
        sql, params = images.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:  # Django knows without asking
        return np.empty(0, np.int64)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT string_agg(int8send(id), ''::bytea) FROM ({sql}) chosen (id)", params)  # noqa: S608
        (found,) = cursor.fetchone()
    return np.sort(np.frombuffer(bytes(found or b""), ">i8").astype(np.int64))


# --- reading
def read_filters(params: Mapping[str, str]) -> tuple[Filters, list[str]]:
    """The filters of an address, and a sentence for each that makes no sense and was left out."""
    reading = _Reading(params)
    filters = Filters(
        orientation=reading.choice("orientation", tuple(ORIENTATIONS)),
        side=reading.number("side", "The smallest side", int, 100_000),
        mp=reading.number("mp", "The number of megapixels", float, 10_000),
        format=reading.choice("format", FORMATS),
        tag=reading.tags(),
        **reading.days("added"),
        **reading.days("taken"),
    )
    return filters, reading.sentences


class _Reading:
    def __init__(self, params: Mapping[str, str]) -> None:
        self.params = params
        self.sentences: list[str] = []

    def _text(self, name: str) -> str:
        return self.params.get(name, "").strip()

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        text = self._text(name)
        found = next((choice for choice in choices if choice.lower() == text.lower()), "")
        if text and not found:
            self.sentences.append(f"There is no {name} “{text[:40]}”; choose {', '.join(choices)}.")
        return found

    def number(self, name: str, called: str, kind: type, most: int) -> Any:
        text = self._text(name)
        if not text:
            return None
        try:
            value = kind(text) if text.isascii() and len(text) <= 12 else None
        except ValueError:
            value = None
        if value is None or not 0 <= value <= most:  # "nan" is not between anything
            self.sentences.append(f"{called} is a number from 0 to {most:,}, not “{text[:40]}”.")
            return None
        return value or None

    def days(self, name: str) -> dict[str, date | None]:
        """Of "added": {"added_from": ..., "added_to": ...}"""
        first, last = self._day(f"{name}_from"), self._day(f"{name}_to")
        if first and last and first > last:
            self.sentences.append(f"No day lies between {first} and {last}: the first day is after the last.")
            first = last = None
        return {f"{name}_from": first, f"{name}_to": last}

    def _day(self, name: str) -> date | None:
        text = self._text(name)
        if not text:
            return None
        try:
            day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None or not 1 < day.year < 9999:
            self.sentences.append(f"“{text[:40]}” is no day: write it like 2024-12-31.")
            return None
        return day

    def tags(self) -> tuple[str, ...]:
        every = self.params.getlist("tag") if isinstance(self.params, MultiValueDict) else [self._text("tag")]
        names = tuple(dict.fromkeys(name.strip() for name in every if name.strip()))
        if any(len(name) > MAX_NAME for name in names):
            self.sentences.append(f"A tag has at most {MAX_NAME} characters.")
        if any("\0" in name for name in names):
            self.sentences.append("No tag has such a name.")
        if len(names) > MAX_TAGS:
            self.sentences.append(f"At most {MAX_TAGS} tags can be asked for at once.")
        # No text in PostgreSQL holds a NUL: it cannot even be asked for.
        return tuple(name for name in names if len(name) <= MAX_NAME and "\0" not in name)[:MAX_TAGS]

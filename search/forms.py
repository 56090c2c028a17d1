from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.datastructures import MultiValueDict

from gallery.models import Image
from gallery.originals import IncomingFile, StorageError
from gallery.pictures import PictureError
from search.filters import Filters, read_filters
from search.meaning import MAX_TEXT, Meaning, parse_meaning
from search.models import QueryPicture
from search.query import Query
from search.retrieval import Found

MAX_PAGE = 1000
MAX_AGAIN = 6
"""A page asks by itself so often, while a network is being loaded."""
SORTS = {"relevance": "Best first", "newest": "Newest", "oldest": "Oldest", "taken": "Taken last"}
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
_PLACES: dict[str, Callable[[Image], Any]] = {
    "newest": lambda image: -image.pk,  # ids follow the order of arrival, as in gallery/paging.py
    "oldest": lambda image: image.pk,
    "taken": lambda image: (-(image.taken_at or _NEVER).timestamp(), -image.pk),
}


class PictureForm:
    """One picture in the field "picture". Not a Django form: its decoder would open the file in this process."""

    def __init__(self, data: Mapping, files: MultiValueDict) -> None:
        self.file: IncomingFile | None = files.get("picture")

    def accept(self) -> QueryPicture:
        """PictureError if nothing came, or no picture; StorageError, one too, if the disk refuses it."""
        if self.file is None:
            raise PictureError("empty", "No picture came with this search. Choose a file first.")
        if self.file.error:
            raise self.file.error
        try:
            return QueryPicture.accept(self.file.incoming)
        except OSError as error:
            raise StorageError(error) from error


class PageForm:
    """Which part of an answer is shown. Nonsense in the address means the first page."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self.page = max(1, min(MAX_PAGE, _number(params.get("page", ""), 1)))
        self.weak = params.get("weak") == "1"


@dataclass(frozen=True)
class Chip:
    """One filter that is in force."""

    words: str
    without: str
    """The address of the answer without it."""


class AnswerForm(PageForm):
    """What an address asks beside its picture or colours: words, filters, the order. What makes no sense is left out,
    and said in ``sentences``."""

    def __init__(self, params: Mapping[str, str], path: str, kept: Sequence[tuple[str, str]] = ()) -> None:
        """``kept``: what else belongs to the address of the answer."""
        super().__init__(params)
        self.path, self.kept = path, tuple(kept)
        written = params.get("q", "").strip()
        self.text, self.note = written[:MAX_TEXT], ""
        self.filters, self.sentences = read_filters(params)
        self.sort = params.get("sort", "") or "relevance"
        self.again = _number(params.get("again", ""), 0)
        if len(written) > MAX_TEXT:
            self.note = f"Only the first {MAX_TEXT:,} characters of your words were read."
        if self.sort not in SORTS:
            self.sentences.append(f"There is no order “{self.sort[:40]}”; choose {', '.join(SORTS)}.")
            self.sort = "relevance"
        self.words_weigh = _number(params.get("words", ""), 50)
        if params.get("words", str(self.words_weigh)) != str(self.words_weigh) or self.words_weigh > 100:
            self.sentences.append("The weight of the words is a number from 0 to 100.")
            self.words_weigh = 50

    @cached_property
    def meaning(self) -> Meaning:
        return parse_meaning(self.text)

    def asked(self, query: Query | None, user: AbstractBaseUser | AnonymousUser) -> Query:
        """The words alone, or beside the picture or colours of a query; among what passes the filters."""
        among, text = self.filters.among(user), self.text if self.meaning else ""
        if query is None:
            return Query(text=text, among=among)
        weighs = self.words_weigh / 100
        return replace(query, text="" if query.colours else text, words_weigh=weighs, among=among)

    def ordered(self, found: list[Found]) -> list[Found]:
        """Inside of their grades."""
        if self.sort == "relevance":
            return found
        return sorted(found, key=lambda one: (one.match.grade, _PLACES[self.sort](one.image)))

    # --- addresses
    @property
    def here(self) -> str:
        """Of the first page of this answer."""
        return self.address()

    def address(self, **changes: Any) -> str:
        """Of this answer, with other ``filters``, ``sort`` or ``text``."""
        filters: Filters = changes.get("filters", self.filters)
        sort, text = changes.get("sort", self.sort), changes.get("text", self.text)
        params = [*self.kept, *([("q", text)] if text else []), *filters.params()]
        params += [("words", str(self.words_weigh))] if text and self.words_weigh != 50 else []
        params += [("sort", sort)] if sort != "relevance" else []
        return f"{self.path}?{urlencode(params)}" if params else self.path

    @property
    def sorts(self) -> list[tuple[str, str, str]]:
        """[(name, words, address), ...]"""
        return [(sort, words, self.address(sort=sort)) for sort, words in SORTS.items()]

    @property
    def chips(self) -> list[Chip]:
        return [Chip(words, self.address(filters=rest)) for words, rest in self.filters.said()]

    @property
    def without_filters(self) -> str:
        return self.address(filters=Filters())

    @property
    def once_more(self) -> str:
        """The address by which the page asks again by itself; "" when it has done so often enough."""
        again = urlencode({"again": self.again + 1})
        return f"{self.here}{'&' if '?' in self.here else '?'}{again}" if self.again < MAX_AGAIN else ""


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else otherwise

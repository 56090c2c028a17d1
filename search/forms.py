from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from secrets import randbelow
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.utils.datastructures import MultiValueDict

from gallery.models import Image
from gallery.originals import IncomingFile, StorageError
from gallery.paging import ORDERS, Order
from gallery.pictures import PictureError
from search.compiler import compiled
from search.filters import Filters, read_filters
from search.language import LanguageError, parse, printed
from search.language.tree import Node, Parsed
from search.meaning import MAX_TEXT, Meaning
from search.models import QueryPicture
from search.parts import parts_of, with_letter
from search.query import Query
from search.retrieval import TEXT_LIMIT, Found
from search.wording import spoken

MAX_PAGE = 1000
MAX_AGAIN = 20
"""A page asks by itself so often, for a minute and a half, while a network is being loaded."""
SORTS = {
    "relevance": "Best first",
    "newest": "Newest",
    "oldest": "Oldest",
    "largest": "Largest",
    "taken": "Taken last",
    "random": "Random",
}
"""{sort: how it is called}, those that a page offers; others must be asked for."""
_NEVER, _ALWAYS = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_PLACES: dict[str, Callable[[Image], Any]] = {
    "relevance": lambda image: 0,
    "random": lambda image: 0,  # shuffled before
    "newest": lambda image: -image.pk,  # ids follow the order of arrival, as in gallery/paging.py
    "oldest": lambda image: image.pk,
    "largest": lambda image: (-image.pixels, -image.pk),
    "smallest": lambda image: (image.pixels, image.pk),
    "widest": lambda image: (-image.width, -image.pk),
    "tallest": lambda image: (-image.height, -image.pk),
    "heaviest": lambda image: (-image.bytes, -image.pk),
    "lightest": lambda image: (image.bytes, image.pk),
    "taken": lambda image: (-(image.taken_at or _NEVER).timestamp(), -image.pk),
    "earliest": lambda image: ((image.taken_at or _ALWAYS).timestamp(), image.pk),
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
    """One filter that is in force, or one part of the query."""

    words: str
    without: str
    """The address of the answer without it; "" if that query is too long."""


class AnswerForm(PageForm):
    """What an address asks beside its picture or colours: a query, filters, the order. What makes no sense is left out,
    and said in ``sentences`` or, of the query, in ``mistake``."""

    def __init__(
        self, params: Mapping[str, str], path: str, kept: Sequence[tuple[str, str]] = (), alone: bool = False
    ) -> None:
        """``kept``: what else belongs to the address of the answer. ``alone``: no picture and no colours do."""
        super().__init__(params)
        self.path, self.kept, self.alone = path, tuple(kept), alone
        self.written = self.text = params.get("q", "").strip()
        self.parsed, self.mistake = _read(self.written)
        if len(self.written) > MAX_TEXT:
            self.text = self.written[:MAX_TEXT]
        self.filters, self.sentences = read_filters(params)
        self.after = params.get("after", "")
        self.again = _number(params.get("again", ""), 0)
        self.sort, self.seed = self._sort(params), _number(params.get("seed", ""), 0)
        self.words_weigh = _number(params.get("words", ""), 50)
        if params.get("words", str(self.words_weigh)) != str(self.words_weigh) or self.words_weigh > 100:
            self.sentences.append("The weight of the words is a number from 0 to 100.")
            self.words_weigh = 50
        if self.sort == "random" and not self.is_letter and not self.seed:
            self.seed = randbelow(10**6)  # the next page continues this shuffle
        if notes := tuple(self._not_kept()):
            self.parsed = replace(self.parsed, notes=(*self.parsed.notes, *notes))

    def _not_kept(self) -> Iterator[str]:
        """What the query says of its answer and cannot have."""
        if self.is_letter and self.parsed.sort == "relevance":
            yield "What is answered to the letter has no best: the newest come first."
        if not self.is_letter and (self.parsed.limit or 0) > TEXT_LIMIT:
            yield f"Of plain words the best {TEXT_LIMIT:,} are shown, so limit:{self.parsed.limit} cannot be kept."

    def _sort(self, params: Mapping[str, str]) -> str:
        asked = params.get("sort", "")
        if asked and asked not in self.orders:
            self.sentences.append(f"There is no order “{asked[:40]}”; choose {', '.join(self.orders)}.")
        return asked if asked in self.orders else self.natural_sort

    # --- what is asked
    @property
    def meaning(self) -> Meaning:
        return Meaning(self.parsed.prose, self.parsed.without)

    @property
    def is_letter(self) -> bool:
        """Answered to the letter: operators, or filters alone."""
        asked = self.parsed.tree is not None or self.parsed.sort or self.parsed.limit is not None or self.filters
        return self.alone and not self.mistake and not self.meaning and bool(asked)

    @property
    def orders(self) -> dict[str, str]:
        """{sort: how it is called}, of all that can be asked for."""
        return {sort: SORTS.get(sort, sort.capitalize()) for sort in (ORDERS if self.is_letter else _PLACES)}

    @property
    def natural_sort(self) -> str:
        """Where the address names none."""
        wanted = self.parsed.sort if self.parsed.sort in self.orders else ""
        return wanted or ("newest" if self.is_letter else "relevance")

    @property
    def order(self) -> Order:
        """Of an answer to the letter."""
        return Order(self.sort, self.seed)

    def condition(self, user: AbstractBaseUser | AnonymousUser) -> Q | None:
        """What an image must fulfil to be answered: the filters, and of the query what is no plain speech. None: all.

        QueryError for what this user cannot ask.
        """
        if self.parsed.rest is None and not self.filters:
            return None
        return self.filters.condition & compiled(self.parsed.rest, user)

    def asked(self, query: Query | None) -> Query:
        """The words alone, or beside the picture or colours of a query."""
        text = str(self.meaning)
        if query is None:
            return Query(text=text, words=spoken(self.parsed))
        return replace(query, text="" if query.colours else text, words_weigh=self.words_weigh / 100)

    @property
    def most(self) -> int | None:
        """``limit:`` of the query."""
        return None if self.parsed.limit is None else max(1, min(self.parsed.limit, TEXT_LIMIT))

    def ordered(self, found: list[Found]) -> list[Found]:
        """Inside of their grades; as many as the query wants."""
        if self.sort == "random":
            found = Random(self.seed).sample(found, len(found))
        if self.sort != "relevance":
            found = sorted(found, key=lambda one: (one.match.grade, _PLACES[self.sort](one.image)))
        return found[: self.most]

    # --- how it was read
    @property
    def pointed_at(self) -> tuple[str, str, str]:
        """What was written before, at and after the mistake."""
        assert self.mistake
        start, end = self.mistake.start, self.mistake.end
        return self.text[:start], self.text[start:end], self.text[end:]

    @property
    def suggestion(self) -> str:
        """The address of the query that was probably meant; "" if nobody can tell."""
        corrected = self.mistake.suggestion if self.mistake else ""
        return self.address_of(corrected)

    @property
    def canonical(self) -> str:
        """The query as the language prints it, where that says more than what was written."""
        said = printed(self.parsed) if not self.meaning or self.parsed.rest is not None else ""
        return said if said and _bare(said) != _bare(self.written) else ""

    @property
    def parts(self) -> list[Chip]:
        """Of the query, each with the address of the answer without it."""
        chips = [
            Chip(words, self.address_of(printed(rest), can_be_empty=True)) for words, rest in parts_of(self.parsed)
        ]
        return chips if len(chips) > 1 or self.meaning else []

    def without_words(self) -> None:
        """No network understands them: what else is asked stays."""
        self.parsed, self.text = replace(self.parsed, prose="", without=()), ""

    def to_the_letter(self, letter: Node) -> AnswerForm:
        """Of all pictures with the words, newest first."""
        form = copy(self)
        form.parsed, form.sort = with_letter(self.parsed, letter), "newest"
        return form

    def letter_address(self, letter: Node) -> str:
        """Of that answer."""
        return self.address_of(printed(with_letter(self.parsed, letter)), sort="")

    # --- addresses
    def address_of(self, text: str, can_be_empty: bool = False, **changes: Any) -> str:
        """Of the answer to another query; "" if it is longer than what is read of one."""
        fits = len(text) <= MAX_TEXT and (text or can_be_empty)
        return self.address(text=text, **changes) if fits else ""

    @property
    def here(self) -> str:
        """Of the first page of this answer."""
        return self.address()

    def address(self, **changes: Any) -> str:
        """Of this answer, with other ``filters``, ``sort`` or ``text``."""
        filters: Filters = changes.get("filters", self.filters)
        text = changes.get("text", self.text)
        # Another query has another order by nature: it is kept only where somebody has chosen one.
        sort = changes.get("sort", self.sort if self.sort != self.natural_sort else "")
        params = [*self.kept, *([("q", text)] if text else []), *filters.params()]
        params += [("words", str(self.words_weigh))] if text and self.words_weigh != 50 else []
        params += [("sort", sort)] if sort and (sort != self.natural_sort or "text" in changes) else []
        seed = changes.get("seed", self.seed)
        shuffled = sort == "random" or (not sort and "text" not in changes and self.natural_sort == "random")
        params += [("seed", str(seed))] if shuffled and seed is not None else []
        return f"{self.path}?{urlencode(params)}" if params else self.path

    @property
    def sorts(self) -> list[tuple[str, str, str]]:
        """[(name, words, address), ...]"""
        offered = [sort for sort in SORTS if sort != ("relevance" if self.is_letter else "random")]
        offered += [] if self.sort in offered else [self.sort]
        return [(sort, self.orders[sort], self.address(sort=sort, seed=None)) for sort in offered]

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


def _read(written: str) -> tuple[Parsed, LanguageError | None]:
    try:
        return parse(written), None
    except LanguageError as mistake:
        return Parsed(), mistake


def _bare(query: str) -> str:
    """Without what says nothing: spaces and capitals."""
    return "".join(query.split()).casefold()


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else otherwise

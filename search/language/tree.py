"""What a query says, as a tree: made by parser.py, printed by printer.py, asked of the database by search/compiler.py
and, in the tests, of plain Python objects."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word or a phrase that may stand anywhere: it is a tag's name, or in a title, caption, source or in the picture.

    ``field``: "" for anywhere, or "caption", "ocr", "title", "source", "author", "license": only there.
    ``phrase``: its words stand side by side. ``text`` of no phrase may end with *, for any ending.
    """

    text: str
    field: str = ""
    phrase: bool = False


@dataclass(frozen=True)
class Tagged:
    """It has this tag, whoever said so, by its name or another name of it; * and ? stand for any letters."""

    name: str


@dataclass(frozen=True)
class Compare:
    """``field`` is "width", "height", "pixels", "ratio", "bytes", "date", "added", "confidence" or "score.NAME".

    ``op`` is ==, !=, >=, <=, > or <; ``value`` as it was written, and already known to make sense: values.number() and
    values.around() tell what it means, values.days() for dates.
    """

    field: str
    op: str
    value: str


@dataclass(frozen=True)
class Between:
    """Both ends belong to it: from values.around() of the first to that of the last; values.day_range() for dates."""

    field: str
    first: str
    last: str


@dataclass(frozen=True)
class Fact:
    """``field`` is "format", "colour", "orientation", "is", "has", "similar" or "collection"."""

    field: str
    value: str


@dataclass(frozen=True)
class And:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    part: Node


Node = Word | Tagged | Compare | Between | Fact | And | Or | Not


@dataclass(frozen=True)
class Parsed:
    """A whole query."""

    tree: Node | None = None
    """Everything that is asked; None if nothing is."""
    prose: str = ""
    """The words that describe what is looked for, where the query is plain speech: bare words and phrases that only
    spaces (or commas between nothing but bare words) join. A network that understands words is asked for them. "" for
    a query of operators, which is answered to the letter."""
    without: tuple[str, ...] = ()
    """What ~word and ~"some words" take away from the meaning."""
    rest: Node | None = None
    """Of a query with prose: everything else, which no answer may contradict. Without prose it is the tree."""
    sort: str = ""
    """As ``sort:`` says it; "" if it does not."""
    limit: int | None = None
    notes: tuple[str, ...] = ()
    """Sentences for the reader: that the query was cut, that something was read in another way than written."""

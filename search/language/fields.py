"""The fields that a query may ask for by name: the one table that the parser, its errors, the completion of a half
written query and the page about the syntax read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gallery.formats import EXTENSION, MIME

Kind = Literal["tag", "words", "number", "days", "choice", "colour", "image", "collection", "order", "count"]


@dataclass(frozen=True)
class Field:
    name: str
    kind: Kind
    takes: str
    """What stands after its colon, for people."""
    example: str
    sentence: str
    others: tuple[str, ...] = ()
    """Other names of it."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What it may be, each with other spellings, in small letters. Empty: anything of its kind."""


_WORDS = 'a word, a beginning like harb*, or a "phrase"'
_DAYS = "2024, 2024-05, 2024-05-17, today, yesterday, or 7d, 3w, 2m, 1y for the time since then"
_SIDES = "a number of pixels"
ORIENTATIONS = {"wide": ("landscape", "horizontal"), "tall": ("portrait", "vertical"), "square": ()}
FORMATS = {name: (EXTENSION[name],) for name in sorted(MIME)}
HAS = {
    "tags": ("tag",),
    "caption": ("captions", "description"),
    "text": ("ocr", "words"),
    "title": (),
    "source": ("sources",),
    "author": ("artist",),
    "license": ("licence",),
    "date": ("taken",),
    "place": ("gps", "location"),
    "exif": ("camera",),
    "palette": ("colours", "colors"),
    "duplicates": ("duplicate",),
}
"""What a picture may have. "text": text inside of it; "date": the day it was taken; "place": where."""
IS = {
    "tagged": (),
    "untagged": (),
    "captioned": (),
    "uncaptioned": (),
    "duplicate": ("duplicated",),
    "suggested": ("unjudged",),
    "private": (),
    "mine": ("own",),
}
"""Shapes too are read. "duplicate": in a group of duplicates; "suggested": a network's word about it waits for
somebody's opinion; "private": only its owners see it, so it finds one's own; "mine": one has brought it."""
SORTS = {
    "relevance": ("best",),
    "newest": ("new", "added", "latest"),
    "oldest": ("old",),
    "taken": ("date",),
    "earliest": (),
    "largest": ("large", "pixels", "biggest"),
    "smallest": ("small",),
    "widest": ("width",),
    "tallest": ("height",),
    "heaviest": ("bytes",),
    "lightest": (),
    "random": ("shuffle", "shuffled"),
}
"""The orders of gallery/paging.py, and by how well a picture answers. "taken": last first, "earliest": first."""


def _one_of(choices: Mapping[str, tuple[str, ...]]) -> str:
    names = [name.lower() for name in choices]
    return f"{', '.join(names[:-1])} or {names[-1]}"


FIELDS: tuple[Field, ...] = (
    Field("tag", "tag", "a name; * and ? stand for any letters", "tag:forest",
          "Has this tag, by its name or another name of it.", ("tags",)),
    Field("caption", "words", _WORDS, 'caption:"red car"', "In a caption.", ("captions",)),
    Field("ocr", "words", _WORDS, "ocr:security", "Written inside the picture, misspelt words found too.", ("text",)),
    Field("title", "words", _WORDS, "title:harbour", "In the name of the file, or the title at its source."),
    Field("source", "words", _WORDS, "source:example.org", "In the address that it came from.", ("site",)),
    Field("author", "words", _WORDS, "author:shishkin", "In the name of whoever made it."),
    Field("license", "words", _WORDS, "license:cc0", "In the licence that its source tells.", ("licence",)),
    Field("width", "number", _SIDES, "width>=1920", "Pixels from left to right."),
    Field("height", "number", _SIDES, "height:1000..2000", "Pixels from top to bottom."),
    Field("pixels", "number", "a number, 12mp, 2M or 1920x1080", "pixels>12mp", "Width times height."),
    Field("ratio", "number", "16:9, 16/9 or 1.5", "ratio:16:9", "Width divided by height, to one part in a hundred."),
    Field("bytes", "number", "a number, 500kb or 2MB", "bytes<500kb", "How large its file is.", ("size", "filesize")),
    Field("date", "days", _DAYS, "date:2024-05", "The day on which it was taken.", ("taken",)),
    Field("added", "days", _DAYS, "added:7d", "The day on which it came into the gallery."),
    Field("confidence", "number", "0 to 1, or 0% to 100%", "confidence<50%",
          "How sure somebody was of a tag; a person is 1."),
    Field("score", "number", "a name after a dot, and a number", "score.novelty>0.5", "What a filter gave it."),
    Field("format", "choice", _one_of(FORMATS), "format:png", "The type of its file.", ("filetype",), FORMATS),
    Field("colour", "colour", "red, teal or another name, or a code like #3366cc", "colour:teal",
          "One of its colours is called so, or is near the code.", ("color", "colours", "colors")),
    Field("orientation", "choice", _one_of(ORIENTATIONS), "orientation:wide",
          "Wider than high, higher than wide, or square.", (), ORIENTATIONS),
    Field("is", "choice", _one_of(IS), "is:untagged",
          "What is known of it; is:wide, is:tall and is:square too.", (), IS),
    Field("has", "choice", _one_of(HAS), "has:caption", "Something of this kind is there.", (), HAS),
    Field("similar", "image", "the number of a picture", "similar:12", "Looks like that picture."),
    Field("collection", "collection", "the name of a collection that you may see, or its token",
          'collection:"police cars"', "Is in that collection.", ("collections",)),
    Field("sort", "order", _one_of(SORTS), "sort:oldest", "The order of the answer.", (), SORTS),
    Field("limit", "count", "a number from 1 to 100,000", "limit:100", "So many pictures at most."),
)  # fmt: skip
BY_NAME: dict[str, Field] = {name: each for each in FIELDS for name in (each.name, *each.others)}


def field_called(name: str) -> Field | None:
    """By its name or another name of it, in any case; score.NAME is the field "score"."""
    lower = name.lower()
    return BY_NAME.get("score" if lower.startswith("score.") else lower)


def choice_of(field: Field, value: str) -> str | None:
    """The name of a choice that is written so; None if there is no such."""
    lower = value.strip().lower()
    return next((name for name, others in field.choices.items() if lower in (name.lower(), *others)), None)

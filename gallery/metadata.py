"""What is said of pictures as plain JSON, one line a tag or an image: ``manage.py export`` writes it, and
``manage.py import --metadata`` (ingestion/metadata.py) brings it back. A picture is named by the SHA-256 of its file.

First a line of what this is, then a line for each tag, then one for each image:
{"lookalike": "metadata", "version": 1, "tags": 1, "images": 1}
{"tag": "husky", "category": "animal", "aliases": ["huskies"], "implies": ["dog"]}
{"image": "0fd6...", "name": "snow.jpg", ..., "tags": [{"tag": "husky", "origin": "person", "state": "accepted"}], ...}
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import QuerySet

from gallery.models import PERSON, Caption, Image, ImageSource, ImageTag, OcrText, Opinion, Tag
from gallery.words import WordError, caption_text, tag_name

FORMAT = "metadata"
VERSION = 1
CHUNK = 500
"""Images that are in memory at once."""
MOST = 10_000
"""Entries of one list of a line."""
LONGEST_OCR = 100_000
BIGGEST = 1e100
_ENDS = "\x85\u2028\u2029"
"""To some readers they end a line."""
FACTS = ("pk", "sha256", "name", "format", "width", "height", "bytes", "added_at", "taken_at", "scores")


def exported(private: bool = False) -> Iterator[str]:
    """The lines, without their ends. In memory is a chunk of them, however many there are. ``private``: also of what
    only its owners see, and its tags."""
    with transaction.atomic():  # a cursor of the server lives as long as its transaction
        tags, images = Tag.objects.order_by("name"), Image.objects.order_by("sha256")
        if not private:
            tags, images = tags.told_to(AnonymousUser()), images.filter(private=False)
        yield _line({"lookalike": FORMAT, "version": VERSION, "tags": tags.count(), "images": images.count()})
        # Closed by name: whoever reads only the first lines must not leave a cursor behind its transaction.
        with closing(_rows(tags.prefetch_related("aliases", "implications__implied"))) as rows:
            for tag in rows:
                yield _line(said_of_tag(tag))
        with closing(_rows(images.values_list(*FACTS))) as rows:
            while chunk := list(islice(rows, CHUNK)):
                yield from map(_line, _said_of_images(chunk))


def _rows(asked: QuerySet[Any, Any]) -> Any:
    return asked.iterator(CHUNK)


def _line(said: dict[str, Any]) -> str:
    line = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    for end in _ENDS:
        line = line.replace(end, f"\\u{ord(end):04x}")
    return line


def said_of_tag(tag: Tag) -> dict[str, Any]:
    return {
        "tag": tag.name,
        "category": tag.category,
        "aliases": sorted(alias.name for alias in tag.aliases.all()),
        "implies": sorted(row.implied.name for row in tag.implications.all()),
    }


def _said_of_images(chunk: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Rows and not models: of a picture with eight tags these would take most of the time.

    What its file is comes first: it says to a reader which picture this was, and nothing brings it back.
    """
    ids = [row[0] for row in chunk]
    sources, tags = _sources(ids), _words(ImageTag, ids, "tag", "tag__name")
    captions, texts = _words(Caption, ids, "text", "text"), _words(OcrText, ids, "text", "text", "words")
    for pk, sha256, name, format_, width, height, size, added, taken, scores in chunk:
        yield {
            "image": sha256,
            "name": name,
            "format": format_,
            "width": width,
            "height": height,
            "bytes": size,
            "added": added.isoformat(),
            "taken": taken.isoformat() if taken else None,
            "sources": sources[pk],
            "tags": tags[pk],
            "captions": captions[pk],
            "ocr": texts[pk],
            "scores": scores,
        }


def _sources(ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    names = "kind", "address", "title", "author", "licence", "seen", "by"
    rows = ImageSource.objects.filter(image__in=ids).order_by("kind", "address")
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for pk, *facts in rows.values_list("image_id", *names[:5], "first_seen", "by__username"):
        facts[5] = facts[5].isoformat()
        found[pk].append({name: fact for name, fact in zip(names, facts, strict=True) if fact})
    return found


def _words(model: Any, ids: list[int], key: str, text: str, *more: str) -> dict[int, list[dict[str, Any]]]:
    """Who said it, how sure, and what people think of it; what is as usual is left out."""
    rows = model.objects.filter(image__in=ids).order_by(
        *([text] if text == "tag__name" else []), "origin", "generation"
    )
    opinion = "origin", "state", "confidence", "generation", "offered", "decision"
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for pk, said, origin, state, sure, generation, offered, decision, *rest in rows.values_list(
        "image_id", text, *opinion, *more
    ):
        word = {key: said, **dict(zip(more, rest, strict=True)), "origin": origin, "state": state}
        if sure is not None:
            word["confidence"] = sure
        if generation:
            word["generation"] = generation
        if not offered:
            word["offered"] = False
        if decision:
            word["decided"] = True
        found[pk].append(word)
    return found


# --- and read again
class MetadataError(ValueError):
    """A line says nothing that can be brought back: a sentence without its end."""


@dataclass(frozen=True)
class SaidTag:
    name: str
    category: str
    aliases: list[str]
    implies: list[str]


@dataclass(frozen=True)
class SaidWord:
    """A tag, a caption or a text in the picture."""

    text: str
    """Of a tag its name."""
    origin: str
    generation: int
    confidence: float | None
    state: str
    offered: bool
    decided: bool
    """By a person, who is not the one who said it."""
    words: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True)
class SaidSource:
    kind: str
    address: str
    title: str
    author: str
    licence: str
    seen: datetime | None
    by: str


@dataclass(frozen=True)
class SaidImage:
    sha256: str
    name: str
    added: datetime | None
    taken: datetime | None
    sources: list[SaidSource]
    tags: list[SaidWord]
    captions: list[SaidWord]
    ocr: list[SaidWord]
    scores: dict[str, float]


def read_line(line: bytes) -> SaidTag | SaidImage | None:
    """None for the line that says what this is, and for an empty one. MetadataError."""
    try:
        said = json.loads(line) if line.strip() else None
    except (ValueError, RecursionError) as error:
        raise MetadataError("it is no JSON") from error
    if said is None:
        return None
    if not isinstance(said, dict):
        raise MetadataError("it is no object")
    if "image" in said:
        return _read_image(said)
    if "tag" in said:
        return _read_tag(said)
    if said.get("lookalike") == FORMAT:
        _check_version(said.get("version"))
        return None
    raise MetadataError("it is about no tag and no image")


def _check_version(version: Any) -> None:
    if version != VERSION:
        raise MetadataError(f"this file is of version {str(version)[:20]}, and version {VERSION} is understood here")


def _read_tag(said: dict[str, Any]) -> SaidTag:
    aliases, implies = ([_tag(name) for name in _texts(said, key)] for key in ("aliases", "implies"))
    return SaidTag(_tag(_text(said, "tag")), _text(said, "category", 32), aliases, implies)


def _read_image(said: dict[str, Any]) -> SaidImage:
    sha256 = _text(said, "image")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise MetadataError("“image” is no SHA-256")
    return SaidImage(
        sha256,
        _text(said, "name", 255),
        _moment(said, "added"),
        _moment(said, "taken"),
        [_read_source(each) for each in _objects(said, "sources")],
        [_read_word(each, _tag(_text(each, "tag"))) for each in _objects(said, "tags")],
        [_read_word(each, _caption(_text(each, "text"))) for each in _objects(said, "captions")],
        [_read_word(each, _text(each, "text", LONGEST_OCR)) for each in _objects(said, "ocr")],
        _scores(said.get("scores") or {}),
    )


def _read_source(said: dict[str, Any]) -> SaidSource:
    return SaidSource(
        _text(said, "kind", 16),
        _text(said, "address"),
        _text(said, "title", 255),
        _text(said, "author", 255),
        _text(said, "licence", 255),
        _moment(said, "seen"),
        _text(said, "by"),
    )


def _read_word(said: dict[str, Any], text: str) -> SaidWord:
    state, generation = said.get("state", Opinion.SUGGESTED), said.get("generation", 0)
    if state not in Opinion.values:
        raise MetadataError(f"there is no state {str(state)[:20]!r}; there are {', '.join(Opinion.values)}")
    if type(generation) is not int or not 0 <= generation < 2**63:
        raise MetadataError("a generation is a number")
    return SaidWord(
        text,
        _text(said, "origin", 200) or PERSON,
        generation,
        None if said.get("confidence") is None else _number(said["confidence"]),
        state,
        said.get("offered") is not False,
        said.get("decided") is True,
        [_boxed(each) for each in _list(said, "words")],
    )


def _boxed(word: Any) -> list[Any]:
    """As in OcrText.words."""
    if not isinstance(word, list) or len(word) != 6:
        raise MetadataError("a word in a picture is a list of six: the word, x, y, width, height, confidence")
    return [_clean(word[0], 1_000), *(_number(each) for each in word[1:])]


def _scores(said: Any) -> dict[str, float]:
    if not isinstance(said, dict) or len(said) > MOST:
        raise MetadataError("“scores” is an object of numbers")
    return {_clean(name, 100): _number(score) for name, score in said.items()}


def _tag(written: str) -> str:
    try:
        return tag_name(written)
    except WordError as error:
        raise MetadataError(str(error).rstrip(".")) from error


def _caption(written: str) -> str:
    try:
        return caption_text(written)
    except WordError as error:
        raise MetadataError(str(error).rstrip(".")) from error


def _text(said: dict[str, Any], key: str, longest: int = 10_000) -> str:
    return _clean(said.get(key) or "", longest)


def _clean(text: Any, longest: int) -> str:
    """Fit for PostgreSQL: no NUL, no half of a character."""
    if not isinstance(text, str):
        raise MetadataError(f"{str(text)[:20]!r} is no text")
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:longest]


def _texts(said: dict[str, Any], key: str) -> list[str]:
    return [_clean(each, 10_000) for each in _list(said, key)]


def _objects(said: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = _list(said, key)
    if not all(isinstance(each, dict) for each in found):
        raise MetadataError(f"“{key}” is a list of objects")
    return found


def _list(said: dict[str, Any], key: str) -> list[Any]:
    found = said.get(key) or []
    if not isinstance(found, list) or len(found) > MOST:
        raise MetadataError(f"“{key}” is a list of at most {MOST:,}")
    return found


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not -BIGGEST < value < BIGGEST:
        raise MetadataError(f"{str(value)[:20]!r} is no number")
    return value


def _moment(said: dict[str, Any], key: str) -> datetime | None:
    text = _text(said, key, 100)
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MetadataError(f"“{key}” is no date and time") from error

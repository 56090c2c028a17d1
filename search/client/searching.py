"""Searching: by picture, address, words, colours, or a picture of the gallery, alone or together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypedDict, Unpack

from .answers import Answer, Engine
from .calls import Call, given, listed, many, one
from .errors import mistake
from .pictures import Picture, file_of

Box: TypeAlias = str | tuple[float, float, float, float]
"""x, y, width, height of the part that is meant, in shares 0..1 of the picture."""


class Narrowed(TypedDict, total=False):
    """What every search takes."""

    q: str
    """The query language: ``winter && width>2000``."""
    engines: str | Sequence[str]
    grades: str | Sequence[str]
    least: float
    """The least score, 0..1."""
    weak: bool
    """Also what looks alike only a little."""
    cursor: str
    """The ``next`` of the answer before."""
    explain: bool
    """What each engine saw, in ``hits``."""


def search(
    picture: Picture | None = None,
    k: int = 20,
    *,
    url: str = "",
    id: int | None = None,
    text: str = "",
    colours: str | Sequence[str] = (),
    box: Box = "",
    **narrowed: Unpack[Narrowed],
) -> Call[Answer]:
    """Everything at once: at most one of ``picture``, ``url`` and ``id``; the best ``k`` (at most 1,000)."""
    if sum((picture is not None, bool(url), id is not None)) > 1:
        raise mistake("Search by one picture at a time: a file, an address or an id.")
    form = given(url=url, id=id, text=text, colours=listed(colours), box=_box(box), limit=k, **_plain(narrowed))
    files = {} if picture is None else {"picture": file_of(picture)}
    # Nothing is stored by it, so it may be asked twice.
    return Call("POST", "/api/search", one(Answer), form=form, files=files, repeatable=True)


def from_image(
    picture: Picture,
    k: int = 20,
    *,
    text: str = "",
    colours: str | Sequence[str] = (),
    box: Box = "",
    **narrowed: Unpack[Narrowed],
) -> Call[Answer]:
    """What looks like a picture: a path, bytes, an open file, or a picture of Pillow. ``text`` says what to change."""
    return search(picture, k, text=text, colours=colours, box=box, **narrowed)


def from_url(url: str, k: int = 20, *, text: str = "", box: Box = "", **narrowed: Unpack[Narrowed]) -> Call[Answer]:
    """What looks like the picture at an address of the web; the gallery fetches it."""
    return search(None, k, url=url, text=text, box=box, **narrowed)


def from_text(text: str, k: int = 20, **narrowed: Unpack[Narrowed]) -> Call[Answer]:
    """What the words mean or say, as in the one box of the page."""
    return search(None, k, text=text, **narrowed)


def from_colours(colours: str | Sequence[str], k: int = 20, **narrowed: Unpack[Narrowed]) -> Call[Answer]:
    """Pictures of these colours, as hex: ``["#aa3322", "ffffff"]``."""
    return search(None, k, colours=colours, **narrowed)


def similar(id: int, k: int = 20, *, text: str = "", box: Box = "", **narrowed: Unpack[Narrowed]) -> Call[Answer]:
    """What looks like a picture of the gallery."""
    return search(None, k, id=id, text=text, box=box, **narrowed)


def engines() -> Call[tuple[Engine, ...]]:
    """What answers, and whether it does just now."""
    return Call("GET", "/api/search/engines", many(Engine))


def _plain(narrowed: Narrowed) -> dict[str, object]:
    return {name: listed(value) if isinstance(value, list | tuple) else value for name, value in narrowed.items()}


def _box(box: Box) -> str:
    return box if isinstance(box, str) else ",".join(f"{share:.6g}" for share in box)

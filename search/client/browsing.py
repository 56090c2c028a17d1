"""Pictures of the gallery and their tags: list, read, edit, take away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from .answers import Edit, Image, Page, Tag, TagDetail
from .calls import Call, given, many, nothing, one, page_of

PAGE = 200


def images(q: str = "", sort: str = "", page_size: int = PAGE) -> Callable[[str], Call[Page[Image]]]:
    """All that a query of the query language finds (all at all, without one), fetched a page at a time."""

    def page_at(cursor: str) -> Call[Page[Image]]:
        query = given(q=q, sort=sort, cursor=cursor, limit=page_size)
        return Call("GET", "/api/images", page_of(Image), query=query)

    return page_at


def image(id: int) -> Call[Image]:
    """One picture. NotFound if there is none that you may see."""
    return Call("GET", "/api/images/{id}", one(Image), {"id": id})


def history(id: int) -> Call[tuple[Edit, ...]]:
    """What people did to it, newest first."""
    return Call("GET", "/api/images/{id}/history", many(Edit), {"id": id})


def edit(
    id: int,
    *,
    caption: str | None = None,
    add_tags: str | Iterable[str] = (),
    remove_tags: str | Iterable[str] = (),
    private: bool | None = None,
) -> Call[Image]:
    """Change what is said of it, all or nothing; what is not given stays. An empty caption takes yours away."""
    said: dict[str, object] = given(add_tags=_names(add_tags), remove_tags=_names(remove_tags), private=private)
    if caption is not None:
        said["caption"] = caption
    # It says how it shall be, not what to add to it: twice is as once.
    return Call("PATCH", "/api/images/{id}", one(Image), {"id": id}, json=said, repeatable=True)


def tag(id: int, *names: str) -> Call[Image]:
    """Add tags; new ones are made."""
    return edit(id, add_tags=names)


def untag(id: int, *names: str) -> Call[Image]:
    """Take tags off."""
    return edit(id, remove_tags=names)


def delete(id: int) -> Call[None]:
    """Into the trash, from which ``restore`` brings it back."""
    return Call("DELETE", "/api/images/{id}", nothing, {"id": id}, repeatable=True)


def restore(id: int) -> Call[Image]:
    """Out of the trash."""
    return Call("POST", "/api/images/{id}/restore", one(Image), {"id": id}, repeatable=True)


def original(id: int) -> Call[bytes]:
    """The file as it was brought in, in memory."""
    return Call("GET", "/api/images/{id}/original", lambda reply: reply.body, {"id": id})


def download(id: int, path: str | Path) -> Call[Path]:
    """The file as it was brought in, onto the disk: whole or not at all."""
    into = Path(path)
    return Call("GET", "/api/images/{id}/original", lambda reply: into, {"id": id}, into=into)


def tags(
    prefix: str = "", *, part: str = "", category: str | None = None, sort: str = "", page_size: int = PAGE
) -> Callable[[str], Call[Page[Tag]]]:
    """Tags that begin with ``prefix`` or hold ``part``, and how many pictures have each; most first, or ``name``."""

    def page_at(cursor: str) -> Call[Page[Tag]]:
        query = given(prefix=prefix, part=part, sort=sort, cursor=cursor, limit=page_size)
        if category is not None:
            query["category"] = category
        return Call("GET", "/api/tags", page_of(Tag), query=query)

    return page_at


def tag_detail(id: int) -> Call[TagDetail]:
    """Other names of a tag, and what it implies."""
    return Call("GET", "/api/tags/{id}", one(TagDetail), {"id": id})


def _names(names: str | Iterable[str]) -> list[str] | None:
    return ([names] if isinstance(names, str) else list(names)) or None

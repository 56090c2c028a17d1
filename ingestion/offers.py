"""What a source offers, as a row: the words of strangers, fit for the database."""

from __future__ import annotations

import hashlib
import math
import numbers
from typing import Any

from gallery.names import printable, safe_name
from ingestion.models import Candidate, Crawl, Source
from ingestion.sources._base import Found

MOST_OFFERED = 20_000
"""Characters of a text in what is kept of an offer."""


def key_of(found: Found) -> str:
    """What its source calls it for ever, in 64 characters."""
    return hashlib.sha256((found.key or found.url).encode("utf-8", "replace")).hexdigest()


def candidate_of(source: Source, found: Found, crawl: Crawl | None = None, **more: Any) -> Candidate:
    """Not saved yet."""
    return Candidate(
        source=source,
        crawl=crawl,
        key=key_of(found),
        url=storable(found.url),
        page=storable(found.page),
        name=name_of(found),
        title=printable(found.title)[:1000],
        author=printable(found.author)[:255],
        licence=printable(found.licence)[:255],
        published_at=found.published,
        offered=storable(found.written()),
        width=_pixels(found.width),
        height=_pixels(found.height),
        **more,
    )


def name_of(found: Found) -> str:
    """Of its file: what its source says, else the end of its address."""
    return safe_name(found.name or found.url.partition("?")[0].partition("#")[0])


def storable(value: Any) -> Any:
    """The same without what PostgreSQL refuses in texts and JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "")[:MOST_OFFERED]
    if isinstance(value, dict):
        return {storable(str(key)): storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    if isinstance(value, numbers.Real) and not isinstance(value, int):  # those of numpy are no JSON
        value = int(value) if isinstance(value, numbers.Integral) else float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pixels(said: int) -> int:
    return max(0, min(said, 2**31 - 1))

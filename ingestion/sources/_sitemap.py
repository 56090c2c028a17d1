"""The pages and pictures that a site lists for crawlers: https://www.sitemaps.org, with Google's picture extension."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError

from ingestion.download import DownloadError
from ingestion.sources._base import SourceError
from ingestion.sources._pictures import joined
from ingestion.sources._robots import LONGEST_DELAY

if TYPE_CHECKING:
    from ingestion.download import Web

MAX_BYTES = 20 * 2**20
MOST_FILES = 20
"""Of a sitemap in several files, those that were changed last."""
MOST_PAGES = 50_000
"""Of a whole sitemap, the newest: so many may be in one file."""
MOST_PICTURES = 1_000
"""Of one page, as the extension allows."""
MOST_PARTS = 5 * MOST_PICTURES
"""Elements inside one entry."""


@dataclass
class Listed:
    url: str
    """Encoded, like ``pictures``."""
    changed: str = ""
    pictures: list[str] = field(default_factory=list)


def listed(web: Web, url: str) -> list[Listed]:
    """The newest first, as far as it says when they were changed. SourceError if it is no sitemap."""
    name, entries = _read(web, url)
    if name == "sitemapindex":
        entries = _newest(page for file in _newest(entries)[:MOST_FILES] for page in _of_file(web, file.url))
    return list({page.url: page for page in _newest(entries)}.values())


def _newest(entries: Iterable[Listed]) -> list[Listed]:
    return nlargest(MOST_PAGES, entries, key=lambda one: one.changed)


def _of_file(web: Web, url: str) -> list[Listed]:
    try:
        return _read(web, url)[1]
    except DownloadError as error:
        if error.is_final:
            return []
        raise


def _read(web: Web, url: str) -> tuple[str, list[Listed]]:
    """(what it is, its newest entries). Element by element: as a tree it would take thirty times its length."""
    from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
    from defusedxml.ElementTree import iterparse  # type: ignore[import-untyped]

    answer = web.page(url, max_bytes=MAX_BYTES, patience=LONGEST_DELAY)
    try:
        steps = iterparse(io.BytesIO(_unpacked(answer.body if answer else b"")), events=("start", "end"))
        root: Element = next(steps)[1]
        if _name(root) not in ("urlset", "sitemapindex"):
            raise _no_sitemap(url)
        return _name(root), list(_resolved(_newest(_entries(root, steps, url)), url))
    except (ParseError, DefusedXmlException, zlib.error, ValueError, LookupError, StopIteration) as error:
        raise _no_sitemap(url) from error


def _unpacked(body: bytes) -> bytes:
    """Many are files of gzip, whatever their headers say."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, MAX_BYTES)


def _entries(root: Element, steps: Iterator[tuple[str, Element]], base: str) -> Iterator[Listed]:
    depth = parts = 0
    for event, element in steps:
        depth, parts = (depth + 1, parts + 1) if event == "start" else (depth - 1, parts)
        if parts > MOST_PARTS:
            raise _no_sitemap(base)
        if event == "end" and depth == 0:
            yield _entry(element)
            root.clear()
            parts = 0


def _entry(entry: Element) -> Listed:
    """Addresses as they are written."""
    words = {_name(part): (part.text or "").strip() for part in entry}
    pictures = [part.text or "" for part in entry.iter() if _is_place_of_picture(part)]
    return Listed(words.get("loc", ""), words.get("lastmod", ""), pictures[:MOST_PICTURES])


def _resolved(entries: Iterable[Listed], base: str) -> Iterator[Listed]:
    for entry in entries:
        if url := joined(base, entry.url):
            yield Listed(url, entry.changed, list(filter(None, (joined(base, one) for one in entry.pictures))))


def _is_place_of_picture(part: Element) -> bool:
    return _name(part) == "loc" and "sitemap-image" in str(part.tag)


def _name(part: Element) -> str:
    return str(part.tag).rpartition("}")[2].lower()


def _no_sitemap(url: str) -> SourceError:
    return SourceError(f"There is no sitemap at {url[:200]}.", pauses=True)

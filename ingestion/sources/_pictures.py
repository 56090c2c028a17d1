"""Which pictures a page of strangers shows, the best size of each, and what it says about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingestion.addresses import Address, parse
from ingestion.archives import is_archive_name
from ingestion.download_errors import DownloadError
from ingestion.folders import EXTENSIONS
from ingestion.sources._base import SourceError, What
from ingestion.sources._words import pixels

MOVES = (".mp4", ".webm", ".mov", ".m4v", ".avi", ".mkv", ".ogv", ".gifv")
LAZY = ("src", "data-src", "data-original", "data-lazy-src", "data-full-src")
LAZY_SETS = ("srcset", "data-srcset", "data-lazy-srcset")
SMALL = 200
"""Pixels: what a page shows smaller than this is a button or a face, not what it is about."""
DEEPEST = 400
"""Elements inside each other: the time that a parser takes grows with the square, and 20,000 take three seconds."""
MOST = 2_000
"""Pictures or links that are looked at on one page."""
_OPEN = "area base br col dd dt embed hr img input li link meta option p param source td th tr track wbr"
ENDED_BY_THE_NEXT = frozenset(_OPEN.split())
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([wx])", re.ASCII)
_WIDEST = {"w": 1.0, "x": 1000.0}


def what_is_at(url: str, kind: str = "") -> What | None:
    """By the end of its address and the type that is told; None: a page, as far as that tells."""
    path = urlsplit(url).path.lower()
    if kind.startswith("video/") or path.endswith(MOVES):
        return What.VIDEO
    if kind.startswith("image/") or path.endswith(tuple(EXTENSIONS)):
        return What.PICTURE
    return What.ARCHIVE if is_archive_name(path) else None


def joined(base: str, link: str | None) -> str:
    """Encoded; "" if it leads nowhere that can be fetched."""
    if not link or not link.strip() or link.strip().startswith("#"):
        return ""
    try:
        return str(parse(base).joined(re.sub(r"[\t\r\n]", "", link)))
    except DownloadError:
        return ""


@dataclass(frozen=True)
class Offered:
    """Addresses are encoded."""

    url: str
    others: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    words: str = ""
    """What the page says in its place."""


class Tangled(SourceError):
    """One page of a source; the others may be fit to be read."""


class Html:
    """``url``: where it came from; its own <base> counts."""

    def __init__(self, text: str, url: str) -> None:
        """Tangled if its elements are nested as no page needs it."""
        if _depth(text) > DEEPEST:
            raise Tangled(f"{url[:200]} is no page that can be read: it is nested too deeply.", pauses=True)
        self.tree = LexborHTMLParser(text)
        base = self.tree.css_first("base[href]")
        self.base = joined(url, base.attributes.get("href")) if base else ""
        self.base = self.base or url

    @cached_property
    def address(self) -> Address:
        return parse(self.base)

    @staticmethod
    def alt_in(node: LexborNode) -> str:
        return _alt(node.css_first("img")) or node.text(separator=" ", strip=True)

    def link(self, link: str | None) -> str:
        return joined(self.base, link)

    def pictures(self, rule: str = "") -> list[Offered]:
        """Those that the CSS rule marks: a picture, a link to one, or something around one.

        Without a rule: all linked files with a picture, else the best of what is shown and what is meant for sharing.
        """
        if rule:
            return _once(self._marked(node) for node in self.tree.css(rule)[:MOST])
        return self._linked() or self._shown()

    def words(self, *rules: str) -> str:
        """The first words that one of these CSS rules marks."""
        for rule in filter(None, rules):
            for node in self.tree.css(rule):
                said = node.attributes.get("content") if node.tag == "meta" else node.text(separator=" ", strip=True)
                said = said or node.attributes.get("datetime") or node.attributes.get("alt") or ""
                if said.strip():
                    return said.strip()
        return ""

    def licence(self, rule: str = "") -> str:
        """Its name, and where it is written down."""
        for node in self.tree.css(rule or "a[rel~=license], link[rel~=license]"):
            name, where = node.text(separator=" ", strip=True), self.link(node.attributes.get("href"))
            if name or where:
                return f"{name} ({where})" if name and where else name or where
        return self.words("meta[name=license], meta[name='dcterms.license'], meta[name=copyright]")

    def _marked(self, node: LexborNode) -> Offered | None:
        if node.tag == "meta":
            return _offered(self.link(node.attributes.get("content")))
        if node.tag in ("a", "link") and (url := self.link(node.attributes.get("href"))):
            inner = node.css_first("img")
            if what_is_at(url) or inner is None:
                return _offered(url, words=_alt(inner))
        picture = node if node.tag in ("img", "source") else node.css_first("img")
        return self._best(picture) if picture is not None else None

    def _linked(self) -> list[Offered]:
        links = [(node, self.link(node.attributes.get("href"))) for node in self.tree.css("a[href]")[:MOST]]
        files = [(node, url) for node, url in links if what_is_at(url) == What.PICTURE]
        return _once(_offered(url, words=_alt(node.css_first("img"))) for node, url in files)

    def _shown(self) -> list[Offered]:
        shown = [best for node in self.tree.css("img")[:MOST] if (best := self._best(node)) and not _is_small(node)]
        shared = _offered(
            self.link(self.words('meta[property="og:image:secure_url"]', 'meta[property="og:image"]')),
            width=pixels(self.words('meta[property="og:image:width"]')),
            height=pixels(self.words('meta[property="og:image:height"]')),
        )
        largest = max(shown, key=lambda one: one.width, default=None)
        if shared and (largest is None or largest.width <= max(shared.width, 1000)):
            return [shared if not largest else _with_other(shared, largest)]
        return [_with_other(largest, shared) if shared else largest] if largest else []

    def _best(self, node: LexborNode) -> Offered | None:
        """The largest that a picture has to choose from."""
        told = node.attributes
        sets = [told.get(name) for name in LAZY_SETS]
        if node.parent is not None and node.parent.tag == "picture":
            sets += [source.attributes.get("srcset") for source in node.parent.css("source")]
        sized = [(width, self.link(url)) for one in sets for width, url in in_srcset(one or "")]
        plain = [(float(pixels(told.get("width"))), self.link(told.get(name))) for name in LAZY]
        ordered = [(width, url) for width, url in sorted(sized + plain, key=lambda one: -one[0]) if url]
        if not ordered:
            return None
        url = ordered[0][1]
        others = tuple(dict.fromkeys(other for _, other in ordered[1:] if other != url))[:3]
        return Offered(url, others, width=int(ordered[0][0]), words=_alt(node))


def in_srcset(written: str) -> Iterator[tuple[float, str]]:
    """(width in pixels, address). One that is told as "2x" counts as so many times 1,000 pixels."""
    words = written[:20_000].split()[::-1]
    while words:
        url, size = words.pop().lstrip(","), ""
        while words and url and not url.endswith(","):  # addresses have commas in them: a last one ends it
            told, comma, rest = words.pop().partition(",")
            size = size or told
            if comma:
                words += [rest] if rest else []
                break
        if url := url.rstrip(","):
            match = _SIZE.fullmatch(size)
            yield float(match[1]) * _WIDEST[match[2]] if match else 1000.0, url


def _depth(html: str) -> int:
    """About how deep its elements are nested."""
    depth = deepest = 0
    for slash, name in _TAG.findall(html):
        if name.lower() not in ENDED_BY_THE_NEXT:
            depth = max(0, depth - 1) if slash else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _offered(url: str, **told: Any) -> Offered | None:
    return Offered(url, **told) if url else None


def _with_other(best: Offered, other: Offered) -> Offered:
    others = tuple(url for url in (other.url, *other.others, *best.others) if url != best.url)[:3]
    return Offered(best.url, others, best.width, best.height, best.words or other.words)


def _is_small(node: LexborNode) -> bool:
    sides = [pixels(node.attributes.get(name)) for name in ("width", "height")]
    return any(0 < side < SMALL for side in sides)


def _alt(node: LexborNode | None) -> str:
    return (node.attributes.get("alt") or node.attributes.get("title") or "") if node is not None else ""


def _once(offers: Iterable[Offered | None]) -> list[Offered]:
    return list({offer.url: offer for offer in reversed([o for o in offers if o])}.values())[::-1]

"""Any feed: RSS, Atom or JSON Feed. Its attached pictures, else the best picture in the text of each entry."""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django import forms

from ingestion.download import Answer, decoded
from ingestion.sources._base import Crawler, Found, Options, Page, SourceError, What
from ingestion.sources._feedparser import parsed
from ingestion.sources._fields import WebAddressField
from ingestion.sources._marks import Marks
from ingestion.sources._pictures import Html, Offered, Tangled, joined, what_is_at
from ingestion.sources._words import AUTHOR, LICENCE, TITLE, file_name, line, moment, pixels

if TYPE_CHECKING:
    from ingestion.download import Web

PAGES = 10
"""Of a feed that has several, at most; the next crawl goes on behind them."""
MOST_TAGS = 40


class FeedOptions(Options):
    address = WebAddressField(max_length=500, help_text="Of an RSS, Atom or JSON feed.")
    licence = forms.CharField(required=False, max_length=255, help_text="Of all its pictures, where it names none.")
    author = forms.CharField(required=False, max_length=255, help_text="Of all its pictures, where it names none.")


@dataclass
class Entry:
    """What the kinds of feeds have in common."""

    key: str
    page: str
    title: str = ""
    author: str = ""
    licence: str = ""
    published: datetime | None = None
    over_18: bool = False
    tags: list[str] = field(default_factory=list)
    offers: list[tuple[Offered, What]] = field(default_factory=list)


@dataclass
class Feed:
    entries: list[Entry]
    next: str = ""
    """Where its older entries are."""


class FeedCrawler(Crawler):
    kind = "feed"
    label = "Feed"
    about = "The pictures of an RSS, Atom or JSON feed, as many sites and blogs have one; it needs its address."
    options = FeedOptions

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        """``since``: {"marks": which entries are known, "next": the page of the feed, "etag" and "modified" of its
        first page, so that one that has not changed is not read again}."""
        marks, url = Marks.read(since.get("marks")), since.get("next") or options["address"]
        told = {name: since.get(name, "") for name in ("etag", "modified")}
        for _ in range(PAGES):
            answer = web.page(url, headers={} if since.get("next") else _conditions(told))
            if answer is None:
                return
            if url == options["address"]:
                told = {"etag": _short(answer, "etag"), "modified": _short(answer, "last-modified")}
            feed = read(answer)
            known = all(marks.knows(entry.key) for entry in feed.entries)
            new = [entry for entry in feed.entries if marks.brings(entry.key)]
            found = [one for entry in new for one in _found(entry, options)]
            since = {"next": feed.next, **told}
            if known or not feed.next or feed.next == url:
                yield Page(found, {"marks": marks.all_read(), **told})
                return
            yield Page(found, {"marks": marks.to_go_on(), **since})
            url = feed.next


CRAWLER = FeedCrawler()


def read(answer: Answer) -> Feed:
    """SourceError if it is no feed."""
    if answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _read_json(answer)
    told = parsed(answer.body, answer.url, answer.headers.get("content-type", ""))
    if not told.get("version"):
        raise _no_feed()
    about = told["feed"]
    older = next((link.get("href") for link in about.get("links", []) if link.get("rel") == "next"), "")
    return Feed([_of_xml(entry, about, answer.url) for entry in told["entries"]], joined(answer.url, older))


def _of_xml(told: Any, about: Any, base: str) -> Entry:
    page = joined(base, told.get("link")) or base
    entry = Entry(
        key=str(told.get("id") or told.get("link") or ""),
        page=page,
        title=_text(told.get("title"), (told.get("title_detail") or {}).get("type")),
        author=_credit(told) or told.get("author") or about.get("author") or "",
        licence=_licence(told) or _licence(about),
        published=_moment(told.get("published_parsed") or told.get("updated_parsed")),
        over_18=str((told.get("media_rating") or {}).get("content", "")).lower() in ("adult", "hardcore"),
        tags=[str(tag.get("term") or "") for tag in told.get("tags") or []],
    )
    attached = [link for link in told.get("links") or [] if link.get("rel") == "enclosure"]
    files = [(joined(base, link.get("href")), str(link.get("type") or "")) for link in attached]
    parts = [*(told.get("content") or []), told.get("summary_detail") or {}]
    # Texts are copied from the page of the entry, and so are their short addresses, unless the feed says otherwise.
    htmls = [(part.get("value") or "", _other(part.get("base"), base) or page) for part in parts]
    entry.offers = _media(told, base) or _attached(files) or _in_html(htmls) or _last_resort(told, base, files)
    return _named(entry)


def _media(told: Any, base: str) -> list[tuple[Offered, What]]:
    """Media RSS: one picture in several sizes."""
    sizes = [
        Offered(url, width=pixels(one.get("width")), height=pixels(one.get("height")))
        for one in told.get("media_content") or []
        if (url := joined(base, one.get("url")))
        and (one.get("medium") == "image" or what_is_at(url, str(one.get("type") or "")) == What.PICTURE)
    ]
    sizes.sort(key=lambda one: -one.width)
    return [(_with_others(sizes), What.PICTURE)] if sizes else []


def _attached(files: list[tuple[str, str]]) -> list[tuple[Offered, What]]:
    kinds = [(Offered(url), what_is_at(url, kind)) for url, kind in files if url]
    return [(offer, what) for offer, what in kinds if what in (What.PICTURE, What.ARCHIVE)]


def _in_html(htmls: list[tuple[str, str]]) -> list[tuple[Offered, What]]:
    for html, base in htmls:
        try:
            offers = Html(html, base).pictures()
        except Tangled:  # whoever wrote one entry does not end the whole feed
            continue
        if offers:
            return [(offers[0], What.PICTURE)]
    return []


def _last_resort(told: Any, base: str, files: list[tuple[str, str]]) -> list[tuple[Offered, What]]:
    """A video, said to be one; else the small picture that stands for the entry."""
    media = [(joined(base, one.get("url")), str(one.get("type") or "")) for one in told.get("media_content") or []]
    for url, kind in files + media:
        if url and what_is_at(url, kind) == What.VIDEO:
            return [(Offered(url), What.VIDEO)]
    small = [Offered(url) for one in told.get("media_thumbnail") or [] if (url := joined(base, one.get("url")))]
    return [(small[0], What.PICTURE)] if small else []


def _read_json(answer: Answer) -> Feed:
    """https://www.jsonfeed.org/version/1.1/"""
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _no_feed() from None
    items = told.get("items")
    if "jsonfeed.org" not in str(told.get("version")) or not isinstance(items, list):
        raise _no_feed()
    entries = [_of_json(item, told, answer.url) for item in items if isinstance(item, dict)]
    return Feed(entries, joined(answer.url, _string(told.get("next_url"))))


def _of_json(told: dict[str, Any], about: dict[str, Any], base: str) -> Entry:
    page = joined(base, _string(told.get("url")) or _string(told.get("external_url"))) or base
    tags = told.get("tags")
    entry = Entry(
        key=str(told.get("id") or told.get("url") or ""),
        page=page,
        title=_string(told.get("title")),
        author=_json_author(told) or _json_author(about),
        licence=_string(told.get("license")) or _string(told.get("_license")),
        published=_iso(told.get("date_published")),
        tags=[_string(tag) for tag in tags] if isinstance(tags, list) else [],
    )
    attached = told.get("attachments")
    files = [
        (joined(base, _string(one.get("url"))), _string(one.get("mime_type")))
        for one in (attached if isinstance(attached, list) else [])
        if isinstance(one, dict)
    ]
    shown = [(Offered(url), What.PICTURE) for name in ("image", "banner_image") if (url := _at(told, name, base))]
    videos = [(Offered(url), What.VIDEO) for url, kind in files if url and what_is_at(url, kind) == What.VIDEO]
    entry.offers = _attached(files) or shown[:1] or _in_html([(_string(told.get("content_html")), page)]) or videos[:1]
    return _named(entry)


def _named(entry: Entry) -> Entry:
    """One that has no id and leads nowhere is called after its picture: two of these are not one."""
    entry.key = entry.key or (entry.offers[0][0].url if entry.offers else entry.title)
    return entry


def _found(entry: Entry, options: dict[str, Any]) -> Iterator[Found]:
    for number, (offer, what) in enumerate(entry.offers):
        yield Found(
            url=decoded(offer.url),
            page=decoded(entry.page),
            name=file_name(offer.url),
            title=line(entry.title, TITLE) or line(offer.words, TITLE),
            author=line(entry.author, AUTHOR) or options.get("author", ""),
            licence=line(entry.licence, LICENCE) or options.get("licence", ""),
            width=offer.width if offer.height else 0,
            height=offer.height if offer.width else 0,
            published=entry.published,
            what=what,
            over_18=entry.over_18,
            others=tuple(map(decoded, offer.others)),
            key=f"{entry.key[:2000]} {number}",
            more={"tags": [line(tag, 100) for tag in entry.tags[:MOST_TAGS]]},
        )


def _with_others(sizes: list[Offered]) -> Offered:
    best = sizes[0]
    return Offered(best.url, tuple(one.url for one in sizes[1:4]), best.width, best.height)


def _other(base: Any, usual: str) -> str:
    return joined(usual, str(base or "")) if base != usual else ""


def _conditions(told: dict[str, str]) -> dict[str, str]:
    headers = {"If-None-Match": told["etag"], "If-Modified-Since": told["modified"]}
    return {name: value for name, value in headers.items() if value}


def _short(answer: Answer, name: str) -> str:
    value = answer.headers.get(name, "")
    return value if len(value) <= 200 and value.isascii() else ""


def _credit(told: Any) -> str:
    credits = [one for one in told.get("media_credit") or [] if isinstance(one, dict)]
    return next((str(one["content"]) for one in credits if one.get("content")), "")


def _licence(told: Any) -> str:
    links = [link.get("href") for link in told.get("links") or [] if link.get("rel") == "license"]
    media = told.get("media_license") or {}
    said = [" ".join(filter(None, (media.get("content"), media.get("href"))))]
    return next((str(one) for one in [*said, told.get("license"), *links, told.get("rights")] if one), "")


def _text(words: Any, kind: Any) -> str:
    if kind in ("text/html", "application/xhtml+xml") and "<" in str(words):
        try:
            return Html(str(words), "http://localhost/").tree.text(separator=" ", strip=True)
        except Tangled:
            return ""
    return str(words or "")


def _moment(parsed: Any) -> datetime | None:
    try:
        return moment(calendar.timegm(parsed)) if parsed else None
    except (ValueError, OverflowError, TypeError):
        return None


def _iso(written: Any) -> datetime | None:
    try:
        told = datetime.fromisoformat(_string(written))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _json_author(told: dict[str, Any]) -> str:
    authors = told.get("authors") or [told.get("author")]
    names = [one.get("name") for one in authors if isinstance(one, dict)] if isinstance(authors, list) else []
    return ", ".join(name for name in names if isinstance(name, str))


def _at(told: dict[str, Any], name: str, base: str) -> str:
    return joined(base, _string(told.get(name)))


def _string(told: Any) -> str:
    return told if isinstance(told, str) else ""


def _no_feed() -> SourceError:
    return SourceError("What lies at this address is no RSS, Atom or JSON feed, or not any more.", pauses=True)

"""The way through a gallery: from list to list, and to the pages behind their links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingestion.addresses import parse
from ingestion.download import DownloadError, decoded
from ingestion.sources._base import Found, Page, SourceError, What
from ingestion.sources._marks import Marks, mark
from ingestion.sources._pictures import MOST, Html, Offered, Tangled, what_is_at
from ingestion.sources._robots import LONGEST_DELAY, Robots
from ingestion.sources._sitemap import listed
from ingestion.sources._words import AUTHOR, LICENCE, TITLE, file_name, line

if TYPE_CHECKING:
    from ingestion.download import Answer, Web

LINKS = "a:has(img)"
NEXT = "a[rel~=next], link[rel~=next], a.next, .next > a, .next-page a, .pager-next a, .pagination-next a"
TITLES = ('meta[property="og:title"]', "h1", "title")
AUTHORS = ("meta[name=author]", 'a[rel~="author"]', ".author", ".byline")
DATES = ('meta[property="article:published_time"]', "time[datetime]")
ADULT = ("adult", "mature", "rta-5042-1996-1400-1577-rta")
LONGEST_ADDRESS = 500
"""Letters of a list that is kept in mind to go on there."""
MAX_BYTES = 2 * 2**20
DOUBT = 5
"""So many new pages without a picture, one after the other: the rules fit no more."""
SKIPPED = {"not_found", "gone", "too_large", "redirects", "refused", "bad_url", "forbidden_address"}
"""What is wrong with one page only."""


@dataclass
class Place:
    """How far a list has been read."""

    url: str
    after: str | None = None
    """The mark of the link that was followed last; "": none yet; None: its own pictures were not told either."""


@dataclass
class List:
    """What one list offers. Addresses are encoded."""

    files: list[Found]
    links: list[str]
    next: str = ""

    def behind(self, after: str) -> list[str]:
        """All links if that one is not there any more: there is news, and it has moved to the next list."""
        marks = [mark(url) for url in self.links]
        return self.links[marks.index(after) + 1 :] if after in marks else self.links


@dataclass
class Walk:
    """One crawl. ``options`` are those of ingestion/sources/page.py."""

    options: dict[str, Any]
    since: dict[str, Any]
    web: Web
    asked: int = 0
    tried: int = 0
    """Of those, pages behind links."""
    places: list[Place] = field(default_factory=list)
    """The list that is read, behind those that lead to it."""

    def __post_init__(self) -> None:
        self.marks = Marks.read(self.since.get("marks"))
        self.until, self.newest = self.since.get("until", ""), self.since.get("newest", "")
        """Days in the sitemap: what is older is known; where this crawl has begun."""
        self.bare: int = self.since.get("bare", 0)
        """New pages without a picture, since the last one with one."""
        self.stumbled: str = self.since.get("stumbled", "")
        """The mark of the page at which the crawl before has failed."""
        self.robots = Robots(self.web)
        self.home = _site(self.options["address"])
        self.depth = self.options.get("depth", 1)
        self.most = self.options.get("pages") or 50

    def run(self) -> Iterator[Page]:
        self.start = self._beginning()
        self.places = [Place(*place) for place in self.since.get("places") or [[self.start, None]]]
        yield from self._read(0)
        if self._is_enough():
            return
        if self.bare and self.bare == self.tried and not self.since:
            raise self._doubt()
        yield Page([], {"marks": self.marks.all_read(), "until": self.newest, "bare": self.bare})

    def _beginning(self) -> str:
        address: str = self.options["address"]
        if not self.options.get("sitemap") or ".xml" in address:
            return address
        return (self.robots.sitemaps(address) or [str(parse(address).joined("/sitemap.xml"))])[0]

    def _is_enough(self) -> bool:
        return self.asked >= self.most

    def _read(self, level: int) -> Iterator[Page]:
        """A list, all that lies behind it, and the lists after it."""
        met: set[str] = set()
        while not self._is_enough():
            place = self.places[level]
            if len(self.places) > level + 1:
                yield from self._deeper(level)
                continue
            met.add(place.url)
            read = self._list(place)
            known = self._is_known(read)
            if place.after is None:
                place.after = ""
                yield self._told([one for one in read.files if self.marks.brings(one.url)])
            yield from self._links(level, read)
            if self._is_enough() or known or not read.next or read.next in met:
                return
            self.places[level] = Place(read.next)

    def _links(self, level: int, read: List) -> Iterator[Page]:
        place = self.places[level]
        for url in read.behind(place.after or ""):
            if self._is_enough():
                return
            before = self._since()
            place.after = mark(url)
            if level + 1 < self.depth:
                self.places.append(Place(url))
                yield from self._deeper(level)
            elif self.marks.brings(url):
                try:
                    found = self._page(url)
                except DownloadError as error:
                    if error.code == "rate_limited":
                        raise
                    if self.stumbled != mark(url):
                        yield Page([], before | {"stumbled": mark(url)})
                        raise
                    found = []  # its list could be read both times: the rest does not wait for this one for ever
                yield self._told(found)

    def _deeper(self, level: int) -> Iterator[Page]:
        yield from self._read(level + 1)
        if not self._is_enough():
            del self.places[level + 1 :]

    def _told(self, found: list[Found]) -> Page:
        return Page(found, self._since())

    def _since(self) -> dict[str, Any]:
        places = [[place.url, place.after] for place in self.places]
        known = {"marks": self.marks.to_go_on(), "until": self.until, "newest": self.newest, "bare": self.bare}
        return {"places": places, **known}

    def _is_known(self, read: List) -> bool:
        names = [*read.links, *(found.url for found in read.files)]
        return bool(names) and all(self.marks.knows(name) for name in names)

    def _list(self, place: Place) -> List:
        if not self.robots.may(place.url):
            raise SourceError(f"robots.txt of {parse(place.url).host} does not allow this address.", pauses=True)
        self.asked += 1
        is_start = place.url == self.start
        read = self._of_sitemap(place.url) if is_start and self.options.get("sitemap") else self._of_page(place.url)
        if is_start and not read.links and not read.files:
            what = "no picture was found" if not self.depth else "no link to a picture of this site was found"
            raise _changed(f"In {place.url[:200]} {what}", self.options.get("links" if self.depth else "images"))
        return read

    def _of_sitemap(self, url: str) -> List:
        pages = listed(self.web, url)
        self.newest = self.newest or max((page.changed for page in pages), default="")
        wanted = [page for page in pages if not page.changed or page.changed >= self.until]
        wanted = [page for page in wanted if self._is_wanted(page.url)] or [p for p in pages if self._is_wanted(p.url)]
        files = [_found(Offered(file), page.url) for page in wanted for file in page.pictures if self._may(file)]
        return List(files, [page.url for page in wanted if not page.pictures])

    def _of_page(self, url: str) -> List:
        answer = self._ask(url)
        html = Html(answer.text, answer.url)
        next = next_of(html, self.options.get("next"))
        next = next if self._is_here(next) and len(next) <= LONGEST_ADDRESS else ""
        if not self.depth:
            return List(self._pictures(html, answer.url), [], next)
        found = [
            (html.link(node.attributes.get("href")), node) for node in html.tree.css(self._rule("links", LINKS))[:MOST]
        ]
        links = {url: node for url, node in reversed(found) if url and self.options.get("contains", "") in url}
        files = [url for url in reversed(links) if what_is_at(url) in (What.PICTURE, What.ARCHIVE) and self._may(url)]
        alts = {url: html.alt_in(links[url]) for url in files}
        pages = [url for url in reversed(links) if not what_is_at(url) and self._is_wanted(url) and url != answer.url]
        return List([_found(Offered(url, words=alts[url]), answer.url) for url in files], pages, next)

    def _page(self, url: str) -> list[Found]:
        """The pictures on a page behind a link."""
        self.asked += 1
        self.tried += 1
        try:
            answer = self._ask(url)
        except DownloadError as error:
            if error.code == "wrong_type":  # no page: the picture itself, though its address does not look like one
                return [_found(Offered(url), url)]
            if error.code in SKIPPED:
                return []
            if error.code == "forbidden" and self.bare + 1 < DOUBT:  # a page for members, or we are not welcome
                self.bare += 1
                return []
            raise
        try:
            found = self._pictures(Html(answer.text, answer.url), answer.url)
        except Tangled:
            found = []
        self.bare = 0 if found else self.bare + 1
        if self.bare >= DOUBT:
            raise self._doubt()
        return found

    def _doubt(self) -> SourceError:
        return _changed("No picture was found on the pages behind the links", self.options.get("images"))

    def _pictures(self, html: Html, url: str) -> list[Found]:
        offers = [offer for offer in html.pictures(self.options.get("images", "")) if self._may(offer.url)]
        about = {
            "title": line(html.words(self.options.get("title", ""), *TITLES), TITLE),
            "author": line(html.words(self.options.get("author", ""), *AUTHORS), AUTHOR),
            "licence": line(html.licence(self.options.get("licence", "")), LICENCE),
            "published": _moment(html.words(*DATES)),
            "over_18": html.words("meta[name=rating]").lower() in ADULT,
        }
        return [_found(offer, url, **about) for offer in offers]

    def _ask(self, url: str) -> Answer:
        answer = self.web.page(url, max_bytes=MAX_BYTES, patience=LONGEST_DELAY)
        assert answer is not None  # nobody asked whether it has changed
        return answer

    def _rule(self, name: str, usual: str) -> str:
        return self.options.get(name) or usual

    def _is_here(self, url: str) -> bool:
        return bool(url) and _site(url) == self.home

    def _is_wanted(self, url: str) -> bool:
        return self._is_here(url) and self.options.get("contains", "") in url and self.robots.may(url)

    def _may(self, url: str) -> bool:
        """Hosts that only keep the files of a gallery have no say in who looks at it."""
        return not self._is_here(url) or self.robots.may(url)


def next_of(html: Html, rule: str | None) -> str:
    for node in html.tree.css(rule or NEXT):
        link = node if node.attributes.get("href") else node.css_first("a[href]")
        if link is not None and (url := html.link(link.attributes.get("href"))):
            return url
    return ""


def _found(offer: Offered, page: str, **about: Any) -> Found:
    about["title"] = line(offer.words, TITLE) if not about.get("title") else about["title"]
    return Found(
        url=decoded(offer.url),
        page=decoded(page),
        name=file_name(offer.url) or file_name(page),
        what=what_is_at(offer.url) or What.PICTURE,
        width=offer.width if offer.height else 0,
        height=offer.height if offer.width else 0,
        others=tuple(map(decoded, offer.others)),
        **about,
    )


def _site(url: str) -> str:
    address = parse(url)
    return address.host.removeprefix("www.") + ("" if address.port in (80, 443) else f":{address.port}")


def _moment(written: str) -> datetime | None:
    try:
        told = datetime.fromisoformat(written)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _changed(what: str, rule: str | None) -> SourceError:
    by = f"by the rule {rule[:100]}" if rule else "by the usual signs: it may need rules of its own"
    return SourceError(f"{what} ({by}). The site may be another one now.", pauses=True)

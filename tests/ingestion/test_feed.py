"""Feeds are crawled: RSS, Atom and JSON Feed, with the best picture of each entry."""

from __future__ import annotations

import time
from html import escape
from typing import Any
from urllib.parse import quote

import pytest

from ingestion.download import Web
from ingestion.models import Server
from ingestion.sources import feed
from ingestion.sources._base import Found, SourceError, What
from tests.ingestion.crawler_contract import ODD_NAME, WebCrawlerContract
from tests.sites.site import Asked, Reply, Site

A_PAGE = 3
KIND = "application/rss+xml"
NAMES = """xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
    xmlns:cc="http://backend.userland.com/creativeCommonsRssModule" """
LONG_SET = f'<img srcset="{"a " * 500_000}">'
pytestmark = pytest.mark.django_db


def rss(*items: str, about: str = "") -> bytes:
    inside = "".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?><rss version="2.0" {NAMES}><channel>{about}{inside}</channel></rss>'.encode()


class TestFeedContract(WebCrawlerContract):
    kind = "feed"
    nonsense = [{"address": ""}, {"address": "nothing at all"}, {"address": "ftp://example.org/"}]
    changed = [
        Reply(b"<html><body>Our feed has moved.</body></html>"),
        Reply(b"", KIND),
        Reply(b"/etc/passwd", KIND),
        Reply(json={"items": []}),
        Reply(json={"version": "https://jsonfeed.org/version/1.1", "items": {}}),
        Reply(b"{" * 200_000, "application/json"),
    ]

    def address(self, number: int) -> str:
        return f"{self.site.url}/files/{'an ä 100%25 %2541 %231.jpg' if not number else f'{number}.jpg'}"

    def offer(self, count: int) -> dict[str, Any]:
        def told(asked: Asked) -> Reply:
            at = int(asked.query.get("page", 0)) * A_PAGE
            numbers = list(reversed(range(count)))[at : at + A_PAGE]
            files = [(n, quote(ODD_NAME) if not n else f"{n}.jpg") for n in numbers]
            items = [f'<guid>{n}</guid><enclosure url="/files/{file}" type="image/jpeg"/>' for n, file in files]
            more = f'<atom:link rel="next" href="/feed?page={at // A_PAGE + 1}"/>' if at + A_PAGE < count else ""
            return Reply(rss(*items, about=more), KIND)

        return {"address": self.site.answer("/feed", told)}

    def offer_words(self, words: str) -> dict[str, Any]:
        told = escape("".join(c for c in words if c.isprintable()))  # XML has no others
        item = "".join(f"<{name}>{told}</{name}>" for name in ("title", "dc:creator", "dc:rights", "category"))
        return {"address": self.site.put("/feed", rss(f'{item}<enclosure url="/a.jpg" type="image/jpeg"/>'), KIND)}


@pytest.fixture
def web(site: Site) -> Any:
    Server.objects.create(host=site.host, pause=0)
    with Web() as web:
        yield web


def crawl(web: Web, address: str, **typed: Any) -> list[Found]:
    form = feed.CRAWLER.options({"address": address} | typed)
    assert form.is_valid(), form.errors
    return [one for page in feed.CRAWLER.crawl(form.cleaned_data, {}, web) for one in page.found]


def test_it_works(site, web):
    item = """<title>A &lt;b&gt;blue&lt;/b&gt; day &amp;amp; night</title><guid>1</guid><link>/posts/a b</link>
        <dc:creator>Alice</dc:creator><pubDate>Sat, 21 Nov 2026 12:00:00 GMT</pubDate><category>sky</category>
        <media:group><media:content url="/s.jpg" width="640" height="480" type="image/jpeg"/>
        <media:content url="/l%20%C3%A4.jpg" width="4000" height="3000" medium="image"/></media:group>
        <media:thumbnail url="/t.jpg"/><media:rating>adult</media:rating>"""
    about = "<title>T</title><link>/</link><cc:license>https://cc.example/by/4.0/</cc:license>"
    [found] = crawl(web, site.put("/feed", rss(item, about=about), KIND))
    assert (found.url, found.others) == (f"{site.url}/l ä.jpg", (f"{site.url}/s.jpg",))
    assert (found.width, found.height, found.name) == (4000, 3000, "l ä.jpg")
    assert (found.title, found.author) == ("A blue day & night", "Alice")
    assert (found.licence, found.over_18) == ("https://cc.example/by/4.0/", True)
    assert (found.page, found.more) == (f"{site.url}/posts/a b", {"tags": ["sky"]})
    assert found.published.isoformat() == "2026-11-21T12:00:00+00:00"


@pytest.mark.parametrize(
    ("item", "path", "what"),
    [
        ('<enclosure url="/e.jpg" type=""/><description>&lt;img src="/d.jpg"&gt;</description>', "/e.jpg", "picture"),
        ('<enclosure url="/e" type="image/png"/>', "/e", "picture"),
        ('<enclosure url="/e.zip" type="application/zip"/>', "/e.zip", "archive"),
        ('<enclosure url="/e.mp4" type="video/mp4"/>', "/e.mp4", "video"),
        ('<enclosure url="/e.mp3" type="audio/mpeg"/><media:thumbnail url="/t.jpg"/>', "/t.jpg", "picture"),
        ('<media:content url="/v" medium="video" type="video/mp4"/><media:thumbnail url="/t.jpg"/>', "/v", "video"),
        (
            '<link>/post/1</link><description>&lt;img src="/d.jpg"&gt;</description><content:encoded><![CDATA['
            '<img src="/icon.png" width=16><a href="full.jpg"><img src="/c.jpg"></a>]]></content:encoded>',
            "/post/full.jpg",
            "picture",
        ),
        ('<description>&lt;img src="/s.jpg" srcset="/2.jpg 2x, /3.jpg 3x"&gt;</description>', "/3.jpg", "picture"),
    ],
)  # fmt: skip
def test_the_best_picture_of_an_entry(site, web, item, path, what):
    [found] = crawl(web, site.put("/feed", rss(item), KIND))
    assert (found.url, found.what) == (site.url + path, What(what))


def test_an_entry_with_several_files(site, web):
    files = "".join(f'<enclosure url="/{n}.jpg" type="image/jpeg"/>' for n in range(3))
    found = crawl(web, site.put("/feed", rss(f"<guid>g</guid>{files}"), KIND))
    assert [one.name for one in found] == ["0.jpg", "1.jpg", "2.jpg"]
    assert len({one.key for one in found}) == 3


def test_entries_without_a_name_are_not_taken_for_one(site, web):
    items = [f'<title>Untitled</title><enclosure url="/{n}.jpg" type="image/jpeg"/>' for n in range(2)]
    found = crawl(web, site.put("/feed", rss(*items), KIND))
    assert len({one.key for one in found}) == 2


def test_entries_without_pictures_are_passed_over(site, web):
    assert crawl(web, site.put("/feed", rss("<title>Words</title>", "<title>More</title>"), KIND)) == []


def test_atom(site, web):
    body = """<feed xmlns="http://www.w3.org/2005/Atom"><author><name>Bob</name></author><entry><id>tag:1</id>
        <title type="text">1 &lt; 2</title><link href="/post"/><link rel="license" href="https://cc.example/zero/"/>
        <updated>2026-11-21T12:00:00+01:00</updated><content type="html">&lt;img src="a.jpg"&gt;</content></entry>
        </feed>"""
    [found] = crawl(web, site.put("/deep/feed", body, "application/atom+xml"))
    assert found.url == f"{site.url}/a.jpg"
    assert (found.title, found.author, found.licence) == ("1 < 2", "Bob", "https://cc.example/zero/")
    assert found.published.isoformat() == "2026-11-21T11:00:00+00:00"


def test_json_feed(site, web):
    items: list[Any] = [
        {"id": 1, "url": "/p/1", "title": "One", "image": "/1.jpg", "date_published": "2026-11-21T12:00:00Z"},
        {"id": "2", "attachments": [{"url": "/2.png", "mime_type": "image/png"}], "authors": [{"name": "Eve"}]},
        {"id": "3", "content_html": '<img src="/3.jpg">', "tags": ["a", 7]},
        {"id": "4", "image": {"no": "text"}, "attachments": "none", "tags": None, "authors": "x", "title": []},
        "nonsense",
    ]
    about = {"version": "https://jsonfeed.org/version/1.1", "author": {"name": "Bob"}}
    site.answer("/feed", lambda asked: Reply(json={**about, "items": items[:2], "next_url": "/more"}))
    site.answer("/more", lambda asked: Reply(json={**about, "items": items[2:]}))
    found = crawl(web, f"{site.url}/feed", licence="CC0", author="Nobody")
    assert [one.name for one in found] == ["1.jpg", "2.png", "3.jpg"]
    assert [one.author for one in found] == ["Bob", "Eve", "Bob"]
    assert (found[0].page, found[0].licence) == (f"{site.url}/p/1", "CC0")


def test_a_feed_that_has_not_changed_is_not_read(site, web):
    def told(asked: Asked) -> Reply:
        same = asked.headers.get("if-none-match") == '"1"'
        return Reply(rss('<enclosure url="/a.jpg" type="image/jpeg"/>'), KIND, 304 if same else 200, {"ETag": '"1"'})

    options = {"address": site.answer("/feed", told)}
    [page] = feed.CRAWLER.crawl(options, {}, web)
    assert list(feed.CRAWLER.crawl(options, page.since, web)) == []
    assert site.asked[1].headers["if-none-match"] == '"1"'
    [page] = feed.CRAWLER.crawl(options, {}, web)  # what a crash has lost is not taken for known
    assert page.found


def test_a_feed_that_is_never_the_same_ends(site, web):
    site.answer("/feed*", lambda asked: Reply(rss(f"<guid>{len(site.asked)}</guid>", about=(
        f'<atom:link rel="next" href="/feed{len(site.asked)}"/>')), KIND))  # fmt: skip
    list(feed.CRAWLER.crawl({"address": f"{site.url}/feed"}, {}, web))
    assert len(site.asked) == feed.PAGES


def test_no_file_of_this_machine_is_read(site, web, tmp_path):
    """The parser takes bytes for the name of a file, if there is such a file."""
    path = tmp_path / "feed.xml"
    path.write_bytes(rss('<enclosure url="/a.jpg" type="image/jpeg"/>'))
    with pytest.raises(SourceError):
        crawl(web, site.put("/feed", bytes(path), KIND))


@pytest.mark.parametrize(
    "item",
    [
        f"<author>{'a.' * 50_000}</author>",
        "".join(f"<category>{n}</category>" for n in range(4_000)),
        f"<description>{escape('<div>' * 20_000)}</description>",
        f"<description>{escape(LONG_SET)}</description>",
    ],
    ids=["author", "tags", "depth", "srcset"],
)
def test_a_feed_that_is_made_to_take_for_ever_does_not(site, web, item):
    since = time.thread_time()
    file = '<enclosure url="/a.jpg" type="image/jpeg"/>'
    assert [one.name for one in crawl(web, site.put("/feed", rss(item, file), KIND))][-1:] == ["a.jpg"]
    assert time.thread_time() - since < 2


def test_letters_that_nobody_writes_in(site, web):
    """Python would read them, in the square of their length."""
    body = rss(f'<title>{"b" * 300_000}</title><enclosure url="/a.jpg" type="image/jpeg"/>')
    since = time.thread_time()
    assert crawl(web, site.put("/feed", body, f"{KIND}; charset=punycode"))
    with pytest.raises(SourceError):
        crawl(web, site.put("/feed", body.replace(b'"1.0"', b'"1.0" encoding="punycode"', 1), KIND))
    assert time.thread_time() - since < 2

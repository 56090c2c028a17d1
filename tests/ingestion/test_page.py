"""A gallery on the web is crawled: lists, pages, sitemaps, by usual signs or by rules of one's own."""

from __future__ import annotations

import gzip
from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from django.db.models.functions import Now

from ingestion.download import DownloadError, Web
from ingestion.models import Server
from ingestion.sources import page
from ingestion.sources._base import Found, SourceError, What
from tests.ingestion.crawler_contract import ODD_NAME, WebCrawlerContract, check_sentence
from tests.sites.site import Asked, Reply, Site

A_PAGE = 3
pytestmark = pytest.mark.django_db


class TestPageContract(WebCrawlerContract):
    kind = "page"
    empty_is_an_error = True
    nonsense = [
        {"address": ""},
        {"address": "nothing at all"},
        {"address": "ftp://example.org/"},
        {"images": "img["},
        {"depth": "7"},
        {"pages": "0"},
    ]
    changed = [Reply(b"<html><p>Welcome to our new site!</html>"), Reply(b""), Reply(json={"pictures": []})]

    def address(self, number: int) -> str:
        return f"{self.site.url}/files/{'an ä 100%25 %2541 %231.jpg' if not number else f'{number}.jpg'}"

    def offer(self, count: int) -> dict[str, Any]:
        def gallery(asked: Asked) -> Reply:
            at = int(asked.query.get("page", 0)) * A_PAGE
            numbers = list(reversed(range(count)))
            links = [f'<a href="/photo/{n}"><img src="/small/{n}.jpg"></a>' for n in numbers[at : at + A_PAGE]]
            more = f'<a rel="next" href="?page={at // A_PAGE + 1}">older</a>' if at + A_PAGE < count else ""
            return Reply(f"<html><body>{''.join(links)}{more}".encode())

        def photo(asked: Asked) -> Reply:
            number = int(asked.path.rpartition("/")[2])
            file = quote(ODD_NAME) if not number else f"{number}.jpg"
            return Reply(f'<h1>Photo {number}</h1><a href="../files/{file}"><img src="/m.jpg"></a>'.encode())

        self.site.answer("/gallery", gallery)
        self.site.answer("/photo/*", photo)
        return {"address": f"{self.site.url}/gallery"}

    def offer_words(self, words: str) -> dict[str, Any]:
        told = escape(words)
        shown = f'<h1>{told}</h1><p class="author">{told}</p><a rel=license href="/by">{told}</a><img src="/a.jpg">'
        return {"address": self.site.put("/one", shown), "depth": "0"}


@pytest.fixture
def web(site: Site) -> Any:
    Server.objects.create(host=site.host, pause=0)
    with Web() as web:
        yield web


def crawl(web: Web, address: str, **typed: Any) -> list[Found]:
    form = page.CRAWLER.options({"address": address} | typed)
    assert form.is_valid(), form.errors
    return [one for told in page.CRAWLER.crawl(form.cleaned_data, {}, web) for one in told.found]


def test_it_works(site, web):
    site.put("/list", '<a href="/photo/ä"><img src="/t.jpg"></a> <a href="/about">About</a>')
    site.put(
        "/photo/ä",
        """<head><title>T</title><meta property="og:title" content="Blue &amp; ä">
        <meta name="author" content="Alice"><meta property="article:published_time" content="2026-11-21T12:00:00Z">
        <meta name=rating content=adult></head>
        <img src="/logo.png" width=50><a rel="license" href="https://cc.example/by/4.0/">CC BY 4.0</a>
        <img src="/s.jpg" srcset="/s.jpg 400w, /l%20%C3%A4,1.jpg 2000w, /m.jpg 1000w" alt="Nothing">""",
    )
    [found] = crawl(web, f"{site.url}/list")
    assert found.url == f"{site.url}/l ä,1.jpg"
    assert found.others == (f"{site.url}/m.jpg", f"{site.url}/s.jpg")
    assert (found.page, found.name) == (f"{site.url}/photo/ä", "l ä,1.jpg")
    assert (found.title, found.author, found.over_18) == ("Blue & ä", "Alice", True)
    assert found.licence == "CC BY 4.0 (https://cc.example/by/4.0/)"
    assert found.published.isoformat() == "2026-11-21T12:00:00+00:00"
    assert site.times("/about") == 0


@pytest.mark.parametrize(
    ("html", "path"),
    [
        ('<a href="/big.JPG"><img src="/s.jpg"></a><img src="/x.jpg" width=900>', "/big.JPG"),
        ('<meta property="og:image" content="/og.jpg"><p>Words', "/og.jpg"),
        ('<meta property="og:image" content="/og.jpg"><img src="/s.jpg" width=300>', "/og.jpg"),
        ('<meta property="og:image" content="/og.jpg"><img srcset="/2.jpg 2400w" src="/s.jpg">', "/2.jpg"),
        ('<img src="data:image/gif;base64,R0" data-src="/lazy.jpg">', "/lazy.jpg"),
        ('<picture><source srcset="/a.webp 900w, /b.webp 1800w"><img src="/c.jpg"></picture>', "/b.webp"),
        ('<img srcset="/one.jpg, /three.jpg 3x, /two.jpg 2x">', "/three.jpg"),
        ('<base href="/deep/"><img src="in.jpg">', "/deep/in.jpg"),
        ('<img src="/icon.png" width=32 height=32><img src="/p.png" width=640>', "/p.png"),
    ],
)
def test_the_best_picture_of_a_page(site, web, html, path):
    site.put("/a", html)
    assert crawl(web, f"{site.url}/a", depth="0")[0].url == site.url + path


def test_rules_of_ones_own(site, web):
    site.put(
        "/list",
        '<div class=i data-x><a href="/p?id=1">One</a></div><a href="/p?id=9">Nine</a><b class=n><a href="/l2">',
    )
    site.put("/l2", '<div class=i><a href="/p?id=2">Two</a></div>')
    site.answer(
        "/p",
        lambda asked: Reply(
            f"""<img src="/wrong.jpg" width=5000><div id=big><img data-original="/{asked.query["id"]}.jpg"></div>
            <i class=t>Title</i><i class=w>Bob</i><i class=c>CC0</i>""".encode()
        ),
    )
    rules = {"links": ".i a", "images": "#big", "next": ".n a", "title": ".t", "author": ".w", "licence": ".c"}
    found = crawl(web, f"{site.url}/list", **rules)
    assert [one.url for one in found] == [f"{site.url}/1.jpg", f"{site.url}/2.jpg"]
    assert {(one.title, one.author, one.licence) for one in found} == {("Title", "Bob", "CC0")}


def test_files_that_a_list_links_to(site, web):
    site.put("/list", '<a href="1.jpg"><img src=t alt="First"></a><a href=x.zip><img src=t></a><a href=v.mp4><img></a>')
    one, two = crawl(web, f"{site.url}/list")
    assert (one.url, one.title, one.what) == (f"{site.url}/1.jpg", "First", What.PICTURE)
    assert two.what == What.ARCHIVE
    assert len([asked for asked in site.asked if asked.path != "/robots.txt"]) == 1


def test_lists_of_lists(site, web):
    site.put("/albums", '<a href="/a1"><img></a><a href="/a2"><img></a>')
    for album in (1, 2):
        site.put(f"/a{album}", f'<a href="/p{album}1"><img></a><a href="/p{album}2"><img></a>')
        for number in (1, 2):
            site.put(f"/p{album}{number}", f'<img src="/{album}{number}.jpg">')
    address = f"{site.url}/albums"
    assert [one.name for one in crawl(web, address, depth="2")] == ["11.jpg", "12.jpg", "21.jpg", "22.jpg"]
    options = page.CRAWLER.options({"address": address, "depth": "2"})
    assert options.is_valid()
    pages = list(page.CRAWLER.crawl(options.cleaned_data, {}, web))
    for number in (0, 2, 4):  # broken off in the list of lists, in a list, at the end of one
        rest = page.CRAWLER.crawl(options.cleaned_data, pages[number].since, web)
        behind = [one.url for told in pages[number + 1 :] for one in told.found]
        assert [one.url for told in rest for one in told.found] == behind


def test_it_stays_on_its_site_and_within_bounds(site, web):
    site.put(
        "/list",
        '<a href="http://elsewhere.example/1"><img></a><a href="/list"><img></a><a href="javascript:alert(1)"><img></a>'
        + "".join(f'<a href="/p/{n}"><img></a>' for n in range(20)),
    )
    site.answer("/p/*", lambda asked: Reply(f'<img src="https://files.example{asked.path}.jpg">'.encode()))
    found = crawl(web, f"{site.url}/list", pages="4")
    assert [one.url for one in found] == [f"https://files.example/p/{n}.jpg" for n in range(3)]
    assert sum(asked.path.startswith("/p/") for asked in site.asked) == 3
    options = {"address": f"{site.url}/list", "pages": 4, "depth": 1}
    since = list(page.CRAWLER.crawl(options, {}, web))[-1].since
    later = [one.url for told in page.CRAWLER.crawl(options, since, web) for one in told.found]
    assert later == [f"https://files.example/p/{n}.jpg" for n in (3, 4, 5)]


def test_lists_that_lead_to_each_other_end(site, web):
    site.put("/1", '<a href="/a.jpg"><img></a><a rel=next href="/2">')
    site.put("/2", '<a href="/b.jpg"><img></a><a rel=next href="/1">')
    assert [one.name for one in crawl(web, f"{site.url}/1")] == ["a.jpg", "b.jpg"]


def test_robots_txt_is_kept_to(site, web):
    site.put("/robots.txt", "User-agent: *\nDisallow: /private\nCrawl-delay: 0.1", "text/plain")
    site.put("/list", '<a href="/private/1"><img></a><a href="/open"><img></a><a href="/private/x.jpg"><img></a>')
    site.put("/open", '<img src="/open.jpg">')
    assert [one.name for one in crawl(web, f"{site.url}/list")] == ["open.jpg"]
    assert Server.objects.get().pause == 0.1
    times = [asked.at for asked in site.asked]
    assert times[2] - times[1] > 0.08
    assert not [asked for asked in site.asked if asked.path.startswith("/private")]
    with pytest.raises(SourceError, match=r"robots\.txt") as error:
        crawl(web, f"{site.url}/private")
    assert error.value.pauses


def test_a_host_that_wants_an_hour_between_two_requests(site, web):
    site.put("/robots.txt", "User-agent: Lookalike\nCrawl-delay: 3600", "text/plain")
    with pytest.raises(SourceError) as error:
        crawl(web, f"{site.url}/list")
    assert error.value.pauses


def test_robots_txt_that_cannot_be_read_now(site, web):
    site.put("/robots.txt", status=503)
    with pytest.raises(DownloadError) as error:
        crawl(web, f"{site.url}/list")
    assert not error.value.is_final
    assert site.times("/list") == 0


def test_one_bad_page_does_not_end_it(site, web):
    site.put("/list", "".join(f'<a href="/{n}"><img></a>' for n in ("gone", "picture", "text", "good")))
    site.put("/gone", status=410)
    site.put("/picture", b"\xff\xd8", "image/jpeg")
    site.put("/text", "<p>Words")
    site.put("/good", '<img src="/g.jpg">')
    assert [one.url for one in crawl(web, f"{site.url}/list")] == [f"{site.url}/picture", f"{site.url}/g.jpg"]


@pytest.mark.parametrize(("status", "pauses"), [(403, False), (500, False)])
def test_a_page_that_always_fails_does_not_hold_up_the_others(site, web, status, pauses):
    """Tangled ones neither."""
    site.put("/list", "".join(f'<a href="/{n}"><img></a>' for n in ("first", "bad", "deep", "last")))
    site.put("/bad", status=status)
    site.put("/deep", "<div>" * 500)
    for name in ("first", "last"):
        site.put(f"/{name}", f'<img src="/{name}.jpg">')
    found, since = [], {}
    for _ in range(3):
        with suppress(DownloadError):
            for told in page.CRAWLER.crawl({"address": f"{site.url}/list", "depth": 1}, since, web):
                since = told.since
                found += [one.name for one in told.found]
        Server.objects.update(free_at=Now())
    assert found == ["first.jpg", "last.jpg"]
    assert site.times("/bad") == (2 if status == 500 else 1)


def test_a_site_that_refuses_everything_is_left_alone(site, web):
    site.put("/list", "".join(f'<a href="/{n}"><img></a>' for n in range(9)))
    site.put("/*", status=403)
    site.put("/robots.txt", "", "text/plain")
    with pytest.raises(DownloadError) as error:
        crawl(web, f"{site.url}/list")
    assert error.value.code == "forbidden"
    assert len(site.asked) == 7


def test_robots_txt_that_is_too_large_is_no_leave(site, web):
    site.put("/robots.txt", b"#" * 600_000, "text/plain")
    with pytest.raises(SourceError) as error:
        crawl(web, f"{site.url}/list")
    assert error.value.pauses


@pytest.mark.parametrize("count", [1, 7])
def test_pages_with_another_markup_are_an_error(site, web, count):
    site.put("/list", "".join(f'<a href="/{n}"><img></a>' for n in range(count)))
    site.answer("/*", lambda asked: Reply(b"<div>new app</div>"))
    with pytest.raises(SourceError) as error:
        crawl(web, f"{site.url}/list", images="#photo")
    assert error.value.pauses
    assert "#photo" in str(error.value)
    check_sentence(error.value)


def test_a_list_with_another_markup_is_one_later_too(site, web):
    site.put("/list", '<a href="/a.jpg"><img></a>')
    options = {"address": f"{site.url}/list", "depth": 1}
    since = list(page.CRAWLER.crawl(options, {}, web))[-1].since
    site.put("/list", "<div>new app</div>")
    with pytest.raises(SourceError) as error:
        list(page.CRAWLER.crawl(options, since, web))
    assert error.value.pauses


def sitemap(*pages: str) -> bytes:
    names = (
        'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:i="http://www.google.com/schemas/sitemap-image/1.1"'
    )
    return f'<?xml version="1.0"?><urlset {names}>{"".join(pages)}</urlset>'.encode()


def test_a_sitemap(site, web):
    at = site.url
    site.put("/robots.txt", f"Sitemap: {at}/index.xml", "text/plain")
    site.put(
        "/index.xml",
        f"<sitemapindex><sitemap><loc>{at}/s.xml.gz</loc></sitemap><sitemap><loc>{at}/404</loc></sitemap></sitemapindex>",
        "text/xml",
    )
    old = f"<url><loc>{at}/photo/old</loc><lastmod>2026-01-01</lastmod></url>"
    new = f"<url><loc>{at}/photo/new</loc><lastmod>2026-02-01</lastmod></url>"
    direct = f"<url><loc>{at}/photo/ä</loc><i:image><i:loc>{at}/d.jpg</i:loc></i:image></url>"
    site.put("/s.xml.gz", gzip.compress(sitemap(old, new, direct, f"<url><loc>{at}/about</loc></url>")), "text/xml")
    site.answer("/photo/*", lambda asked: Reply(f'<img src="{asked.path}.jpg">'.encode()))
    options = {"address": at, "sitemap": True, "contains": "/photo/", "depth": 1}
    pages = list(page.CRAWLER.crawl(options, {}, web))
    found = [one for told in pages for one in told.found]
    assert [one.url for one in found] == [f"{at}/d.jpg", f"{at}/photo/new.jpg", f"{at}/photo/old.jpg"]
    assert found[0].page == f"{at}/photo/ä"
    newest = f"<url><loc>{at}/photo/newest</loc><lastmod>2026-03-01</lastmod></url>"
    site.put("/s.xml.gz", gzip.compress(sitemap(old, new, newest)), "text/xml")
    later = [one.name for told in page.CRAWLER.crawl(options, pages[-1].since, web) for one in told.found]
    assert later == ["newest.jpg"]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"\x1f\x8bxx",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>',
        b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset>&b;</urlset>',
        b"<urlset><url>" + b"<a/>" * 20_000,
        b"<urlset><url><loc>http://h.org/1</loc></url>",
    ],
)
def test_no_sitemap_is_an_error(site, web, body):
    site.put("/sitemap.xml", body, "text/xml")
    with pytest.raises(SourceError) as error:
        crawl(web, site.url, sitemap="on")
    assert error.value.pauses

"""A site with the pages of OpenGameArt: Drupal 7, with its field names, as they were seen in November 2026."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from ingestion.download import Web, decoded
from ingestion.sources import opengameart
from ingestion.sources._base import Found, SourceError, What
from tests.ingestion.crawler_contract import ODD_NAME, WebCrawlerContract
from tests.sites.site import Asked, Reply, Site

A_PAGE = 2
"""Works on a page of the list."""


def field(name: str, *items: str, kind: str = "taxonomy-term-reference") -> str:
    each = "".join(f'<div class="field-item {"odd" if n % 2 else "even"}">{item}</div>' for n, item in enumerate(items))
    return (
        f'<div class="field field-name-{name} field-type-{kind} field-label-above"><div class="field-label">'
        f'{name}:&nbsp;</div><div class="field-items">{each}</div></div>'
    )


def listed(name: str, title: str) -> str:
    return (
        '<div class="views-row art-previews-inline"><div class="ds-1col node node-art view-mode-art_preview clearfix">'
        + field("title", f'<span class="art-preview-title"><a href="/content/{name}">{title}</a></span>', kind="ds")
        + field(
            "field-art-preview", f'<a href="/content/{name}"><img src="/thumb.png" alt="Preview"></a>', kind="image"
        )
        + "</div></div>"
    )


def list_page(works: list[tuple[str, str]], number: int, last: int) -> str:
    pager = "".join(f'<li class="pager-item"><a href="?page={n}">{n + 1}</a></li>' for n in range(last + 1))
    if number < last:
        pager += f'<li class="pager-next"><a href="?page={number + 1}">next ›</a></li>'
    shown = f'<div class="view-content">{"".join(listed(*work) for work in works)}</div>' if works else ""
    return (
        '<div class="view view-active-forum-topics"><div class="view-content"><div class="views-row">'
        '<a href="/content/a-topic-of-the-forum">Help</a></div></div></div>'
        f'<div id="block-system-main"><div class="view view-art view-display-id-search_art_advanced">{shown}'
        f'<ul class="pager">{pager}</ul></div></div>'
    )


def attached(url: str, kind: str = "image/png") -> str:
    link = f'<a href="{url}" type="{kind}; length=9">x</a>'
    return f'<span class="file"><img class="file-icon" src="/icon.png"> {link}</span>'


def licence(name: str) -> str:
    return (
        "<div class='license-icon'><a href='http://creativecommons.org/' target='_blank'><img src='/cc.png' alt=''>"
        f"<div class='license-name'>{name}</div></a></div>"
    )


def work_page(
    files: tuple[str, ...] = (),
    previews: tuple[str, ...] = (),
    title: str = "Ten trees",
    author: str = "<a href='/users/ann'>Ann</a>",
    licences: tuple[str, ...] = ("CC-BY 3.0", "GPL 2.0"),
    tags: tuple[str, ...] = ("tree", "RPG"),
    notice: str = "Name me.",
) -> str:
    return (
        "<h1>OpenGameArt.org</h1><div class='ds-2col-stacked node node-art view-mode-full clearfix'>"
        + field("author-submitter", f"<span class='username'>{author}</span>", kind="ds")
        + field("post-date", "Monday, March 8, 2010 - 04:05", kind="ds")
        + field("field-art-tags", *(f'<a href="/art-search-advanced?field_art_tags_tid=x">{tag}</a>' for tag in tags))
        + field("field-art-licenses", *map(licence, licences))
        + field("title", f"<h2>{title}</h2>", kind="ds")
        .replace("field-label-above", "field-label-hidden")
        .replace('<div class="field-label">title:&nbsp;</div>', "")
        + field("field-art-preview", *previews, kind="image")
        + field("field-copyright-notice", notice, kind="text-long")
        + field("field-art-files", *files, kind="file")
        + "<div id='comments'><span class='username'><a href='/users/bob'>Bob</a></span>"
        "<a href='/sites/default/files/of-bob.png'>mine</a></div></div>"
    )


class TestOpenGameArt(WebCrawlerContract):
    kind = "opengameart"
    count = 5
    empty_is_an_error = True
    nonsense: ClassVar[list[dict[str, Any]]] = [
        {"site": "not a site"},
        {"kinds": ["music"]},
        {"licences": ["9999"]},
        {"previews": "perhaps"},
        {"words": "x" * 300},
    ]
    changed: ClassVar[list[Reply]] = [
        Reply(b"<html><h1>A new site</h1></html>"),
        Reply(b'<div class="view-art"><div class="views-row"><a class="card" href="/works/1">x</a></div></div>'),
        Reply(b""),
        Reply(json={"works": []}),
    ]

    def point(self, site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        monkeypatch.setattr(opengameart, "SITE", site.url)

    def disturb(self, monkeypatch: pytest.MonkeyPatch, change: Any, after: int = 0) -> Any:
        """The first page of a crawl takes two requests: the list, and a work on it."""
        return super().disturb(monkeypatch, change, after + 1 if after else 0)

    def address(self, number: int) -> str:
        return decoded(self.url(f"{ODD_NAME}" if number == 0 else f"{number}.png"))

    def url(self, name: str) -> str:
        return f"{self.site.url}/sites/default/files/{quote(name)}"

    def offer(self, count: int) -> dict[str, Any]:
        names = [f"work-{number}" for number in reversed(range(count))]

        def works(asked: Asked) -> Reply:
            number = int(asked.query.get("page", 0))
            here = [(name, f"Title of {name}") for name in names[number * A_PAGE : (number + 1) * A_PAGE]]
            return Reply(list_page(here, number, max(0, (count - 1) // A_PAGE)).encode())

        self.site.answer("/art-search-advanced", works)
        for number in range(count):
            file = quote(ODD_NAME) if number == 0 else f"{number}.png"
            self.put(f"work-{number}", work_page((attached(f"/sites/default/files/{file}"),)))
        return {}

    def put(self, name: str, page: str) -> None:
        self.site.put(f"/content/{name}", page)

    def offer_words(self, words: str) -> dict[str, Any]:
        said = escape(words)
        self.site.put("/art-search-advanced", list_page([("work", said)], 0, 0))
        every = {"title": said, "author": said, "notice": said, "licences": (said,) * 20, "tags": (said,) * 90}
        self.put("work", work_page((attached("/sites/default/files/a.png"),), **every))
        return {}

    def of(self, page: str, web: Web, **typed: Any) -> list[Found]:
        """What a single work brings."""
        self.site.put("/art-search-advanced", list_page([("trees", "Ten trees")], 0, 0))
        self.put("trees", page)
        return [found for page in self.crawl(typed, web) for found in page.found]

    def test_what_is_said_of_a_work_comes_with_its_files(self, web: Web):
        (found,) = self.of(work_page((attached("/sites/default/files/a%20%C3%A4.png"),)), web)
        assert found.url == f"{self.site.url}/sites/default/files/a ä.png"
        assert found.page == f"{self.site.url}/content/trees"
        assert (found.name, found.title, found.author) == ("a ä.png", "Ten trees", "Ann")
        assert found.licence == "CC-BY 3.0, GPL 2.0"
        assert found.published == datetime(2010, 3, 8, 4, 5, tzinfo=UTC)
        assert found.more == {"tags": ["tree", "RPG"], "licences": ["CC-BY 3.0", "GPL 2.0"], "attribution": "Name me."}

    def test_archives_are_told_as_such_and_other_files_are_not(self, web: Web):
        names = ("a.zip", "b.rar", "c.tar.gz", "d.7z", "e.ogg", "f.blend", "g.txt")
        found = self.of(work_page(tuple(attached(f"/sites/default/files/{name}") for name in names)), web)
        assert [(each.name, each.what) for each in found] == [(name, What.ARCHIVE) for name in names[:3]]

    @pytest.mark.parametrize(
        ("previews", "with_picture", "with_archive"),
        [
            ("", ["a.png"], ["a.zip", "shown.png"]),
            ("never", ["a.png"], ["a.zip"]),
            ("always", ["a.png", "shown.png"], None),
        ],
    )
    def test_previews(self, web: Web, previews: str, with_picture: list[str], with_archive: list[str] | None):
        shown = f'<a href="{self.url("shown.png")}"><img src="/sites/default/files/styles/medium/public/shown.png"></a>'
        for file, names in (("a.png", with_picture), ("a.zip", with_archive or ["a.zip", "shown.png"])):
            found = self.of(work_page((attached(f"/sites/default/files/{file}"),), (shown,)), web, previews=previews)
            assert [each.name for each in found] == names

    def test_a_preview_without_a_link_is_taken_in_full_size(self, web: Web):
        shown = '<img src="/sites/default/files/styles/medium/public/sub/shown.png?itok=abc">'
        sound = '<div class="play-button" data-mp3-url="/a.mp3"></div>'
        (found,) = self.of(work_page((attached("/a.ogg"),), (shown, sound)), web)
        assert found.url == f"{self.site.url}/sites/default/files/sub/shown.png"

    def test_it_asks_for_what_the_options_say(self, web: Web):
        self.offer(1)
        list(self.crawl({"words": "old oak", "kinds": ["9", "14"], "licences": ["4"]}, web))
        (asked,) = [asked for asked in self.site.asked if asked.path == "/art-search-advanced"]
        assert "field_art_type_tid%5B%5D=9&field_art_type_tid%5B%5D=14&field_art_licenses_tid%5B%5D=4" in asked.raw
        assert asked.query | {"keys": "old oak", "sort_by": "created", "sort_order": "DESC"} == asked.query

    def test_another_site_with_the_same_pages(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        self.offer(1)
        monkeypatch.setattr(opengameart, "SITE", "https://nowhere.invalid")
        (page, _) = self.crawl({"site": f"{self.site.url}/"}, web)
        assert len(page.found) == 1

    def test_the_second_crawl_asks_for_no_work_again(self, web: Web):
        *_, last = self.crawl(self.offer(5), web)
        self.site.asked.clear()
        assert self.addresses(list(self.crawl({}, web, last.since))) == []
        assert [asked.path for asked in self.site.asked] == ["/robots.txt", "/art-search-advanced"]

    def test_it_stops_at_what_it_knows_though_the_newest_was_removed(self, web: Web):
        *_, last = self.crawl(self.offer(5), web)
        self.offer(4)
        self.site.asked.clear()
        assert self.addresses(list(self.crawl({}, web, last.since))) == []
        assert len(self.site.asked) == 2

    def test_a_work_that_was_removed_meanwhile_is_left_out(self, web: Web):
        typed = self.offer(3)
        self.site.put("/content/work-1", "Gone", status=404)
        assert self.addresses(list(self.crawl(typed, web))) == [self.address(2), self.address(0)]

    @pytest.mark.parametrize(
        ("page", "mark"),
        [
            (work_page((attached("/a.png"),)).replace("license-name", "deed"), r"\.license-name"),
            (work_page().replace("field-art-files", "files").replace("field-art-preview", "shots"), "field-art-files"),
            ("<h1>Please log in</h1>", r"\.license-name"),
        ],
    )
    def test_a_work_on_a_page_of_another_kind_pauses_the_source(self, web: Web, page: str, mark: str):
        with pytest.raises(SourceError, match=mark) as caught:
            self.of(page, web)
        assert caught.value.pauses

    def test_robots_are_heard(self, web: Web):
        typed = self.offer(2)
        self.site.put("/robots.txt", "User-agent: *\nDisallow: /content/work-1\n", "text/plain")
        assert self.addresses(list(self.crawl(typed, web))) == [self.address(0)]
        self.site.put("/robots.txt", "User-agent: *\nDisallow: /art-search-advanced\n", "text/plain")
        with pytest.raises(SourceError, match=r"robots\.txt") as caught:
            list(self.crawl(typed, web))
        assert caught.value.pauses

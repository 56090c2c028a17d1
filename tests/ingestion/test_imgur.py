"""Imgur, by a site that answers like its API (https://apidocs.imgur.com)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gallery.originals import Incoming
from ingestion.download import DownloadError, Web
from ingestion.sources import imgur
from ingestion.sources._base import Found, SourceError, What
from tests.ingestion.crawler_contract import WebCrawlerContract
from tests.pictures import encode, photo
from tests.sites.site import Asked, Reply, Site

ID = "0123456789abcde"
A_PAGE = 3


def answered(told: Any, **options: Any) -> Reply:
    return Reply(json={"data": told, "success": True, "status": 200}, **options)


def image(name: str, **told: Any) -> dict[str, Any]:
    return {
        "id": name,
        "title": None,
        "description": None,
        "datetime": 1_700_000_000,
        "type": "image/jpeg",
        "animated": False,
        "width": 1600,
        "height": 1200,
        "size": 123_456,
        "account_url": None,
        "nsfw": None,
        "tags": [],
        "link": f"https://i.imgur.com/{name}.jpg",
    } | told


def album(name: str, *images: dict[str, Any], **told: Any) -> dict[str, Any]:
    return {
        "id": name,
        "title": "Three walks",
        "datetime": 1_700_000_000,
        "account_url": "alice",
        "nsfw": False,
        "is_album": True,
        "images_count": len(images),
        "images": list(images),
        "link": f"https://imgur.com/a/{name}",
        "tags": [{"name": "landscape"}],
    } | told


class TestImgurContract(WebCrawlerContract):
    kind = "imgur"
    secrets = (ID,)
    nonsense = [
        {"address": ""},
        {"words": "both"},
        {"address": "https://example.org/a/abcde"},
        {"address": "https://imgur.com/upload/now/please"},
        {"address": "nothing at all"},
    ]
    changed = [
        Reply(json={"posts": []}),
        Reply(json=[]),
        answered({"pictures": []}),
        answered({"items": [{"no": "id"}]}),
        answered({"items": [{"id": "abcde00", "datetime": 1}]}),
        Reply(b"<html>Welcome to the new Imgur</html>"),
    ]

    def point(self, site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        monkeypatch.setattr(imgur, "API", f"{site.url}/3")
        settings.IMGUR_ID = ID

    def address(self, number: int) -> str:
        return f"https://i.imgur.com/pic{number:04}.jpg"

    def items(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        def page(asked: Asked) -> Reply:
            number = int(asked.path.rpartition("/")[2])
            return answered({"name": "earth", "items": items[number * A_PAGE : (number + 1) * A_PAGE]})

        self.site.answer("/3/gallery/t/earth/time/all/*", page)
        return {"address": "https://imgur.com/t/earth"}

    def offer(self, count: int) -> dict[str, Any]:
        return self.items([image(f"pic{n:04}", datetime=1_700_000_000 + n // 2) for n in reversed(range(count))])

    def offer_words(self, words: str) -> dict[str, Any]:
        return self.items([image("abcde12", title=words, account_url=words, description=words, tags=[{"name": words}])])


@pytest.fixture
def api(site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    settings.IMGUR_ID = ID
    monkeypatch.setattr(imgur, "API", site.url)
    return site


def crawl(address: str = "", **options: Any) -> list[Found]:
    with Web() as web:
        return [one for page in imgur.CRAWLER.crawl({"address": address} | options, {}, web) for one in page.found]


pytestmark = pytest.mark.django_db


def test_it_works(api: Site):
    api.answer("/album/Walk1", lambda asked: answered(album("Walk1", image("one0001"), image("two0002", title="Two"))))
    first, second = crawl("https://imgur.com/a/three-walks-Walk1")
    assert (first.url, first.title, first.author) == ("https://i.imgur.com/one0001.jpg", "Three walks", "alice")
    assert (second.title, second.page, second.more["position"]) == ("Two", "https://imgur.com/a/Walk1", 1)
    assert (first.width, first.height, first.name, first.key) == (1600, 1200, "one0001.jpg", "one0001")
    assert first.published
    assert first.published.year == 2023
    assert first.more["tags"] == ["landscape"]
    assert api.asked[0].headers["authorization"] == f"Client-ID {ID}"


def test_an_album_is_offered_again_only_when_it_has_changed(api: Site):
    images = [image("one0001")]
    api.answer("/album/Walk1", lambda asked: answered(album("Walk1", *images)))
    with Web() as web:
        options = {"address": "https://imgur.com/a/Walk1"}
        (page,) = imgur.CRAWLER.crawl(options, {}, web)
        assert list(imgur.CRAWLER.crawl(options, page.since, web)) == []
        images.append(image("two0002"))
        (page,) = imgur.CRAWLER.crawl(options, page.since, web)
        assert [found.key for found in page.found] == ["one0001", "two0002"]


def test_the_rest_of_a_long_album_is_asked_for(api: Site):
    images = [image(f"pic{n:04}") for n in range(5)]
    shown = album("Walk1", *images[:3], images_count=5)
    api.answer("/gallery/search/time/all/0", lambda asked: answered([shown]))
    api.answer("/gallery/search/time/all/1", lambda asked: answered([]))
    api.answer("/album/Walk1/images", lambda asked: answered(images))
    assert [found.key for found in crawl(words="three walks")] == [f"pic{n:04}" for n in range(5)]
    assert api.asked[0].query == {"q": "three walks"}


def test_an_album_that_is_gone_shows_what_its_list_has_shown(api: Site):
    shown = album("Walk1", image("one0001"), images_count=5)
    api.answer("/gallery/search/time/all/0", lambda asked: answered([shown, image("two0002")]))
    api.answer("/gallery/search/time/all/1", lambda asked: answered([]))
    assert [found.key for found in crawl(words="three walks")] == ["one0001", "two0002"]
    assert api.times("/album/Walk1/images") == 1


def test_a_large_album_that_has_not_changed_is_not_offered_again(api: Site):
    images = [image(f"pic{n:04}") for n in range(120)]
    api.answer("/album/Walk1", lambda asked: answered(album("Walk1", *images)))
    with Web() as web:
        options = {"address": "https://imgur.com/a/Walk1"}
        (page,) = imgur.CRAWLER.crawl(options, {}, web)
        assert len(page.found) == 120
        assert list(imgur.CRAWLER.crawl(options, page.since, web)) == []


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://imgur.com/gallery/nice-walk-abcde12", "/gallery/abcde12"),
        ("https://imgur.com/t/earth/abcde12", "/gallery/abcde12"),
        ("https://imgur.com/abcde12", "/image/abcde12"),
        ("https://m.imgur.com/r/earth/abcde12", "/image/abcde12"),
        ("https://i.imgur.com/abcde12.jpg?1", "/image/abcde12"),
    ],
)
def test_it_handles_single_pictures(api: Site, address: str, path: str):
    api.answer(path, lambda asked: answered(image("abcde12")))
    assert [found.url for found in crawl(address)] == ["https://i.imgur.com/abcde12.jpg"]


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"type": "video/mp4", "link": "https://i.imgur.com/abcde12.mp4"}, What.VIDEO),
        ({"type": "image/gif", "animated": True, "mp4": "https://i.imgur.com/abcde12.mp4"}, What.VIDEO),
        ({"type": "image/gif"}, What.PICTURE),
        ({"link": "https://i.imgur.com/removed.png"}, What.REMOVED),
    ],
)
def test_what_is_no_picture_is_said(api: Site, told: dict[str, Any], what: What):
    api.answer("/image/abcde12", lambda asked: answered(image("abcde12", **told)))
    assert [found.what for found in crawl("https://imgur.com/abcde12")] == [what]


def test_over_18_is_said_of_the_pictures_of_an_album_too(api: Site):
    api.answer("/album/Walk1", lambda asked: answered(album("Walk1", image("one0001"), nsfw=True)))
    assert [found.over_18 for found in crawl("https://imgur.com/a/Walk1")] == [True]


def test_it_stops_before_its_credits_are_spent(api: Site):
    headers = {"X-RateLimit-UserRemaining": "3", "X-RateLimit-UserReset": str(int(time.time()) + 900)}
    api.answer("/gallery/t/earth/time/all/0", lambda asked: answered({"items": [image("abcde12")]}, headers=headers))
    with Web() as web:
        pages = imgur.CRAWLER.crawl({"address": "https://imgur.com/t/earth"}, {}, web)
        assert len(next(pages).found) == 1
        with pytest.raises(SourceError, match="credits") as caught:
            next(pages)
    assert 800 < (caught.value.again_after or 0) <= 900
    assert len(api.asked) == 1


def test_it_believes_an_answer_that_says_of_itself_that_it_has_failed(api: Site):
    told = {"data": {"error": "Imgur is over capacity."}, "success": False, "status": 500}
    api.answer("/image/abcde12", lambda asked: Reply(json=told))
    with pytest.raises(SourceError) as caught:
        crawl("https://imgur.com/abcde12")
    assert (caught.value.pauses, caught.value.again_after) == (False, 600)


def test_without_an_id_it_says_what_to_do(settings: Any):
    settings.IMGUR_ID = ""
    assert "LOOKALIKE_IMGUR_ID" in imgur.CRAWLER.missing()
    with pytest.raises(SourceError, match="LOOKALIKE_IMGUR_ID") as caught:
        crawl("https://imgur.com/abcde12")
    assert caught.value.pauses


def test_the_picture_that_says_that_there_is_none_is_not_taken_for_one(site: Site):
    there = site.put("/abcde12.jpg", encode(photo(1)), "image/jpeg")
    moved = site.put("/abcde13.jpg", status=302, headers={"Location": "/removed.png"})
    site.put("/removed.png", encode(photo(2), "PNG"), "image/png")
    with Web() as web:
        with Incoming("a.jpg") as into:
            assert imgur.CRAWLER.fetch(Found(there), {}, web, into)
        with Incoming("b.jpg") as into, pytest.raises(DownloadError, match="removed") as caught:
            imgur.CRAWLER.fetch(Found(moved), {}, web, into)
    assert caught.value.is_final


@pytest.mark.parametrize(
    ("link", "best", "what"),
    [
        ("https://i.imgur.com/abcde12.jpg", "https://i.imgur.com/abcde12.jpg", What.PICTURE),
        ("https://i.imgur.com/abcde12h.jpg", "https://i.imgur.com/abcde12.jpg", What.PICTURE),
        ("http://i.imgur.com/abcde12.gifv", "https://i.imgur.com/abcde12.gifv", What.VIDEO),
        ("https://imgur.com/abcde12", "https://i.imgur.com/abcde12.jpg", What.PICTURE),
    ],
)
def test_links_are_resolved_without_an_id(settings: Any, link: str, best: str, what: What):
    settings.IMGUR_ID = ""
    with Web() as web:
        assert [(found.url, found.what) for found in imgur.resolve(link, web) or []] == [(best, what)]
        assert imgur.resolve("https://imgur.com/a/Walk1", web) == []
        assert imgur.resolve("https://example.org/a.jpg", web) is None


def test_a_link_to_what_was_deleted_is_resolved_to_that(api: Site):
    with Web() as web:
        assert [found.what for found in imgur.resolve("https://imgur.com/a/Walk1", web) or []] == [What.REMOVED]

"""Reddit, by a site that answers like its API and its feeds (https://www.reddit.com/dev/api/)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ingestion.download import DownloadError, Web
from ingestion.sources import _reddit_api, imgur, reddit
from ingestion.sources._base import Found, Page, SourceError, What
from tests.ingestion.crawler_contract import WebCrawlerContract
from tests.ingestion.reddit_posts import (
    CLIENT,
    SECRET,
    START,
    a_gallery,
    a_post,
    feed,
    lay_out,
    listing,
    token,
)
from tests.sites.site import Asked, Reply, Site


def point(site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(_reddit_api, "API", site.url)
    monkeypatch.setattr(_reddit_api, "LOGIN", site.url)
    monkeypatch.setattr(reddit, "FEEDS", site.url)
    monkeypatch.setattr(reddit, "FEED_PAUSE", 0)
    settings.REDDIT_ID, settings.REDDIT_SECRET, settings.IMGUR_ID = CLIENT, SECRET, ""


class TestRedditContract(WebCrawlerContract):
    kind = "reddit"
    secrets = (CLIENT, SECRET, "a-token")
    nonsense = [
        {"subreddit": ""},
        {"subreddit": "two words"},
        {"subreddit": "../../api/v1/me"},
        {"subreddit": "https://example.org/r/pics"},
        {"listing": "rising damp"},
        {"period": "decade"},
    ]
    changed = [
        Reply(json={"data": {"children": []}}),
        Reply(json={"kind": "Listing", "data": {}}),
        Reply(json={"kind": "Listing", "data": {"children": [{"kind": "t3", "data": {"title": "no name"}}]}}),
        Reply(json={"kind": "Listing", "data": {"children": [{"kind": "t3"}]}}),
        Reply(json=["Listing"]),
        Reply(b"<html>Log in to go on</html>"),
        Reply(b""),
    ]

    def point(self, site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        point(site, monkeypatch, settings)

    def counts(self, asked: Asked) -> bool:
        return asked.path != "/api/v1/access_token"

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_reddit_api, "TIMEOUT", 0.3)

    def address(self, number: int) -> str:
        return f"https://i.redd.it/p{number}.jpg"

    def offer(self, count: int) -> dict[str, Any]:
        lay_out(self.site, [a_post(f"p{n}", START + 60 * (n // 2)) for n in reversed(range(count))])
        return {"subreddit": "pics"}

    def offer_words(self, words: str) -> dict[str, Any]:
        told = {"title": words, "author": words, "subreddit": words, "permalink": "/r/" + words}
        lay_out(self.site, [a_post("p1", **told)])
        return {"subreddit": "pics"}


class TestRedditWithoutAnAccountContract(TestRedditContract):
    pages = 3
    changed = [
        Reply(b"<html>Log in to go on</html>"),
        Reply(json={"kind": "Listing"}),
        Reply(b""),
        Reply(b'<rss version="2.0"><channel><title>pics</title></channel></rss>', "application/rss+xml"),
        Reply(b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id></entry></feed>', "application/atom+xml"),
    ]
    hurry = WebCrawlerContract.hurry

    def point(self, site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        point(site, monkeypatch, settings)
        settings.REDDIT_ID = settings.REDDIT_SECRET = ""

    def offer_words(self, words: str) -> dict[str, Any]:
        words = words.translate({0: "", 0x1B: ""})  # XML cannot carry them
        lay_out(self.site, [a_post("p1", title=words, author=words)])
        return {"subreddit": "pics"}


pytestmark = pytest.mark.django_db


@pytest.fixture
def api(site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Site:
    point(site, monkeypatch, settings)
    return site


def pages(since: dict[str, Any] | None = None, **options: Any) -> list[Page]:
    with Web() as web:
        return list(reddit.CRAWLER.crawl({"subreddit": "pics", "listing": "new"} | options, since or {}, web))


def found_in(site: Site, *posts: dict[str, Any]) -> list[Found]:
    lay_out(site, list(posts))
    return [one for page in pages() for one in page.found]


def test_it_works(api: Site):
    (found,) = found_in(api, a_post("abc", over_18=True))
    assert (found.url, found.name, found.key) == ("https://i.redd.it/abc.jpg", "abc.jpg", "t3_abc")
    assert (found.title, found.author) == ("The view of abc", "alice")
    assert found.page == "https://www.reddit.com/r/pics/comments/abc/the_view/"
    assert (found.width, found.height, found.over_18, found.what) == (4000, 3000, True, What.PICTURE)
    assert found.others == ("https://preview.redd.it/abc.jpg?auto=webp&s=1",)
    assert found.published
    assert found.published.timestamp() == START
    assert found.more == {"subreddit": "pics", "votes": 42}
    login, asked = api.asked
    assert login.body == b"grant_type=client_credentials"
    assert asked.headers["authorization"] == "bearer a-token"
    assert asked.headers["user-agent"].startswith("lookalike:")
    assert asked.query["limit"] == "100"


def test_a_gallery_keeps_its_order_and_its_best_size(api: Site):
    found = found_in(api, a_gallery("gal", "zz1", "aa2", "mm3"))
    assert [one.url for one in found] == [f"https://i.redd.it/{name}.png" for name in ("zz1", "aa2", "mm3")]
    assert [one.more["position"] for one in found] == [0, 1, 2]
    assert [one.more["caption"] for one in found] == ["Picture 0", "Picture 1", "Picture 2"]
    assert {(one.width, one.height) for one in found} == {(2000, 1500)}
    assert found[0].others == ("https://preview.redd.it/zz1.png?width=2000&s=2",)
    assert [one.key for one in found] == ["t3_gal/zz1", "t3_gal/aa2", "t3_gal/mm3"]


def test_what_a_gallery_has_not_made_ready_is_left_out(api: Site):
    post = a_gallery("gal", "one", "two", "three")
    post["media_metadata"]["one"] = {"status": "unprocessed"}
    post["media_metadata"]["two"] |= {"e": "AnimatedImage", "m": "image/gif"}
    assert [(one.key, one.what) for one in found_in(api, post)] == [
        ("t3_gal/two", What.VIDEO),
        ("t3_gal/three", What.PICTURE),
    ]


def test_a_crosspost_shows_what_its_parent_shows(api: Site):
    parent = a_gallery("gal", "one", "two", author="carol", subreddit="earth", over_18=True)
    told = {"title": "Look", "crosspost_parent": "t3_gal", "crosspost_parent_list": [parent]}
    found = found_in(api, a_post("abc", url="/r/earth/comments/gal/", url_overridden_by_dest=None, **told))
    assert [one.key for one in found] == ["t3_gal/one", "t3_gal/two"]
    assert {(one.title, one.author, one.over_18) for one in found} == {("Look", "carol", True)}
    assert found[0].page == "https://www.reddit.com/r/pics/comments/abc/the_view/"
    assert found[0].more["crosspost_of"] == "earth"


@pytest.mark.parametrize(
    "told",
    [
        {"is_video": True, "url_overridden_by_dest": "https://v.redd.it/abc"},
        {"post_hint": "hosted:video", "url_overridden_by_dest": "https://v.redd.it/abc"},
        {"post_hint": "rich:video", "url_overridden_by_dest": "https://www.youtube.com/watch?v=abc"},
        {"url_overridden_by_dest": "https://i.imgur.com/abcde12.gifv"},
        {"url_overridden_by_dest": "https://example.org/a.mp4"},
        {
            "url_overridden_by_dest": "https://i.redd.it/abc.gif",
            "preview": {"images": [{"source": {"width": 9, "height": 9}, "variants": {"mp4": {"source": {}}}}]},
        },
        {"crosspost_parent_list": [a_post("xyz", is_video=True, url_overridden_by_dest="https://v.redd.it/abc")]},
    ],
)
def test_videos_are_said_to_be_some(api: Site, told: dict[str, Any]):
    assert [one.what for one in found_in(api, a_post("abc", **told))] == [What.VIDEO]


@pytest.mark.parametrize(
    "told",
    [
        {"removed_by_category": "moderator"},
        {"removed_by_category": "deleted", "author": "[deleted]"},
        {"selftext": "[removed]"},
        {"is_gallery": True, "gallery_data": None, "media_metadata": None},
        {"crosspost_parent_list": [a_post("xyz", removed_by_category="copyright_takedown")]},
    ],
)
def test_what_was_removed_is_said(api: Site, told: dict[str, Any]):
    assert [one.what for one in found_in(api, a_post("abc", **told))] == [What.REMOVED]


def test_a_post_that_does_not_say_where_it_is_has_a_page_all_the_same(api: Site):
    (found,) = found_in(api, a_post("abc", permalink=None, removed_by_category="moderator"))
    assert found.page == found.url == "https://www.reddit.com/comments/abc"


def test_a_post_outlives_the_account_of_its_author(api: Site):
    (found,) = found_in(api, a_post("abc", author="[deleted]"))
    assert (found.what, found.author) == (What.PICTURE, "")


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://preview.redd.it/abc.jpg?width=640&crop=smart&s=1", "https://i.redd.it/abc.jpg"),
        ("https://preview.redd.it/the-view-v0-abc.jpeg?width=640&s=1", "https://i.redd.it/abc.jpeg"),
        ("https://www.reddit.com/media?url=https%3A%2F%2Fi.redd.it%2Fabc.jpg", "https://i.redd.it/abc.jpg"),
        ("https://example.org/an%20%C3%A4.png", "https://example.org/an ä.png"),
        ("https://i.imgur.com/abcde12h.jpg", "https://i.imgur.com/abcde12.jpg"),
        ("https://imgur.com/abcde12", "https://i.imgur.com/abcde12.jpg"),
    ],
)
def test_links_lead_to_originals(api: Site, link: str, url: str):
    assert [one.url for one in found_in(api, a_post("abc", url=link, url_overridden_by_dest=link))] == [url]


def test_posts_without_pictures_are_passed_over(api: Site):
    text = {"is_self": True, "post_hint": None, "preview": None, "url_overridden_by_dest": None}
    page = "https://example.org/article"
    assert not found_in(
        api,
        a_post("abc", url="https://www.reddit.com/r/pics/comments/abc/the_view/", **text),
        a_post("abd", post_hint="link", url_overridden_by_dest=page),
        a_post("abe", url=None, url_overridden_by_dest="javascript:alert(1).jpg"),
        a_post("abf", url_overridden_by_dest="https://imgur.com/a/Walk1"),
    )


def test_albums_of_imgur_are_resolved(api: Site, settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.IMGUR_ID = "an id"
    monkeypatch.setattr(imgur, "API", api.url)
    images = [{"id": f"pic{n:04}", "link": f"https://i.imgur.com/pic{n:04}.jpg", "type": "image/jpeg"} for n in (1, 2)]
    api.answer("/album/Walk1", lambda asked: Reply(json={"success": True, "data": {"id": "Walk1", "images": images}}))
    here = a_post("abc", url_overridden_by_dest="https://imgur.com/a/Walk1", over_18=True)
    gone = a_post("abd", url_overridden_by_dest="https://imgur.com/a/Walk2")
    *found, deleted = found_in(api, here, gone)
    assert [one.url for one in found] == ["https://i.imgur.com/pic0001.jpg", "https://i.imgur.com/pic0002.jpg"]
    assert {(one.title, one.author, one.over_18) for one in found} == {("The view of abc", "alice", True)}
    assert (found[0].key, found[0].page[-10:]) == ("elsewhere/pic0001", "/the_view/")
    assert deleted.what == What.REMOVED


def test_other_listings_are_asked_for(api: Site):
    lay_out(api, [])
    api.answer("/r/all/top", lambda asked: listing([a_post(f"p{n}", START + n % 3) for n in range(5)], asked))
    first, second = pages(subreddit="all", listing="top", period="week")
    assert api.asked[-1].query["t"] == "week"
    assert [len(first.found), len(second.found)] == [3, 2]
    assert second.since == {}


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("r/EarthPorn", "EarthPorn"),
        ("https://www.reddit.com/r/EarthPorn/new/", "EarthPorn"),
        ("EarthPorn+CityPorn", "EarthPorn+CityPorn"),
        ("all-pics", "all-pics"),
        ("u_alice", "u_alice"),
    ],
)
def test_subreddits_may_be_written_in_many_ways(typed: str, name: str):
    form = reddit.CRAWLER.options({"subreddit": typed})
    assert form.is_valid()
    assert form.cleaned_data == {"subreddit": name, "listing": "new", "period": "day"}


def test_it_does_not_sleep_until_it_is_allowed_to_ask_again(api: Site):
    posts = [a_post(f"p{n}", START - n) for n in range(5)]
    limits = {"x-ratelimit-remaining": "0.0", "x-ratelimit-used": "996", "x-ratelimit-reset": "420"}

    def limited(asked: Asked) -> Reply:
        reply = listing(posts, asked)
        reply.headers |= limits
        return reply

    lay_out(api, posts)
    api.answer("/r/pics/new", limited)
    with Web() as web:
        crawl = reddit.CRAWLER.crawl({"subreddit": "pics"}, {}, web)
        assert len(next(crawl).found) == 3
        with pytest.raises(SourceError) as caught:
            next(crawl)
    assert 400 < (caught.value.again_after or 0) <= 420
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    ("headers", "again_after"), [({"x-ratelimit-reset": "333"}, 333), ({"Retry-After": "nonsense"}, 60)]
)
def test_too_many_requests_say_when_to_come_again(api: Site, headers: dict[str, str], again_after: float):
    lay_out(api, [])
    api.answer("/r/pics/new", lambda asked: Reply(status=429, headers=headers))
    with pytest.raises(SourceError) as caught:
        pages()
    assert caught.value.again_after == again_after
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=401, json={"message": "Unauthorized", "error": 401}),
        Reply(json={"error": "unsupported_grant_type"}),
        Reply(json={"token": "of another kind"}),
        Reply(b"<html>"),
        Reply(status=302, headers={"Location": "https://example.org/"}),
    ],
)
def test_an_application_that_is_refused_pauses(api: Site, reply: Reply):
    lay_out(api, [])
    api.answer("/api/v1/access_token", lambda asked: reply)
    with pytest.raises(SourceError) as caught:
        pages()
    assert caught.value.pauses
    assert len(api.asked) == 1


def test_a_subreddit_that_does_not_exist_is_said(api: Site):
    api.answer("/api/v1/access_token", token)
    api.put("/r/pics/new", status=302, headers={"Location": "/subreddits/search?q=pics"})
    with pytest.raises(SourceError, match="no such subreddit") as caught:
        pages()
    assert caught.value.pauses


def test_nothing_is_taken_from_a_praw_ini(api: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("praw_username", "somebody")
    monkeypatch.setenv("praw_password", "else")
    assert found_in(api, a_post("abc"))
    assert b"password" not in api.asked[0].body


def test_without_an_account_the_feed_shows_originals(api: Site, settings: Any):
    settings.REDDIT_ID = ""
    lay_out(
        api,
        [
            a_post("abc"),
            a_gallery("gal", "one", "two", thumbnail="https://preview.redd.it/one.png?width=140&crop=1:1&s=1"),
            a_post("vid", url="https://v.redd.it/vid"),
        ],
    )
    first, second, third = [one for page in pages() for one in page.found]
    assert (first.url, first.author, first.title) == ("https://i.redd.it/abc.jpg", "alice", "The view of abc")
    assert first.page == "https://www.reddit.com/r/pics/comments/abc/the_view/"
    assert first.more["subreddit"] == "pics"
    assert first.published
    assert second.url == "https://i.redd.it/one.png"
    assert third.what == What.VIDEO
    assert {asked.path for asked in api.asked} == {"/r/pics/new/.rss"}


def test_the_feed_is_asked_ten_times_a_minute_at_most(api: Site, settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.REDDIT_ID = ""
    slept: list[float] = []
    monkeypatch.setattr(reddit, "FEED_PAUSE", 6.5)
    monkeypatch.setattr("ingestion.pace.time.sleep", slept.append)
    lay_out(api, [a_post(f"p{n}", START - 60 * n) for n in range(5)])
    pages()
    assert [round(wait / 6.5) for wait in slept if wait > 1] == [1, 2]
    lay_out(api, [a_post("p1")], "earth")
    pages(subreddit="earth")  # another source, of another worker perhaps
    assert [round(wait / 6.5) for wait in slept if wait > 1] == [1, 2, 3, 4]


def test_a_place_in_the_list_that_is_gone_loses_nothing(api: Site):
    posts = [a_post(f"p{n}", START - n) for n in range(7)]
    lay_out(api, posts)
    since = pages()[0].since
    truly = api._answers["/r/pics/new"]
    empty = Reply(json={"kind": "Listing", "data": {"after": None, "children": []}})
    api.answer("/r/pics/new", lambda asked: empty if asked.query.get("after") == since["after"] else truly(asked))
    posts.insert(0, a_post("p9", START + 9))
    posts.pop(3)  # that one was deleted
    found = [one.name for page in pages(since) for one in page.found]
    assert set(found) >= {"p9.jpg", "p3.jpg", "p4.jpg", "p5.jpg", "p6.jpg"}


@pytest.mark.parametrize(("age", "found"), [(0, None), (2 * 86_400, ["later.jpg"])])
def test_a_link_that_fails_for_ever_does_not_hold_up_a_subreddit(
    api: Site, settings: Any, monkeypatch: pytest.MonkeyPatch, age: int, found: list[str] | None
):
    settings.IMGUR_ID = "an id"
    monkeypatch.setattr(imgur, "API", f"{api.url}/3")
    api.put("/3/album/Walk1", status=500)
    at = time.time() - age
    bad = a_post("abc", at, url_overridden_by_dest="https://imgur.com/a/Walk1")
    lay_out(api, [bad, a_post("later", at - 1)])
    if found is None:  # it may pass
        with pytest.raises(DownloadError):
            pages()
    else:
        assert [one.name for page in pages() for one in page.found] == found


def test_an_id_that_imgur_refuses_does_not_pause_a_subreddit(api: Site, settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.IMGUR_ID = "an id"
    monkeypatch.setattr(imgur, "API", f"{api.url}/3")
    api.put("/3/*", status=200, body=b'{"success": false, "status": 403, "data": {}}', kind="application/json")
    album = a_post("abc", url_overridden_by_dest="https://imgur.com/a/Walk1")
    found = found_in(api, album, a_post("abd", url_overridden_by_dest="https://imgur.com/abcde12"))
    assert [one.url for one in found] == ["https://i.imgur.com/abcde12.jpg"]


def test_a_feed_that_does_not_move_on_ends(api: Site, settings: Any):
    settings.REDDIT_ID = ""
    posts = [a_post("p1")]
    api.answer("/r/pics/new/.rss", lambda asked: feed(posts, Asked("GET", "", {}, {})))
    assert len(pages()) == 2


def test_a_feed_that_asks_for_patience_is_left_alone(api: Site, settings: Any):
    settings.REDDIT_ID = ""
    api.put("/r/pics/new/.rss", status=429, headers={"Retry-After": "55"})
    with pytest.raises(DownloadError) as caught:
        pages()
    assert (caught.value.again_after or 0) >= 55

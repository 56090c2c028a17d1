"""Searching with the picture at an address: what comes of it, what is refused, and that nobody is asked in vain."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.test import Client

from gallery.limits import TooMany
from gallery.models import Image
from gallery.pictures import PictureError
from ingestion import by_url, by_url_views
from ingestion.models import KnownUrl, Server
from search.models import QueryPicture
from tests.ingestion.scene import data, stored_files
from tests.ingestion.test_download_refuses import SPELLINGS, trap
from tests.sites.site import Reply

pytestmark = pytest.mark.django_db
PAGE = "/search/url/"
JSON = {"Accept": "application/json"}
__all__ = ["trap"]


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    cache.clear()


@pytest.fixture
def picture(site) -> str:
    return site.put("/folder/a%20hill.jpg".replace("%20", " "), data(1), "image/jpeg").replace(" ", "%20")


def ask(client: Client, url: str, **headers: str):
    return client.post(PAGE, {"url": url}, headers=headers)


def body(response) -> str:
    return b"".join(response.streaming_content).decode() if response.streaming else response.content.decode()


def test_it_works(client, picture, site):
    answer = ask(client, picture)
    query = QueryPicture.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/search/q/{query.token}/")
    assert (query.name, query.format, query.width) == ("a hill.jpg", "JPEG", 320)
    assert site.asked[0].headers["user-agent"].startswith("Lookalike/")
    assert not stored_files(".incoming")
    assert not Image.objects.exists()


def test_get_fills_the_form_and_asks_nobody(client, picture, site):
    assert client.get(PAGE).status_code == 200
    assert f'value="{picture}"' in body(client.get(PAGE, {"url": picture}))
    assert 'name="url"' in body(client.get("/search/"))
    assert site.asked == []


def test_the_api_gets_a_query(picture):
    query = by_url.picture_at(picture)
    assert query.picture().width == 320


REFUSED = {
    "": (400, "bad_url"),
    "hill.jpg": (400, "bad_url"),
    "ftp://example.org/a.jpg": (400, "bad_url"),
    "file:///etc/passwd": (400, "bad_url"),
    "data:image/png;base64,AAAA": (400, "bad_url"),
    "http://u:p@example.org/": (400, "bad_url"),
    "http://example.org:22/": (400, "bad_url"),
    "http://example.org/\x00": (400, "bad_url"),
    "http://exa\nmple.org/": (400, "bad_url"),
    "http://169.254.169.254/latest/": (400, "forbidden_address"),
    "http://testserver/static/nothing.png": (400, "forbidden_address"),
    "http://" + 9_000 * "a": (400, "bad_url"),
}


@pytest.mark.parametrize("url", REFUSED)
def test_it_refuses_addresses(client, settings, url):
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = ask(client, url, **JSON)
    assert (answer.status_code, answer.json()["code"]) == REFUSED[url]
    page = ask(client, url)
    assert page.status_code == REFUSED[url][0]
    assert 'role="alert"' in body(page)
    if url.isprintable() and len(url) < 100:
        assert f'value="{url}"' in body(page)


@pytest.mark.parametrize("host", [*SPELLINGS.split()[::3], "localhost"])
def test_hostile_addresses_get_no_packet(client, trap, settings, host):
    settings.FETCH_HOSTS = []
    answer = ask(client, f"http://{host}:{trap.port}/a.jpg", **JSON)
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("forbidden_address", "unreachable", "bad_url")
    assert trap.met() == 0


def test_a_redirect_to_a_forbidden_address_gets_no_packet(client, site, trap):
    url = site.put("/go", status=302, headers={"Location": f"http://127.0.0.1:{trap.port}/a.jpg"})
    assert ask(client, url, **JSON).json()["code"] == "forbidden_address"
    assert trap.met() == 0


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (Reply(status=404), 422, "not_found"),
        (Reply(status=500), 422, "server"),
        (Reply(b"<!doctype html><p>Hills"), 415, "wrong_type"),
        (Reply(b"nothing that is a picture", "image/jpeg"), 415, "unsupported_type"),
        (Reply(data(1)[:900], "image/jpeg"), 422, "corrupt"),
        (Reply(b"", "image/jpeg"), 400, "empty"),
        (Reply(bytes(200_000), "image/jpeg", length=False), 413, "too_large"),
        (Reply(data(1), "image/jpeg", cut_after=500), 422, "cut"),
    ],
)
def test_it_says_what_is_wrong(client, site, settings, reply, status, code):
    settings.MAX_BYTES = 100_000
    answer = ask(client, site.answer("/a.jpg", lambda asked: reply), **JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"].endswith(".")
    assert not stored_files(".incoming")


class TestWaiting:
    """The page that says what is waited for."""

    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch) -> None:
        monkeypatch.setattr(by_url_views, "QUICK", 0.02)
        self.come = threading.Event()

    def slowly(self, reply: Reply) -> Callable[[object], Reply]:
        """It answers when it is told to."""
        return lambda asked: (self.come.wait(60), reply)[1]

    def test_it_works(self, client, site, monkeypatch):
        monkeypatch.setattr(by_url_views, "SECONDS", by_url.Seconds())
        url = site.answer("/a.jpg", self.slowly(Reply(data(1), "image/jpeg")))
        answer = ask(client, url)
        self.come.set()
        page = body(answer)
        query = QueryPicture.objects.get()
        assert "is being fetched from <strong>127.0.0.1</strong>" in page
        assert f'http-equiv="refresh" content="0; url=/search/q/{query.token}/"' in page
        assert "silent for 5 seconds, or not done after 15" in page
        assert "</html>" in page

    def test_it_ends_with_the_form_if_it_fails(self, client, site):
        url = site.answer("/a.jpg", self.slowly(Reply(status=404)))
        answer = ask(client, url)
        self.come.set()
        page = body(answer)
        assert "has nothing there (404)" in page
        assert f'value="{url}"' in page
        assert "refresh" not in re.sub(r"<head>.*?</head>", "", page, flags=re.S)

    def test_a_slow_host_is_given_up(self, client, site, monkeypatch):
        monkeypatch.setattr(by_url, "SECONDS", by_url.Seconds(1.0, 1.0, 0.1))
        url = site.answer("/a.jpg", lambda asked: Reply(data(1), "image/jpeg", drip=0.05))
        answer = ask(client, url, **JSON)
        assert (answer.status_code, answer.json()["code"]) == (422, "timeout")


class TestPolite:
    def test_the_same_address_is_not_fetched_twice(self, client, picture, site):
        """Each gets a query of his own, which he can forget without the other's."""
        first, second = by_url.picture_at(picture), by_url.picture_at(picture)
        assert first.token != second.token
        first.forget()
        assert second.picture().width == 320
        assert len(site.asked) == 1
        second.forget()
        by_url.picture_at(picture)
        assert len(site.asked) == 2

    def test_a_host_is_not_hammered(self, client, site, monkeypatch):
        monkeypatch.setattr(by_url, "OF_A_HOST", by_url.Limit("fetch", 2, 60))
        urls = [site.put(f"/{number}.jpg", data(1), "image/jpeg") for number in range(3)]
        assert [ask(client, url, **JSON).status_code for url in urls] == [201, 201, 429]
        answer = ask(client, urls[2])
        assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)
        assert f'value="{urls[2]}"' in body(answer)
        assert len(site.asked) == 2

    def test_the_pace_of_crawlers_does_not_count(self, picture, site):
        Server.objects.create(host=site.host, pause=1000.0)
        began = time.monotonic()
        for _ in range(2):
            cache.clear()
            by_url.picture_at(picture)
        assert time.monotonic() - began < 500
        assert not KnownUrl.objects.exists()

    def test_only_some_at_once(self, picture, monkeypatch):
        monkeypatch.setattr(by_url, "_places", by_url.threading.BoundedSemaphore(1))
        with by_url._places, pytest.raises(PictureError) as busy:
            by_url.picture_at(picture)
        assert (busy.value.code, busy.value.status) == ("busy", 503)
        assert by_url.picture_at(picture).width == 320


class TestVisitors:
    def test_searches_are_counted(self, client, as_member, picture, settings):
        settings.SEARCHES_PER_MINUTE = 1
        assert [ask(one, picture).status_code for one in (client, client, as_member, as_member)] == [302, 429, 302, 302]

    def test_bytes_are_counted_also_those_that_came_in_vain(self, client, site, settings):
        settings.MEGABYTES_PER_HOUR = 1
        large = site.put("/large.jpg", bytes(600_000), "image/jpeg")
        assert [ask(client, f"{large}?{n}", **JSON).status_code for n in range(3)] == [415, 429, 429]
        assert len(site.asked) == 2


class TestOwn:
    """Addresses of this gallery are not fetched: it knows its pictures."""

    @pytest.fixture
    def images(self, member) -> SimpleNamespace:
        facts = {"format": "JPEG", "bytes": 1, "width": 900, "height": 600, "state": "ready"}
        return SimpleNamespace(
            shown=Image.objects.create(sha256="a" * 64, name="a.jpg", **facts),
            private=Image.objects.create(sha256="b" * 64, name="b.jpg", private=True, **facts),
        )

    def test_it_works(self, client, images):
        pk = images.shown.pk
        for path in (f"/image/{pk}/", f"/image/{pk}/original/", f"/search/like/{pk}/", images.shown.thumbnail.url):
            answer = ask(client, f"http://testserver{path}")
            assert (answer.status_code, answer["Location"]) == (302, f"/search/like/{pk}/"), path

    def test_a_query(self, client, picture):
        query = by_url.picture_at(picture)
        for path in (query.get_absolute_url(), f"{query.get_absolute_url()}picture/"):
            assert ask(client, f"http://testserver{path}")["Location"] == query.get_absolute_url()

    def test_what_a_reader_may_not_see_is_not_told(self, client, images, settings):
        settings.ALLOWED_HOSTS = ["testserver"]
        gone = [ask(client, f"http://testserver/image/{pk}/", **JSON) for pk in (images.private.pk, 10**6, 10**18 * 99)]
        assert {(one.status_code, one.json()["code"]) for one in gone} == {(400, "forbidden_address")}


def test_too_many_is_told_to_programs_too(picture, monkeypatch):
    monkeypatch.setattr(by_url, "OF_A_HOST", by_url.Limit("fetch", 1, 60))
    by_url.picture_at(picture)
    cache.clear()
    with pytest.raises(TooMany):
        by_url.picture_at(picture)

"""What became of an address is remembered: what has not changed does not come again, what is gone is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from gallery.originals import Incoming
from ingestion.download import DownloadError, Web
from ingestion.models import KnownUrl, Server
from tests.sites.site import Asked, Reply

pytestmark = pytest.mark.django_db


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture
def incoming() -> Iterator[Incoming]:
    with Incoming("a.jpg") as incoming:
        yield incoming


def versioned(asked: Asked) -> Reply:
    changed = {"ETag": '"1"', "Last-Modified": "Sat, 21 Nov 2026 12:00:00 GMT"}
    same = asked.headers.get("if-none-match") == '"1"'
    return Reply(b"one", "image/jpeg", 304 if same else 200, headers=changed)


def test_it_works(site, web, incoming):
    url = site.answer("/an ä.jpg", versioned)
    assert web.file(url, incoming).status == 200
    row = KnownUrl.objects.get()
    assert row.url == f"{site.url}/an%20%C3%A4.jpg"
    assert (row.outcome, row.status, row.sha256) == ("fetched", 200, incoming.sha256)
    incoming.restart()
    assert web.file(url, incoming, known=True) is None
    assert site.asked[1].headers["if-modified-since"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    row.refresh_from_db()
    assert (row.outcome, row.status, row.etag) == ("fetched", 304, '"1"')


def test_unless_it_is_said_so_everything_comes(site, web, incoming):
    url = site.answer("/a.jpg", versioned)
    web.file(url, incoming)
    incoming.restart()
    assert web.file(url, incoming).status == 200
    assert "if-none-match" not in site.asked[1].headers


def test_pages_are_remembered_when_they_are_asked_for_so(site, web):
    url = site.answer("/feed", lambda asked: Reply(b"x", headers={"ETag": '"f"'}))
    web.page(url)
    assert not KnownUrl.objects.exists()
    web.page(url, known=True, params={"n": 1})
    assert KnownUrl.objects.get().url == f"{url}?n=1"
    assert "if-none-match" not in site.asked[1].headers


def test_what_is_gone_for_good_is_not_asked_again(site, web, incoming):
    url = site.put("/a.jpg", status=410)
    for _ in range(3):
        with pytest.raises(DownloadError) as error:
            web.file(url, incoming, known=True)
        assert (error.value.code, error.value.status) == ("gone", 410)
    assert len(site.asked) == 1


def test_what_was_missing_is_asked_more_and_more_rarely(site, web, incoming):
    url = site.put("/a.jpg", status=404)
    days = []
    for _ in range(3):
        with pytest.raises(DownloadError):
            web.file(url, incoming, known=True)
        with pytest.raises(DownloadError) as error:
            web.file(url, incoming, known=True)
        assert error.value.code == "not_found"
        days.append(round(error.value.again_after / 86400))
        KnownUrl.objects.update(again_at=Now() - timedelta(seconds=1))
    assert days == [1, 2, 4]
    assert len(site.asked) == 3
    site.put("/a.jpg", b"back", "image/jpeg")
    assert web.file(url, incoming, known=True)
    assert KnownUrl.objects.get().failures == 0


def test_a_person_may_ask_at_once(site, web, incoming):
    url = site.put("/a.jpg", status=404)
    for _ in range(2):
        with pytest.raises(DownloadError):
            web.file(url, incoming)
    assert len(site.asked) == 2
    assert KnownUrl.objects.get().outcome == "not_found"


def test_a_fault_forgets_nothing_of_the_last_answer(site, web, incoming):
    url = site.answer("/a.jpg", versioned)
    web.file(url, incoming)
    site.next("/a.jpg", Reply(cut_after=1, body=b"xxx"))
    incoming.restart()
    with pytest.raises(DownloadError):
        web.file(url, incoming, known=True)
    assert KnownUrl.objects.get().outcome == "cut"
    incoming.restart()
    assert web.file(url, incoming, known=True) is None
    assert KnownUrl.objects.get().outcome == "fetched"


def test_what_was_not_even_asked_is_not_noted(site, web, incoming):
    url = site.put("/a.jpg", status=410)
    with pytest.raises(DownloadError):
        web.file(url, incoming)
    Server.objects.update(free_at=Now() + timedelta(minutes=5))
    with pytest.raises(DownloadError, match="left alone for another 5 minutes"):
        web.file(url, incoming)
    assert (KnownUrl.objects.get().outcome, KnownUrl.objects.get().failures) == ("gone", 1)


def test_a_whole_web_may_ask_so(site, incoming):
    url = site.answer("/a.jpg", versioned)
    with Web(known=True) as web:
        assert web.file(url, incoming)
        incoming.restart()
        assert web.file(url, incoming) is None
        assert web.file(url, incoming, known=False)


def test_labels_of_a_version_that_do_not_fit(site, web, incoming):
    url = site.put("/a.jpg", b"x", "image/jpeg", headers={"ETag": '"' + "x" * 600 + '"', "Last-Modified": "y" * 200})
    web.file(url, incoming)
    assert (KnownUrl.objects.get().etag, KnownUrl.objects.get().last_modified) == ("", "")


def test_nothing_is_written_without_tables(site, incoming, django_assert_num_queries):
    url = site.put("/a.jpg", b"x", "image/jpeg")
    with Web(remember=False) as web, django_assert_num_queries(0):
        web.file(url, incoming, known=True)

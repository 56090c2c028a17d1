"""Sources: added, tried, watched and paused in the browser."""

from __future__ import annotations

import pytest
from django.test import Client

from gallery.models import User
from ingestion.models import Candidate, Crawl, Source
from tests.ingestion.scene import data

PAGE = "/admin/sources/"
FEED = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Hills</title>{}</feed>"""
ENTRY = """<entry><id>{0}</id><title>Hill {0}</title><link href="{1}/hill{0}"/>
<link rel="enclosure" type="image/jpeg" href="{1}/{0}.jpg"/><updated>2026-11-01T10:00:00Z</updated></entry>"""


@pytest.fixture
def admin(db) -> User:
    """Nobody signs in with a password here, and hashing one takes a quarter of a second."""
    return User.objects.create(username="bob", is_staff=True, is_superuser=True)


@pytest.fixture
def member(db) -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def source(db) -> Source:
    return Source.objects.create(name="hills", kind="feed", options={"address": "http://hills.example/feed"})


@pytest.fixture
def feed(site) -> str:
    for number in (1, 2):
        site.put(f"/{number}.jpg", data(number), "image/jpeg")
    entries = "".join(ENTRY.format(number, site.url) for number in (1, 2))
    return site.put("/feed", FEED.format(entries), "application/atom+xml")


def body(response) -> str:
    return b"".join(response.streaming_content).decode() if response.streaming else response.content.decode()


def form(**changes: str) -> dict[str, str]:
    return {"name": "hills", "every": "3", "unit": "60", "budget": "50"} | changes


def test_it_works(as_admin: Client, feed):
    added = as_admin.post(f"{PAGE}add/feed/", form(**{"option-address": feed}), follow=True)
    source = Source.objects.get()
    assert (source.every, source.budget, source.options["address"]) == (180, 50, feed)
    assert source.created_by.username == "bob"
    assert "It was not crawled yet" in body(added)
    assert Crawl.objects.get().source == source
    assert "every 3 hours" in body(as_admin.get(PAGE))


def test_only_the_staff_looks(client, as_member, source):
    for path in ("", "add/feed/", "of/hills/", "of/hills/edit/"):
        assert client.get(PAGE + path).status_code == 302
        assert as_member.get(PAGE + path).status_code == 403


def test_only_the_staff_acts(client, as_member, as_admin, source):
    for act in ("test", "crawl", "pause", "resume", "remove", "bring-back"):
        assert client.post(f"{PAGE}of/hills/{act}/").status_code == 302
        assert as_member.post(f"{PAGE}of/hills/{act}/").status_code == 403
        assert as_admin.get(f"{PAGE}of/hills/{act}/").status_code == 405
    source.refresh_from_db()
    assert (source.active, source.removed_at, Crawl.objects.count()) == (True, None, 0)


def test_a_form_that_is_not_right_loses_nothing(as_admin, db):
    for changes, sentence in (
        ({"name": "no spaces please", "every": "0", "budget": "a lot"}, "valid “slug”"),
        ({"every": "0", "budget": "70", "option-address": "nonsense"}, "greater than or equal to 1"),
        ({"budget": "a lot", "option-address": ""}, "Enter a whole number"),
    ):
        answer = as_admin.post(f"{PAGE}add/feed/", form(**{"option-address": "https://hills.example/feed"} | changes))
        assert answer.status_code == 400
        assert sentence in body(answer)
        assert ("This field is required" in body(answer)) == (changes.get("option-address") == "")
        assert f'value="{changes.get("budget", "50")}"' in body(answer)
    assert not Source.objects.exists()


def test_kinds_that_are_none(as_admin):
    assert as_admin.get(f"{PAGE}add/nothing/").status_code == 404
    Source.objects.create(name="old", kind="gone", options={"a": 1})
    assert "no source of the kind gone any more" in body(as_admin.get(f"{PAGE}of/old/"))
    assert as_admin.get(PAGE).status_code == 200


def test_rules_are_kept_where_they_are_not_as_usual(as_admin, source):
    page = body(as_admin.get(f"{PAGE}of/hills/edit/"))
    assert "Rules: size" in page
    from ingestion.filters import all_filters

    usual = {f"rule-size.{k}": v for k, v in all_filters()["size"].defaults.items() if v not in (None, False)}
    number = next(key for key, value in usual.items() if isinstance(value, int) and not isinstance(value, bool))
    given = form(**{"option-address": "https://hills.example/feed"}, **{k: str(v) for k, v in usual.items()})
    assert as_admin.post(f"{PAGE}of/hills/edit/", given | {number: "7"}).status_code == 302
    source.refresh_from_db()
    assert source.rules == {"size": {number.partition(".")[2]: 7}}


class TestTrying:
    """Nothing is stored."""

    def test_it_works(self, as_admin, feed, transactional_db):
        page = body(as_admin.post(f"{PAGE}add/feed/test/", form(name="", **{"option-address": feed})))
        assert "1. Hill 1" in page
        assert "2. Hill 2" in page
        assert "data:image/webp;base64," in page
        assert "That was it: 2 things. Nothing of it is stored." in page
        assert not Source.objects.exists()
        assert not Candidate.objects.exists()

    def test_one_that_is_stored(self, as_admin, feed, transactional_db):
        Source.objects.create(name="hills", kind="feed", options={"address": feed})
        assert "1. Hill 1" in body(as_admin.post(f"{PAGE}of/hills/test/"))

    def test_a_source_that_cannot_be_reached_says_so(self, as_admin, site, transactional_db):
        address = site.put("/feed", "gone", status=410)
        Source.objects.create(name="hills", kind="feed", options={"address": address})
        page = body(as_admin.post(f"{PAGE}of/hills/test/"))
        assert "the end" in page
        assert "Traceback" not in page

    def test_what_is_wrong_with_the_form_comes_first(self, as_admin, db):
        answer = as_admin.post(f"{PAGE}add/feed/test/", form(**{"option-address": "nonsense"}))
        assert answer.status_code == 400


class TestDeciding:
    def test_pause_and_go_on(self, as_admin, source):
        source.pause("The server wants an account.")
        assert "The server wants an account." in body(as_admin.get(PAGE))
        as_admin.post(f"{PAGE}of/hills/resume/")
        source.refresh_from_db()
        assert (source.active, source.paused_because) == (True, "")
        as_admin.post(f"{PAGE}of/hills/pause/")
        source.refresh_from_db()
        assert not source.active

    def test_crawl_now_begins_one(self, as_admin, source):
        for _ in range(2):
            as_admin.post(f"{PAGE}of/hills/crawl/")
        assert Crawl.objects.get().source == source
        assert "hx-trigger" in body(as_admin.get(f"{PAGE}of/hills/"))

    def test_of_one_that_is_paused_it_begins_none(self, as_admin, source):
        source.pause()
        page = body(as_admin.post(f"{PAGE}of/hills/crawl/", follow=True))
        assert "hills is paused. Let it go on first." in page
        assert "Crawl now" not in page
        assert not Crawl.objects.exists()

    def test_removed_and_brought_back(self, as_admin, source):
        Crawl.objects.begin(source)
        Candidate.objects.create(source=source, key="a", url="https://hills.example/a.jpg", state="waiting")
        page = body(as_admin.post(f"{PAGE}of/hills/remove/", follow=True))
        assert "Bring back" in page
        assert "The gallery looks nowhere by itself yet" in page
        assert (Crawl.objects.get().state, Candidate.objects.count()) == ("stopped", 1)
        assert not Source.objects.due().exists()
        answer = as_admin.post(f"{PAGE}add/feed/", form(**{"option-address": "https://hills.example/feed"}))
        assert "A source that was removed has this name" in body(answer)
        as_admin.post(f"{PAGE}of/hills/bring-back/")
        assert list(Source.objects.due()) == [source]


def test_the_yield_is_counted(as_admin, source, admin):
    crawl = Crawl.objects.create(source=source, found=30, known=20, new=7, state="done", error="It broke off.")
    Crawl.objects.filter(pk=crawl.pk).update(finished_at=crawl.created_at)
    states = ["found", "left", "known", "waiting", "waiting", "published", "rejected"]
    for number, state in enumerate(states):
        by = admin if state in ("published", "rejected") else None
        Candidate.objects.create(source=source, key=str(number), url="u", state=state, decided_by=by)
    page = " ".join(body(as_admin.get(f"{PAGE}of/hills/")).split())
    for label, count in {"found": 30, "fetched": 5, "here already": 1, "new here": 4, "waiting": 2}.items():
        assert f"<dt>{label}</dt><dd>{count}" in page
    assert "(50 %)" in page
    assert "It broke off." in page
    assert "2 waiting" in body(as_admin.get(PAGE))

"""/api/sources: added with the same care as on the page, tried, watched, paused; for admins alone."""

from __future__ import annotations

import json
import threading

import pytest
from django.test import Client

from gallery.models import ApiToken
from ingestion import sources_api, trial
from ingestion.models import Candidate, Crawl, Source
from tests.ingestion.scene import data
from tests.ingestion.test_sources_pages import ENTRY, FEED
from tests.ingestion.waiting import person, staff, wait

pytestmark = pytest.mark.django_db
API = "/api/sources"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(staff())
    return client


@pytest.fixture
def hills() -> Source:
    return Source.objects.create(name="hills", kind="feed", options={"address": "http://hills.example/feed"})


def send(client: Client, method: str, address: str, **body: object):
    return client.generic(method, API + address, json.dumps(body), content_type="application/json")


def test_it_works(admin):
    answer = send(
        admin,
        "POST",
        "",
        name="hills",
        kind="feed",
        every=180,
        budget=50,
        options={"address": "http://hills.example/f"},
    )
    assert answer.status_code == 201, answer.json()
    source = Source.objects.get()
    assert (source.every, source.budget, source.options["address"]) == (180, 50, "http://hills.example/f")
    assert source.created_by.username == "bob"
    assert answer.json()["crawling"]["state"] == "queued"
    (listed,) = admin.get(API).json()["items"]
    assert (listed["name"], listed["yields"]["found"]) == ("hills", 0)


def test_only_admins(client, hills):
    moderator, member = Client(), Client()
    moderator.force_login(person("mo", is_staff=True))
    member.force_login(person("alice"))
    asked = [("GET", ""), ("GET", "/kinds"), ("GET", "/hills"), ("POST", ""), ("PATCH", "/hills"), ("DELETE", "/hills")]
    asked += [("POST", f"/hills/{act}") for act in ("test", "crawl", "pause", "resume", "restore")] + [
        ("POST", "/test")
    ]
    for method, address in asked:
        assert [send(one, method, address).status_code for one in (client, member, moderator)] == [401, 403, 403]
    _, secret = ApiToken.issue(staff(), "small", ["read", "write", "moderate"])
    assert client.get(API, headers={"Authorization": f"Bearer {secret}"}).json()["code"] == "scope"


def test_kinds_say_what_they_ask(admin):
    kinds = {kind["kind"]: kind for kind in admin.get(f"{API}/kinds").json()}
    assert {"feed", "reddit", "page", "folder"} <= set(kinds)
    asked = {option["name"]: option for option in kinds["page"]["options"]}
    assert (asked["address"]["required"], asked["sitemap"]["type"], asked["pages"]["type"]) == (
        True,
        "yes or no",
        "number",
    )
    assert asked["depth"]["choices"] == ["0", "1", "2"]


WRONG = [
    {"options": {}},
    {"options": {"address": "nonsense"}},
    {"options": {"address": "http://a.example/\x00"}},
    {"options": {"address": "http://a.example/", "nothing": 1}},
    {"name": "no spaces"},
    {"name": ""},
    {"kind": "nothing"},
    {"every": 0},
    {"every": 10**20},
    {"budget": "many"},
    {"rules": {"nothing": {"a": 1}}},
    {"rules": {"size": {"least_pixels": "x"}}},
    {"rules": {"size": {"nothing": 1}}},
    {"rules": {"size": 3}},
    {"more": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_what_makes_no_sense_is_refused(admin, wrong):
    usual = {"name": "hills", "kind": "feed", "options": {"address": "http://hills.example/"}}
    answer = send(admin, "POST", "", **(usual | wrong))
    assert (answer.status_code, Source.objects.count()) == (422, 0), answer.json()


def test_a_change_is_only_what_it_says(admin, hills):
    Source.objects.update(rules={"size": {"least_pixels": 7}}, budget=50)
    body = send(admin, "PATCH", "/hills", every=90, publishes=True).json()
    assert (body["every"], body["publishes"], body["budget"]) == (90, True, 50)
    assert (body["rules"], body["options"]["address"]) == (
        hills.rules or {"size": {"least_pixels": 7}},
        "http://hills.example/feed",
    )
    body = send(admin, "PATCH", "/hills", options={"author": "Ann"}, rules={}).json()
    assert (body["options"]["author"], body["options"]["address"]) == ("Ann", "http://hills.example/feed")
    assert (body["rules"], body["publishes"]) == ({}, True)
    assert send(admin, "PATCH", "/hills", options={"address": ""}).status_code == 422


def test_pause_resume_remove_and_bring_back(admin, hills):
    assert send(admin, "POST", "/hills/pause").json()["active"] is False
    assert send(admin, "POST", "/hills/crawl").json()["code"] == "paused"
    assert send(admin, "POST", "/hills/resume").json()["active"] is True
    assert send(admin, "POST", "/hills/crawl").status_code == 202
    assert Crawl.objects.get().state == "queued"
    assert send(admin, "DELETE", "/hills").status_code == 204
    assert admin.get(API).json()["items"] == []
    assert send(admin, "POST", "/hills/crawl").json()["code"] == "removed"
    assert [one["name"] for one in admin.get(f"{API}?removed=true").json()["items"]] == ["hills"]
    assert send(admin, "POST", "/hills/restore").json()["removed_at"] is None
    assert send(admin, "POST", "/nothing/pause").status_code == 404


def test_it_tells_yield_and_errors(admin, hills):
    wait(1, file=False, source=hills)
    Crawl.objects.create(
        source=hills, state="failed", error="hills.example cannot be reached.", finished_at="2026-11-01T00:00Z"
    )
    body = admin.get(f"{API}/hills").json()
    assert (body["yields"]["waiting"], body["crawls"][0]["error"]) == (1, "hills.example cannot be reached.")


def test_pages_of_many(admin):
    for number in range(3):
        Source.objects.create(name=f"s{number}", kind="feed")
    first = admin.get(f"{API}?limit=2").json()
    second = admin.get(API, {"limit": 2, "cursor": first["next"]}).json()
    assert [one["name"] for one in first["items"] + second["items"]] == ["s0", "s1", "s2"]
    assert second["next"] is None
    assert admin.get(f"{API}?cursor=zzz").status_code == 400


@pytest.mark.django_db(transaction=True)
class TestTrying:
    @pytest.fixture
    def feed(self, site) -> str:
        for number in (1, 2):
            site.put(f"/{number}.jpg", data(number), "image/jpeg")
        return site.put(
            "/feed", FEED.format("".join(ENTRY.format(n, site.url) for n in (1, 2))), "application/atom+xml"
        )

    def test_it_works(self, admin, feed):
        results = send(admin, "POST", "/test?limit=2", kind="feed", options={"address": feed}).json()
        assert [result["title"] for result in results] == ["Hill 1", "Hill 2"]
        assert results[0]["scores"]["megapixels"] > 0
        assert results[0]["thumbnail"].startswith("data:image/webp;base64,")
        assert (Source.objects.count(), Candidate.objects.count()) == (0, 0)

    def test_it_is_bounded(self, admin, feed, monkeypatch):
        Source.objects.create(name="hills", kind="feed", options={"address": feed})
        assert send(admin, "POST", "/hills/test?limit=21").status_code == 422
        monkeypatch.setattr(sources_api, "LONGEST_TRIAL", -1.0)
        assert len(send(admin, "POST", "/hills/test?limit=2").json()) == 1

    def test_it_says_when_others_are_trying(self, admin, monkeypatch):
        Source.objects.create(name="hills", kind="feed")
        monkeypatch.setattr(trial, "_turns", threading.BoundedSemaphore(1))
        trial._turns.acquire()
        answer = send(admin, "POST", "/hills/test")
        assert (answer.status_code, answer["Retry-After"]) == (503, "60")

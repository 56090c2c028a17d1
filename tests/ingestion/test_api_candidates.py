"""/api/candidates: look, decide about many, take it back; scores and lines. For moderators; lines for admins."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from gallery.pictures import decode
from ingestion.models import CutOff, Decision
from tests.ingestion.waiting import a_source, person, staff, states, wait

pytestmark = pytest.mark.django_db
API = "/api/candidates"


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def moderator() -> Client:
    return client_of(person("mo", is_staff=True))


@pytest.fixture
def admin() -> Client:
    return client_of(staff())


def send(client: Client, method: str, address: str, **body: object):
    return client.generic(method, API + address, json.dumps(body), content_type="application/json")


def decide(client: Client, action: str, *candidates, **more: object):
    return send(client, "POST", "/decide", action=action, tokens=[one.token for one in candidates], **more)


def listed(client: Client, **params: object) -> list[str]:
    return [one["title"] for one in client.get(API, params).json()["items"]]


def test_it_works(moderator):
    one = wait(1, scores={"blur": 0.5}, verdicts=[{"filter": "quality", "outcome": "hold", "sentence": "It is soft."}])
    (item,) = moderator.get(API).json()["items"]
    assert (item["token"], item["state"], item["scores"], item["source"]) == (
        one.token,
        "waiting",
        {"blur": 0.5},
        "lakes",
    )
    body = moderator.get(f"{API}/{one.token}").json()
    assert body["verdicts"] == [{"filter": "quality", "outcome": "hold", "sentence": "It is soft."}]
    for address, width in ((item["thumbnail"], 64), (body["picture"], 320)):
        answer = moderator.get(address)
        assert (answer["Content-Type"], decode(answer.content).width) == ("image/webp", width)
        assert "sandbox" in answer["Content-Security-Policy"]


def test_only_moderators_and_only_admins_draw(client, moderator):
    one, member = wait(1), client_of(person("alice"))
    look = [("GET", ""), ("GET", f"/{one.token}"), ("GET", f"/{one.token}/thumbnail"), ("GET", f"/{one.token}/picture")]
    look += [("GET", "/decisions"), ("POST", "/decide"), ("POST", "/decisions/undo"), ("POST", "/decisions/1/undo")]
    look += [("GET", "/scores"), ("GET", "/scores/blur")]
    for method, address in look:
        assert [send(who, method, address).status_code for who in (client, member)] == [401, 403], address
    for method, address in (
        ("PUT", "/scores/blur/line"),
        ("DELETE", "/scores/blur/line"),
        ("POST", "/scores/blur/apply"),
    ):
        assert [send(who, method, address).status_code for who in (client, member, moderator)] == [401, 403, 403]
    assert states(one) == ["waiting"]


def test_orders_and_pages(moderator):
    for seed, value in ((1, 0.5), (2, 0.2), (3, 0.9)):
        wait(seed, file=False, scores={"blur": value}, source=a_source("own") if seed == 3 else None)
    assert listed(moderator, sort="blur-low") == ["Lake 2", "Lake 1", "Lake 3"]
    assert listed(moderator, source="own") == ["Lake 3"]
    assert listed(moderator, state="rejected") == []
    first = moderator.get(API, {"sort": "newest", "limit": 2}).json()
    second = moderator.get(API, {"sort": "newest", "limit": 2, "cursor": first["next"]}).json()
    assert [one["title"] for one in first["items"] + second["items"]] == ["Lake 3", "Lake 2", "Lake 1"]
    assert second["next"] is None
    for nonsense in ({"sort": "worst"}, {"state": "lost"}, {"limit": 1001}, {"source": "a\x00"}):
        assert moderator.get(API, nonsense).status_code == 422, nonsense
    assert moderator.get(API, {"cursor": first["next"]}).json()["code"] == "cursor"


class TestDeciding:
    def test_it_works(self, moderator):
        rows = [wait(seed) for seed in range(3)]
        body = decide(moderator, "reject", *rows[:2], reason="off topic").json()
        assert (body["done"], body["left_alone"], body["decision"]["reason"]) == (2, 0, "off topic")
        assert states(*rows) == ["rejected", "rejected", "waiting"]
        (log,) = moderator.get(f"{API}/decisions").json()["items"]
        assert (log["by"], log["candidates"], log["may_undo"]) == ("mo", 2, True)
        assert send(moderator, "POST", f"/decisions/{log['id']}/undo").json()["notices"] == []
        assert states(*rows) == ["waiting"] * 3
        assert send(moderator, "POST", f"/decisions/{log['id']}/undo").json()["code"] == "undone"
        assert send(moderator, "POST", "/decisions/undo").status_code == 409

    def test_accept_skip_and_again(self, moderator):
        one, two, failed = wait(1), wait(2), wait(3, file=False, state="failed")
        body = send(moderator, "POST", "/decide", action="accept", ids=[one.pk, two.pk, 10**9]).json()
        assert (body["done"], body["left_alone"], states(one, two)) == (2, 1, ["accepted"] * 2)
        assert decide(moderator, "again", failed).json() == {"decision": None, "done": 1, "left_alone": 0}
        assert states(failed) == ["found"]
        three = wait(4)
        assert decide(moderator, "skip", three).json()["decision"]["action"] == "skip"
        assert send(moderator, "POST", "/decisions/undo").json()["decision"]["action"] == "skip"

    def test_what_has_changed_since_is_left_alone(self, moderator):
        one = wait(1)
        decide(moderator, "accept", one)
        answer = decide(moderator, "reject", one)
        assert (answer.status_code, states(one)) == (410, ["accepted"])
        assert decide(moderator, "reject", one, state="accepted").json()["done"] == 1

    def test_what_makes_no_sense_is_refused(self, moderator):
        one = wait(1)
        for body in (
            {"action": "accept"},
            {"action": "eat", "ids": [1]},
            {"action": "accept", "ids": [2**63]},
            {"action": "accept", "tokens": ["a\x00"]},
            {"action": "reject", "ids": [1], "reason": "\ud800"},
            {"action": "accept", "ids": list(range(1, 1002))},
        ):
            assert send(moderator, "POST", "/decide", **body).status_code == 422, body
        for address in ("/nothing", "/nothing/picture", f"/{one.token}x/thumbnail"):
            assert moderator.get(API + address).status_code == 404
        assert send(moderator, "POST", "/decisions/99999/undo").status_code == 404


class TestLines:
    def test_it_works(self, admin):
        rows = [wait(seed, scores={"blur": value}) for seed, value in ((1, 0.1), (2, 0.9))]
        body = send(admin, "PUT", "/scores/blur/line", value=0.4, action="reject").json()
        assert body["line"] == {"value": 0.4, "action": "reject"}
        tried = admin.get(f"{API}/scores/blur").json()
        assert (tried["line"], tried["waiting"], sum(tried["histogram"]["waiting"])) == (
            0.4,
            {"passing": 1, "beyond": 1},
            2,
        )
        assert admin.get(f"{API}/scores/blur?line=0.95").json()["waiting"] == {"passing": 2, "beyond": 0}
        done = send(admin, "POST", "/scores/blur/apply", action="reject", line=0.4).json()
        assert (done["done"], states(*rows)) == (1, ["waiting", "rejected"])
        assert send(admin, "POST", "/scores/blur/apply", action="reject", line=0.4).json()["code"] == "nothing"
        assert send(admin, "DELETE", "/scores/blur/line").json()["line"] is None
        assert not CutOff.objects.exists()
        assert Decision.objects.count() == 1

    def test_of_one_source(self, admin, moderator):
        a_source("own")
        body = send(admin, "PUT", "/scores/blur/line", value=0.7, source="own").json()
        assert (body["line"], body["own"]) == (None, [{"value": 0.7, "action": "hold", "source": "own"}])
        assert moderator.get(f"{API}/scores/blur?source=own").json()["line"] == 0.7
        assert "blur" in [score["name"] for score in moderator.get(f"{API}/scores").json()]

    def test_what_makes_no_sense_is_refused(self, admin):
        for body in ({"value": "x"}, {"value": 1e13}, {}, {"value": 0.5, "action": "drop"}, {"value": 0.5, "more": 1}):
            assert send(admin, "PUT", "/scores/blur/line", **body).status_code == 422, body
        nan = admin.put(f"{API}/scores/blur/line", '{"value": NaN}', content_type="application/json")
        assert nan.status_code == 422
        assert send(admin, "PUT", "/scores/nothing/line", value=0.5).status_code == 404
        assert send(admin, "PUT", "/scores/blur/line", value=0.5, source="nothing").status_code == 404
        assert admin.get(f"{API}/scores/blur?line=inf").status_code == 422

"""Collections by the API: the whole way from a search to a dataset, and who may go it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gallery.models import ApiToken, Scope, User
from search.datasets import works
from search.models import Collection, CollectionWork
from tests.search.collected import collection_of, done, hashed, hashes, inside, private, some

pytestmark = pytest.mark.django_db
API = "/api/collections"


class Caller:
    """A program with a token."""

    def __init__(self, user: User, *scopes: str) -> None:
        _, self.secret = ApiToken.issue(user, "test", list(scopes or (Scope.READ, Scope.WRITE)))
        self.client = Client()

    def __call__(self, method: str, path: str, body: Any = None, files: Any = None, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}"}
        sent: dict[str, Any] = {"data": files} if files else {}
        if files is None and body is not None:
            sent = {"data": json.dumps(body), "content_type": "application/json"}
        response = getattr(self.client, method)(API + path, headers=headers, **sent)
        assert response.status_code == status, response.content
        is_told = response.headers.get("Content-Type", "").startswith("application/json")
        return response.json() if is_told and status != 204 else response


@pytest.fixture
def alice(db, settings, tmp_path) -> User:
    settings.VAR = tmp_path / "var"
    return User.objects.create(username="alice")


@pytest.fixture
def eve(db) -> User:
    return User.objects.create(username="eve")


@pytest.fixture
def call(alice) -> Caller:
    return Caller(alice)


@pytest.fixture
def as_eve(eve) -> Caller:
    return Caller(eve)


def test_it_works(call):
    images = some(6)
    hashed(images, hashes(images[:3]).repeat(2, axis=0))
    made = call("post", "", {"name": "Cars"}, status=201)
    assert (made["name"], made["count"], made["mine"], made["owner"]) == ("Cars", 0, True, "alice")
    here = f"/{made['token']}"
    # Six pictures may be all there are: with a limit of 100 it is little enough to be done at once.
    added = call("post", f"{here}/images", {"query": "width>0 sort:oldest", "limit": 100})
    assert (added["state"], added["outcome"]["added"]) == ("done", 6)
    found = call("get", f"{here}/images?limit=4")
    assert [each["image"]["id"] for each in found["items"]] == images[:4]
    assert found["items"][0]["via"] == "width>0 sort:oldest"
    rest = call("get", f"{here}/images?limit=4&cursor={found['next']}")
    assert ([each["image"]["id"] for each in rest["items"]], rest["next"]) == (images[4:], None)
    seen = call("post", f"{here}/thin", {"dry_run": True})
    assert (seen["outcome"]["would_remove"], len(seen["outcome"]["examples"])) == (3, 3)
    thinned = call("post", f"{here}/thin", {"preview": seen["token"]})
    assert (thinned["outcome"]["removed"], thinned["can_be_undone"]) == (3, True)
    assert call("get", here)["count"] == 3
    assert call("post", f"{here}/works/{thinned['token']}/undo")["state"] == "undone"
    chosen = call("post", f"{here}/sample", {"how": "random", "count": 2, "seed": 1, "into": "Two"})
    assert call("get", f"/{chosen['outcome']['collection']}")["count"] == 2
    assert [work["kind"] for work in call("get", f"{here}/works")["items"]] == ["sample", "thin", "thin", "add"]


def test_packed_and_fetched(call, alice):
    cars = collection_of(alice, some(2))
    begun = call("post", f"/{cars.token}/export", {"index": "coco"}, status=202)
    assert (begun["state"], begun["file"]) == ("waiting", None)
    call("get", f"/{cars.token}/works/{begun['token']}/file", status=409)
    assert works.pack_next()
    over = call("get", f"/{cars.token}/works/{begun['token']}")
    assert (over["state"], over["outcome"]["left_out"]) == ("done", 2)  # rows without files
    response = call("get", over["file"].partition(API)[2])
    assert b"".join(response.streaming_content).startswith(b"PK")


def test_named_shared_deleted_restored(call, as_eve, alice):
    cars = collection_of(alice, some(1))
    as_eve("get", f"/{cars.token}", status=404)
    edited = call("patch", f"/{cars.token}", {"name": "Vans", "note": "of 2026", "shared": True})
    assert (edited["name"], edited["note"], edited["shared"]) == ("Vans", "of 2026", True)
    assert as_eve("get", f"/{cars.token}")["mine"] is False
    assert [each["name"] for each in as_eve("get", "")["items"]] == ["Vans"]
    assert as_eve("get", "?mine=true")["items"] == []
    call("delete", f"/{cars.token}", status=204)
    as_eve("get", f"/{cars.token}", status=404)
    as_eve("post", f"/{cars.token}/restore", status=404)
    assert call("post", f"/{cars.token}/restore")["count"] == 1


def test_pictures_by_number(call, alice, eve):
    images = some(3)
    private(images[2], eve)
    cars = collection_of(alice, [])
    assert call("post", f"/{cars.token}/images", {"ids": [*images, 10**9]})["outcome"]["added"] == 2
    assert call("post", f"/{cars.token}/images/remove", {"ids": images[:1]})["outcome"]["removed"] == 1
    assert inside(cars) == images[1:2]


def test_many_are_left_to_a_worker(call, alice, monkeypatch):
    monkeypatch.setattr(works, "AT_ONCE", 5)
    images = some(7)
    cars = collection_of(alice, [])
    begun = call("post", f"/{cars.token}/images", {"query": "width>0", "limit": 10_000}, status=202)
    assert begun["state"] in ("waiting", "working")
    done(CollectionWork.objects.get())
    over = call("get", f"/{cars.token}/works/{begun['token']}")
    assert (over["state"], over["outcome"]["added"]) == ("done", len(images))


def test_scores(call, alice):
    images = some(3)
    cars = collection_of(alice, images)
    file = SimpleUploadedFile("s.csv", f"image,score\n{images[0]},0.4\nx,0.5\n".encode())
    told = call("post", f"/{cars.token}/scores", files={"scores": file})
    assert (told["matched"], told["unmatched"], told["lines"][0]["line"]) == (1, 1, 3)
    chosen = call("post", f"/{cars.token}/sample", {"how": "uncertain"})
    assert (chosen["outcome"]["chosen"], inside(cars)) == (1, images[:1])
    bad = SimpleUploadedFile("s.csv", b"image,score\n1,high\n")
    assert "Line 2" in call("post", f"/{cars.token}/scores", files={"scores": bad}, status=422)["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/images", {}, 422),
        ("/images", {"ids": [1], "query": "a"}, 422),
        ("/images", {"ids": [0]}, 422),
        ("/images", {"ids": [2**63]}, 422),
        ("/images", {"query": "(a"}, 400),
        ("/images", {"colours": "zz"}, 400),
        ("/images", {"like": 999_999}, 404),
        ("/images", {"query": "a\0b"}, 422),
        ("/images", {"query": "\ud800"}, 422),
        ("/images", {"address": "https://example.org/"}, 422),
        ("/images", {"query": "a", "limit": 10**9}, 422),
        ("/images/remove", {"ids": []}, 422),
        ("/thin", {"bits": 500}, 422),
        ("/thin", {"bites": 5}, 422),
        ("/thin", {"likeness": 0.2}, 422),
        ("/thin", {"preview": "unknown"}, 404),
        ("/sample", {"how": "nonsense"}, 422),
        ("/sample", {"how": "random"}, 422),
        ("/sample", {"how": "uncertain", "low": 0.8, "high": 0.2}, 422),
        ("/export", {"index": "xml"}, 422),
        ("/export", {"longest": 3}, 422),
        ("/works/unknown/undo", None, 404),
    ],
)
def test_it_rejects(call, alice, path, body, status):
    cars = collection_of(alice, some(1))
    told = call("post", f"/{cars.token}{path}", body, status=status)
    assert told["detail"]
    assert told["code"]


def test_a_shared_one_is_left_as_it_is_by_others(as_eve, alice):
    cars = collection_of(alice, some(1), is_shared=True)
    for method, path, body in (
        ("patch", "", {"name": "Mine"}),
        ("delete", "", None),
        ("post", "/images", {"ids": [1]}),
        ("post", "/images/remove", {"ids": [1]}),
        ("post", "/thin", {}),
        ("post", "/sample", {"how": "random", "count": 1}),
    ):
        assert as_eve(method, f"/{cars.token}{path}", body, status=403)["code"] == "forbidden"
    as_eve("post", f"/{cars.token}/export", {}, status=202)


def test_private_pictures_are_not_told(as_eve, alice):
    images = some(2)
    private(images[0], alice)
    cars = collection_of(alice, images, is_shared=True)
    assert as_eve("get", f"/{cars.token}")["count"] == 1
    assert [each["image"]["id"] for each in as_eve("get", f"/{cars.token}/images")["items"]] == images[1:]


def test_visitors_look_at_shared_ones_only(alice, client):
    cars = collection_of(alice, some(1))
    shared = collection_of(alice, [], "Shared", is_shared=True)
    assert [each["name"] for each in client.get(API).json()["items"]] == ["Shared"]
    assert client.get(f"{API}/{cars.token}").status_code == 404
    assert client.get(f"{API}/{shared.token}/images").status_code == 200
    assert client.get(f"{API}/{shared.token}/works").status_code == 401
    assert client.post(API, {"name": "x"}, content_type="application/json").status_code == 401
    assert client.post(f"{API}/{shared.token}/export", {}, content_type="application/json").status_code == 401


def test_a_token_needs_its_scope(alice):
    reader = Caller(alice, Scope.READ)
    cars = collection_of(alice, some(1))
    assert reader("post", "", {"name": "x"}, status=403)["code"] == "scope"
    assert reader("get", f"/{cars.token}")["count"] == 1


def test_two_of_a_name(call, alice):
    collection_of(alice, [])
    assert call("post", "", {"name": "Cars"}, status=409)["code"] == "taken"
    assert Collection.objects.count() == 1

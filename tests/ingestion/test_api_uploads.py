"""POST /api/uploads and what follows: stored, here already, asked; the answers; the work on what came."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gallery.models import ApiToken, Image, Tag, User
from ingestion.models import HeldUpload, Job
from tests.ingestion.scene import at_once, bring_image, data, stored_files
from tests.ingestion.test_download_refuses import trap
from tests.ingestion.waiting import person, staff

pytestmark = pytest.mark.django_db
API = "/api/uploads"
__all__ = ["trap"]


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def member(db) -> User:
    return person("alice")


@pytest.fixture
def as_member(member) -> Client:
    return client_of(member)


def send(client: Client, content: bytes = data(1), name: str = "beach.jpg", **fields: object):
    headers = fields.pop("headers", {})
    return client.post(API, {"picture": SimpleUploadedFile(name, content), **fields}, headers=headers)


def post(client: Client, address: str, **body: object):
    return client.post(address, json.dumps(body), content_type="application/json")


def test_it_works(as_member, member):
    answer = send(as_member, title="A beach", source="https://example.org/a%20beach", author="Ann", licence="CC0")
    body, image = answer.json(), Image.objects.get()
    assert answer.status_code == 201, body
    assert (body["state"], body["ready"], body["image"]["id"], body["notice"]) == ("stored", False, image.pk, "")
    source = image.sources.get()
    assert (source.address, source.title, source.author) == ("https://example.org/a beach", "A beach", "Ann")
    assert list(image.owners.all()) == [member]
    assert as_member.get(f"{API}/{body['job']}").json()["ready"] is False
    Image.objects.update(state="ready")
    assert as_member.get(f"{API}/{body['job']}").json()["ready"] is True


def test_a_token_will_do(member):
    _, secret = ApiToken.issue(member, "phone", ["read", "write"])
    assert send(Client(), headers={"Authorization": f"Bearer {secret}"}).status_code == 201
    _, secret = ApiToken.issue(member, "frame", ["read"])
    answer = send(Client(), data(2), headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope")


def test_words_come_with_it(as_member):
    body = send(as_member, tags="Sea, sand", caption=" The  sea ").json()
    assert [tag["name"] for tag in body["image"]["tags"]] in ([], ["sand", "sea"])  # once it is shown
    image = Image.objects.get()
    assert set(Tag.objects.filter(pk__in=image.tag_ids).values_list("name", flat=True)) == {"sea", "sand"}
    assert image.caption == "The sea"


def test_it_can_be_private(as_member):
    assert send(as_member, private="true").json()["image"]["private"] is True
    assert client_of(person("eve")).get(f"{API}/{Job.objects.get().pk}").status_code == 404


def test_the_same_bytes_are_here_already(as_member):
    image = bring_image(1)
    answer = send(as_member, tags="sea")
    assert (answer.status_code, answer.json()["state"], answer.json()["image"]["id"]) == (200, "here_already", image.pk)


@pytest.mark.django_db(transaction=True)
def test_the_same_bytes_four_times_at_once_are_one_image(member):
    clients = [client_of(member) for _ in range(4)]
    answers = at_once(4, lambda number: send(clients[number]))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert {answer.json()["image"]["id"] for answer in answers} == {Image.objects.get().pk}
    assert len(stored_files()) == 1


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"", 400, "empty"), (b"text", 415, "unsupported_type"), (data(1)[:900], 422, "corrupt")],
)
def test_it_refuses_what_is_no_picture(as_member, content, status, code):
    answer = send(as_member, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (Image.objects.count(), stored_files(".incoming")) == (0, [])


NONSENSE = [
    {"edits": "maybe"},
    {"private": "perhaps"},
    {"title": "x" * 256},
    {"title": "\ud800"},
    {"author": "a\x00b"},
    {"source": "ftp://example.org/"},
    {"tags": ",".join(f"t{n}" for n in range(21))},
    {"caption": "x" * 1_001},
    {"nothing": 1},
    {"tags": ["sea"]},
    {},
]


@pytest.mark.parametrize("fields", NONSENSE, ids=range(len(NONSENSE)))
def test_it_refuses_fields_without_sense(as_member, fields):
    answer = post(as_member, API, url="http://127.0.0.1/a.jpg", **fields) if fields else post(as_member, API)
    assert (answer.status_code, answer.json()["code"]) in ((422, "invalid"), (422, "empty")), answer.json()
    assert not Image.objects.exists()


def test_broken_forms_are_refused(as_member):
    for body in (b"", b"x", b"--b\r\n"):
        answer = as_member.post(API, body, content_type="multipart/form-data; boundary=b")
        assert answer.status_code in (400, 422), body
    assert as_member.post(API, b"{", content_type="application/json").status_code == 400
    assert as_member.post(API, b"x", content_type="image/jpeg").status_code == 415


class TestByUrl:
    @pytest.fixture(autouse=True)
    def nothing_is_remembered(self) -> None:
        cache.clear()

    def test_it_works(self, as_member, site):
        answer = post(as_member, API, url=site.put("/hill.jpg", data(1), "image/jpeg"))
        assert answer.status_code == 201, answer.json()
        assert Image.objects.get().name == "hill.jpg"
        assert Image.objects.get().sources.get().address == f"{site.url}/hill.jpg"

    def test_hostile_addresses_get_no_packet(self, as_member, trap, settings):
        settings.FETCH_HOSTS = []
        for host in ("127.0.0.1", "0x7f.1", "[::1]", "[::ffff:7f00:1]", "localhost"):
            answer = post(as_member, API, url=f"http://{host}:{trap.port}/a.jpg")
            assert (answer.status_code, answer.json()["code"]) == (400, "forbidden_address"), host
        assert trap.met() == 0

    def test_what_cannot_be_had_says_why(self, as_member, site):
        answer = post(as_member, API, url=f"{site.url}/nothing.jpg")
        assert (answer.status_code, answer.json()["code"]) == (422, "not_found")


class TestVisitors:
    def test_only_if_the_gallery_lets_them(self, client):
        answer = send(client)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")

    @pytest.fixture
    def open_to_all(self, settings):
        settings.UPLOADS = "anyone"
        return settings

    def test_they_are_told_what_becomes_of_it(self, client, open_to_all):
        body = send(client).json()
        assert (body["state"], body["image"]["id"]) == ("stored", Image.objects.get().pk)
        assert client.get(f"{API}/{body['job']}").status_code == 200
        for fields in ({"private": "1"}, {"tags": "sea"}, {"caption": "Sea"}):
            assert send(client, data(2), **fields).status_code == 401

    def test_they_are_limited(self, client, open_to_all):
        open_to_all.UPLOADS_PER_HOUR = 1
        assert [send(client).status_code for _ in range(2)] == [201, 429]
        assert int(send(client)["Retry-After"]) > 0

    def test_so_are_their_bytes_before_they_are_read(self, client, open_to_all):
        open_to_all.MEGABYTES_PER_HOUR = 1
        assert send(client, bytes(1_200_000)).status_code == 429
        assert stored_files(".incoming") == []

    def test_a_gallery_for_members_is_closed(self, client, open_to_all):
        open_to_all.ACCESS = "members"
        assert send(client).status_code == 401


class TestImportPage:
    """The same limits hold there."""

    @pytest.fixture(autouse=True)
    def open_to_all(self, settings) -> None:
        settings.UPLOADS, settings.UPLOADS_PER_HOUR = "anyone", 2

    def put(self, client: Client, number: int):
        return client.post("/import/file/", data(number), content_type="application/octet-stream")

    def test_it_works(self, client, as_member):
        answers = [self.put(client, number) for number in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert (answers[2].json()["code"], int(answers[2]["Retry-After"]) > 0) == ("too_many", True)
        assert self.put(as_member, 3).status_code == 201
        assert Image.objects.count() == 3

    def test_the_form_says_so_too(self, client):
        answer = client.post("/import/", {"files": [SimpleUploadedFile(f"{n}.jpg", data(n)) for n in range(3)]})
        assert answer.status_code == 429
        assert "Retry-After" in answer
        assert not Image.objects.exists()

    def test_bytes_count_before_they_are_read(self, client, settings):
        settings.MEGABYTES_PER_HOUR = 1
        answer = client.post("/import/file/", bytes(1_200_000), content_type="application/octet-stream")
        assert (answer.status_code, stored_files(".incoming")) == (429, [])
        form = SimpleUploadedFile("a.jpg", bytes(1_200_000))
        with patch("gallery.originals.Incoming.write", side_effect=AssertionError("it was read")):
            answer = client.post("/import/", {"files": form})
        assert (answer.status_code, "Retry-After" in answer) == (429, True)


class TestQuestions:
    """With rows: what proves an edit has its own tests (test_held.py)."""

    @pytest.fixture
    def asked(self, member) -> SimpleNamespace:
        here = Image.objects.create(
            sha256="a" * 64, name="here.jpg", format="JPEG", bytes=9, width=900, height=600, state="ready"
        )
        here.owners.add(member)
        here.sources.create(kind="upload", address="here.jpg", by=member)
        match = {"image": here.pk, "grade": "contains", "relation": "part", "evidence": "62 points", "points": 62}
        facts = {"format": "JPEG", "width": 320, "height": 240, "bytes": len(data(1)), "name": "part.jpg"}
        held = HeldUpload.objects.create(
            sha256=hashlib.sha256(data(1)).hexdigest(),
            by=member,
            matches=[match],
            origin={"kind": "upload", "address": "part.jpg"},
            **facts,
        )
        held.path.parent.mkdir(parents=True, exist_ok=True)
        held.path.write_bytes(data(1))
        return SimpleNamespace(here=here, held=held, address=f"{API}/{held.token}")

    def test_it_works(self, as_member, asked):
        (question,) = as_member.get(f"{API}/questions").json()["items"]
        assert (question["token"], question["state"], question["advice"]) == (asked.held.token, "asked", "drop")
        (alike,) = question["alike"]
        assert (alike["id"], alike["relation"], alike["may_replace"]) == (asked.here.pk, "part", True)
        assert as_member.get(question["picture"])["Content-Type"] == "image/webp"
        body = as_member.post(
            question["answer"], '{"action": "keep", "tags": "sea"}', content_type="application/json"
        ).json()
        assert (body["state"], body["image"]["name"]) == ("stored", "part.jpg")
        assert Tag.objects.filter(pk__in=Image.objects.get(pk=body["image"]["id"]).tag_ids).get().name == "sea"

    def test_replace_and_undo(self, as_member, asked):
        body = post(as_member, f"{asked.address}/answer", action="replace", image=asked.here.pk).json()
        asked.here.refresh_from_db()
        assert (body["state"], asked.here.trashed_at is not None) == ("stored", True)
        assert as_member.post(f"{asked.address}/undo").status_code == 200
        asked.here.refresh_from_db()
        assert asked.here.trashed_at is None

    def test_drop_and_undo(self, as_member, asked):
        assert post(as_member, f"{asked.address}/answer", action="drop").json()["state"] == "not_stored"
        (decided,) = as_member.get(f"{API}/questions?decided=true").json()["items"]
        assert decided["may_undo"] is True
        assert as_member.post(decided["undo"]).json()["state"] == "asked"

    def test_one_answer_wins(self, as_member, asked):
        post(as_member, f"{asked.address}/answer", action="drop")
        answer = post(as_member, f"{asked.address}/answer", action="keep")
        assert (answer.status_code, answer.json()["code"]) == (409, "decided")

    def test_answers_without_sense_are_refused(self, as_member, asked):
        for body in ({"action": "replace"}, {"action": "keep", "image": 1}, {"action": "eat"}, {"image": 1}):
            assert post(as_member, f"{asked.address}/answer", **body).status_code == 422, body
        assert post(as_member, f"{asked.address}/answer", action="replace", image=2**63).status_code == 422

    def test_others_know_nothing_of_it(self, client, asked):
        other = client_of(person("eve"))
        assert other.get(f"{API}/questions").json()["items"] == []
        for one in (other, client):
            for answer in (
                one.get(asked.address),
                one.get(f"{asked.address}/picture"),
                post(one, f"{asked.address}/answer", action="drop"),
                one.post(f"{asked.address}/undo"),
            ):
                assert answer.status_code in (401, 404)
        assert client_of(staff()).get(asked.address).status_code == 200


class TestJobs:
    @pytest.fixture
    def failed(self) -> Job:
        job = bring_image(1).jobs.get()
        Job.objects.update(state="quarantined", attempts=3, error="/var/somewhere: it died")
        return job

    def test_it_works(self, failed):
        moderator = client_of(person("mo", is_staff=True))
        body = moderator.get(f"{API}/jobs").json()
        assert [job["id"] for job in body["items"]] == [failed.pk]
        assert body["counts"] == {"queued": 0, "running": 0, "failed": 0, "quarantined": 1}
        assert post(moderator, f"{API}/jobs/retry", ids=[failed.pk]).json() == {"retried": 1}
        failed.refresh_from_db()
        assert (failed.state, failed.attempts) == ("queued", 0)
        assert moderator.get(f"{API}/jobs?state=failed").json()["items"] == []

    def test_pages(self):
        for number in range(3):
            bring_image(number)
        moderator, seen, address = client_of(staff()), [], f"{API}/jobs?limit=2"
        body = moderator.get(address).json()
        seen += body["items"]
        body = moderator.get(address, {"limit": 2, "cursor": body["next"]}).json()
        seen += body["items"]
        assert ([job["id"] for job in seen], body["next"]) == (
            sorted(Job.objects.values_list("pk", flat=True), reverse=True),
            None,
        )
        assert moderator.get(f"{API}/jobs?cursor=1~abc").status_code == 400

    def test_members_see_those_of_a_picture_and_no_paths(self, as_member, client, failed):
        Image.objects.update(state="ready")
        (job,) = as_member.get(f"{API}/jobs/of/{failed.image_id}").json()
        assert (job["state"], job["error"]) == ("quarantined", "")
        assert as_member.get(f"{API}/jobs").status_code == 403
        assert post(as_member, f"{API}/jobs/retry").status_code == 403
        assert client.get(f"{API}/jobs/of/{failed.image_id}").status_code == 401
        for number in (10**9, 2**63):
            assert as_member.get(f"{API}/jobs/of/{number}").status_code in (404, 422)

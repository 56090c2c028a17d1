"""POST /api/filter: other programs have their pictures judged, and nothing of them stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory

from gallery.models import ApiToken, Image, User
from ingestion import filter_api
from ingestion.models import Candidate
from ingestion.unjudged import SENTENCE
from tests.ingestion.scene import data, stored_files

pytestmark = pytest.mark.django_db

FILTERS = ["size", "quality", "synthetic"]
SMALL = {"size": {"least_pixels": 1000}}
LINES = dict.fromkeys(("blur", "upscaled", "blocking", "noise", "borders", "flat", "dark", "bright"), 1.0)
OPTIONS = {"filters": FILTERS, "rules": SMALL, "lines": LINES}


@pytest.fixture
def member(db):
    return User.objects.create(username="alice")


def ask(client, *files, options=OPTIONS, **headers):
    sent = [SimpleUploadedFile(name, content) for name, content in files]
    form = {"pictures": sent, "options": options if isinstance(options, str) else json.dumps(options)}
    return client.post("/api/filter", form, **headers)


def by_token(member, *scopes):
    _, secret = ApiToken.issue(member, "a program", list(scopes or ["read"]))
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def test_it_works(as_member: Client):
    answer = ask(as_member, ("a.jpg", data(1)), ("b.jpg", data(2)))
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["good"] == [0, 1]
    first = body["pictures"][0]
    assert (first["index"], first["name"], first["outcome"]) == (0, "a.jpg", "pass")
    assert [verdict["filter"] for verdict in first["verdicts"]] == ["size", "synthetic", "quality"]
    assert first["scores"]["megapixels"] == 0.0768
    assert {"blur", "synthetic"} < set(first["scores"])


def test_a_bad_picture_is_an_entry_and_the_others_are_judged(member):
    answer = ask(
        Client(), ("text.jpg", b"no picture"), ("cut.jpg", data(1)[:900]), ("a.jpg", data(1)), **by_token(member)
    )
    body = answer.json()
    assert answer.status_code == 200
    assert [entry.get("error", {}).get("code") for entry in body["pictures"]] == ["unsupported_type", "corrupt", None]
    assert body["pictures"][1]["error"]["detail"] == "This JPEG picture is damaged or cut off."
    assert "outcome" not in body["pictures"][0]
    assert body["good"] == [2]


def test_lines_and_rules_decide(as_member):
    narrow = {"filters": FILTERS, "rules": {"size": {"least_pixels": 10**6}}}
    answer = ask(as_member, ("a.jpg", data(1)), options=narrow).json()
    assert (answer["good"], answer["pictures"][0]["outcome"]) == ([], "reject")
    for line, outcome in ((0.0, "hold"), ([0.0, "reject"], "reject")):
        drawn = OPTIONS | {"lines": LINES | {"flat": line}}
        answer = ask(as_member, ("a.jpg", data(1)), options=drawn).json()
        assert (answer["good"], answer["pictures"][0]["outcome"]) == ([], outcome)


def test_nothing_is_stored(as_member):
    before = Image.objects.count(), Candidate.objects.count()
    assert ask(as_member, ("a.jpg", data(1))).status_code == 200
    assert (Image.objects.count(), Candidate.objects.count()) == before == (0, 0)
    assert stored_files(".") == []


NONSENSE = [
    "{",
    "[]",
    {"no": 1},
    {"filters": ["nothing"]},
    {"filters": "size"},
    {"rules": {"nothing": {}}},
    {"rules": {"size": {"least_pixels": -1}}},
    {"rules": {"size": {"no": 1}}},
    {"rules": {"size": 3}},
    {"lines": {"nothing": 0.5}},
    {"lines": {"blur": "high"}},
    {"lines": {"blur": [0.5, "drop"]}},
    '{"lines": {"blur": NaN}}',
    " " * 30_000,
]


def test_options_without_sense_are_refused(as_member):
    for options in NONSENSE:
        answer = ask(as_member, ("a.jpg", b"x"), options=options)
        assert (answer.status_code, answer.json()["code"]) == (422, "options"), options
        assert answer.json()["detail"].endswith(".")


def test_why_a_filter_cannot_judge_names_no_folder_of_the_machine(as_member):
    answer = ask(as_member, ("a.jpg", data(1)), options={"filters": ["novelty", "watermark"], "rules": SMALL})
    said = {verdict["filter"]: verdict for verdict in answer.json()["pictures"][0]["verdicts"]}
    assert said["novelty"]["sentence"] == SENTENCE
    assert str(settings.WEIGHTS) not in answer.content.decode()


class Unread:
    def read(self, *_: int) -> bytes:
        raise AssertionError("nobody knows who has sent this")

    readline = read


def get_wsgi_handler():
    handler = WSGIHandler()
    handler.load_middleware()
    return handler


class TestWhoMayAsk:
    def refused(self, answer, status, code):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["detail"].endswith(".")
        assert stored_files(".") == []

    def test_it_works_with_a_token(self, member):
        assert ask(Client(), ("a.jpg", data(1)), **by_token(member)).status_code == 200

    def test_it_rejects_what_is_no_token(self, member):
        for header in ("Basic nonsense!", "Basic YWxpY2U=", "Bearer abc", "Bearer ", ""):
            self.refused(ask(Client(), ("a.jpg", data(1)), HTTP_AUTHORIZATION=header), 401, "unauthorized")
        self.refused(ask(Client(), ("a.jpg", data(1)), **by_token(member, "write")), 403, "scope")

    @pytest.mark.parametrize("asks", [{}, {"HTTP_AUTHORIZATION": "Bearer lka_wrong"}, {"HTTP_X_CSRFTOKEN": "x"}])
    def test_of_strangers_nothing_is_read(self, member, asks):
        """However much they say that they send."""
        request = RequestFactory().generic(
            "POST", "/api/filter", b"x", "multipart/form-data; boundary=b", CONTENT_LENGTH=str(200 * 2**20), **asks
        )
        request._stream = Unread()
        response = get_wsgi_handler().get_response(request)
        assert response.status_code == 401, response.content

    def test_it_rejects_strangers_and_accounts_that_are_closed(self, member):
        answer = ask(Client(), ("a.jpg", data(1)))
        self.refused(answer, 401, "unauthorized")
        assert answer["WWW-Authenticate"] == "Bearer"
        token = by_token(member)
        member.is_active = False
        member.save()
        self.refused(ask(Client(), ("a.jpg", data(1)), **token), 401, "unauthorized")

    def test_a_session_needs_its_token(self, member):
        client = Client(enforce_csrf_checks=True)
        client.force_login(member)
        self.refused(ask(client, ("a.jpg", data(1))), 403, "csrf")
        self.refused(ask(client, ("a.jpg", data(1)), HTTP_X_CSRFTOKEN="x" * 32), 403, "csrf")
        client.get("/import/")
        token = client.cookies["csrftoken"].value
        assert ask(client, ("a.jpg", data(1)), HTTP_X_CSRFTOKEN=token).status_code == 200


class TestLimits:
    def test_it_requires_a_form_of_files(self, as_member):
        answer = as_member.post("/api/filter", b"{}", content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_type")
        answer = as_member.post("/api/filter", {"options": "{}"})
        assert (answer.status_code, answer.json()["code"]) == (422, "empty")

    def test_it_rejects_too_many_and_too_much(self, as_member, monkeypatch):
        monkeypatch.setattr(filter_api, "MOST_PICTURES", 2)
        answer = ask(as_member, *[(f"{n}.jpg", b"x") for n in range(3)])
        assert (answer.status_code, answer.json()["code"]) == (413, "too_many")
        monkeypatch.setattr(filter_api, "MOST_BYTES", 1000)
        answer = ask(as_member, ("a.jpg", data(1)))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    def test_it_takes_more_than_other_forms_do(self, as_member):
        """3 MB, and Django reads 2.5 MB elsewhere."""
        large = data(1) + bytes(3 * 10**6)
        assert len(large) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        for headers in ({}, by_token(User.objects.get())):
            answer = ask(as_member, ("a.jpg", large), **headers)
            assert (answer.status_code, answer.json()["good"]) == (200, [0])

    def test_a_picture_over_the_limit_is_an_entry(self, as_member, settings):
        settings.MAX_BYTES = 5_000
        body = ask(as_member, ("a.jpg", data(1)), ("b.jpg", b"x")).json()
        assert [entry["error"]["code"] for entry in body["pictures"]] == ["too_large", "unsupported_type"]

    def test_it_says_when_it_is_busy_and_never_stays_so(self, as_member, monkeypatch):
        with filter_api._place(), filter_api._place():
            answer = ask(as_member, ("a.jpg", data(1)))
        assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "5", "busy")
        assert ask(as_member, ("a.jpg", b"x")).status_code == 200


def test_the_files_are_gone_when_the_answer_has_come(as_member, settings):
    ask(as_member, ("a.jpg", data(1)), ("b.jpg", b"x"))
    assert not list(Path(settings.MEDIA_ROOT, ".incoming").glob("*"))

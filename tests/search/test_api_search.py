"""Searching through the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.gallery.made import rows
from tests.pictures import encode


def a_file() -> SimpleUploadedFile:
    from tests.search.doubles import large

    return SimpleUploadedFile("asked.jpg", encode(large(1)), "image/jpeg")


def refused(response: Any) -> tuple[int, str]:
    assert set(response.json()) == {"detail", "code"}
    assert response["Content-Type"].startswith("application/json")
    return response.status_code, response.json()["code"]


@pytest.fixture
def many(add: Callable) -> list[Any]:
    """A picture in six sizes, largest first."""
    from tests.search.doubles import large

    return [add(large(1).resize((4 * side, 3 * side)), f"{side}.jpg") for side in (200, 180, 160, 140, 120, 100)]


def test_it_works(many: list[Any], client: Client, django_assert_max_num_queries: Any) -> None:
    answer = client.post("/api/search", {"picture": a_file(), "explain": "true"}).json()
    best = answer["matches"][0]
    assert best["grade"] == "same"
    assert best["certain"]
    assert best["score"] > 0.9
    assert best["evidence"]
    assert best["hits"]["phash"]["certain"]
    assert best["image"]["page"].startswith("http://")
    assert answer["query"]["picture"]["name"] == "asked.jpg"
    assert len(answer["matches"]) == len(many)
    with django_assert_max_num_queries(25):  # engines ask in threads of their own
        found = client.get("/api/search", {"id": many[0].pk, "weak": "true"}).json()
    assert {match["image"]["id"] for match in found["matches"]} == {image.pk for image in many[1:]}
    assert client.get(f"/api/images/{many[0].pk}/similar?weak=true").json()["matches"] == found["matches"]


def test_it_answers_in_pages(many: list[Any], client: Client) -> None:
    from gallery.models import Image

    whole = client.post("/api/search", {"picture": a_file(), "weak": "true"}).json()
    first = client.post("/api/search", {"picture": a_file(), "weak": "true", "limit": 2}).json()
    rest = {"weak": "true", "limit": 2, "cursor": first["next"]}  # the cursor knows the picture
    second = client.post("/api/search", rest).json()
    third = client.get("/api/search", rest | {"cursor": second["next"]}).json()
    ids = [match["image"]["id"] for page in (first, second, third) for match in page["matches"]]
    assert ids == [match["image"]["id"] for match in whole["matches"]]
    assert third["next"] is None
    Image.objects.get(pk=ids[1]).trash()  # the last match before the page
    assert [match["image"]["id"] for match in client.get("/api/search", rest).json()["matches"]] == ids[2:4]
    assert refused(client.get("/api/search", rest | {"least": "0.2"})) == (400, "cursor")
    assert refused(client.get("/api/search", rest | {"cursor": first["next"][:-1] + "~"})) == (400, "cursor")


def test_it_combines(many: list[Any], client: Client) -> None:
    from gallery.opinions import add_tag

    add_tag(many[2], "sea")
    found = client.post("/api/search", {"picture": a_file(), "q": "tag:sea", "weak": "true"}).json()
    assert [match["image"]["id"] for match in found["matches"]] == [many[2].pk]
    assert client.get("/api/search", {"text": "sea"}).json()["matches"][0]["image"]["id"] == many[2].pk
    letter = client.get("/api/search", {"q": "tag:sea"}).json()["matches"][0]
    assert (letter["image"]["id"], letter["grade"], letter["score"]) == (many[2].pk, "fits", 1.0)
    named = client.post("/api/search", {"picture": a_file(), "engines": "phash", "grades": "same,contains"})
    assert {match["grade"] for match in named.json()["matches"]} == {"same"}
    assert client.get("/api/search", {"id": many[0].pk, "grades": "same_colours"}).json()["matches"] == []
    assert client.get("/api/search", {"colours": "3366cc,fff"}).json()["query"]["colours"] == ["3366cc", "ffffff"]


def test_it_asks_with_a_part(add: Callable, client: Client) -> None:
    from tests.search.doubles import large

    whole = add(large(3), "large.jpg")
    cut = large(3).crop((100, 100, 500, 400))
    part = add(cut, "part.jpg")
    width, height = large(3).size
    box = f"{100 / width},{100 / height},{400 / width},{300 / height}"
    found = client.get("/api/search", {"id": whole.pk, "box": box}).json()
    assert found["matches"][0]["image"]["id"] == part.pk
    assert found["matches"][0]["certain"]
    assert whole.pk not in [match["image"]["id"] for match in found["matches"]]
    assert refused(client.get("/api/search", {"id": whole.pk, "box": "0.9,0,0.5,1"})) == (422, "invalid")
    assert refused(client.get("/api/search", {"box": "0,0,1,1", "text": "sea"})) == (422, "invalid")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, (400, "query")),
        ({"q": "sea && ("}, (400, "query")),
        ({"id": 1, "url": "http://example.org/a.jpg"}, (422, "invalid")),
        ({"id": 2**63}, (422, "invalid")),
        ({"id": 7}, (404, "not_found")),
        ({"engines": "magic"}, (422, "invalid")),
        ({"grades": "great"}, (422, "invalid")),
        ({"colours": "blueish"}, (400, "query")),
        ({"text": "a\x00b"}, (422, "invalid")),
        ({"limit": 1001, "text": "sea"}, (422, "invalid")),
        ({"least": "nan", "text": "sea"}, (422, "invalid")),
        ({"cursor": "1.2.3", "text": "sea"}, (400, "cursor")),
        ({"engine": "phash", "text": "sea"}, (422, "invalid")),
        ({"url": "http://127.0.0.1/a.jpg"}, (400, "forbidden_address")),
    ],
)
def test_it_refuses(fields: dict, refusal: tuple[int, str], client: Client) -> None:
    assert refused(client.post("/api/search", fields)) == refusal
    if "url" not in fields:
        assert refused(client.post("/api/search", fields, content_type="application/json")) == refusal


@pytest.mark.django_db
def test_it_refuses_broken_bodies(client: Client) -> None:
    json, form = "application/json", "multipart/form-data; boundary=x"
    assert refused(client.post("/api/search", b"{", json)) == (400, "broken")
    assert refused(client.post("/api/search", b"[" * 10_000, json)) == (400, "broken")
    assert refused(client.post("/api/search", b"[]", json)) == (422, "invalid")
    assert refused(client.post("/api/search", rb'{"text": "\ud800"}', json)) == (422, "invalid")
    assert refused(client.post("/api/search", b"\xff\xfe", json)) == (400, "broken")
    assert refused(client.post("/api/search", b"--y", form)) == (400, "query")  # Django finds no field in it
    assert refused(client.post("/api/search", b"text=sea", "text/plain")) == (415, "unsupported_type")
    assert refused(client.post("/api/search", b'{"text": "' + b"a" * 3_000_000 + b'"}', json)) == (413, "too_large")
    assert refused(client.post("/api/search", {"other": a_file()})) == (422, "invalid")
    assert refused(client.post("/api/search", {"picture": SimpleUploadedFile("a.jpg", b"GIF89a")}))[0] in (415, 422)
    assert refused(client.put("/api/search")) == (405, "method")


@pytest.mark.django_db
def test_it_limits_visitors(client: Client, as_member: Client, settings: Any) -> None:
    settings.SEARCHES_PER_MINUTE = 2
    rows(1)
    for _ in range(2):
        assert client.get("/api/search?q=width>=1").status_code == 200
    response = client.get("/api/search?q=width>=1")
    assert refused(response) == (429, "too_many")
    assert int(response["Retry-After"]) > 0
    assert as_member.get("/api/search?q=width>=1").status_code == 200


@pytest.mark.django_db
def test_bytes_of_visitors_count_before_they_are_read(client: Client, settings: Any) -> None:
    settings.MEGABYTES_PER_HOUR = 1
    with patch("gallery.originals.Incoming.write", side_effect=AssertionError("it was read")):
        response = client.post("/api/search", {"picture": SimpleUploadedFile("a.jpg", bytes(1_200_000))})
    assert refused(response) == (429, "too_many")


@pytest.mark.django_db
def test_it_lists_its_engines(client: Client) -> None:
    engines = {engine["name"]: engine for engine in client.get("/api/search/engines").json()}
    assert engines["phash"]["state"] == "ready"
    assert engines["clip"]["state"] == "off"
    assert "colours" in engines["color"]["answers"]
    assert "text" in engines["clip"]["answers"]

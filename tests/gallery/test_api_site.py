"""The API itself: who asks, and how it says no where nothing is asked."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client

from gallery.models import ApiToken, User
from gallery.pictures import DecoderBusy

pytestmark = pytest.mark.django_db


def test_it_works(client: Client, member: User, settings: Any) -> None:
    _, secret = ApiToken.issue(member, "mine", ["read"])
    said = client.get("/api/", headers={"authorization": f"Bearer {secret}"}).json()
    assert (said["title"], said["access"], said["you"]["name"]) == (settings.TITLE, "public", "alice")
    assert said["you"]["role"] == "member"
    assert said["you"]["scopes"] == ["read"]
    visitor = client.get("/api/me").json()
    assert (visitor["id"], visitor["name"], visitor["role"], visitor["scopes"]) == (None, "", "visitor", ["read"])
    assert client.get("/api/health").json()["state"] == "ok"
    assert "Authorization" in client.get("/api/me")["Vary"]
    assert client.get("/api/me")["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["nothing", "images/", "images/1/nothing", "images/x/y/z"])
def test_what_is_not_there_is_a_problem(client: Client, path: str) -> None:
    response = client.get(f"/api/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_other_methods_are_a_problem(client: Client) -> None:
    response = client.put("/api/images")
    assert (response.status_code, response.json()["code"], response["Allow"]) == (405, "method", "GET")
    assert client.head("/api/images").status_code == 200


@pytest.mark.parametrize("id", ["0", "-1", "x", str(2**63), "1e3", "1.5", "9" * 400])
def test_ids_are_numbers(client: Client, id: str) -> None:
    response = client.get(f"/api/images/{id}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


def test_it_needs_what_the_table_says(client: Client, as_member: Client, settings: Any) -> None:
    assert client.delete("/api/images/1").status_code == 401
    assert as_member.delete("/api/images/1").status_code == 404
    wrong = client.get("/api/images", headers={"authorization": "Bearer lka_nothing"})
    assert (wrong.status_code, wrong["WWW-Authenticate"]) == (401, "Bearer")
    settings.ACCESS = "members"
    assert client.get("/api/images").status_code == 401
    assert client.get("/api/docs").status_code == 302
    assert as_member.get("/api/images").status_code == as_member.get("/api/docs").status_code == 200


def test_the_document_of_a_closed_gallery_is_read_with_a_token(client: Client, member: User, settings: Any) -> None:
    settings.ACCESS = "members"
    reading = {"authorization": f"Bearer {ApiToken.issue(member, 'generator', ['read'])[1]}"}
    assert client.get("/api/openapi.json", headers=reading).json()["openapi"].startswith("3.1")
    refused = client.get("/api/openapi.json")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    other = {"authorization": f"Bearer {ApiToken.issue(member, 'writer', ['write'])[1]}"}
    assert client.get("/api/openapi.json", headers=other).json()["code"] == "scope"


@pytest.mark.parametrize(
    ("error", "code"), [(OperationalError("gone"), "database"), (DecoderBusy(), "busy")], ids=["database", "decoder"]
)
def test_what_is_away_is_away_for_a_moment(client: Client, error: Exception, code: str) -> None:
    with patch("search.listing.Listing.page", side_effect=error):
        response = client.get("/api/images")
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, code, "5")


def test_the_docs_explain_every_operation(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    document = client.get("/api/openapi.json").json()
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert len(operations) > 20
    assert all(f'id="{each["operationId"]}"' in page for each in operations)
    assert all(each["summary"] and each["tags"] for each in operations)
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert "<script>" not in page
    assert "style=" not in page
    reading = document["paths"]["/api/images"]["get"]
    assert {} in reading["security"]
    assert {} not in document["paths"]["/api/images/{id}"]["patch"]["security"]

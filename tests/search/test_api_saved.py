"""Saved searches through the API."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.gallery.made import rows

pytestmark = pytest.mark.django_db
JSON = "application/json"


def saved(client: Client, name: str = "wide ones", **fields: object) -> dict:
    response = client.post("/api/saved", {"name": name, "q": "width>=104"} | fields, content_type=JSON)
    assert response.status_code == 201, response.content
    return response.json()


def test_it_works(as_member: Client, client: Client) -> None:
    rows(6)
    search = saved(as_member)
    assert search["page"].endswith("/search/?q=width%3E%3D104")
    assert search["feed"].endswith("feed.atom")
    first = as_member.get(f"/api/saved/{search['token']}/results?limit=2").json()
    second = as_member.get(f"/api/saved/{search['token']}/results", {"limit": 2, "cursor": first["next"]}).json()
    assert [m["image"]["width"] for m in first["matches"] + second["matches"]] == [106, 105, 104]
    assert second["next"] is None
    assert first["matches"][0]["grade"] == "fits"
    assert client.get(f"/api/saved/{search['token']}/results").status_code == 404
    assert [each["name"] for each in as_member.get("/api/saved").json()["items"]] == ["wide ones"]
    assert client.get("/api/saved").json()["items"] == []


def test_it_shares_and_renames(as_member: Client, client: Client) -> None:
    token = saved(as_member)["token"]
    changed = as_member.patch(f"/api/saved/{token}", {"name": "broad", "shared": True}, content_type=JSON).json()
    assert (changed["name"], changed["shared"], changed["token"]) == ("broad", True, token)
    (seen,) = client.get("/api/saved").json()["items"]
    assert not seen["mine"]
    assert client.get(f"/api/saved/{token}/results").status_code == 200
    assert client.patch(f"/api/saved/{token}", {"name": "x"}, content_type=JSON).status_code == 401
    again = as_member.patch(f"/api/saved/{token}", {"shared": False}, content_type=JSON).json()
    assert again["token"] != token
    assert client.get("/api/saved").json()["items"] == []


def test_it_deletes_and_restores(as_member: Client) -> None:
    token = saved(as_member)["token"]
    assert as_member.delete(f"/api/saved/{token}").status_code == 204
    assert as_member.get(f"/api/saved/{token}/results").status_code == 404
    assert as_member.post(f"/api/saved/{token}/restore").json()["name"] == "wide ones"
    as_member.delete(f"/api/saved/{token}")
    saved(as_member)
    assert as_member.post(f"/api/saved/{token}/restore").json()["code"] == "taken"


def test_it_refuses(as_member: Client, admin: object) -> None:
    saved(as_member)
    again = as_member.post("/api/saved", {"name": "wide ones", "q": "height>=1"}, content_type=JSON)
    assert (again.status_code, again.json()["code"]) == (409, "taken")
    for fields in ({"q": "sea"}, {"name": "x"}, {"name": "x", "q": "sea && ("}, {"name": "x", "address": "/admin/"}):
        assert as_member.post("/api/saved", fields, content_type=JSON).status_code == 422
    other = Client()
    other.force_login(admin)  # type: ignore[arg-type]
    token = as_member.get("/api/saved").json()["items"][0]["token"]
    assert other.delete(f"/api/saved/{token}").status_code == 404


def test_it_answers_saved_pages_with_their_filters_and_order(as_member: Client) -> None:
    rows(6)
    address = "/search/?q=width%3E%3D104&sort=widest&side=105"
    token = saved(as_member, q="", address=address)["token"]
    rows(2, "107")
    found = as_member.get(f"/api/saved/{token}/results").json()["matches"]
    assert not found  # they are 100 pixels high: the filter holds
    token = saved(as_member, "sorted", q="", address="/search/?q=width%3E%3D104&sort=widest")["token"]
    found = as_member.get(f"/api/saved/{token}/results").json()["matches"]
    assert [match["image"]["width"] for match in found] == [107, 107, 106, 105, 104]

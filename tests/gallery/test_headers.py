"""Headers that make a browser distrust what it gets: no page runs a script that is not ours."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from gallery.models import Image
from tests.gallery.made import rows

PUBLIC = ["/", "/?sort=x", "/nowhere/", "/search/", "/search/colours/", "/login/", "/justified.css", "/health/live"]
ADMIN = [
    "/import/",
    "/import/progress/",
    "/admin/",
    "/admin/gallery/image/",
    "/admin/gallery/image/?trash=yes",
    "/admin/gallery/image/{pk}/change/",
    "/admin/gallery/user/",
    "/admin/gallery/user/add/",
    "/admin/gallery/tag/add/",
    "/admin/ingestion/job/",
    "/admin/ingestion/watchedfolder/add/",
    "/admin/password_change/",
]
# Tags are looked at with what stands in quotes taken out, as data-* may hold anything.
INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|\shx-on|javascript:|<script(?![^>]*\b(?:src=|type=\"application/json\"))",
    re.IGNORECASE,
)


def directives(response) -> dict[str, str]:
    policy = response["Content-Security-Policy"]
    return {part.split()[0]: part.split(maxsplit=1)[1] for part in policy.split(";")}


@pytest.fixture
def pk(db) -> int:
    return rows(1)[0]


@pytest.mark.parametrize("address", [*PUBLIC, "/image/{pk}/", *ADMIN])
def test_it_works(as_admin: Client, pk: int, address: str):
    response = as_admin.get(address.format(pk=pk))
    policy = directives(response)
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not set(policy) & {"script-src", "style-src"}  # default-src holds for them
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("address", [*PUBLIC, "/image/{pk}/", *ADMIN])
def test_no_page_holds_what_the_policy_forbids(as_admin: Client, pk: int, address: str):
    page = as_admin.get(address.format(pk=pk)).content.decode()
    tags = " ".join(re.findall(r"<[a-zA-Z][^>]*>", page))
    assert not INLINE.search(tags), INLINE.search(tags)
    elsewhere = re.findall(r'<(?:script|link|img|iframe|source)[^>]*\s(?:src|href)="(https?:|//)', page)
    own = re.findall(r'<link rel="canonical" href="(https?:|//)', page)
    assert elsewhere == own


def test_signed_in_pages_are_not_kept_by_shared_caches(as_admin: Client, pk: int):
    for address in ("/", f"/image/{pk}/", "/import/", f"/image/{pk}/original/"):
        assert "Cookie" in as_admin.get(address)["Vary"]


def test_cookies_are_not_for_scripts(client: Client, admin):
    response = client.post("/login/", {"username": "bob", "password": "open sesame 12"})
    session = response.cookies["sessionid"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "a b", "x\x00", "@", "[::1"])
def test_rejects_other_host_names(client: Client, pk: int, host: str):
    response = client.get("/", headers={"Host": host})
    assert response.status_code == 400
    assert "Traceback" not in response.content.decode()


def test_static_files_are_not_sniffed(client: Client, pk: int):
    page = client.get("/").content.decode()
    (address, *_) = re.findall(r'href="(/static/css/[^"]+)"', page)
    response = client.get(address)
    assert response.status_code == 200
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response["Cache-Control"]


def test_htmx_may_not_evaluate(client: Client, pk: int):
    config = re.search(r"name=\"htmx-config\" content='([^']+)'", client.get("/").content.decode())
    assert config
    assert '"allowEval": false' in config[1]
    assert '"includeIndicatorStyles": false' in config[1]


def test_trashed_names_do_not_leak_through_errors(client: Client, pk: int):
    Image.objects.update(name="secret name", trashed_at="2026-01-01T00:00Z")
    for address in ("/", f"/image/{pk}/", f"/image/{pk}/original/", f"/search/like/{pk}/"):
        assert "secret name" not in client.get(address).content.decode()

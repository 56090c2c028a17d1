"""A gallery that is not public shows nothing but the way in; tests/test_roles.py goes through all addresses."""

from __future__ import annotations

import pytest
from django.test import Client

from gallery.models import User
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def closed(settings) -> None:
    settings.ACCESS = "members"


def test_it_works(closed, as_member: Client, client: Client):
    rows(1)
    assert as_member.get("/").status_code == 200
    sent = client.get("/?sort=oldest")
    assert (sent.status_code, sent["Location"]) == (302, "/login/?next=/%3Fsort%3Doldest")
    page = client.get("/login/").content.decode()
    assert "Sign up" in page
    for hidden in ('href="/search/"', 'href="/tags/"', 'role="search"', "Saved searches", "menu.js"):
        assert hidden not in page


def test_who_waits_or_is_deactivated_is_a_visitor(closed, member: User):
    client = Client()
    client.force_login(member)
    assert client.get("/").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/").status_code == 302


def test_scripts_get_a_sentence(closed, client: Client):
    partial = client.get("/", headers={"HX-Request": "true"})
    assert partial.status_code == 401
    assert "for its members" in partial.content.decode()
    assert "<html" not in partial.content.decode()
    json = client.post("/search/", headers={"Accept": "application/json"})
    assert json.status_code == 401
    assert json.json() == {"detail": "This gallery is for its members. Sign in first.", "code": "unauthorized"}


def test_a_form_that_was_sent_leads_to_the_first_page(closed, client: Client):
    assert client.post("/select/")["Location"] == "/login/?next=/"


def test_files_of_visitors_are_not_read(closed, client: Client, settings):
    from io import BytesIO

    answer = client.post("/search/", {"picture": BytesIO(b"x" * 1000)})
    assert answer["Location"] == "/login/?next=/"
    assert not (settings.MEDIA_ROOT / ".incoming").exists()


def test_thumbnails_are_kept_by_no_proxy(closed, as_member: Client, settings, tmp_path):
    name = f"ab/cd/{'a' * 64}-360.webp"
    file = settings.MEDIA_ROOT / "renditions" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"webp")
    assert "private" in as_member.get(f"/r/{name}")["Cache-Control"]
    settings.ACCESS = "public"
    assert "public" in as_member.get(f"/r/{name}")["Cache-Control"]


def test_a_public_gallery_stays_open(client: Client):
    rows(1)
    for path in ("/", "/search/", "/tags/", "/search/colours/"):
        assert client.get(path).status_code == 200
    assert 'href="/search/"' in client.get("/login/").content.decode()


def test_who_was_here_is_noted(as_member: Client, member: User):
    assert as_member.get("/justified.css").status_code == 200
    member.refresh_from_db()
    assert member.seen_at is None  # it asked nobody who it is
    as_member.get("/")
    member.refresh_from_db()
    first = member.seen_at
    assert first
    as_member.get("/")
    member.refresh_from_db()
    assert member.seen_at == first  # to the hour


def test_the_back_office_is_for_admins(as_admin: Client, as_member: Client, client: Client, member: User):
    assert as_admin.get("/admin/").status_code == 200
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/login/?next=/admin/"
    assert client.post("/admin/login/", {"username": "bob", "password": "x"}).status_code == 302
    assert as_admin.get("/admin/password_change/")["Location"] == "/account/password/"
    User.objects.filter(pk=member.pk).update(is_staff=True)
    refused = as_member.get("/admin/", follow=True)
    assert refused.status_code == 403
    assert "Only admins" in refused.content.decode()


MODERATORS = ("/admin/moderation/", "/admin/scores/", "/admin/scores/replay/", "/search/duplicates/", "/changes/")
ADMINS = ("/admin/sources/", "/admin/models/", "/admin/novelty/", "/admin/accounts/")


def test_each_sees_what_the_role_may(as_member: Client, member: User, client: Client):
    for path in (*MODERATORS, *ADMINS, "/import/words/"):
        assert as_member.get(path).status_code == 403, path
        assert client.get(path)["Location"].startswith("/login/"), path
    User.objects.filter(pk=member.pk).update(is_staff=True)
    for path in (*MODERATORS, "/import/words/"):
        assert as_member.get(path).status_code == 200, path
    for path in ADMINS:
        assert as_member.get(path).status_code == 403, path
    for path in (
        "/import/folder/",
        "/import/words/line/",
        "/admin/scores/of/blur/draw/",
        "/admin/scores/of/blur/apply/",
    ):
        assert as_member.post(path).status_code == 403, path
    menu = as_member.get("/").content.decode()
    assert 'href="/admin/moderation/"' in menu
    for path in (*ADMINS, "/admin/"):
        assert f'href="{path}"' not in menu

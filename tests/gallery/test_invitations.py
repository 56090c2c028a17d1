"""A link that makes one account: shown once, good once, for some days."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client

from gallery.models import Invitation, Role, User
from gallery.models.accounts import digest_of

pytestmark = pytest.mark.django_db
GOOD = {"username": "carol", "email": "", "password1": "open sesame 12", "password2": "open sesame 12"}
INVITE = {"note": "Carol", "role": "1", "days": "7"}


def invite(as_admin: Client, **changes: str) -> str:
    """The path of a fresh one."""
    page = as_admin.post("/admin/accounts/invite/", INVITE | changes)
    assert page.status_code == 201
    assert "no-store" in page["Cache-Control"]
    return re.search(r'value="http://testserver(/account/invitation/[^"]+)"', page.content.decode())[1]


def test_it_works(as_admin: Client, client: Client, settings):
    settings.ACCESS = "invite"
    path = invite(as_admin)
    assert "a member of this gallery" in client.get(path).content.decode()
    assert client.post(path, GOOD)["Location"] == "/"
    assert client.get("/").status_code == 200  # signed in at once
    used = Invitation.objects.get()
    assert used.used_by == User.objects.get(username="carol")
    assert used.used_at
    assert User.objects.get(username="carol").role == Role.MEMBER


def test_it_works_once(as_admin: Client, client: Client):
    path = invite(as_admin)
    client.post(path, GOOD)
    for answer in (Client().get(path), Client().post(path, GOOD | {"username": "dave"})):
        assert answer.status_code == 410
        assert "not good any more" in answer.content.decode()
    assert not User.objects.filter(username="dave").exists()


def test_the_link_is_shown_once_and_not_kept(as_admin: Client):
    secret = invite(as_admin).split("/")[-2]
    page = as_admin.get("/admin/accounts/").content.decode()
    assert "<h3>Carol</h3>" in page
    assert secret not in page
    assert Invitation.objects.get().digest == digest_of(secret) != secret


def test_it_gives_the_role_it_says(as_admin: Client, client: Client):
    client.post(invite(as_admin, role="3"), GOOD)
    assert User.objects.get(username="carol").role == Role.ADMIN


def test_it_ends(as_admin: Client, client: Client):
    path = invite(as_admin)
    Invitation.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert client.post(path, GOOD).status_code == 410
    assert "No invitation is open." in as_admin.get("/admin/accounts/").content.decode()


def test_it_is_revoked_and_brought_back(as_admin: Client, client: Client):
    path = invite(as_admin)
    pk = Invitation.objects.get().pk
    page = as_admin.post(f"/admin/accounts/invitations/{pk}/revoke/", follow=True).content.decode()
    assert client.get(path).status_code == 410
    undo = re.search(rf'action="(/admin/accounts/invitations/{pk}/undo/)"', page)[1]
    as_admin.post(undo)
    assert client.get(path).status_code == 200
    client.post(path, GOOD)
    assert as_admin.post(undo).status_code == 409
    assert as_admin.post(f"/admin/accounts/invitations/{pk}/revoke/").status_code == 409


def test_a_taken_name_leaves_it_open(as_admin: Client, client: Client, member: User):
    path = invite(as_admin)
    assert client.post(path, GOOD | {"username": "alice"}).status_code == 400
    assert client.post(path, GOOD).status_code == 302


def test_it_is_not_used_up_by_who_is_here(as_admin: Client, as_member: Client):
    path = invite(as_admin)
    assert as_member.post(path, GOOD).status_code == 409
    assert Invitation.objects.open().count() == 1


@pytest.mark.parametrize("wrong", [{"role": "0"}, {"role": "9"}, {"days": "0"}, {"days": "366"}, {"days": ""}])
def test_nonsense_is_refused(as_admin: Client, wrong: dict[str, str]):
    assert as_admin.post("/admin/accounts/invite/", INVITE | wrong).status_code == 400
    assert not Invitation.objects.exists()


def test_only_admins_invite(as_member: Client, member: User):
    User.objects.update(is_staff=True)
    assert as_member.post("/admin/accounts/invite/", INVITE).status_code == 403


@pytest.mark.parametrize("change", [{"is_superuser": False}, {"is_active": False}, None])
def test_it_ends_with_the_role_of_who_made_it(as_admin: Client, client: Client, admin: User, change: dict | None):
    path = invite(as_admin, role="3")
    people = User.objects.filter(pk=admin.pk)
    people.update(**change) if change else people.delete()
    assert client.get(path).status_code == client.post(path, GOOD).status_code == 410
    assert not User.objects.filter(username="carol").exists()


def test_guessing_ends(client: Client, as_admin: Client):
    for number in range(10):
        assert client.get(f"/account/invitation/guess{number}/").status_code == 410
    refused = client.get(invite(as_admin))
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 90

"""Tokens on their page: made, shown once, listed, revoked, brought back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from gallery.models import ApiToken, User

pytestmark = pytest.mark.django_db
MAKE = {"name": "backup script", "scopes": ["read", "write"], "days": "90"}


def test_it_works(as_member: Client, member: User):
    assert "You have no token yet." in as_member.get("/account/tokens/").content.decode()
    made = as_member.post("/account/tokens/", MAKE)
    assert made.status_code == 201
    assert "no-store" in made["Cache-Control"]
    secret = re.search(r'id="secret" value="(lka_[^"]+)"', made.content.decode())[1]
    token = ApiToken.objects.of_secret(secret)
    assert (token.user, token.name, token.scopes) == (member, "backup script", ["read", "write"])
    assert timedelta(days=89) < token.expires_at - timezone.now() <= timedelta(days=90)
    page = as_member.get("/account/tokens/").content.decode()
    assert secret not in page
    assert f"{secret[:8]}…" in page
    assert "look and search, add, edit and collect pictures" in page
    assert "never used" in page


def test_one_may_last(as_member: Client):
    as_member.post("/account/tokens/", MAKE | {"days": ""})
    assert ApiToken.objects.get().expires_at is None
    assert "without an end" in as_member.get("/account/tokens/").content.decode()


def test_no_scope_beyond_ones_own_role(as_member: Client, as_admin: Client, member: User):
    page = as_member.get("/account/tokens/").content.decode()
    assert re.findall(r'name="scopes" value="(\w+)"', page) == ["read", "write"]
    assert as_member.post("/account/tokens/", MAKE | {"scopes": ["moderate"]}).status_code == 400
    assert not ApiToken.objects.exists()
    User.objects.filter(pk=member.pk).update(is_staff=True)
    assert as_member.post("/account/tokens/", MAKE | {"scopes": ["moderate"]}).status_code == 201
    assert as_member.post("/account/tokens/", MAKE | {"scopes": ["admin"]}).status_code == 400
    assert as_admin.post("/account/tokens/", MAKE | {"scopes": ["admin"]}).status_code == 201


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x" * 101}, {"scopes": []}, {"days": "7"}, {"name": "a\0b"}])
def test_nonsense_is_refused(as_member: Client, wrong: dict):
    assert as_member.post("/account/tokens/", MAKE | wrong).status_code == 400
    assert not ApiToken.objects.exists()


def test_one_is_revoked_and_brought_back(as_member: Client, member: User):
    token, secret = ApiToken.issue(member, "script", ["read"])
    page = as_member.post(f"/account/tokens/{token.pk}/revoke/", follow=True).content.decode()
    assert ApiToken.objects.of_secret(secret) is None
    assert "<h3>script" not in page
    undo = re.search(r'action="(/account/tokens/\d+/undo/)"', page)[1]
    as_member.post(undo)
    assert ApiToken.objects.of_secret(secret) == token


def test_what_was_revoked_long_ago_stays_so(as_member: Client, member: User):
    token, secret = ApiToken.issue(member, "script", ["read"])
    ApiToken.objects.update(revoked_at=Now() - timedelta(minutes=11))
    assert as_member.post(f"/account/tokens/{token.pk}/undo/").status_code == 409
    assert ApiToken.objects.of_secret(secret) is None


def test_those_that_are_over_are_shown_as_such(as_member: Client, member: User):
    ApiToken.issue(member, "old", ["read"], timezone.now() - timedelta(days=1))
    assert "over since" in as_member.get("/account/tokens/").content.decode()


def test_those_of_others_are_nobodys_business(as_member: Client, admin: User):
    token, secret = ApiToken.issue(admin, "theirs", ["admin"])
    assert "theirs" not in as_member.get("/account/tokens/").content.decode()
    for act in ("revoke", "undo"):
        assert as_member.post(f"/account/tokens/{token.pk}/{act}/").status_code == 404
    assert as_member.post(f"/account/tokens/{10**30}/revoke/").status_code == 404
    assert ApiToken.objects.of_secret(secret) == token


def test_there_are_at_most_a_hundred(as_member: Client, member: User):
    made = (ApiToken(user=member, name="x", digest=f"{n:064}", hint="lka_x", scopes=["read"]) for n in range(100))
    ApiToken.objects.bulk_create(made)
    assert as_member.post("/account/tokens/", MAKE).status_code == 409
    assert ApiToken.objects.count() == 100

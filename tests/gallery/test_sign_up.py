"""Who wants an account asks for one; an admin approves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client

from gallery import accounts
from gallery.accounts_waiting import DECISIONS, decide
from gallery.models import User

pytestmark = pytest.mark.django_db
GOOD = {"username": "carol", "email": "", "password1": "open sesame 12", "password2": "open sesame 12"}
SIGN_IN = {"username": "carol", "password": "open sesame 12"}


def waiting() -> User:
    return User.objects.get(username="carol")


def test_it_works(client: Client, as_admin: Client):
    assert client.get("/account/sign-up/").status_code == 200
    done = client.post("/account/sign-up/", GOOD, follow=True)
    assert "an admin decides" in done.content.decode()
    page = as_admin.get("/admin/accounts/").content.decode()
    assert "<strong>carol</strong>" in page.split('id="people"')[0]
    assert '<span class="count number">1<span class="unseen"> waiting' in page
    as_admin.post(f"/admin/accounts/{waiting().pk}/approve/")
    assert client.post("/login/", SIGN_IN).status_code == 302
    assert waiting().role.label == "member"
    assert '<span class="count' not in as_admin.get("/").content.decode()


def test_nobody_comes_in_before(client: Client):
    client.post("/account/sign-up/", GOOD | {"is_active": "on", "is_superuser": "on", "is_staff": "on"})
    answer = client.post("/login/", SIGN_IN)
    assert answer.status_code == 400
    assert "waits for an admin" in answer.content.decode()
    assert "waits" not in client.post("/login/", SIGN_IN | {"password": "wrong"}).content.decode()
    assert client.get("/account/").status_code == 302
    assert not waiting().is_superuser


def test_a_refusal_is_undone(client: Client, as_admin: Client):
    client.post("/account/sign-up/", GOOD)
    pk = waiting().pk
    page = as_admin.post(f"/admin/accounts/{pk}/refuse/", follow=True).content.decode()
    assert f'action="/admin/accounts/{pk}/wait/"' in page
    assert "Nobody waits." in page
    assert "waits" not in client.post("/login/", SIGN_IN).content.decode()
    assert as_admin.post(f"/admin/accounts/{pk}/approve/").status_code == 409
    as_admin.post(f"/admin/accounts/{pk}/wait/")
    assert "waits for an admin" in client.post("/login/", SIGN_IN).content.decode()


def test_an_approval_is_undone(client: Client, as_admin: Client):
    client.post("/account/sign-up/", GOOD)
    as_admin.post(f"/admin/accounts/{waiting().pk}/approve/")
    client.post("/login/", SIGN_IN)
    as_admin.post(f"/admin/accounts/{waiting().pk}/wait/")
    assert client.get("/account/").status_code == 302
    assert decide([waiting().pk], DECISIONS["approve"]).done


def test_the_staff_does_not_wait(as_admin: Client, admin: User):
    assert as_admin.post(f"/admin/accounts/{admin.pk}/wait/").status_code == 409


def test_a_refused_name_is_free_after_a_day(client: Client):
    client.post("/account/sign-up/", GOOD)
    decide([waiting().pk], DECISIONS["refuse"])
    assert client.post("/account/sign-up/", GOOD).status_code == 400
    User.objects.update(refused_at=Now() - timedelta(days=1, seconds=1))
    assert client.post("/account/sign-up/", GOOD).status_code == 302
    assert User.objects.waiting().count() == 1


def test_names_are_unlike_others_and_passwords_are_good(client: Client, member: User):
    taken = client.post("/account/sign-up/", GOOD | {"username": "ALICE"})
    assert taken.status_code == 400
    assert client.post("/account/sign-up/", GOOD | {"password1": "123", "password2": "123"}).status_code == 400
    assert User.objects.count() == 1


def test_one_address_signs_up_ten_times_an_hour(client: Client):
    for number in range(10):
        assert client.post("/account/sign-up/", GOOD | {"username": f"c{number}"}).status_code == 302
    answer = client.post("/account/sign-up/", GOOD | {"username": "more"})
    assert answer.status_code == 429
    assert 300 < int(answer["Retry-After"]) <= 360
    other = Client(REMOTE_ADDR="203.0.113.9")
    assert other.post("/account/sign-up/", GOOD | {"username": "more"}).status_code == 302


def test_the_list_of_those_who_wait_has_an_end(client: Client, monkeypatch):
    monkeypatch.setattr(accounts, "MOST_WAITING", 1)
    client.post("/account/sign-up/", GOOD)
    assert client.post("/account/sign-up/", GOOD | {"username": "dave"}).status_code == 503
    assert User.objects.count() == 1


def test_a_gallery_for_the_invited_takes_none(client: Client, settings):
    settings.ACCESS = "invite"
    answer = client.post("/account/sign-up/", GOOD)
    assert answer.status_code == 403
    assert "invited" in answer.content.decode()
    assert not User.objects.exists()
    assert "Sign up" not in client.get("/login/").content.decode()


def test_who_is_here_needs_no_second_account(as_member: Client):
    assert as_member.get("/account/sign-up/")["Location"] == "/account/"

"""The first account: a link that only the one at the terminal knows, good once and for a day."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.utils import timezone

from gallery import welcome
from gallery.models import User
from gallery.welcome import gallery_is_claimed, token_is_good, welcome_path

GOOD = {"username": "carol", "password1": "open sesame 12", "password2": "open sesame 12"}


@pytest.mark.django_db
def test_it_works(client: Client):
    path = welcome_path()
    assert not gallery_is_claimed()
    assert client.get(path).status_code == 200
    response = client.post(path, GOOD)
    assert (response.status_code, response["Location"]) == (302, "/import/")
    carol = User.objects.get()
    assert carol.is_superuser
    assert carol.is_staff
    assert carol.check_password("open sesame 12")
    assert client.get("/admin/").status_code == 200  # signed in at once
    assert gallery_is_claimed()


@pytest.mark.django_db
def test_works_once(client: Client):
    path = welcome_path()
    client.post(path, GOOD)
    for answer in (
        Client().get(path),
        Client().post(path, GOOD | {"username": "mallory"}),
        Client().get(welcome_path()),
    ):
        assert answer.status_code == 410
        assert "This link is over" in answer.content.decode()
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_members_do_not_claim_the_gallery(member: User, client: Client):
    assert client.get(welcome_path()).status_code == 200


@pytest.mark.django_db
def test_works_for_a_day(client: Client, monkeypatch: pytest.MonkeyPatch):
    path = welcome_path()
    monkeypatch.setattr(welcome, "SECONDS", -1)
    assert client.get(path).status_code == 410
    assert client.post(path, GOOD).status_code == 410
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["x", "a:b:c", "%ED%A0%80", "é", ":", "::", "x" * 5000])
def test_rejects_a_token_that_is_none(client: Client, token: str):
    assert client.get(f"/welcome/{token}/").status_code == 410


@pytest.mark.django_db
def test_rejects_the_tokens_of_others(client: Client):
    assert token_is_good(signing.dumps("", salt=welcome.SALT))
    assert not token_is_good(signing.dumps("", salt="another purpose"))
    assert not token_is_good(signing.dumps("", salt=welcome.SALT, key="another secret"))
    good = welcome_path()
    assert client.get(good[:-3] + ("A" if good[-3] != "A" else "B") + good[-2:]).status_code == 410


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password1": "short1", "password2": "short1"}, "at least 8 characters"),
        ({"password1": "password", "password2": "password"}, "too common"),
        ({"password1": "2913847561", "password2": "2913847561"}, "entirely numeric"),
        (
            {"password1": "carolcarol", "username": "carolcarol", "password2": "carolcarol"},
            "too similar to the username",
        ),
        ({"password2": "open sesame 13"}, "didn’t match"),
        ({"username": ""}, "required"),
        ({"username": "carol\x00"}, "Null characters"),
        ({"username": "a b"}, "valid username"),
        ({"username": "x" * 151}, "at most 150"),
        ({"password1": "", "password2": ""}, "required"),
    ],
)
def test_refuses_a_weak_account_and_says_why(client: Client, change: dict, reason: str):
    response = client.post(welcome_path(), GOOD | change)
    assert response.status_code == 400
    page = response.content.decode()
    assert reason in page
    assert GOOD["password1"] not in page
    assert not User.objects.exists()
    assert client.post(welcome_path(), GOOD).status_code == 302  # the link is not used up


@pytest.mark.django_db
def test_requires_the_form_to_be_ours():
    assert Client(enforce_csrf_checks=True).post(welcome_path(), GOOD).status_code == 403
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_account():
    path = welcome_path()
    gate = threading.Barrier(4)
    answers: list[int] = []

    def claim(name: str) -> None:
        try:
            browser = Client()
            browser.get(path)
            gate.wait()
            answers.append(browser.post(path, GOOD | {"username": name}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=[f"user{n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [302, 410, 410, 410]
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_says_who_may_not_sign_in(client: Client, member: User):
    User.objects.filter(pk=member.pk).update(is_active=False, last_login=timezone.now() - timedelta(days=1))
    for who in ("alice", "nobody", "x\x00y"):
        response = client.post("/login/", {"username": who, "password": "open sesame 12"})
        assert response.status_code == 400
        assert "_auth_user_id" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize("goal", ["//evil.example", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_sign_in_leads_to_our_own_pages_only(client: Client, member: User, goal: str):
    response = client.post("/login/", {"username": "alice", "password": "open sesame 12", "next": goal})
    assert (response.status_code, response["Location"]) == (302, "/")


@pytest.mark.django_db
def test_signs_out(as_member: Client):
    assert as_member.get("/logout/").status_code == 405
    assert as_member.post("/logout/")["Location"] == "/"
    assert "_auth_user_id" not in as_member.session

"""Guessing passwords ends after ten wrong ones, for the account and for the address."""

from __future__ import annotations

import pytest
from django.test import Client

from gallery import attempts
from gallery.attempts import WRONG
from gallery.limits import Limit
from gallery.models import Allowance, User

pytestmark = pytest.mark.django_db
PASSWORD = "open sesame 12"


FEW = 3


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer wrong ones than in a gallery, to be there sooner."""
    for limit in ("OF_ACCOUNT", "OF_ADDRESS"):
        monkeypatch.setattr(attempts, limit, Limit(limit, FEW, attempts.WITHIN))


def sign_in(name: str = "alice", password: str = "wrong", address: str = "203.0.113.1"):
    return Client(REMOTE_ADDR=address).post("/login/", {"username": name, "password": password})


def test_it_works(member: User):
    for _ in range(WRONG):
        assert sign_in().status_code == 400
    answer = sign_in(password=PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 90
    assert "too much in a short time" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_an_account_is_guarded_from_many_addresses(few, member: User, admin: User):
    for number in range(FEW):
        sign_in(address=f"203.0.113.{number}")
    assert sign_in(password=PASSWORD, address="198.51.100.7").status_code == 429
    assert sign_in("Alice", PASSWORD, "198.51.100.7").status_code == 429  # the same, written otherwise
    assert sign_in("bob", PASSWORD, "198.51.100.7").status_code == 302


def test_an_address_does_not_go_through_many_accounts(few, member: User):
    for number in range(FEW):
        sign_in(f"nobody{number}")
    assert sign_in(password=PASSWORD).status_code == 429
    assert sign_in(password=PASSWORD, address="203.0.113.2").status_code == 302


def test_the_right_password_frees_the_account_and_not_the_address(few, member: User):
    for _ in range(FEW - 1):
        sign_in()
    assert sign_in(password=PASSWORD).status_code == 302
    assert sign_in(address="203.0.113.2").status_code == 400  # of the account, the first one again
    assert sign_in().status_code == 400
    assert sign_in().status_code == 429  # of the address, one too many


def test_unknown_names_get_the_same_answer(few, member: User):
    known, unknown = sign_in().content.decode(), sign_in("nobody").content.decode()
    assert known.count("do not belong together") == unknown.count("do not belong together") == 1
    for _ in range(FEW):
        last = sign_in("nobody", address="203.0.113.3")
    assert last.status_code == 429


def test_unknown_names_cost_the_same_time(member: User, monkeypatch):
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *args: hashed.append(1) or encode(*args))
    sign_in()
    known = len(hashed)
    sign_in("nobody")
    assert len(hashed) == 2 * known > 0


def test_names_are_not_kept_as_written():
    sign_in("my secret password in the wrong field")
    assert not Allowance.objects.filter(key__contains="secret").exists()


def test_the_back_office_has_no_door_of_its_own(few, admin: User):
    client = Client()
    for _ in range(FEW + 1):
        answer = client.post("/admin/login/", {"username": "bob", "password": PASSWORD})
        assert answer["Location"].startswith("/login/")
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize("address", ["/account/password/", "/account/delete/", "/account/"])
def test_an_open_browser_is_no_way_to_guess(few, as_member: Client, address: str):
    form = {"password": "wrong", "old_password": "wrong", "username": "alice"}
    form |= {"new_password1": "nine lives 77", "new_password2": "nine lives 77"}
    for _ in range(FEW):
        assert as_member.post(address, form).status_code == 400
    right = {"password": PASSWORD, "old_password": PASSWORD}
    assert as_member.post(address, form | right).status_code == 429
    assert User.objects.get().check_password(PASSWORD)


def test_a_mailbox_is_not_flooded(settings, monkeypatch):
    from gallery import sign_in_views

    sent: list[str] = []
    settings.EMAIL = "smtp://mail.example"
    monkeypatch.setattr(sign_in_views, "send_reset", lambda mail, *_: sent.append(mail))
    for number in range(6):
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        answer = client.post("/account/reset/", {"email": "a@b.example"})
    assert answer.status_code == 429
    assert len(sent) == 5


def test_a_page_that_is_looked_at_costs_nothing(few, client: Client):
    for _ in range(FEW + 1):
        assert client.get("/login/").status_code == 200
        assert client.post("/login/", {"username": "", "password": ""}).status_code == 400
    assert not Allowance.objects.filter(key__startswith="OF_").exists()

"""Signing in at a provider of OpenID Connect: a real one, in a process of its own, on loopback."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.urls import include, path

from gallery.environment import oidc_at
from gallery.models import ApiToken, User
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
APPS = ["allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.openid_connect"]
MODELS = ["account.EmailAddress", "socialaccount.SocialApp", "socialaccount.SocialAccount", "socialaccount.SocialToken"]
ADDRESS = "/login/elsewhere/"
FORM = "application/x-www-form-urlencoded"

urlpatterns: list[Any] = []


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 240
        while True:
            try:
                httpx2.get(f"{url}/.well-known/openid-configuration")
                break
            except httpx2.TransportError:
                assert time.monotonic() < end, "the provider did not start"
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def sso(settings, db, provider: str) -> str:
    """The gallery as if it had been started with the variables; the tables go with the transaction of the test."""
    settings.OIDC_URL, settings.OIDC_ID, settings.OIDC_SECRET = provider, "gallery", "secret"
    settings.OIDC_NAME, settings.OIDC_APPROVED = "Example ID", False
    settings.SOCIALACCOUNT_ADAPTER = "gallery.sso.Adapter"
    settings.SOCIALACCOUNT_STORE_TOKENS = False
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, *APPS]
    settings.ROOT_URLCONF = __name__
    from django.apps import apps

    with connection.schema_editor() as editor:
        for name in MODELS:
            editor.create_model(apps.get_model(name))
    urlpatterns[:] = [path("login/elsewhere/", include("gallery.sso")), path("", include("gallery.urls"))]
    return provider


@pytest.fixture
def known(sso: str) -> Callable[..., str]:
    """known("7", email=...) -> somebody whom the provider knows."""

    def know(sub: str, **claims: Any) -> str:
        httpx2.put(f"{sso}/users/{sub}", json=claims).raise_for_status()
        return sub

    return know


def sign_in(client: Client, sub: str, following: str = "", **options: Any) -> Any:
    """The whole way: the button, the provider, and back."""
    there = the_way(client.post(f"{ADDRESS}{following}", "", content_type=FORM))
    answer = httpx2.post(there, data={"sub": sub, **options})
    assert answer.status_code == 302, answer.text
    return client.get(answer.headers["Location"].removeprefix("http://testserver"))


def the_way(response: Any) -> str:
    assert response.status_code == 200
    (there,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', response.content.decode())
    return html.unescape(there)


def who(client: Client) -> str | None:
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else None


def test_it_works(client: Client, sso: str, known, settings):
    assert "Sign in with Example ID" in client.get("/login/").content.decode()
    settings.OIDC_APPROVED = True
    sub = known("1", email="ada@example.org", email_verified=True, preferred_username="ada")
    response = sign_in(client, sub, "?next=/search/")
    assert (response.status_code, response["Location"]) == (302, "/search/")
    assert who(client) == "ada"
    person = User.objects.get()
    assert (person.email, person.is_staff, person.has_usable_password()) == ("ada@example.org", False, False)
    client.logout()
    sign_in(client, sub)  # the same person, and no second account
    assert who(client) == "ada"


def test_a_new_account_waits_for_an_admin(client: Client, known):
    sub = known("2", email="eve@example.org", email_verified=True, preferred_username="eve")
    response = sign_in(client, sub)
    assert response.status_code == 403
    assert "waits for an admin" in response.content.decode()
    assert who(client) is None
    person = User.objects.waiting().get()
    User.objects.filter(pk=person.pk).update(is_active=True, asked_at=None)
    assert sign_in(client, sub).status_code == 302
    assert who(client) == "eve"
    User.objects.filter(pk=person.pk).update(is_active=False)
    client.logout()
    assert "closed" in sign_in(client, sub).content.decode()
    assert who(client) is None


def test_the_invited_only(client: Client, known, settings):
    settings.ACCESS, settings.OIDC_APPROVED = "invite", True
    User.objects.create_user("eve", "Eve@example.org")
    User.objects.create_user("no mail")
    for sub, claims in {
        "3": {"email": "other@example.org", "email_verified": True},
        "4": {"email": "eve@example.org", "email_verified": False},  # anybody can say that
        "5": {"email": "eve@example.org", "email_verified": "false"},
        "6": {"email": "eve@example.org"},
        "7": {},
    }.items():
        response = sign_in(client, known(sub, **claims))
        assert response.status_code == 403
        assert "people who were invited" in response.content.decode()
        assert who(client) is None
    assert sign_in(client, known("8", email="eve@EXAMPLE.org", email_verified=True)).status_code == 302
    assert who(client) == "eve"
    assert User.objects.count() == 2


def test_who_has_written_the_address_of_another_loses_the_account(client: Client, known):
    thief = User.objects.create_user("thief", "ada@example.org", "open sesame 12")
    _, secret = ApiToken.issue(thief, "script", ["read"])
    elsewhere = Client()
    elsewhere.force_login(thief)
    assert elsewhere.get("/account/").status_code == 200
    assert sign_in(client, known("9", email="ada@example.org", email_verified=True)).status_code == 302
    assert who(client) == "thief"
    thief.refresh_from_db()
    assert not thief.check_password("open sesame 12")
    assert elsewhere.get("/account/").status_code == 302  # to the sign-in
    assert ApiToken.objects.of_secret(secret) is None


def test_an_admin_keeps_the_password(client: Client, known):
    User.objects.create_superuser("root", "root@example.org", "open sesame 12")
    sign_in(client, known("10", email="root@example.org", email_verified=True))
    assert who(client) == "root"
    assert User.objects.get().check_password("open sesame 12")


def test_two_accounts_with_the_address_are_not_guessed_between(client: Client, known):
    for name in ("a", "b"):
        User.objects.create_user(name, "ada@example.org")
    response = sign_in(client, known("11", email="ada@example.org", email_verified=True))
    assert (response.status_code, who(client)) == (403, None)
    assert "Several accounts" in response.content.decode()


def test_a_name_that_is_taken_gets_a_number(client: Client, known, settings):
    settings.OIDC_APPROVED = True
    User.objects.create_user("Ada", "first@example.org")
    sign_in(client, known("12", email="x@example.org", email_verified=True, preferred_username="ada"))
    assert who(client) == "ada2"
    client.logout()
    sign_in(client, known("13", preferred_username="<b>\x01'né me"))
    assert who(client) == "bnéme"
    client.logout()
    sign_in(client, known("14"))
    assert who(client) == "member"


def test_no_way_leads_out(client: Client, known, settings):
    settings.OIDC_APPROVED = True
    for number, following in enumerate(("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1")):
        response = sign_in(client, known(f"out{number}"), f"?next={following}")
        assert response["Location"] == "/"


def test_nobody_is_connected_to_who_is_signed_in(as_member: Client, member, known, settings):
    """A link of a stranger must not add his account at the provider to mine."""
    settings.OIDC_APPROVED = True
    sign_in(as_member, known("15", preferred_username="stranger"), "?process=connect")
    assert who(as_member) != member.username


def test_a_forged_answer_is_refused(client: Client, sso: str):
    for query in ("", "?code=x&state=y", "?error=access_denied&state=z", "?state=", "?code=%00&state=%00"):
        response = client.get(f"{ADDRESS}back/{query}")
        assert response.status_code in (302, 403)
        assert "Traceback" not in response.content.decode()
        assert who(client) is None
    assert client.get(ADDRESS)["Location"] == "/login/"  # a link begins nothing
    assert Client(enforce_csrf_checks=True).post(ADDRESS).status_code == 403


def test_an_answer_is_good_once_and_for_one_browser(client: Client, known, settings):
    settings.OIDC_APPROVED = True
    sub = known("16", preferred_username="ada")
    there = the_way(client.post(ADDRESS))
    assert "code_challenge_method=S256" in there
    back = httpx2.post(there, data={"sub": sub}).headers["Location"].removeprefix("http://testserver")
    other = Client()
    assert other.get(back).status_code == 403
    assert who(other) is None
    assert client.get(back).status_code == 302
    assert who(client) == "ada"
    client.logout()
    assert client.get(back).status_code == 403
    assert who(client) is None


def test_who_changes_his_mind_is_back_at_the_sign_in(client: Client, sso: str):
    (state,) = re.findall(r"[?&]state=([^&]+)", the_way(client.post(ADDRESS)))
    assert client.get(f"{ADDRESS}back/?error=access_denied&state={state}")["Location"] == "/login/"


def test_a_provider_that_is_away_is_said(client: Client, sso: str, settings):
    for away in ("http://127.0.0.1:1", f"{sso}/nowhere"):
        settings.OIDC_URL = away
        response = client.post(ADDRESS)
        assert response.status_code == 503
        assert "Example ID does not answer just now" in response.content.decode()


def test_no_page_of_the_library_is_open(client: Client, sso: str):
    for address in ("/login/elsewhere/signup/", "/accounts/login/", "/accounts/signup/", "/accounts/3rdparty/signup/"):
        assert client.get(address).status_code == 404
    admin = User.objects.create_superuser("bob")
    client.force_login(admin)
    page = client.get("/admin/").content.decode()
    assert "socialaccount" not in page
    assert "/admin/account/" not in page


# --- the settings
@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.org",
        "https://id.example.org/realms/a/",
        "http://localhost:8080/x",
        "http://127.0.0.1",
        "http://[::1]:9",
    ],
)
def test_an_address_of_a_provider(url: str):
    assert oidc_at(url, "a", "b") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.org",
        "id.example.org",
        "https://",
        "https://a b",
        "https://a@b/",
        "https://a?b=c",
        "ftp://a",
        "http://localhost.evil.example",
    ],
)
def test_rejects_other_addresses(url: str):
    with pytest.raises(ImproperlyConfigured, match="LOOKALIKE_OIDC_URL="):
        oidc_at(url, "a", "b")


def test_all_of_it_or_nothing():
    assert oidc_at("", "", "") == ""
    for parts in (("https://a.example", "", ""), ("", "a", "b"), ("https://a.example", "a", "")):
        with pytest.raises(ImproperlyConfigured, match="go together"):
            oidc_at(*parts)


ASKS = """
import django; django.setup()
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
print([name for name in settings.INSTALLED_APPS if "allauth" in name], "account" in MigrationLoader(None).migrated_apps)
"""


def test_the_library_is_there_only_if_it_is_asked_for(settings):
    assert not [name for name in settings.INSTALLED_APPS if "allauth" in name]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gallery.settings"}
    for name, value in {"URL": "https://id.example.org", "ID": "a", "SECRET": "b"}.items():
        environment[f"LOOKALIKE_OIDC_{name}"] = value
    done = subprocess.run([sys.executable, "-c", ASKS], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{APPS} True"

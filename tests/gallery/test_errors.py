"""Whatever goes wrong, the reader gets a page with a sentence, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from gallery.models import Image
from tests.gallery.made import rows

ROOT = Path(__file__).resolve().parents[2]


def fails(request: HttpRequest) -> HttpResponse:
    secret = "hunter2"
    raise ValueError(f"internal detail {secret}")


def denies(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("internal detail")


urlpatterns = [path("fails/", fails), path("denies/", denies), path("", include("gallery.urls"))]


@pytest.fixture
def browser(settings) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def sentence_of(response) -> str:
    page = response.content.decode()
    for word in ("Traceback", "internal detail", "hunter2", "Exception", str(ROOT), "site-packages", "DEBUG = "):
        assert word not in page
    assert "<h1" in page
    return page


@pytest.mark.django_db
def test_it_works(browser: Client):
    response = browser.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing at this address" in sentence_of(response)


@pytest.mark.parametrize(
    "address", ["/image/1", "/image/0/", "/IMAGE/1/", "/%ED%A0%80", "/x" * 4000, "/r/x", "/static/x"]
)
@pytest.mark.django_db
def test_nothing_is_there(browser: Client, address: str):
    response = browser.get(address, follow=True)
    assert response.status_code == 404
    sentence_of(response)


def test_an_error_of_ours_is_confessed_without_details(browser: Client):
    response = browser.get("/fails/")
    assert response.status_code == 500
    sentence_of(response)


@pytest.mark.django_db
def test_what_is_not_allowed_is_said(browser: Client):
    response = browser.get("/denies/")
    assert response.status_code == 403
    sentence_of(response)


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused(admin):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    for address in ("/logout/", "/image/1/trash/", "/login/"):
        response = browser.post(address, {"csrfmiddlewaretoken": "x"})
        assert response.status_code == 403
        assert "Please send that again" in sentence_of(response)


def test_an_unknown_host_is_refused(browser: Client):
    response = browser.get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "LOOKALIKE_HOSTS" in sentence_of(response)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/%00",
        "/image/%00/",
        "/welcome/%00/",
        "/search/q/%00/",
        "/r/ab/12/x.webp%00",
        "/admin/gallery/image/?state__exact=%00",
        "/admin/autocomplete/?term=%00&app_label=gallery&model_name=imagetag&field_name=tag",
    ],
)
def test_a_nul_is_refused_before_the_database_does(browser: Client, admin, address: str):
    assert browser.get(address).status_code == 400
    browser.force_login(admin)
    response = browser.get(address)
    assert response.status_code == 400
    assert "could not read" in sentence_of(response)
    assert "default-src" in response["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize("cookie", ["sessionid", "csrftoken", "messages"])
def test_a_nul_in_a_cookie_is_refused(browser: Client, cookie: str):
    for address in ("/", "/import/", "/admin/"):
        response = browser.get(address, headers={"cookie": f'{cookie}="\\000aaaa"'})
        assert response.status_code == 400
        assert "could not read" in sentence_of(response)


@pytest.mark.django_db
def test_cookies_of_another_version_are_harmless(browser: Client):
    rows(1)
    for value in ("x", "\x01", "a" * 4000, '{"a":', "é"):
        browser.cookies["sessionid"] = value
        browser.cookies["messages"] = value
        browser.cookies["csrftoken"] = value
        assert browser.get("/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/image/{pk}/", "/login/", "/search/colours/", "/import/progress/"])
@pytest.mark.parametrize(
    "query", ["%00=%00", "sort=%00&after=%00&seed=%00&c=%00&q=%00&next=%00", "=" * 2000, "a[]=1&a[b]=2"]
)
def test_no_parameter_breaks_a_page(browser: Client, address: str, query: str):
    (pk,) = rows(1)
    response = browser.get(f"{address.format(pk=pk)}?{query}")
    assert response.status_code in (200, 302, 400, 403)
    assert Image.objects.count() == 1


AWAY = """
import json, logging
import django
django.setup()
logging.disable()
from django.core import signing
from django.test import Client
told = {}
for name, cookies in {"stranger": {}, "member": {"sessionid": "a" * 32}}.items():
    for address in ("/", "/?sort=largest", "/image/1/", "/image/1/original/", "/health/live", "/health/ready",
                    "/admin/"):
        browser = Client(raise_request_exception=False, headers={"host": "localhost"})
        browser.cookies.load(cookies)
        response = browser.get(address)
        told[f"{name} {address}"] = response.status_code, response.headers.get("Retry-After"), response.content.decode()
browser = Client(raise_request_exception=False, headers={"host": "localhost"})
response = browser.post("/login/", {"username": "a", "password": "b"})
told["login"] = response.status_code, response.headers.get("Retry-After"), response.content.decode()
print(json.dumps(told))
"""


def test_a_database_that_is_away_is_said_to_come_back():
    nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "DJANGO_SETTINGS_MODULE": "gallery.settings"}
    done = subprocess.run(
        [sys.executable, "-c", AWAY],
        cwd=ROOT,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for asked, (status, retry, page) in told.items():
        if asked.endswith("/health/live"):
            assert status == 200
        elif asked == "stranger /admin/":
            assert status == 302  # to the sign-in, which needs no database either
        else:
            assert (asked, status, retry) == (asked, 503, "5")
            assert "One moment, please" in page
            assert "Traceback" not in page


def test_a_command_says_that_the_database_is_away():
    done = subprocess.run(
        [sys.executable, "manage.py", "jobs"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "CommandError: The database cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


# --- under /api/
def problem_of(response) -> dict[str, str]:
    assert response["Content-Type"] == "application/json"
    sentence = response.json()
    assert sentence.keys() == {"detail", "code"}
    assert "hunter2" not in response.content.decode()
    return sentence


def test_programs_are_told_of_a_nul():
    client = Client(raise_request_exception=False)
    response = client.get("/api/images/%00")
    assert (response.status_code, problem_of(response)) == (
        400,
        {"detail": "The address holds a NUL.", "code": "broken"},
    )
    assert "<h1" in client.get("/image/%00").content.decode()


def test_programs_are_told_nothing_of_what_they_have_broken():
    response = Client(raise_request_exception=False).get("/api/me", headers={"host": "hunter2"})
    assert (response.status_code, problem_of(response)["code"]) == (400, "broken")


@pytest.mark.django_db
def test_an_error_of_ours_is_a_problem_for_programs(monkeypatch, caplog):
    monkeypatch.setattr("gallery.site_api._me", fails)
    response = Client(raise_request_exception=False).get("/api/me")
    assert (response.status_code, problem_of(response)["code"]) == (500, "error")
    (line,) = [record for record in caplog.records if record.name == "django.request"]
    assert (line.levelname, line.exc_info[0]) == ("ERROR", ValueError)

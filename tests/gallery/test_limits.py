"""How much a visitor may ask for: exactly that, over all threads and processes, and then a 429 that says how long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client, RequestFactory

from gallery.limits import Limit, TooMany, byte_limit, client_of, forget_rested, take, take_as_visitor
from gallery.models import Allowance
from gallery.tasks import forget_visitors
from tests.gallery.made import rows
from tests.pictures import encode, photo

ROOT = Path(__file__).resolve().parents[2]
MINUTE = Limit("test", 7, 60)


def taken(limit: Limit, who: str = "a", times: int = 50) -> int:
    """How often it was given, of so many times."""
    given = 0
    for _ in range(times):
        try:
            take(limit, who)
        except TooMany:
            continue
        given += 1
    return given


def pass_time(seconds: float) -> None:
    """The clock is that of the database; what has been taken is moved into the past instead."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_allowance SET free_at = free_at - %s * interval '1 second'", [seconds])


@pytest.mark.django_db
def test_it_works():
    assert taken(MINUTE) == 7  # all in one transaction: at the same moment
    with pytest.raises(TooMany, match=r"Try again in [89] seconds") as refused:
        take(MINUTE, "a")
    assert refused.value.seconds in (8, 9)
    assert taken(MINUTE, "b") == 7  # somebody else
    assert taken(Limit("other", 3, 60)) == 3  # something else
    pass_time(8.6)
    assert taken(MINUTE) == 1  # they come back one by one
    pass_time(1000)
    assert taken(MINUTE) == 7  # and never become more


@pytest.mark.django_db
def test_a_refusal_takes_nothing():
    taken(MINUTE)
    pass_time(30)  # three and a half are free
    with pytest.raises(TooMany):
        take(MINUTE, "a", 4)
    take(MINUTE, "a", 3)


@pytest.mark.django_db
def test_nothing_is_counted_without_a_limit():
    take(Limit("test", 0, 60), "a", 10**9)
    take(MINUTE, "a", 0)
    take(MINUTE, "a", -5)
    assert not Allowance.objects.exists()


@pytest.mark.django_db
def test_more_than_all_of_it_is_never_given():
    with pytest.raises(TooMany, match="more than anybody may have in 60 seconds") as refused:
        take(MINUTE, "a", 8)
    assert refused.value.seconds == 60
    take(MINUTE, "a", 7)


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [Limit("x", 1, 60), Limit("x", 13, 3600), Limit("x", 999, 60), Limit("x", 60, 7)])
def test_exactly_so_many_fit(limit: Limit):
    assert taken(limit, times=limit.most + 3) == limit.most


@pytest.mark.django_db(transaction=True)
def test_threads_together_take_exactly_so_many():
    limit = Limit("many", 40, 36_000)

    def one(_: int) -> int:
        try:
            return taken(limit, times=10)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 40


TAKES = """
import django, json
django.setup()
from gallery.limits import Limit
from tests.gallery.test_limits import taken
print(taken(Limit("many", 40, 36_000), times=60))
"""


@pytest.mark.django_db(transaction=True)
def test_processes_together_take_exactly_so_many(tmp_path: Path):
    program = f"from django.conf import settings; settings.DATABASES['default']['NAME'] = {_name()!r}\n{TAKES}"
    run = [sys.executable, "-c", program]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gallery.settings", "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(run, cwd=ROOT, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    assert sum(json.loads(process.communicate(timeout=300)[0]) for process in both) == 40


def _name() -> str:
    return connection.settings_dict["NAME"]


@pytest.mark.django_db
def test_who_has_rested_is_forgotten():
    take(MINUTE, "rested")
    pass_time(100)
    take(MINUTE, "busy")
    forget_visitors.call_local()
    assert [row.key for row in Allowance.objects.all()] == ["test:busy"]
    assert forget_rested() == 0


@pytest.mark.django_db
def test_a_crash_of_the_database_may_lose_it():
    """So that no take waits for the disk."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'gallery_allowance'")
        assert cursor.fetchone() == ("u",)


# --- who asks
def asking(address: str, forwarded: str | None = None, user: object = None) -> Any:
    request = RequestFactory().get("/", REMOTE_ADDR=address)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    request.user = user or AnonymousUser()
    return request


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.4", "203.0.113.4"),
        ("203.0.113.4:51234", "203.0.113.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.4", "203.0.113.4"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("localhost", "unknown"),
        ("1.2.3.4, 5.6.7.8", "unknown"),
    ],
)
def test_a_client_is_an_address_or_a_network(address: str, client: str):
    assert client_of(asking(address)) == client


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (0, "198.51.100.9", "10.0.0.1"),  # anybody can say that
        (1, "198.51.100.9", "198.51.100.9"),
        (1, "1.1.1.1, 198.51.100.9", "198.51.100.9"),  # the first was forged
        (1, "1.1.1.1,2.2.2.2 ,  198.51.100.9 ", "198.51.100.9"),
        (2, "1.1.1.1, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
        (2, "198.51.100.9", "10.0.0.1"),  # it came past one of the proxies
        (1, "1.1.1.1, nonsense\x00", "unknown"),
        (1, "", "unknown"),
        (1, None, "unknown"),
    ],
)
def test_a_forged_address_is_not_believed(settings, proxies: int, forwarded: str | None, client: str):
    settings.PROXIES = proxies
    assert client_of(asking("10.0.0.1", forwarded)) == client


def test_members_are_not_limited(member, settings):
    settings.MEGABYTES_PER_HOUR = 1
    take_as_visitor(asking("203.0.113.4", user=member), byte_limit(), 10**6)
    with pytest.raises(TooMany):
        take_as_visitor(asking("203.0.113.4"), byte_limit(), 1001)


# --- pages
@pytest.fixture
def few(settings, db) -> None:
    settings.SEARCHES_PER_MINUTE = 2


def exhaust(client: Client, address: str, times: int) -> Any:
    for _ in range(times):
        assert client.get(address).status_code != 429
    return client.get(address)


@pytest.mark.parametrize(
    "address",
    ["/search/?q=tag:x", "/search/?q=sea", "/search/colours/?c=ff0000", "/search/feed.atom", "/search/feed.json"],
)
def test_searches_are_limited(client: Client, few, address: str):
    response = exhaust(client, address, 2)
    assert response.status_code == 429
    assert 25 <= int(response["Retry-After"]) <= 30
    page = response.content.decode()
    assert "Try again in" in page
    assert "<h1>That is not possible</h1>" in page
    assert "default-src 'self'" in response["Content-Security-Policy"]


def test_what_asks_for_json_gets_json(client: Client, few):
    exhaust(client, "/search/?q=tag:x", 2)
    response = client.get("/search/?q=tag:x", headers={"Accept": "application/json"})
    assert response.status_code == 429
    assert response.json()["code"] == "too_many"
    assert response.json()["detail"].startswith("That was too much in a short time.")
    partial = client.get("/search/?q=tag:x", headers={"HX-Request": "true"})
    assert (partial.status_code, "<html" in partial.content.decode()) == (429, False)


def test_strips_have_a_limit_of_their_own(client: Client, few):
    (pk,) = rows(1)
    assert exhaust(client, f"/search/strips/{pk}/", 8).status_code == 429
    assert client.get("/search/?q=tag:x").status_code == 200


def test_drawings_are_limited(client: Client, few):
    one, other = rows(2)
    for address in (f"/search/like/{one}/match/{other}/warped.webp", "/search/q/nothing/picture/"):
        Allowance.objects.all().delete()
        assert exhaust(client, address, 8).status_code == 429


def test_the_api_counts_as_its_pages_do(client: Client, few):
    assert exhaust(client, "/api/images?q=tag:x", 2).status_code == 429
    assert client.get("/search/?q=tag:x").status_code == 429
    assert client.get("/api/images").status_code == 200


def test_members_search_as_they_like(as_member: Client, few):
    assert exhaust(as_member, "/search/?q=tag:x", 5).status_code == 200


def test_pages_that_cost_little_are_not_limited(client: Client, few):
    exhaust(client, "/search/?q=tag:x", 2)
    for address in ("/", "/search/", "/search/colours/", "/login/", "/tags/"):
        assert exhaust(client, address, 3).status_code == 200


def test_pictures_to_search_with_are_counted_in_bytes(client: Client, settings, db):
    settings.MEGABYTES_PER_HOUR = 1
    file = encode(photo(1, 200, 150))
    from django.core.files.uploadedfile import SimpleUploadedFile

    def bring(size: int) -> Any:
        picture = SimpleUploadedFile("a.jpg", file + b"\0" * size, "image/jpeg")
        return client.post("/search/", {"picture": picture}, headers={"Accept": "application/json"})

    assert bring(600_000).status_code == 201
    response = bring(600_000)
    assert response.status_code == 429
    assert response.json()["code"] == "too_many"
    assert bring(100_000).status_code == 201

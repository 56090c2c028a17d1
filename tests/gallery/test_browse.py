"""The first page: rows of pictures in four orders, page after page, and nothing that is not for everyone."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from gallery.models import Image
from tests.gallery.made import rows

NEXT = re.compile(r'rel="next" href="([^"]+)"')


def shown(response) -> list[int]:
    return [int(pk) for pk in re.findall(r'href="/image/(\d+)/', response.content.decode())]


def next_link(response) -> str | None:
    found = NEXT.search(response.content.decode())
    return found and found[1].replace("&amp;", "&")


def test_it_works(add, client: Client):
    image = add(1, "beach.jpg")
    response = client.get("/")
    assert response.status_code == 200
    page = response.content.decode()
    assert image.thumbnail.url in page
    assert 'alt="beach.jpg"' in page
    assert f'href="/image/{image.pk}/?sort=newest"' in page
    assert client.get(image.thumbnail.url).status_code == 200


@pytest.mark.django_db
def test_handles_the_orders(client: Client):
    small, large, middle = rows(3, "(array[10, 30, 20])[i]")
    assert shown(client.get("/")) == [middle, large, small]
    assert shown(client.get("/?sort=newest")) == [middle, large, small]
    assert shown(client.get("/?sort=oldest")) == [small, large, middle]
    assert shown(client.get("/?sort=largest")) == [large, middle, small]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/?sort=random", "/?sort=random&seed="])
def test_random_is_sent_to_an_address_with_a_seed(client: Client, address: str):
    rows(20)
    response = client.get(address)
    assert response.status_code == 302
    assert re.fullmatch(r"/\?sort=random&seed=\d+", response["Location"])
    order = shown(client.get(response["Location"]))
    assert order == shown(client.get(response["Location"])) != sorted(order)


@pytest.mark.django_db
@pytest.mark.parametrize("start", ["/", "/?sort=oldest", "/?sort=largest", "/?sort=random&seed=5"])
def test_next_links_lead_through_the_whole_gallery(client: Client, settings, start: str):
    settings.PAGE_SIZE = 4
    there = rows(11)
    met, address = [], start
    while address:
        response = client.get(address)
        met += shown(response)
        address = (link := next_link(response)) and "/" + link
    assert sorted(met) == there


@pytest.mark.django_db
def test_htmx_gets_the_rows_and_everyone_else_the_page(client: Client):
    rows(2)
    page = client.get("/")
    part = client.get("/", headers={"HX-Request": "true"})
    boosted = client.get("/", headers={"HX-Request": "true", "HX-Boosted": "true"})
    assert "<html" in page.content.decode()
    assert "<html" not in part.content.decode()
    assert "<html" in boosted.content.decode()
    assert shown(part) == shown(page)
    assert "HX-Request" in page["Vary"]
    assert "HX-Request" in part["Vary"]


@pytest.mark.django_db
def test_shows_only_what_is_visible_to_whoever_asks(client: Client, as_member: Client, as_admin: Client):
    ready, new, trashed, both = rows(4)
    Image.objects.filter(pk__in=[new, both]).update(state="new")
    Image.objects.filter(pk__in=[trashed, both]).update(trashed_at="2026-01-01T00:00Z")
    for reader in (client, as_member, as_admin):
        for sort in ("newest", "oldest", "largest", "random&seed=1"):
            assert shown(reader.get(f"/?sort={sort}")) == [ready]


@pytest.mark.django_db
def test_shows_that_the_gallery_is_empty(client: Client, as_member: Client):
    for reader in (client, as_member):
        response = reader.get("/")
        assert response.status_code == 200
        assert shown(response) == []
        assert not next_link(response)
    assert "/import/" in as_member.get("/").content.decode()


@pytest.mark.django_db
def test_shows_that_pictures_are_being_prepared(client: Client):
    rows(3)
    Image.objects.update(state="new")
    assert "3 pictures are being prepared" in client.get("/").content.decode()


@pytest.mark.django_db
def test_shows_that_there_is_nothing_after_the_last_page(client: Client):
    (only,) = rows(1)
    response = client.get(f"/?sort=newest&after={only}")
    assert response.status_code == 200
    assert "Back to the first page" in response.content.decode()


@pytest.mark.django_db
def test_asks_the_database_as_often_for_many_pictures_as_for_one(
    client: Client, as_admin: Client, django_assert_num_queries: DjangoAssertNumQueries, settings
):
    settings.PAGE_SIZE = 50
    rows(1)
    client.get("/")
    with django_assert_num_queries(1):
        assert len(shown(client.get("/"))) == 1
    rows(80)
    with django_assert_num_queries(1):
        assert len(shown(client.get("/"))) == 50
    with django_assert_num_queries(1):
        assert len(shown(client.get("/", headers={"HX-Request": "true"}))) == 50
    as_admin.get("/")
    with django_assert_num_queries(4):  # and the session, the user, and who waits for an approval
        assert len(shown(as_admin.get("/"))) == 50


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "sort=x",
        "sort=",
        "sort=%00",
        "sort=%ED%A0%80",
        "sort=<script>alert(1)</script>",
        "after=abc",
        "after=-1",
        "after=0",
        "after=1e9",
        "after=%00",
        "after=5%00",
        "after=1.5",
        "after=%ED%A0%80",
        f"after={10**30}",
        f"after={2**63}",
        "after=" + "9" * 5000,
        "sort=largest&after=5",
        f"sort=largest&after={2**64}.5",
        "sort=random&seed=x",
        "sort=random&seed=-1",
        f"sort=random&seed={10**30}",
        "sort=random&seed=%00",
        "sort=random&seed=1&after=x.y",
    ],
)
def test_rejects_nonsense_with_a_sentence(client: Client, query: str):
    rows(1)
    response = client.get(f"/?{query}")
    assert response.status_code == 400
    page = response.content.decode()
    assert re.search(r"first page|There is no order|seed of a random order", page)
    assert "<script>alert" not in page
    assert len(page) < 20_000
    assert client.get(f"/?{query}", headers={"HX-Request": "true"}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query", ["seed=5", "nonsense=%00", "page=-1", "after=", "sort=newest&sort=oldest", "%FF=%FF", "&&=&"]
)
def test_handles_parameters_that_mean_nothing(client: Client, query: str):
    rows(1)
    assert client.get(f"/?{query}").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_rejects_other_methods(client: Client, method: str):
    assert getattr(client, method)("/").status_code == 405


@pytest.mark.django_db
def test_handles_head(client: Client):
    rows(1)
    response = client.head("/")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.django_db
def test_shows_hostile_names_as_text(client: Client):
    rows(1)
    Image.objects.update(name='"><script>alert(1)</script>.jpg')
    page = client.get("/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page

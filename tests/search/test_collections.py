"""The pages of collections: made, shared, filled from an answer, thinned out, thrown away and taken back."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import User
from search import collections_list
from search.collections_views import SIGN_IN
from search.datasets import keeping
from search.models import Collection, CollectionItem, CollectionWork
from tests.search.collected import collection_of, hashed, hashes, inside, private, some

pytestmark = pytest.mark.django_db
PAGE = "/collections/"


@pytest.fixture
def member(db) -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def eve(db) -> User:
    return User.objects.create(username="eve")


@pytest.fixture
def as_eve(eve) -> Client:
    client = Client()
    client.force_login(eve)
    return client


def said(response) -> str:
    return unescape(response.content.decode())


def undo(client: Client, page: str = PAGE) -> str:
    """Where the button Undo of the page leads."""
    found = re.search(r'<form method="post" action="(/collections/[^"]+/(?:restore|undo)/)">', said(client.get(page)))
    assert found
    return found[1]


def test_it_works(as_member, member):
    images = some(3)
    response = as_member.post(PAGE, {"name": "Police cars"})
    cars = Collection.objects.get()
    assert response.headers["Location"] == cars.get_absolute_url() == f"{PAGE}{cars.token}/"
    assert "Nothing is in it yet" in said(as_member.get(cars.get_absolute_url()))
    chosen = {"from": "/search/?q=width>0", "all": "1", "limit": "2", "into": cars.token}
    assert as_member.post(f"{PAGE}collect/into/", chosen).headers["Location"] == "/search/?q=width%3E0"
    assert inside(cars) == images[:0:-1]
    page = said(as_member.get(cars.get_absolute_url()))
    assert "2 pictures added" in page
    assert "2</span> width>0" in page
    assert "2 pictures" in said(as_member.get(PAGE))


def test_an_empty_page_says_what_for(as_member):
    assert "A collection gathers what several searches find" in said(as_member.get(PAGE))
    assert "Nobody has shared a collection yet" in said(Client().get(PAGE))


def test_strangers_cannot_make_one(client):
    assert client.post(PAGE, {"name": "x"}).headers["Location"].startswith("/login/")
    assert client.get(f"{PAGE}collect/?from=/").headers["Location"].startswith("/login/")
    assert SIGN_IN in said(client.get(f"{PAGE}collect/?from=/", headers={"HX-Request": "true"}))


@pytest.mark.parametrize("name", ["", " \u200b", "x" * 101])
def test_it_needs_a_name(as_member, name):
    assert as_member.post(PAGE, {"name": name}).status_code == 400
    assert not Collection.objects.exists()


def test_a_name_is_there_once(as_member, member):
    collection_of(member, [], "Cars")
    response = as_member.post(PAGE, {"name": "Cars"})
    assert response.status_code == 409
    assert "another collection of this name" in said(response)


def test_hostile_names_are_only_shown(as_member):
    as_member.post(PAGE, {"name": "<script>alert(1)</script>"})
    found = Collection.objects.get()
    for page in (PAGE, found.get_absolute_url(), f"{PAGE}collect/?from=/search/?q=a"):
        assert b"<script>alert" not in as_member.get(page).content


class TestOfOthers:
    def test_it_is_there_for_its_owner_only(self, member, as_eve):
        cars = collection_of(member, some(2))
        assert "Cars" not in said(as_eve.get(PAGE))
        assert as_eve.get(cars.get_absolute_url()).status_code == 404

    def test_a_shared_one_is_seen_and_left_as_it_is(self, member, as_eve, as_member):
        cars = collection_of(member, some(2))
        as_member.post(f"{PAGE}{cars.token}/share/", {"share": "1"})
        assert "by alice" in said(as_eve.get(PAGE))
        page = said(Client().get(cars.get_absolute_url()))
        assert "2</span> pictures · by alice" in page
        for action in ("edit", "share", "delete", "remove", "thin", "sample"):
            assert as_eve.post(f"{PAGE}{cars.token}/{action}/", {"name": "Mine", "image": "1"}).status_code == 404

    def test_shared_no_more_it_moves(self, member, as_member):
        cars = collection_of(member, [], is_shared=True)
        as_member.post(f"{PAGE}{cars.token}/share/", {"share": ""})
        assert Client().get(cars.get_absolute_url()).status_code == 404
        cars.refresh_from_db()
        assert as_member.get(cars.get_absolute_url()).status_code == 200

    def test_private_pictures_stay_private(self, member, as_eve, as_member):
        images = some(3)
        private(images[1], member)
        cars = collection_of(member, images, is_shared=True)
        page = said(as_eve.get(cars.get_absolute_url()))
        assert "2</span> pictures" in page
        assert f"/image/{images[1]}/" not in page
        assert "2 pictures" in said(as_eve.get(PAGE))
        assert "3</span> pictures" in said(as_member.get(cars.get_absolute_url()))


class TestDelete:
    def test_it_comes_back(self, as_member, member):
        cars = collection_of(member, some(2))
        as_member.post(f"{PAGE}{cars.token}/delete/")
        assert as_member.get(cars.get_absolute_url()).status_code == 404
        as_member.post(undo(as_member))
        assert "2</span> pictures" in said(as_member.get(cars.get_absolute_url()))

    def test_its_name_is_free(self, as_member, member):
        cars = collection_of(member, [])
        as_member.post(f"{PAGE}{cars.token}/delete/")
        collection_of(member, [])
        assert as_member.post(f"{PAGE}{cars.token}/restore/").status_code == 409

    def test_others_cannot_bring_it_back(self, member, as_member, as_eve):
        cars = collection_of(member, [])
        as_member.post(f"{PAGE}{cars.token}/delete/")
        assert as_eve.post(f"{PAGE}{cars.token}/restore/").status_code == 404


class TestCollect:
    def test_answers_offer_it(self, as_member):
        some(1)
        page = as_member.get("/search/?q=width>0").content.decode()
        assert 'href="/collections/collect/?from=/search/%3Fq%3Dwidth%3E0"' in unescape(page).replace(
            "%2F", "/"
        ).replace("%253E", "%3E")
        assert 'formaction="/collections/collect/"' in page
        assert "/collections/collect/" not in Client().get("/search/?q=width>0").content.decode()

    def test_the_ticked_ones(self, as_member, member):
        images = some(4)
        asked = as_member.post(f"{PAGE}collect/", {"image": images[1:3], "next": "/search/?q=width>0"})
        assert "The 2 selected" in said(asked)
        chosen = {"images": f"{images[1]},{images[2]}", "from": "/search/?q=width>0", "name": "New", "into": ""}
        answer = as_member.post(f"{PAGE}collect/into/", chosen, headers={"HX-Request": "true"})
        assert "2 pictures added." in said(answer)
        made = Collection.objects.get(name="New", owner=member)
        assert inside(made) == images[1:3]
        as_member.post(re.search(r'action="([^"]+/undo/)"', answer.content.decode())[1])
        assert inside(made) == []

    def test_of_a_page_that_is_no_search(self, as_member):
        asked = as_member.get(f"{PAGE}collect/?from=/admin/")
        assert asked.status_code == 400
        assert "Only what a search of this gallery has found" in said(asked)

    def test_what_is_wrong_is_said_and_nothing_lost(self, as_member):
        images = some(2)
        chosen = {"images": str(images[0]), "from": "/search/?q=width>0", "name": "", "into": ""}
        answer = as_member.post(f"{PAGE}collect/into/", chosen)
        assert answer.status_code == 400
        assert "Give the collection a name." in said(answer)
        assert f'name="images" value="{images[0]}"' in said(answer)

    def test_a_collection_of_somebody_else_takes_nothing(self, as_member, eve):
        theirs = collection_of(eve, [], is_shared=True)
        chosen = {"images": str(some(1)[0]), "into": theirs.token}
        assert as_member.post(f"{PAGE}collect/into/", chosen).status_code == 404
        assert inside(theirs) == []


def test_taken_out_and_back(as_member, member):
    images = some(3)
    cars = collection_of(member, images)
    as_member.post(f"{PAGE}{cars.token}/remove/", {"image": images[:2]})
    assert inside(cars) == images[2:]
    as_member.post(undo(as_member, cars.get_absolute_url()))
    assert inside(cars) == images


def test_the_pages_follow_each_other(as_member, member, settings):
    settings.PAGE_SIZE = 2
    images = some(5)
    cars = collection_of(member, images)
    address, seen = cars.get_absolute_url(), []
    while address:
        page = said(as_member.get(address))
        seen += [int(pk) for pk in re.findall(r'data-select="(\d+)"', page)]
        onward = re.search(r'rel="next" href="(\?after=\d+)"', page)
        address = cars.get_absolute_url() + onward[1] if onward else ""
    assert seen == images[::-1]
    assert as_member.get(f"{cars.get_absolute_url()}?after=x").status_code == 400


class TestWorks:
    def test_first_the_preview_then_the_deed(self, as_member, member):
        images = some(3)
        hashed(images, hashes(images[:1]).repeat(3, axis=0))
        cars = collection_of(member, images)
        preview = as_member.post(f"{PAGE}{cars.token}/thin/", {"by_hash": "1", "bits": "128"}).headers["Location"]
        page = said(as_member.get(preview))
        assert "This would remove 2 of 3 pictures. Nothing has been changed yet." in page
        assert "0 of 576 bits differ" in page
        assert inside(cars) == images
        as_member.post(f"{preview}apply/")
        assert inside(cars) == images[:1]
        as_member.post(undo(as_member, cars.get_absolute_url()))
        assert inside(cars) == images

    @pytest.mark.parametrize(
        ("written", "why"),
        [
            ({}, "Say what makes two pictures near-duplicates"),
            ({"by_hash": "1", "bits": "many"}, "“many” is no whole number"),
            ({"by_hash": "1", "bits": "500"}, "From 0 to 184"),
            ({"by_likeness": "1", "likeness": "0.1"}, "from 0.5 to 1"),
        ],
    )
    def test_nonsense_is_refused(self, as_member, member, written, why):
        cars = collection_of(member, some(1))
        response = as_member.post(f"{PAGE}{cars.token}/thin/", written)
        assert response.status_code == 400
        assert why in said(response)

    def test_what_was_typed_stays(self, as_member, member):
        cars = collection_of(member, some(1))
        form = {"how": "random", "count": "", "seed": "7", "low": "0.2", "high": "0.4", "new": "1", "into": "My own"}
        page = as_member.post(f"{PAGE}{cars.token}/sample/", form).content.decode()
        assert 'value="random" checked' in page
        assert 'name="into" aria-label="Name of the new collection" value="My own"' in page
        for name, value in (("seed", "7"), ("low", "0.2"), ("high", "0.4")):
            assert f'name="{name}" value="{value}"' in page

    def test_scores_and_what_matches_nothing(self, as_member, member):
        images = some(3)
        cars = collection_of(member, images)
        lines = f"image,score\n{images[0]},0.5\n{images[1]},0.9\nnobody.jpg,0.5\n"
        form = {"how": "uncertain", "low": "0.3", "high": "0.7", "new": "1", "into": "Unsure"}
        file = SimpleUploadedFile("scores.csv", lines.encode(), "text/csv")
        page = as_member.post(f"{PAGE}{cars.token}/sample/", form | {"scores": file}, follow=True)
        assert "1 line matched no picture: line 4, “nobody.jpg”" in said(page)
        assert "1 picture of 2 chosen" in said(page)
        assert inside(Collection.objects.get(name="Unsure")) == images[:1]
        assert set(CollectionItem.objects.filter(collection=cars).values_list("score", flat=True)) == {0.5, 0.9, None}

    def test_a_bad_file_names_its_line(self, as_member, member):
        cars = collection_of(member, some(1))
        file = SimpleUploadedFile("scores.csv", b"image,score\n1,high\n", "text/csv")
        response = as_member.post(f"{PAGE}{cars.token}/sample/", {"how": "uncertain", "scores": file})
        assert response.status_code == 400
        assert "Line 2: “high” is no number" in said(response)

    def test_a_work_is_seen_by_whoever_began_it(self, as_member, member, as_eve):
        cars = collection_of(member, some(1), is_shared=True)
        as_member.post(
            f"{PAGE}{cars.token}/sample/", {"how": "random", "count": "1", "low": "0", "high": "1", "new": ""}
        )
        work = CollectionWork.objects.get()
        assert as_member.get(f"{PAGE}{cars.token}/works/{work.token}/").status_code == 200
        assert as_eve.get(f"{PAGE}{cars.token}/works/{work.token}/").status_code == 404


class TestTheList:
    def test_its_pages_follow_each_other(self, as_member, member, eve, monkeypatch):
        monkeypatch.setattr(collections_list, "PAGE", 2)
        for name in ("a", "b", "c", "d", "e"):
            keeping.make(member, name)
            keeping.make(eve, f"eve {name}", is_shared=True)
        seen, address = [], "/collections/"
        while address:
            page = as_member.get(address).context
            seen += [row["collection"].name for row in page["mine"].rows]
            address = page["mine"].onward and f"/collections/?{page['mine'].onward}"
        assert seen == ["a", "b", "c", "d", "e"]
        further = as_member.get(f"/collections/?of=others&after={10**9}.eve+c")
        assert [row["collection"].name for row in further.context["others"].rows] == ["eve d", "eve e"]
        assert "All collections" in further.content.decode()

    def test_one_of_many_is_found_by_its_name(self, as_member, member, eve, monkeypatch):
        monkeypatch.setattr(collections_list, "PAGE", 2)
        for name in ("Police cars", "Fire engines", "Old cars", "Trams"):
            keeping.make(member, name)
        keeping.make(eve, "Her cars", is_shared=True)
        assert "Part of the name" in as_member.get("/collections/").content.decode()
        page = as_member.get("/collections/?q=CARS")
        assert [row["collection"].name for row in page.context["mine"].rows] == ["Old cars", "Police cars"]
        assert [row["collection"].name for row in page.context["others"].rows] == ["Her cars"]
        assert "No collection is called like that" in as_member.get("/collections/?q=ships").content.decode()

    @pytest.mark.parametrize("asked", ["of=nobody", "of=mine&after=x", "of=mine&after=1.a%00", "of=mine&after=5"])
    def test_broken_addresses_are_refused(self, as_member, asked):
        assert as_member.get(f"/collections/?{asked}").status_code == 400

    def test_it_asks_as_often_for_many_as_for_one(self, as_member, member):
        images = some(6)
        collection_of(member, images, "one")
        as_member.get("/collections/")  # notes that she is here
        with CaptureQueriesContext(connection) as few:
            as_member.get("/collections/")
        for number in range(5):
            collection_of(member, images, f"more {number}")
        with CaptureQueriesContext(connection) as many:
            page = as_member.get("/collections/")
        assert len(many) == len(few)
        (row, *_) = page.context["mine"].rows
        assert ([image.pk for image in row["images"]], row["count"]) == (images[:1:-1], 6)

    def test_private_pictures_of_others_are_not_shown(self, as_member, eve):
        images = some(3)
        shared = collection_of(eve, images, "shared", is_shared=True)
        private(images[2], eve)
        (row,) = as_member.get("/collections/").context["others"].rows
        assert (row["collection"], [image.pk for image in row["images"]], row["count"]) == (shared, images[1::-1], 2)

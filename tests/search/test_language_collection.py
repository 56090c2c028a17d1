"""``collection:``, ``is:private`` and ``is:mine``: what they find depends on who asks."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from gallery.models import Image, User
from search.compiler import compiled
from search.compiling.collected import asked_as
from search.complete import complete
from search.errors import QueryError
from search.language import parse, printed
from search.language.tree import Fact
from search.models import CollectionWork
from tests.search.collected import collection_of, private, some

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(db) -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def eve(db) -> User:
    return User.objects.create(username="eve")


def found(query: str, user: User | AnonymousUser) -> list[int]:
    images = Image.objects.visible_to(user).filter(compiled(parse(query).tree, user))
    return sorted(images.values_list("pk", flat=True))


def test_it_works(alice):
    images = some(4)
    cars = collection_of(alice, images[:3], "Police cars")
    for query in ('collection:"police cars"', 'Collections:"Police cars"', f"collection:{cars.token}"):
        assert found(query, alice) == images[:3]
    assert found('!collection:"police cars"', alice) == images[3:]
    assert found('collection:"police cars" && width>=102', alice) == images[1:3]
    assert found('collection:"police cars" || width>0', alice) == images


def test_what_was_taken_out_is_not_in_it(alice):
    images = some(2)
    cars = collection_of(alice, images)
    out = CollectionWork.objects.create(collection=cars, kind="remove", by=alice)
    cars.items.filter(image=images[0]).update(out_by=out)
    assert found("collection:cars", alice) == images[1:]


def test_others_see_of_a_shared_one_what_they_may_see(alice, eve):
    images = some(3)
    private(images[0], alice)
    collection_of(alice, images, is_shared=True)
    assert found("collection:cars", alice) == images
    assert found("collection:cars", eve) == found("collection:cars", AnonymousUser()) == images[1:]


def test_ones_own_comes_first(alice, eve):
    images = some(3)
    collection_of(alice, images[:1], "Cars", is_shared=True)
    collection_of(eve, images[1:2], "Cars")
    collection_of(eve, images[2:], "cars")
    assert found("collection:Cars", alice) == images[:1]
    assert found("collection:Cars", eve) == images[1:2]
    assert found("collection:cars", eve) == images[2:]
    assert found("collection:CARS", eve) == images[1:]


def test_an_unknown_one_offers_the_nearest(alice, eve):
    cars = collection_of(alice, [], "Police cars")
    for written in ("polise cars", "police"):
        with pytest.raises(QueryError, match=r'Did you mean collection:"Police cars"\?'):
            found(f'collection:"{written}"', alice)
    for written in ("Police cars", "polise cars", cars.token):  # of what is not shared nobody learns that it is there
        with pytest.raises(QueryError, match=r"or it is not shared with you\.$"):
            found(f'collection:"{written}"', eve)


@pytest.mark.parametrize("query", ["collection:", 'collection:"..."', "collection>cars"])
def test_rejects_what_names_none(query):
    with pytest.raises(QueryError, match="collection"):
        parse(query)


@pytest.mark.parametrize("name", ["police", "Police cars", "a,b (c)", "-x", "3:2", '12" records', "“so called”"])
def test_each_can_be_asked_for(alice, name):
    images = some(1)
    term = asked_as(collection_of(alice, images, name))
    parsed = parse(term)
    assert isinstance(parsed.tree, Fact)
    assert parse(printed(parsed)).tree == parsed.tree
    assert found(term, alice) == images


def test_a_box_offers_ones_own(alice, eve):
    collection_of(alice, [], "Police cars", is_shared=True)
    collection_of(alice, [], "Ports")
    offered = [one.text for one in complete("winter collection:p", 19, alice)]
    assert offered == ['collection:"Police cars"', "collection:Ports"]
    assert complete("collection:p", 12, eve) == complete("collection:p", 12) == []


def test_private_and_mine(alice, eve):
    hers, public, other = some(3)
    private(hers, alice)
    Image.objects.get(pk=public).owners.set([alice])
    assert (found("is:private", alice), found("is:mine", alice)) == ([hers], [hers, public])
    assert found("!is:mine", alice) == [other]
    for reader in (eve, AnonymousUser()):
        assert found("is:private", reader) == found("is:mine", reader) == []


def test_the_api_lists_it(as_member: Client, member: User):
    images = some(3)
    collection_of(member, images[:2])
    said = as_member.get("/api/images", {"q": "collection:cars"}).json()
    assert {image["id"] for image in said["items"]} == set(images[:2])
    wrong = as_member.get("/api/images", {"q": "collection:care"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "query")
    assert "Did you mean collection:Cars?" in wrong.json()["detail"]
    assert as_member.get("/search/", {"q": "collection:care"}).status_code == 400

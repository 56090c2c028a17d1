"""Collecting all of an answer waits for engines as no page can, and says what could not be asked."""

from __future__ import annotations

import threading

import pytest
from django.urls import reverse

from gallery.models import Image, User
from search.datasets import answers, wishes, works
from search.datasets.saying import sentence
from search.engines._embedding import Loading
from search.engines.color import Color
from search.live_index import live_index
from search.models import Collection, CollectionWork
from tests.pictures import photo
from tests.search.collected import collection_of, done, inside


@pytest.fixture
def alike(add, monkeypatch) -> list[Image]:
    """Engines have 0.2 seconds on a page then."""
    alike = [add(photo(1)), add(photo(1), quality=40)]
    live_index("color").fresh(60)  # the time is not spent on making it
    monkeypatch.setattr(Color, "seconds", 0.2)
    return alike


@pytest.fixture
def collection(alike) -> Collection:
    return collection_of(User.objects.create(username="alice"), [])


@pytest.fixture
def work(collection, alike) -> CollectionWork:
    """That adds what is like the first of them."""
    return wishes.add(collection, collection.owner, address=reverse("like", args=[alike[0].pk]))


def test_it_works(work, collection, alike, monkeypatch):
    search, may_answer = Color.search, threading.Event()
    monkeypatch.setattr(Color, "search", lambda *args: search(*args) if may_answer.wait(60) else [])
    assert not works.at_once(work)  # the page says that it waits for a worker
    may_answer.set()
    assert sentence(done(work)) == "1 picture added."
    assert inside(collection) == [alike[1].pk]


def test_what_could_not_be_asked_is_said(work, collection, alike, monkeypatch):
    monkeypatch.setattr(answers, "PATIENCE", 0.2)
    may_answer = threading.Event()
    monkeypatch.setattr(Color, "search", lambda *args: may_answer.wait(60) and [])
    over = done(work)
    may_answer.set()
    said = "There may be more, since not everything could be asked: Same colours: no answer within 0.2 seconds."
    assert sentence(over) == f"1 picture added. {said}"
    assert inside(collection) == [alike[1].pk]


def test_a_network_that_is_being_loaded_is_waited_for(work, collection, alike, monkeypatch):
    search, asked = Color.search, []

    def loading(*args):
        asked.append(1)
        if len(asked) < 3:
            raise Loading("Same colours: a network is being loaded. Ask again in some seconds.")
        return search(*args)

    monkeypatch.setattr(Color, "search", loading)
    assert not works.at_once(work)
    assert sentence(done(work)) == "1 picture added."
    assert (len(asked), inside(collection)) == (3, [alike[1].pk])

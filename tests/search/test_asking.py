"""Engines that can answer at once answer in a row; each other one has a thread and its time."""

import threading
import time

import pytest
from django.contrib.auth.models import AnonymousUser

from search.engines import get_engine
from search.engines.color import Color
from search.live_index import live_index
from search.models import Feature
from search.query import Query
from search.retrieval import retrieve
from search.stored import stored_of
from tests.pictures import photo

ANYBODY = AnonymousUser()


@pytest.fixture
def asked_in(monkeypatch):
    """Names of the threads in which colours were searched."""
    names: list[str] = []
    search = Color.search

    def spied(self, *args):
        names.append(threading.current_thread().name)
        return search(self, *args)

    monkeypatch.setattr(Color, "search", spied)
    return names


def ask(image):
    return retrieve(Query(image_id=image.pk), ANYBODY, engines=["color"])


def ask_once(image):
    """Then it is known that colours are quick, on a busy machine too."""
    answer = ask(image)
    assert live_index("color").took > 0
    live_index("color").took = 0.0
    return answer


def test_it_works(add, asked_in):
    image, like = add(1), add(photo(1), quality=40)
    first, second = ask_once(image), ask(image)
    assert asked_in[0].startswith("engine")  # nobody knows yet how long it takes
    assert asked_in[1] == threading.current_thread().name
    for answer in (first, second):
        assert [found.image.pk for found in answer.found] == [like.pk]
        assert answer.seconds.keys() == {"color"}


def test_what_came_since_is_found_by_a_thread_that_reads_it(add, asked_in):
    image = add(1)
    ask_once(image)
    like = add(photo(1), quality=40)
    assert [found.image.pk for found in ask(image).found] == [like.pk]
    assert asked_in[1].startswith("engine")


def test_a_slow_engine_gets_a_thread_and_no_more_than_its_time(add, monkeypatch):
    image = add(1)
    ask_once(image)
    monkeypatch.setattr(Color, "seconds", 0.2)
    monkeypatch.setattr(Color, "search", lambda *args: time.sleep(0.6) or [])
    assert ask(image).notices == []  # it was quick before
    answered = threading.Event()
    monkeypatch.setattr(Color, "search", lambda *args: answered.wait(120) and [])
    assert ask(image).notices == ["Same colours: no answer within 0.2 seconds."]
    answered.set()


def test_one_that_fails_in_a_row_becomes_a_notice(add, monkeypatch):
    image = add(1)
    ask_once(image)
    monkeypatch.setattr(Color, "search", lambda *args: 1 / 0)
    assert ask(image).notices == ["Same colours: this engine failed; the reason is in the log."]


def test_an_index_is_there_at_once_only_with_the_whole_log(add):
    add(1)
    live = live_index("color")
    last = live._last_change()
    assert live.at_once(last) is None  # nobody has loaded it
    live.fresh(60)
    assert live.at_once(last) is live.index
    assert live.at_once(last + 1) is None
    with live._lock:
        assert live.at_once(last) is None  # somebody brings it up to date


def test_all_that_is_stored_is_read_at_once(add, django_assert_num_queries):
    image = add(1)
    engines = [get_engine(name) for name in ("color", "local_features", "phash")]
    with django_assert_num_queries(1):
        stored = stored_of(image.pk, engines, without=["local_features"])
    assert stored.there == {"color", "local_features", "phash"}
    assert stored.features.keys() == {"color", "phash"}
    assert stored.features["color"] == bytes(Feature.objects.get(image=image, engine="color").data)
    assert stored.last == {engine.name: live_index(engine)._last_change() for engine in engines}
    assert stored_of(image.pk + 1, engines).there == set()

"""Queries to the letter are answered in pages without end, with an honest count."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gallery.models import Image
from gallery.paging import ORDERS, CursorError, Order
from search import listing
from search.compiling.budget import TooSlow, within
from search.errors import QueryError
from search.language import parse
from search.listing import Count, Listing
from tests.gallery.made import rows
from tests.search.words import picture

pytestmark = pytest.mark.django_db
ANYBODY = AnonymousUser()
every_order = pytest.mark.parametrize("sort", ORDERS)


def listed(query: str, order: Order | None = None) -> Listing:
    return Listing(parse(query), ANYBODY, order)


def pages(answer: Listing, size: int) -> list[int]:
    met, cursor = [], ""
    while True:
        page, cursor = answer.page(cursor, size)
        assert len(page) <= size
        met += [image.pk for image in page]
        if not cursor:
            return met


def test_it_works():
    seas = [picture("sea").pk for _ in range(5)]
    picture("forest")
    answer = listed("tag:sea && width>50")
    assert pages(answer, 2) == seas[::-1]
    assert answer.count() == Count(5)


def test_shows_everything_where_nothing_is_asked():
    found = rows(3)
    assert pages(listed(""), 2) == found[::-1]


@every_order
def test_handles_each_order_in_pages(sort):
    day = datetime(2024, 5, 17, tzinfo=UTC)
    for n in range(12):
        taken = None if n % 4 == 0 else day + timedelta(microseconds=n % 3)
        picture("sea", width=100 + n % 3, height=200 - n % 5, bytes=n % 4, taken_at=taken)
    order = Order(sort, 3)
    everything = [image.pk for image in order.of(Image.objects.visible_to(ANYBODY))]
    assert len(set(everything)) == 12
    assert pages(listed("tag:sea && width>0", order), 5) == everything
    some = [image.pk for image in order.of(Image.objects.filter(width=100))]
    assert pages(listed("tag:sea && width==100", order), 3) == some


def test_handles_orders_by_what_they_say():
    first = picture(width=10, height=90, bytes=5, taken_at=datetime(1839, 8, 19, tzinfo=UTC))
    second = picture(width=50, height=50, bytes=1, taken_at=None)
    third = picture(width=80, height=20, bytes=9, taken_at=datetime(2024, 1, 1, tzinfo=UTC))
    expected = {
        "smallest": [first, third, second],
        "largest": [second, third, first],
        "widest": [third, second, first],
        "tallest": [first, second, third],
        "heaviest": [third, first, second],
        "lightest": [second, first, third],
        "taken": [third, first, second],
        "earliest": [first, third, second],
    }
    for sort, images in expected.items():
        assert pages(listed("", Order(sort)), 2) == [image.pk for image in images], sort


def test_the_order_in_the_query_stands_above_that_of_the_address():
    small, large = picture(width=10), picture(width=900)
    assert pages(listed("width>0 sort:smallest", Order("newest")), 1) == [small.pk, large.pk]
    assert pages(listed("width>0 sort:largest", Order("smallest")), 1) == [large.pk, small.pk]
    with pytest.raises(QueryError, match="There is no order"):
        listing.sort_of("nonsense")


@pytest.mark.parametrize(("limit", "size"), [(1, 1), (3, 2), (4, 2), (5, 9), (9, 2), (7, 7)])
def test_shows_as_many_as_the_limit_says(limit, size):
    found = rows(7)
    answer = listed(f"width>0 && height>0 limit:{limit}")
    assert pages(answer, size) == found[::-1][:limit]
    assert answer.count() == Count(min(limit, 7))


@given(cursor=st.one_of(st.text(max_size=30), st.from_regex(r"\A-?[0-9]{0,12}[_.]-?[0-9]{0,22}(\.[0-9]{0,20})?\Z")))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@pytest.mark.parametrize("query", ["width>0 limit:5", "width>0 sort:taken"])
def test_rejects_or_answers_any_text_as_a_cursor(query, cursor):
    page = []
    with suppress(CursorError):
        page, _ = listed(query).page(cursor, 5)
    assert page == []


def test_counts_many_as_the_planner_expects_and_says_that_it_is_about(monkeypatch):
    rows(3_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE gallery_image")
    monkeypatch.setattr(listing, "COUNTED", 100)
    count = listed("width>0 && width<104").count()
    assert not count.is_exact
    assert 1_200 < count.number < 2_200
    assert str(count).startswith("about 1")
    assert str(count).endswith("00")
    assert listed("width>0 limit:100").count() == Count(100)
    assert listed("width>0 limit:200").count() == Count(200, is_exact=False)


def test_counts_no_longer_than_it_may_and_goes_on(monkeypatch):
    rows(3_000)
    slow = Image.objects.extra(where=["pg_sleep(0.01) IS NOT NULL"])
    answer = listed("")
    answer.images = slow
    monkeypatch.setattr(listing, "COUNT_MILLISECONDS", 50)
    assert not answer.count().is_exact
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert cursor.fetchone() == ("0",)


@every_order
def test_takes_another_way_where_the_first_is_slow(sort, monkeypatch):
    rows(30, "100 + i %% 3")
    order = Order(sort, 5)
    expected = pages(listed("width>100", order), 7)
    walks = []
    first = Order.page

    def slow(self, images, cursor, size, walk=True):
        walks.append(walk)
        if walk:
            images = images.extra(where=["pg_sleep(0.05) IS NOT NULL"])
        return first(self, images, cursor, size, walk)

    monkeypatch.setattr(Order, "page", slow)
    monkeypatch.setattr(listing, "WALK_MILLISECONDS", 20)
    assert pages(listed("width>100", order), 7) == expected
    assert walks == [True, False] * 3


def test_refuses_what_takes_too_long(monkeypatch):
    rows(30)
    answer = listed("")
    answer.images = Image.objects.extra(where=["pg_sleep(0.05) IS NOT NULL"])
    monkeypatch.setattr(listing, "WALK_MILLISECONDS", 20)
    monkeypatch.setattr(listing, "PAGE_MILLISECONDS", 100)
    with pytest.raises(QueryError, match="takes too long"):
        answer.page("", 7)
    assert Image.objects.count() == 30


def test_a_time_inside_of_another_is_no_longer_and_gives_it_back():
    def allowed() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            return cursor.fetchone()[0]

    with within(600_500):  # far more than a busy machine needs
        with within(900_000):
            assert allowed() == "600500ms"
        with within(300_700):
            assert allowed() == "300700ms"
        assert allowed() == "600500ms"
    assert allowed() == "0"


def test_a_time_for_all_ends():
    def ask(times: int, milliseconds: int) -> None:
        with within(milliseconds) as go_on, connection.cursor() as cursor:
            for _ in range(times):
                go_on()
                cursor.execute("SELECT pg_sleep(0.01)")

    ask(20, 60_000)
    with pytest.raises(TooSlow):
        ask(20, 60)


def test_says_what_was_left_out():
    picture("sea")
    answer = listed("tag:sea && (the)")
    assert answer.count() == Count(1)
    assert "“the”" in answer.notes[-1]

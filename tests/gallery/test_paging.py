"""Keyset paging: whatever arrives or leaves between two pages, nobody misses a picture or meets one twice."""

from __future__ import annotations

import random

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gallery.models import Image
from gallery.paging import SORTS, CursorError, Order, order_from
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db

every_sort = pytest.mark.parametrize("sort", SORTS)


def visible():
    return Image.objects.visible_to(AnonymousUser())


def ids(images) -> list[int]:
    return [image.pk for image in images]


def pages(order: Order, size: int, between=lambda: None) -> list[int]:
    """The ids of all pages; ``between`` is called after each."""
    met, cursor = [], ""
    while True:
        page, cursor = order.page(visible(), cursor, size)
        assert len(page) <= size
        met += ids(page)
        if not cursor:
            return met
        between()


def test_it_works():
    first, second, third = rows(3)
    page, cursor = Order("newest").page(visible(), "", 2)
    assert ids(page) == [third, second]
    page, cursor = Order("newest").page(visible(), cursor, 2)
    assert (ids(page), cursor) == ([first], "")


def test_handles_each_order():
    small, large, middle = rows(3, "(array[10, 30, 20])[i]")
    assert ids(Order("newest").of(visible())) == [middle, large, small]
    assert ids(Order("oldest").of(visible())) == [small, large, middle]
    assert ids(Order("largest").of(visible())) == [large, middle, small]
    assert sorted(ids(Order("random", 1).of(visible()))) == [small, large, middle]


@every_sort
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8])
def test_handles_any_number_around_the_page_size(sort, count):
    found = rows(count)
    order = Order(sort, 3)
    met = pages(order, 4)
    assert met == ids(order.of(visible()))
    assert sorted(met) == found


@every_sort
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 9), count=st.integers(0, 40))
def test_meets_exactly_once_what_was_there_throughout(sort, seed, size, count):
    Image.objects.all().delete()
    rng = random.Random(seed)
    there = set(rows(count))
    gone: set[int] = set()

    def arrivals_and_departures():
        rows(rng.randrange(3), "90 + (random() * 30)::int")
        leaving = rng.sample(sorted(there - gone), min(len(there - gone), rng.randrange(3)))
        gone.update(leaving)
        half = len(leaving) // 2
        Image.objects.filter(pk__in=leaving[:half]).delete()
        Image.objects.filter(pk__in=leaving[half:]).update(trashed_at="2026-01-01T00:00Z")
        assert visible().count() < 500

    if sort in ("oldest", "random", "largest"):
        met = []
        cursor = ""
        for _ in range(count + 5):  # what arrives behind the reader could go on for ever
            page, cursor = Order(sort, seed).page(visible(), cursor, size)
            met += ids(page)
            if not cursor:
                break
            arrivals_and_departures()
        while cursor:
            page, cursor = Order(sort, seed).page(visible(), cursor, size)
            met += ids(page)
    else:
        met = pages(Order(sort, seed), size, arrivals_and_departures)
    assert len(met) == len(set(met))
    assert there - gone <= set(met)


def test_handles_the_picture_that_the_cursor_names_being_deleted():
    found = rows(10)
    page, cursor = Order("newest").page(visible(), "", 4)
    page[-1].delete()
    page, _ = Order("newest").page(visible(), cursor, 4)
    assert ids(page) == found[::-1][4:8]


@every_sort
def test_neighbours_agree_with_the_order(sort):
    rows(12, "100 + i %% 3")
    order = Order(sort, 99)
    images = list(order.of(visible()))
    for place, image in enumerate(images):
        previous, following = order.neighbours(visible(), image)
        assert previous == (images[place - 1] if place else None)
        assert following == (images[place + 1] if place + 1 < len(images) else None)


def test_random_is_a_permutation_that_its_seed_decides():
    found = rows(200)
    shuffled = ids(Order("random", 1).of(visible()))
    assert sorted(shuffled) == found
    assert shuffled != found
    assert shuffled == ids(Order("random", 1).of(visible()))
    others = [ids(Order("random", seed).of(visible())) for seed in range(2, 12)]
    assert len({tuple(other) for other in [shuffled, *others]}) == 11


def test_random_draws_a_seed_when_the_address_has_none():
    seeds = {order_from({"sort": "random"}).seed for _ in range(20)}
    assert len(seeds) > 1
    assert order_from({"sort": "random", "seed": "7"}) == Order("random", 7)


@pytest.mark.parametrize("seed", ["-1", "x", "1e3", "10000000000", "٣", " 1", "\x00", "1.5"])
def test_rejects_a_seed_that_is_none(seed):
    with pytest.raises(CursorError, match="seed"):
        order_from({"sort": "random", "seed": seed})


@pytest.mark.parametrize("sort", ["", "x", "Newest", "id", "newest\x00", "a" * 10_000])
def test_rejects_an_unknown_order_and_names_the_known(sort):
    with pytest.raises(CursorError, match="newest, oldest, largest, random") as told:
        order_from({"sort": sort})
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(
    "cursor",
    [
        "abc",
        "-1",
        "0",
        "1.5",
        "1e9",
        "+5",
        " 5",
        "1_0",
        "٣",
        "5\n",
        "\x00",
        str(2**63),
        "10" * 5000,
        ".",
        "5.",
        "' OR 1=1",
    ],
)
def test_rejects_a_cursor_changed_by_hand(cursor):
    with pytest.raises(CursorError, match="first page"):
        Order("newest").page(visible(), cursor, 10)


@pytest.mark.parametrize(
    ("sort", "cursor"), [("largest", "5"), ("random", "5"), ("newest", "5.5"), ("largest", "1.2.3")]
)
def test_rejects_the_cursor_of_another_order(sort, cursor):
    with pytest.raises(CursorError):
        Order(sort).page(visible(), cursor, 10)


@every_sort
@given(cursor=st.text(max_size=40))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_rejects_or_answers_any_text_as_a_cursor(sort, cursor):
    try:
        page, after = Order(sort, 1).page(visible(), cursor, 10)
    except CursorError:
        return
    assert (page, after) == ([], "")


@pytest.mark.parametrize("cursor", [str(2**63 - 1), "1"])
def test_handles_the_ends_of_the_numbers(cursor):
    rows(2)
    for sort in ("newest", "oldest"):
        Order(sort).page(visible(), cursor, 10)
    for sort in ("largest", "random"):
        Order(sort).page(visible(), f"-{2**63 - 1}.{cursor}", 10)


def test_starts_in_the_middle_of_an_index_even_among_equal_pictures():
    made = rows(20_000, "4000")  # one camera: all pictures are of one size
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE gallery_image")
        # With half of them in the trash the index of the visible ones is the shorter way, whatever the statistics say.
        Image.objects.filter(pk__in=made[::2]).update(trashed_at=timezone.now())
        cursor.execute("ANALYZE gallery_image")
    for sort, index in (("newest", "image_visible"), ("oldest", "image_visible"), ("largest", "image_largest")):
        order = Order(sort)
        middle = order.of(visible())[5_000]
        for side in (order.after, order.before):
            plan = side(visible(), order.cursor(middle))[:60].explain(analyze=True)
            assert index in plan, sort
            assert "Index Cond" in plan, sort
            assert "Removed by Filter" not in plan, sort  # nothing before the page is read
            assert "Sort" not in plan, sort

"""What the values of a query mean: numbers with units, days, colours."""

from __future__ import annotations

from datetime import date

import pytest

from search.language import colours
from search.language.colours import COLOUR_NAMES, colour_codes, colour_of
from search.language.fields import BY_NAME, FIELDS, HAS, IS, SORTS, choice_of, field_called
from search.language.parser import parse
from search.language.tree import Compare, Fact, Not
from search.language.values import ValueMistake, around, day_range, days, number

TODAY = date(2026, 3, 31)


def test_it_works():
    assert number("pixels", "12mp") == 12_000_000
    assert days("2024-02", TODAY) == (date(2024, 2, 1), date(2024, 2, 29))
    assert colour_of("a0c") == (170, 0, 204)
    assert 0xF00 in colour_codes("red")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("width", "1920px", 1920),
        ("pixels", "2M", 2_000_000),
        ("pixels", "1920x1080", 1920 * 1080),
        ("bytes", "500kb", 500 * 1024),
        ("bytes", "1.5MB", 1.5 * 1024**2),
        ("ratio", "16:9", 16 / 9),
        ("ratio", "16/9", 16 / 9),
        ("ratio", "1.5", 1.5),
        ("confidence", "80%", 0.8),
        ("confidence", ".25", 0.25),
        ("score.novelty", "-0.5", -0.5),
    ],
)
def test_numbers_have_units(field, value, expected):
    assert number(field, value) == pytest.approx(expected, rel=1e-12)


def test_equal_is_as_exact_as_it_was_written():
    assert around("width", "1000") == (1000, 1000)
    assert around("pixels", "12mp") == (11_500_000, 12_500_000)
    assert around("pixels", "12.0mp") == (11_950_000, 12_050_000)
    low, high = around("ratio", "16:9")
    assert low < 1366 / 768 < high < 1.8
    assert around("confidence", "90%") == pytest.approx((0.895, 0.905))


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("2024", "2024-01-01", "2024-12-31"),
        ("2024-5-7", "2024-05-07", "2024-05-07"),
        ("today", "2026-03-31", "2026-03-31"),
        ("Yesterday", "2026-03-30", "2026-03-30"),
        ("7d", "2026-03-24", "2026-03-31"),
        ("3 weeks", "2026-03-10", "2026-03-31"),
        ("1m", "2026-02-28", "2026-03-31"),
        ("1y", "2025-03-31", "2026-03-31"),
    ],
)
def test_days_are_spans_of_the_calendar(value, first, last):
    assert days(value, TODAY) == (date.fromisoformat(first), date.fromisoformat(last))


def test_a_range_of_days_ends_where_its_end_begins_to_count_back():
    assert day_range("1y", "1m", TODAY) == (date(2025, 3, 31), date(2026, 2, 28))
    assert day_range("2024", "2025", TODAY) == (date(2024, 1, 1), date(2025, 12, 31))


@pytest.mark.parametrize("value", ["", "2024-13", "2024-02-30", "0000", "9999", "9999y", "-7d", "soon", "٢٠٢٤"])
def test_what_is_no_day_is_refused(value):
    with pytest.raises(ValueMistake, match="a day, a month or a year"):
        days(value, TODAY)


# --- colours
@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("red", [0xF00, 0x800, 0xA22, 0xD14]),
        ("orange", [0xF80, 0xFA0, 0xF75]),
        ("brown", [0x841, 0x642]),
        ("yellow", [0xFF0, 0xFD0]),
        ("green", [0x080, 0x0F0, 0x262, 0x562]),
        ("cyan", [0x0FF, 0x088]),
        ("blue", [0x00F, 0x008, 0x8CE, 0x48B]),
        ("purple", [0x808, 0x408, 0x82E]),
        ("pink", [0xFCC, 0xF6B]),
        ("black", [0x000, 0x111]),
        ("grey", [0x888, 0x444]),
        ("white", [0xFFF, 0xEEE]),
    ],
)
def test_people_call_it_so(name, codes):
    called = colour_codes(name)
    assert not set(codes) - set(called)
    assert called == sorted(called)


def test_strangers_are_not_called_so():
    for one, other in [("red", 0x0F0), ("red", 0xFFF), ("blue", 0xFF0), ("grey", 0xF00), ("black", 0x888)]:
        assert other not in colour_codes(one)


def test_every_colour_has_a_name():
    assert set().union(*map(colour_codes, colours._NAMES)) == set(range(4096))


def test_every_name_is_called_so_itself():
    for name in COLOUR_NAMES:
        red, green, blue = colour_of(name)
        assert (red >> 4) << 8 | (green >> 4) << 4 | blue >> 4 in colour_codes(name)


def test_a_code_finds_what_is_near():
    near = colour_codes("#3366cc")
    assert {0x36C, 0x37C, 0x35C} <= set(near)
    assert 0xC36 not in near
    assert len(near) < 200
    assert colour_codes("36c") == near


# --- fields
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_can_be_asked_as_its_example_says(field):
    assert parse(field.example) != parse("")
    assert field.takes
    assert field.sentence.endswith(".")


def test_other_names_and_spellings():
    assert field_called("Color") is BY_NAME["colour"]
    assert field_called("score.novelty") is BY_NAME["score"]
    assert choice_of(BY_NAME["format"], "jpg") == "JPEG"
    assert parse("COLOR:Teal").tree == Fact("colour", "teal")
    assert parse("is:portrait").tree == Fact("orientation", "tall")
    assert parse("is!=tagged").tree == Not(Fact("is", "tagged"))
    assert parse("tag:*").tree == Fact("has", "tags")
    assert parse("width = 5").tree == parse("width:5").tree == Compare("width", "==", "5")
    assert parse("width:>5").tree == Compare("width", ">", "5")


def test_what_the_table_offers_is_what_the_database_can_be_asked():
    from gallery.paging import ORDERS
    from search.compiling import facts

    assert set(SORTS) == {"relevance", *ORDERS}
    assert set(HAS) <= set(facts.HAS)
    assert set(IS) <= set(facts.IS)

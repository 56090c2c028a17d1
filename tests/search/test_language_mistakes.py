"""A mistake in a query is explained: a sentence, the columns, and a query that is likely meant."""

from __future__ import annotations

import pytest

from search.errors import QueryError
from search.language import LanguageError, parse


def mistake(text: str) -> LanguageError:
    with pytest.raises(LanguageError) as error:
        parse(text)
    return error.value


def test_it_works():
    error = mistake("boat && widht>1000 && sail")
    assert isinstance(error, QueryError)
    assert str(error) == error.sentence == "There is no field “widht” that can be compared."
    assert (error.start, error.end) == (8, 18)
    assert error.suggestion == "boat && width>1000 && sail"


@pytest.mark.parametrize(
    ("text", "marked", "suggestion"),
    [
        ("(a || b", "(", "(a || b)"),
        ("a && (b || (c", "(", "a && (b || (c))"),
        ("a)", ")", "a"),
        ('boat "red car', '"red car', 'boat "red car"'),
        ("boat “red car", "“red car", 'boat "red car"'),
        ("a &&", "&&", "a"),
        ("a && && b", "&&", "a && b"),
        ("|| a", "||", "a"),
        ("a && ()", "()", "a"),
        ("!", "!", ""),
        ("&& || !", "&&", ""),
        ("a tag:", "tag:", "a"),
        ("tag:!forest", "tag:!", "!tag:forest"),
        ("a || ~b", "~b", 'a || !"b"'),
        ("!~b", "!~b", '!"b"'),
        ("(a sort:newest)", "sort:newest", "(a)"),
        ("-limit:5", "-limit:5", ""),
    ],
)
def test_operators_out_of_place(text, marked, suggestion):
    error = mistake(text)
    assert text[error.start : error.end] == marked
    assert error.suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("captoin:boat", "caption:boat"),
        ('captoin:"red car"', 'caption:"red car"'),
        ("colur:teal", "colour:teal"),
        ("hight>=100", "height>=100"),
        ("licnese:cc0", "license:cc0"),
        ("formt:jpg", "format:jpg"),
    ],
)
def test_a_field_that_is_nearly_known(text, suggestion):
    assert mistake(text).suggestion == suggestion


def test_a_name_that_is_no_field_stays_a_tag():
    """Also where it is near a field that does not take such a value."""
    for text in ["artist:boat", "data:center", "style:oil", "re:zero", "place:paris", "widht:narrow"]:
        assert parse(text).notes == ()


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("width:1000-2000", "width:1000..2000"),
        ("width:2000..1000", "width:1000..2000"),
        ("width>2,000", "width>2000"),
        ("boat,width>2,000,height>1,000", "boat,width>2000,height>1000"),
        ("date:17.05.2024", "date:2024-05-17"),
        ("date:2024/05/17", "date:2024-05-17"),
        ("added:2025..2024", "added:2024..2025"),
        ("added>7d", "added:7d"),
        ("added<=7d", "added<7d"),
        ("format:jpgg", "format:jpeg"),
        ("has:captoin", "has:caption"),
        ("is:taged", "is:tagged"),
        ("sort:newst", "sort:newest"),
        ("colour:reed", "colour:red"),
        ("tag>5", "tag:5"),
        ("caption:b*t", "caption:b*"),
        ("width:abc", ""),
        ("ratio:0", ""),
        ("confidence:1.5", ""),
        ("pixels:99999999999999999", ""),
        ("date:2024-13", ""),
        ("date:0001", ""),
        ("added:9999y", ""),
        ("similar:-1", ""),
        ("similar:99999999999999999999", ""),
        ("limit:0", ""),
        ("score>0.5", ""),
        ("format:exe", ""),
        ("width:..", ""),
        ("caption:!", ""),
        ("depth>5", ""),
        ("tag:" + "x" * 101, ""),
        ('tag:""', ""),
    ],
)
def test_a_value_that_makes_no_sense(text, suggestion):
    assert mistake(text).suggestion == suggestion


def test_columns_are_those_of_the_text_as_it_was_given():
    text = "  cafe\u0301\u200e   \ud800 widht>1000"
    error = mistake(text)
    assert text[error.start : error.end] == "widht>1000"


def test_all_mistakes_of_a_query_are_corrected_at_once():
    assert mistake("(captoin:boat && widht>1,000 && added:2025..2024").suggestion == (
        "(caption:boat && width>1000 && added:2024..2025)"
    )


@pytest.mark.parametrize(
    "text",
    ["(" * 10_000, ")" * 10_000, '"' * 999, "!" * 10_000, "&&" * 5_000, "~" * 10_000, "tag:" * 2_500, "(a" * 400],
)
def test_ten_thousand_signs_are_explained(text):
    assert mistake(text).sentence.endswith(".")

"""A query and its printed form are the same query, and every text is a query or a mistake that is explained."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from search.language import LanguageError, Parsed, parse, printed
from tests.search import queries

FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BAD = [
    *[
        "",
        " ",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\u202e",
        "()",
        "(",
        ")",
        '"',
        '""',
        "'",
        "&&",
        "||",
        "!",
        "-",
        "~",
        ",",
        "*",
    ],
    *["' OR 1=1", "'; DROP TABLE gallery_image; --", "{{7*7}}", "{% debug %}", "${7*7}", "<script>alert(1)</script>"],
    *["a && !a", "width>5 && width<5", "🌲🌲", "שלום עולם", "‮gpj.exe", "%s%n", "../../etc/passwd", "\\", "a\nb\tc"],
    *[
        "tag:\0",
        "tag:\ud800",
        "x" * 10_000,
        "(" * 10_000,
        "(" * 500 + "a" + ")" * 500,
        "!" * 1000,
        "a," * 5000,
        "Ⅷ" * 2000,
    ],
    *[
        "width:٣",
        "width:²",
        "score.:1",
        "score.ж:1",
        "date:٢٠٢٤",
        "limit:²",
        "similar:²",
        "added:0d",
        "ratio:1e9",
        "tag:ﬁ",
    ],
]


def test_it_works():
    text = 'winter && (forest || tag:"red car") && !width:1000..2000 sort:newest'
    assert printed(parse(text)) == text


@FEW
@given(queries.parsed())
@example(Parsed())
def test_what_is_printed_is_read_as_the_same(asked):
    assert replace(parse(printed(asked)), notes=()) == asked


def read_or_explained(text: str) -> Parsed | LanguageError:
    try:
        return parse(text)
    except LanguageError as error:
        return error


@FEW
@given(queries.texts())
@example(",&a")
@example("!&ocr:")
@example("a||&b c,&")
def test_what_is_read_is_printed_in_one_form(text):
    read = read_or_explained(text)
    if isinstance(read, Parsed):
        once = printed(read)
        assert replace(parse(once), notes=()) == replace(read, notes=())
        assert printed(parse(once)) == once


@FEW
@given(queries.texts())
def test_a_mistake_lies_in_the_text_and_what_is_offered_can_be_read(text):
    read = read_or_explained(text)
    if isinstance(read, LanguageError):
        assert read.sentence
        assert 0 <= read.start < read.end <= len(text)
        parse(read.suggestion)


@pytest.mark.parametrize("text", BAD, ids=lambda text: ascii(text[:20]))
def test_bad_input_is_read_or_explained(text):
    read = read_or_explained(text)
    if isinstance(read, LanguageError):
        assert read.sentence.endswith(".")
        parse(read.suggestion)


@FEW
@given(st.lists(st.sampled_from(queries.SCRAPS), max_size=400).map("".join))
def test_long_nonsense_is_read_or_explained(text):
    read = read_or_explained(text)
    if isinstance(read, LanguageError):
        parse(read.suggestion)


def steps(text: str) -> int:
    """Calls of functions while the text is read."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1

    sys.setprofile(count)
    try:
        parse(text)
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("part", ["ab ", "a&&b,", "(a) ", "!a ", '"a b" ', "width>5 ", "artist:b ", "& ", "a OR b "])
def test_a_query_twice_as_long_takes_twice_the_steps(part):
    steps(part)
    once, twice = steps(part * 40), steps(part * 80)
    assert 1.5 < twice / once < 2.1

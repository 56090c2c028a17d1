"""What sources share: words of strangers, and where the news end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingestion.sources._news import MOST_AT_ONCE, News
from ingestion.sources._words import address, file_name, line, moment, pixels


def test_it_works():
    assert line("  Two\n lines ", 100) == "Two lines"


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("a\0b\x1bc\ud800d", "a b c d"),
        ("\u202egpj.exe\u202c", "gpj.exe"),
        ("<b>Blå</b> & 日本", "<b>Blå</b> & 日本"),
        ("👩\u200d🌾 می\u200cخواهم", "👩\u200d🌾 می\u200cخواهم"),
        ("x" * 10_000, "x" * 50),
        (None, ""),
        (["list"], ""),
    ],
)
def test_words_become_one_line_that_fits(words: Any, seen: str):
    assert line(words, 50) == seen


def test_names_and_addresses_are_decoded_once():
    assert file_name("https://h/a/an%20%C3%A4%2541.jpg?x=/y") == "an ä%41.jpg"
    assert file_name("https://h/a/..%2F..%2Fetc") == ".._.._etc"
    assert address("https://h/an%20%C3%A4.jpg") == "https://h/an ä.jpg"
    assert [address(nonsense) for nonsense in ("javascript:x", "/a.jpg", "http://u@h/", None, "http://h/\0")] == [
        ""
    ] * 5


def test_numbers_of_strangers():
    assert [pixels(told) for told in (640, "480", 7.0, -1, 2**40, "many", None, float("inf"))] == [640, 480, 7] + [
        0
    ] * 5
    told = moment("1700000000")
    assert told
    assert told.isoformat() == "2023-11-14T22:13:20+00:00"
    assert [moment(nonsense) for nonsense in ("soon", None, 1e30, float("nan"))] == [None] * 4


def test_news_end_where_the_crawl_before_had_begun():
    first = News({})
    assert all([first.brings(9, "c"), first.brings(9, "b"), first.brings(8, "a")])
    assert not first.reached
    second = News(json.loads(json.dumps(first.all_read())))
    assert [second.brings(10, "d"), second.brings(9, "late"), second.brings(9, "c")] == [True, True, False]
    assert not second.reached
    assert not second.brings(8, "a")
    assert second.reached
    assert second.all_read() == {"until": [10, ["d"]]}


def test_an_interrupted_crawl_keeps_both_ends():
    first = News({"until": [5, ["x"]]})
    first.brings(9, "c")
    second = News(first.to_go_on(after="c"))
    assert second.brings(7, "b")
    assert not second.brings(5, "x")
    assert second.all_read() == {"until": [9, ["c"]]}


def test_a_crawl_without_news_keeps_its_line():
    assert News({"until": [5, ["x"]]}).all_read() == {"until": [5, ["x"]]}
    same = News({"until": [5, ["x"]]})
    assert same.brings(5, "y")
    assert same.all_read() == {"until": [5, ["x", "y"]]}


def test_the_line_stays_short():
    news = News({})
    for number in range(1000):
        assert news.brings(5, str(number))
    assert len(news.all_read()["until"][1]) == MOST_AT_ONCE

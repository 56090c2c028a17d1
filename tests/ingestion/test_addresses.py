"""Which addresses are public, and how a URL is written for people and for the line."""

from __future__ import annotations

from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.addresses import decoded, encoded, is_public, parse
from ingestion.download_errors import DownloadError

FOR_PEOPLE_AND_THE_LINE = [
    ("https://h.org/an ä.jpg", "https://h.org/an%20%C3%A4.jpg"),
    ("https://h.org/100%25.jpg", "https://h.org/100%25.jpg"),
    ("https://h.org/a%2520b.jpg", "https://h.org/a%2520b.jpg"),  # the file is called "a%20b.jpg"
    ("https://h.org/a%2Fb/c.jpg", "https://h.org/a%2Fb/c.jpg"),  # the file is called "a/b"
    ("https://h.org/one%3Ftwo%23three", "https://h.org/one%3Ftwo%23three"),
    ("https://h.org/1%2B1 (2).jpg", "https://h.org/1%2B1%20(2).jpg"),
    ("https://h.org/?q=a b&r=1%26 2", "https://h.org/?q=a%20b&r=1%26%202"),
    ("https://h.org/%E4.jpg", "https://h.org/%E4.jpg"),  # Latin-1: only its server knows
    ("https://bücher.org/ß.png", "https://xn--bcher-kva.org/%C3%9F.png"),
    ("http://h.org:8080/[1].jpg", "http://h.org:8080/%5B1%5D.jpg"),
]
NOT_ADDRESSES = """
    file:///etc/passwd gopher://h/ ftp://h/a.jpg data:image/png;base64,AA jar:http://h/a!/b dict://h:11211/ javascript:1
    //h/ http:/h http:h h.org/a.jpg https:// http:///a http://u:p@h/ http://u@h/a http://h\\@127.0.0.1/ http://h#@h2
    http://h?@h2 http://[::1%25lo]/ http://[::1/ http://[h]/ http://h:0/ http://h:99999/ http://h:-1/ http://h:x/
    http://h/%00.jpg http://a..b/ http://-a/ http://h%2f/ http://h"/ http://$(id)/
"""
SPELLINGS = """
    127.0.0.1 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 192.0.0.1 192.0.2.1
    198.18.0.1 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 ::1 :: ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1 fe80::1
    fe80::1%eth0 fd00:ec2::254 fec0::1 64:ff9b::7f00:1 2002:7f00:1:: 2001:0:4136:e378:: 2001:db8::1 ff02::1
"""


@pytest.mark.parametrize(("for_people", "on_the_line"), FOR_PEOPLE_AND_THE_LINE)
def test_it_works(for_people, on_the_line):
    assert encoded(for_people) == on_the_line
    assert encoded(on_the_line) == on_the_line, "an escape was escaped"
    assert decoded(on_the_line) == for_people
    assert decoded(for_people) == for_people


@settings(max_examples=50)
@given(st.text(alphabet="aä漢 %25F0+&=;/?#'\"<>[]\\.", max_size=20))
def test_writing_it_for_people_and_back_asks_for_the_same(path):
    once = encoded("http://h.org/" + path)
    assert encoded(once) == once
    back = encoded(decoded(once))
    assert unquote_to_bytes(back) == unquote_to_bytes(once)
    assert [back.count(mark) for mark in "/?&=;+"] == [once.count(mark) for mark in "/?&=;+"]
    assert decoded(back) == decoded(once)


@settings(max_examples=50)
@given(st.text(max_size=20), st.text(max_size=20))
def test_every_escaped_name_comes_back_as_it_was(folder, name):
    try:
        url = f"http://h.org/{quote(folder, safe='')}/{quote(name, safe='')}"
    except UnicodeEncodeError:
        return
    try:
        encoded(url)
    except DownloadError:
        assert "\0" in folder + name
        return
    back = encoded(decoded(url)).removeprefix("http://h.org/").split("/")
    assert [unquote(part) for part in back] == [folder, name]


@pytest.mark.parametrize("url", NOT_ADDRESSES.split())
def test_it_rejects(url):
    with pytest.raises(DownloadError) as error:
        parse(url)
    assert error.value.code == "bad_url"
    assert error.value.is_final


@pytest.mark.parametrize("character", ["\t", "\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\u2028"])
def test_it_rejects_control_characters_that_others_drop(character):
    for url in (f"http://h{character}.org/", f"ht{character}tp://h.org/", f"http://h.org/a{character}b"):
        with pytest.raises(DownloadError):
            parse(url)
    with pytest.raises(DownloadError):
        parse("http://h.org/").joined(f"/a{character}b")


def test_it_rejects_half_characters_and_endless_ones():
    for url in ("http://h.org/\ud800", "http://h.org/" + "a" * 8001, "http://" + "a" * 64 + ".org/"):
        with pytest.raises(DownloadError):
            parse(url)


def test_a_host_is_what_dns_knows():
    assert parse("HTTPS://EXAMPLE.org.:443/").authority == "example.org"
    assert parse("http://①②⑦.⓪.⓪.①/").host == "127.0.0.1"
    assert parse("http://127。0。0。1/").host == "127.0.0.1"
    assert str(parse("http://[2606:4700:4700:0::1111]:8080/a")) == "http://[2606:4700:4700::1111]:8080/a"
    assert parse("http://under_score.example.org/").host == "under_score.example.org"


def test_parameters_are_added_to_those_there_are():
    address = parse("http://h.org/api?key=1").with_params({"q": "a b&c", "none": None, "tag": ["x", "ä"]})
    assert address.target == "/api?key=1&q=a%20b%26c&tag=x&tag=%C3%A4"


@pytest.mark.parametrize("address", SPELLINGS.split())
def test_it_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_it_is_public(address):
    assert is_public(address)

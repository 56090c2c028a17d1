"""The page about the query language: all that can be asked, and examples that work."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from search.language import parse
from search.language.fields import FIELDS

pytestmark = pytest.mark.django_db


def asked_on(page: str) -> list[str]:
    """The queries that the page links to."""
    addresses = [unescape(found) for found in re.findall(r'href="(/search/\?q=[^"]+)"', page)]
    return [parse_qs(urlsplit(address).query)["q"][0] for address in addresses]


def test_it_works(client: Client):
    page = client.get("/search/syntax/").content.decode()
    assert all(f'<tr id="{field.name}">' in page for field in FIELDS)
    assert {field.example for field in FIELDS if field.name not in ("similar", "collection")} <= set(asked_on(page))


def test_its_examples_are_read_without_a_note(client: Client):
    queries = asked_on(client.get("/search/syntax/").content.decode())
    assert len(queries) > len(FIELDS)
    assert [query for query in queries if parse(query).notes] == []


def test_its_examples_to_the_letter_are_answered(client: Client):
    queries = asked_on(client.get("/search/syntax/").content.decode())
    letter = [query for query in queries if not parse(query).prose]
    answers = {query: client.get("/search/", {"q": query}).status_code for query in letter}
    assert len(letter) > 20
    assert set(answers.values()) == {200}, answers

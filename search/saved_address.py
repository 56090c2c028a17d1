"""Which addresses can be saved as a search: those of our own answers that stay."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from django.urls import Resolver404, resolve

from gallery.names import printable
from search.language import LanguageError, parse

LONGEST_ADDRESS = 4_000
LONGEST_NAME = 100
ANSWERS = {"search", "like", "colours"}
_PLACES = {"page", "after", "weak", "again"}
"""Parameters that say which part of an answer is looked at."""
_ORDERS = {"sort", "seed", "words"}
FOREIGN = "Only searches of this gallery can be saved."


class SaveError(ValueError):
    """It cannot be saved: a sentence for the reader."""


def storable(written: str) -> str:
    """The address of the first page of an answer, without a host. SaveError."""
    try:
        parts = urlsplit(written)
        name = resolve(parts.path).url_name
        params = parse_qsl(parts.query, keep_blank_values=False, max_num_fields=100)
    except (ValueError, Resolver404) as error:
        raise SaveError(FOREIGN) from error
    if parts.scheme or parts.netloc or not written.startswith("/") or written != printable(written):
        raise SaveError(FOREIGN)
    if name == "query":
        raise SaveError("A search with a picture of your own cannot be saved: the picture is deleted after a while.")
    if name not in ANSWERS:
        raise SaveError(FOREIGN)
    params = [(key, value) for key, value in params if key not in _PLACES]
    _check(str(name), params)
    address = f"{parts.path}?{urlencode(params)}" if params else parts.path
    if len(address) > LONGEST_ADDRESS:
        raise SaveError("This search is too long to be saved.")
    return address


def _check(name: str, params: list[tuple[str, str]]) -> None:
    if name != "like" and not [key for key, _ in params if key not in _ORDERS]:
        raise SaveError("There is nothing to save yet: search for something first.")
    try:
        for key, value in params:
            if key == "q":
                parse(value)
    except LanguageError as error:
        raise SaveError(f"This search cannot be read, so it is not saved: {error.sentence}") from error


def storable_name(written: str) -> str:
    """SaveError."""
    name = printable(written)
    if not name:
        raise SaveError("Give the search a name.")
    if len(name) > LONGEST_NAME:
        raise SaveError(f"A name has at most {LONGEST_NAME} characters; this one has {len(name)}.")
    return name

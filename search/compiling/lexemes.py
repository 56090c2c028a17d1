"""What PostgreSQL makes of the words of a query: tsqueries, read once, since a function of the language of documents
would be called again for each row that is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connection

from gallery.formats import EXTENSION
from search.compiling.walk import askable
from search.language.tree import Word

# gallery_plain, which makes the documents, says the same.
_APOSTROPHES = str.maketrans("’ʼ＇", "'''")
_SIGNS = re.compile(
    "[\u0080-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u05be\u05c0\u05c3\u060c\u061b\u061f\u06d4\u0964"
    "\u0965\u2000-\u200b\u200e-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u30fb\ufe10-\ufe1f\ufe30-\ufe6f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\ufffd\U0001f000-\U0001faff]"
)
_JOINERS = str.maketrans("_-.+~/", "      ")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")
"""Of a file, which gallery_words_of_name leaves out."""
_ENDINGS = {ending.lower() for ending in EXTENSION.values()} | {"jpeg", "tif", "tiff"}
_LONGEST_WORD = 2_000
"""Bytes: PostgreSQL keeps no longer words, and refuses to look for one."""
_READ = """
SELECT CASE WHEN simple THEN to_tsquery('simple', operand) ELSE to_tsquery(gallery_language(), operand) END::text,
    numnode(to_tsquery('simple', operand))
FROM unnest(%s::text[], %s::boolean[]) WITH ORDINALITY AS each (operand, simple, place) ORDER BY place
"""


def without_signs(text: str) -> str:
    """Letter for letter, with a space for each sign outside of ASCII: what gallery_plain makes of a text."""
    return _SIGNS.sub(" ", text.translate(_APOSTROPHES))


def plain(text: str) -> str:
    """Names are taken apart in documents (gallery_words_of_name), so they are here."""
    return without_signs(text).rstrip("*").translate(_JOINERS).strip()


def can_be_looked_for(text: str) -> bool:
    return askable(text) and all(len(word.encode()) < _LONGEST_WORD for word in text.split())


def is_beginning(word: Word) -> bool:
    return not word.phrase and word.text.endswith("*")


@dataclass(frozen=True)
class _Read:
    lexemes: str
    is_stop: bool


class Lexicon:
    """What the language of the documents makes of words; one statement for all of them."""

    def __init__(self, words: Iterable[Word]) -> None:
        asked = {word: list(_operands(word)) for word in words if can_be_looked_for(word.text)}
        rows = list(dict.fromkeys(row for operands in asked.values() for row in operands))
        read = dict(zip(rows, _read(rows), strict=True))
        self._found = {word: _joined(word, [read[row] for row in operands]) for word, operands in asked.items()}

    def lexemes(self, word: Word) -> str:
        """A tsquery, as PostgreSQL prints it; "" of words that its language does not count, such as "the", and of
        signs, which no document has."""
        found = self._found.get(word)
        return found.lexemes if found else ""

    def is_stop(self, word: Word) -> bool:
        """Such words are too common to be kept: "the"."""
        found = self._found.get(word)
        return bool(found and found.is_stop)


Operand = tuple[str, bool]
"""(for to_tsquery, whether it is taken as it stands and not read in the language of the documents)"""


def _operands(word: Word) -> Iterator[Operand]:
    text = plain(word.text)
    if not text:
        return
    if is_beginning(word):
        *before, last = text.split()
        beginning = " <-> ".join([*map(_quoted, before), f"{_quoted(last)}:*"])
        # Of "the*" the language would leave nothing, of "mountains*" no word as it is kept.
        yield f"{_quoted(last)}:*", False
        yield beginning, False
        yield beginning, True
        return
    yield _quoted(text), False
    written = without_signs(word.text).strip()
    if written != text:
        yield _quoted(written), False  # an address is one word in a caption
    ending = _ENDING.search(written)
    if ending and plain(written[: ending.start()]) and _is_name(word, ending[0]):
        yield f"{_quoted(plain(written[: ending.start()]))}:A", False


def _is_name(word: Word, ending: str) -> bool:
    """Of a file, as far as one can see."""
    return word.field == "title" or (not word.field and ending[1:].lower() in _ENDINGS)


def _joined(word: Word, read: list[tuple[str, int]]) -> _Read:
    if is_beginning(word) and read:
        (last, _), own, simple = read
        read = [own, simple] if last else [simple]
    found = [lexemes for lexemes in dict.fromkeys(lexemes for lexemes, _ in read) if lexemes]
    is_stop = not found and any(words for _, words in read)
    return _Read(found[0] if len(found) == 1 else " | ".join(f"( {each} )" for each in found), is_stop)


def _read(rows: list[Operand]) -> list[tuple[str, int]]:
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_READ, [[operand for operand, _ in rows], [simple for _, simple in rows]])
        return cursor.fetchall()


def _quoted(text: str) -> str:
    """One operand, whatever stands in it; several words of it stand side by side."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

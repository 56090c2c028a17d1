"""Text as somebody wrote it made fit to be read as a query, and the way back to its columns."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

from gallery.names import printable

# What word processors and the keyboards of other languages write for the signs of the query language.
_SIGNS = str.maketrans(
    {**dict.fromkeys("“”„‟«»「」『』＂", '"'), **dict.fromkeys("，、", ","), "（": "(", "）": ")", "：": ":"}
    | {"≥": ">=", "≤": "<=", "≠": "!="}
)
_CAPITALS = re.compile(r'"[^"]*(?:"|$)|(?<![^\s()])(?:AND|OR|NOT)(?![^\s()])')
_LONE_AND = re.compile(r'("[^"]*(?:"|$))|(?<![^\s(])&(?=[^\s&)])')
_OPERATORS = {"AND": "&& ", "OR": "||", "NOT": "!  "}


def clean(text: str) -> str:
    """In one line, composed (NFC), without characters that hide or turn others, with the usual signs."""
    return printable(text).translate(_SIGNS)


def column(text: str, at: int) -> int:
    """Where in the text the character stands that is at this place of clean(text)."""
    if clean(text) == text:
        return min(at, len(text))
    return bisect_right(range(len(text)), at, key=lambda i: len(clean(text[: i + 1])))


def says(text: str) -> bool:
    """A letter, a digit or a drawing is in it: punctuation alone asks for nothing."""
    return any(c.isalnum() or (unicodedata.category(c)[0] == "S" and not c.isascii()) for c in text)


def without_lone_and(text: str) -> str:
    """A & that stands before a word, as a space: it means and, and words side by side are all wanted."""
    return _LONE_AND.sub(lambda found: found[1] or " ", text)


def with_operators(text: str) -> str:
    """AND, OR and NOT in capitals between other words as the signs that they mean, each as long as before.

    They are words, in small letters, where they join nothing, and in a query that is in capitals altogether.
    """
    around = _CAPITALS.sub("", text)
    shouting = around.isupper()

    def sign(found: re.Match) -> str:
        word = found[0]
        if word.startswith('"'):
            return word
        before, after = text[: found.start()].rstrip()[-1:], text[found.end() :].lstrip()[:1]
        joins = after not in ("", ")") and (word == "NOT" or before not in ("", "("))
        return _OPERATORS[word] if joins and not shouting else word.lower()

    return _CAPITALS.sub(sign, text)

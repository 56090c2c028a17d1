"""Which part of a query that is being written its writer is at, and how a suggestion fits into it. No Django in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 1_000
_SEPARATORS = set(" \t\n\r(),|!~")
_FIELD = re.compile(r"([^\W\d_][\w.-]*)\s*:")
_COMPARED = re.compile(r"[^\W\d_][\w.-]*\s*(?:[<>=]|!=)")
_OPERATORS = re.compile(r"&&|[|,()]")
_PLAIN = re.compile(r"[^\W_][\w.+'-]*")
_PROSE = re.compile(r"[^\W_][\w' ]*")
_WORDS = 4
"""A tag of more words is rarely written to its end."""


@dataclass(frozen=True)
class Term:
    """``written`` is what to complete; ``start`` and ``end`` are what a suggestion takes the place of."""

    text: str
    start: int
    end: int
    written: str
    field: str = ""
    quoted: bool = False

    @property
    def around(self) -> str:
        """The query without it."""
        return f"{self.text[: self.start]} {self.text[self.end :]}"

    def longer(self) -> list[Term]:
        """The same with the words before it, the longest first: the tag "mountain path" has two."""
        if self.field or self.quoted:
            return []
        found: list[Term] = []
        start = self.start
        while len(found) < _WORDS - 1 and (
            before := re.search(r"(?:^|(?<=[\s(),|!]))([^\s(),|&!~\":]+) $", self.text[:start])
        ):
            start = before.start(1)
            found.append(Term(self.text, start, self.end, self.text[start : self.start] + self.written))
        return found[::-1]

    def tagged(self, name: str) -> str:
        """A tag as it is written here.

        Between operators, and in the field tag, as the language takes it; among words that describe a picture, as
        words; alone, or beside nothing but fields, as a tag and nothing else.
        """
        exact = name if _PLAIN.fullmatch(name) else '"' + name.replace('"', "?") + '"'
        if self.field or _only_fields(self.around):
            return f"tag:{exact}"
        if self.quoted or _OPERATORS.search(_without_quotes(self.around)):
            return exact
        return name if _PROSE.fullmatch(name) else exact


def term_at(text: str, at: int) -> Term | None:
    """The term that ends, or goes on, at the cursor; None if there is nothing to complete."""
    text = text[:LONGEST]
    at = max(0, min(at, len(text)))
    start, quote = _start(text, at)
    end = _end(text, at, quote is not None)
    token = text[start:at]
    field = _FIELD.match(token)
    if field and (quote is None or field.end() <= quote - start):
        value = token[field.end() :].lstrip()
        return Term(text, start, end, value.lstrip('"').lower(), field[1].lower(), value.startswith('"'))
    if _COMPARED.match(token):
        return None
    written = token.lstrip('"').lower()
    return Term(text, start, end, written, "", quote is not None) if written else None


def _start(text: str, at: int) -> tuple[int, int | None]:
    """(where the term begins, where its open quote is)"""
    start, quote = 0, None
    for place in range(at):
        character = text[place]
        if character == '"':
            quote = None if quote is not None else place
        elif quote is not None:
            continue
        elif character in _SEPARATORS or text[place : place + 2] == "&&" or text[max(0, place - 1) : place + 1] == "&&":
            start = place + 1
    if start < at and text[start] in "-−":
        start += 1
    return start, quote


def _end(text: str, at: int, in_quotes: bool) -> int:
    if in_quotes:
        closing = text.find('"', at)
        return closing + 1 if closing >= 0 else len(text)
    end = at
    while end < len(text) and text[end] not in _SEPARATORS and text[end] != '"' and text[end : end + 2] != "&&":
        end += 1
    return end


def _without_quotes(text: str) -> str:
    return re.sub(r'"[^"]*"?', "", text)


def _only_fields(text: str) -> bool:
    """Nothing in it describes a picture in words."""
    terms = [term for term in re.split(r"[\s(),|&!]+", re.sub(r'"[^"]*"?', '"', text)) if term.strip("-~")]
    return all(_FIELD.match(term.lstrip("-")) or _COMPARED.match(term.lstrip("-")) for term in terms)

"""A query in words made into a tree; see grammar.lark for what can be written."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import cast

from lark import Lark, Token
from lark.exceptions import UnexpectedInput

from search.language.cleaning import clean, column, with_operators, without_lone_and
from search.language.fields import BY_NAME
from search.language.mistakes import LanguageError, Mistake
from search.language.reader import Either, Piece, Reader, joined
from search.language.stumbles import explained
from search.language.tree import And, Parsed
from search.meaning import MAX_TEXT

MAX_MISTAKES = 5
"""So many mistakes of one query are corrected in what is offered instead."""


def parse(text: str) -> Parsed:
    """What the text asks. LanguageError if it cannot be read; nothing else, whatever comes."""
    written = clean(text[:MAX_TEXT])
    read = without_lone_and(written)
    notes: tuple[str, ...] = (f"Only the first {MAX_TEXT:,} characters were read.",) if len(text) > MAX_TEXT else ()
    notes += ("A single & was read as a space; && means and, to the letter.",) if read != written else ()
    try:
        return _parsed(_read(read), notes)
    except Mistake as mistake:
        start = column(text, mistake.start)
        end = max(start + 1, column(text, mistake.end - 1) + 1)
        raise LanguageError(mistake.sentence, start, min(end, len(text)), _corrected(read, mistake)) from None


def _read(text: str) -> Either:
    try:
        return cast(Either, _lark().parse(with_operators(text)))  # what Reader.either made of it
    except UnexpectedInput as error:
        raise explained(error, text) from None


@cache
def _lark() -> Lark:
    """Made once, for all threads: while it reads it keeps nothing of its own."""
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    names = "|".join(sorted(BY_NAME, key=len, reverse=True))
    return Lark(grammar.replace("FIELD_NAMES", names), start="query", parser="lalr", transformer=Reader())


def _corrected(text: str, mistake: Mistake | None) -> str:
    """The text without this mistake, and without those that come to light then; "" if one of them has no remedy."""
    for _ in range(MAX_MISTAKES):
        if mistake is None:
            return text
        if mistake.instead is None:
            return ""
        text = _replaced(text, mistake.start, mistake.until, mistake.instead)
        mistake = _mistake_in(text)
    return text if mistake is None else ""


def _replaced(text: str, start: int, end: int, instead: str) -> str:
    before, after = text[:start], text[end:]
    if not instead:
        before, after = before.rstrip(), after.lstrip()
        instead = "" if before[-1:] in ("", "(") or after[:1] in ("", ")", ",") else " "
    return clean(f"{before}{instead}{after}")


def _mistake_in(text: str) -> Mistake | None:
    try:
        _parsed(_read(text[:MAX_TEXT]), ())
    except Mistake as mistake:
        return mistake
    return None


# --- the whole
def _parsed(either: Either, notes: tuple[str, ...]) -> Parsed:
    pieces = either.pieces
    speech = _is_speech(either)
    bare = [piece.word for piece in pieces if piece.is_bare and speech]
    for piece in pieces:
        if piece.without and not speech:
            sentence = "A ~ belongs to plain speech: it does not go with &&, || and brackets."
            raise Mistake(sentence, piece.start, piece.end, f'!"{piece.without}"')
    said = [piece.directive for piece in pieces if piece.directive]
    notes += tuple(dict.fromkeys(note for piece in pieces for note in piece.notes))
    notes += tuple(f"The last {name}: counts." for name in ("sort", "limit") if [d.name for d in said].count(name) > 1)
    directives = {directive.name: directive.value for directive in said}
    rest = joined(And, [piece.node for piece in pieces if not piece.is_bare]) if bare else either.node
    return Parsed(
        tree=either.node,
        prose=" ".join(bare),
        without=tuple(piece.without for piece in pieces if piece.without),
        rest=rest,
        sort=directives.get("sort", ""),
        limit=int(directives["limit"]) if "limit" in directives else None,
        notes=notes,
    )


def _is_speech(either: Either) -> bool:
    """Words side by side, and terms beside them, that only spaces join, or commas between nothing but bare words."""
    if len(either.choices) != 1:
        return False
    parts = [part for part in either.choices[0].parts if isinstance(part, Token) or not part.directive]
    if any(part.type == "AND" if isinstance(part, Token) else part.is_bracket for part in parts):
        return False
    return not any(_parts_something(before, after) for before, after in pairwise(parts))


def _parts_something(before: Piece | Token, after: Piece | Token) -> bool:
    """A comma that stands beside what is no bare word."""
    beside = [each for each in (before, after) if isinstance(each, Piece)]
    return len(beside) == 1 and not beside[0].is_bare and beside[0].node is not None

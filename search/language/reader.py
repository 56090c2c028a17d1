"""What the grammar finds, made into nodes piece by piece, without going down into a tree: nothing recurses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lark import Token, Transformer, v_args

from gallery.words import WordError, tag_name
from search.language.cleaning import says
from search.language.mistakes import Mistake
from search.language.terms import Directive, Term, meant, read_term
from search.language.tree import And, Compare, Node, Not, Or, Tagged, Word

DEPTH = 50
"""So many brackets may stand inside each other."""
_COMPARED = re.compile(r"([^\W\d_][\w.]*):?(==|!=|>=|<=|=|>|<)(.+)")
_AND = re.compile(r"[^\W\d_]{2,}&[^\W\d_]{2,}")


@dataclass(frozen=True)
class Piece:
    """A part of the query between its joints."""

    start: int
    end: int
    """In the cleaned text."""
    node: Node | None = None
    """None if it asks for nothing: punctuation, ~words, sort:, limit:."""
    without: str = ""
    directive: Directive | None = None
    is_bracket: bool = False
    depth: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Plain speech."""
        return bool(self.word)

    @property
    def word(self) -> str:
        """Of a bare word or phrase; "" of all else."""
        return self.node.text if isinstance(self.node, Word) and not self.node.field and not self.is_bracket else ""


@dataclass(frozen=True)
class Both:
    """Pieces that must all be so, and the joints as they were written."""

    parts: tuple[Piece | Token, ...]

    @property
    def pieces(self) -> list[Piece]:
        return [part for part in self.parts if isinstance(part, Piece)]

    @property
    def node(self) -> Node | None:
        return joined(And, [piece.node for piece in self.pieces])


@dataclass(frozen=True)
class Either:
    choices: tuple[Both, ...]

    @property
    def pieces(self) -> list[Piece]:
        return [piece for both in self.choices for piece in both.pieces]

    @property
    def node(self) -> Node | None:
        return joined(Or, [both.node for both in self.choices])


def joined(kind: type[And | Or], nodes: Sequence[Node | None]) -> Node | None:
    """All in one, without a level more than it needs."""
    parts: list[Node] = []
    for node in nodes:
        if node is not None:
            parts += node.parts if isinstance(node, And | Or) and isinstance(node, kind) else [node]
    return parts[0] if len(parts) == 1 else kind(tuple(parts)) if parts else None


@v_args(inline=True)
class Reader(Transformer):
    """Called by the parser for each rule, from the inside to the outside. Mistake says what is wrong."""

    def nothing(self) -> Either:
        return Either(())

    def either(self, *parts: Both | Token) -> Either:
        return Either(tuple(part for part in parts if isinstance(part, Both)))

    def both(self, *parts: Piece | Token) -> Both:
        for compared, comma, word in zip(parts, parts[1:], parts[2:], strict=False):
            _check_thousands(compared, comma, word)
        return Both(parts)

    # --- around terms
    def bracketed(self, opening: Token, inside: Either, closing: Token) -> Piece:
        for piece in inside.pieces:
            if piece.directive:
                raise _misplaced(piece, f"{piece.directive.name}: belongs to the whole query, not into brackets.")
            if piece.without:
                raise _misplaced(piece, "A ~ belongs to plain speech, not into brackets.", instead=None)
        depth = 1 + max((piece.depth for piece in inside.pieces), default=0)
        start, end = _place(opening, closing)
        if depth > DEPTH:
            raise Mistake(f"At most {DEPTH} brackets may stand inside each other.", start, end)
        notes = tuple(note for piece in inside.pieces for note in piece.notes)
        return Piece(start, end, inside.node, is_bracket=True, depth=depth, notes=notes)

    def negated(self, sign: Token, piece: Piece) -> Piece:
        start, end = _place(sign)[0], piece.end
        if piece.directive:
            raise Mistake(f"{piece.directive.name}: cannot be left out by a {sign}.", start, end, "")
        if piece.without:
            raise Mistake(f"{sign} and ~ do not go together: {sign}word leaves out all pictures with the word, "
                          "~word takes away what is like it.", start, end, f'{sign}"{piece.without}"')  # fmt: skip
        node = piece.node.part if isinstance(piece.node, Not) else Not(piece.node) if piece.node else None
        return replace(piece, start=start, node=node, is_bracket=False)

    # --- terms
    def phrase(self, token: Token) -> Token:
        if token.type == "UNCLOSED":
            start, end = _place(token)
            instead = f'{token.rstrip()}"' if says(token) else ""
            raise Mistake("This quote is opened and not closed.", start, end, instead)
        return token

    def word(self, token: Token) -> Piece:
        start, end = _place(token)
        text = token.lower() if token in ("AND", "OR", "NOT") else str(token)  # they joined nothing where they stood
        if not says(text):
            return Piece(start, end, notes=(_nothing_said(text),))
        if compared := _COMPARED.fullmatch(text):
            _check_compared(compared, start, end)
        stem = text.rstrip("*")
        if "*" in stem:
            return _tag_piece(text, start, end, (f"“{text}” was looked for among the names of tags only.",))
        notes = (f"“{text}” is one word; && means and.",) if _AND.fullmatch(text) else ()
        return Piece(start, end, Word(stem + "*" * (stem != text)), notes=notes)

    def words(self, token: Token) -> Piece:
        start, end = _place(token)
        text = _unquoted(token)
        if not says(text):
            return Piece(start, end, notes=(_nothing_said(text or str(token)),))
        return Piece(start, end, Word(text, phrase=True))

    def field(self, name: Token, value: Token) -> Piece:
        start, end = _place(name, value)
        found = re.match(r"([\w.-]+)\s*:?\s*([=!<>]*)", name)
        assert found
        read = read_term(Term(found[1], found[2], _unquoted(value), value.type == "PHRASE", start, end))
        return Piece(start, end, directive=read) if isinstance(read, Directive) else Piece(start, end, read)

    def named(self, name: Token, value: Token) -> Piece:
        start, end = _place(name, value)
        text = f"{name}{_unquoted(value)}"
        if re.match("(?i)https?://", text):
            source = read_term(Term("source", "", text, value.type == "PHRASE", start, end))
            assert not isinstance(source, Directive)
            return Piece(start, end, source, notes=("An address is looked for among the sources.",))
        if likely := meant(name[:-1], "", _unquoted(value)):
            sentence = f"There is no field “{name[:-1]}”. For a tag of that name write tag:{text}."
            raise Mistake(sentence, start, end, likely)
        return _tag_piece(text, start, end)

    def without(self, sign: Token, words: Token) -> Piece:
        start, end = _place(sign, words)
        text = _unquoted(words)
        if not says(text):
            return Piece(start, end, notes=(_nothing_said(str(sign)),))
        return Piece(start, end, without=text)


def _place(first: Token, last: Token | None = None) -> tuple[int, int]:
    last = first if last is None else last
    assert first.start_pos is not None
    assert last.end_pos is not None
    return first.start_pos, last.end_pos


def _unquoted(token: Token) -> str:
    return str(token)[1:-1].strip() if token.type == "PHRASE" else str(token)


def _misplaced(piece: Piece, sentence: str, instead: str | None = "") -> Mistake:
    return Mistake(sentence, piece.start, piece.end, instead)


def _tag_piece(text: str, start: int, end: int, notes: tuple[str, ...] = ()) -> Piece:
    try:
        return Piece(start, end, Tagged(tag_name(text)), notes=notes)
    except WordError as error:
        raise Mistake(str(error), start, end) from error


def _check_compared(word: re.Match[str], start: int, end: int) -> None:
    """Of a word with a comparison in it, which is a field that is not known."""
    name, op, value = word.groups()
    likely = meant(name, op, value)
    if likely or value[0].isdecimal():
        raise Mistake(f"There is no field “{name}” that can be compared.", start, end, likely or None)


def _check_thousands(compared: Piece | Token, comma: Piece | Token, word: Piece | Token) -> None:
    """width>2,000 would ask for the word 000."""
    if not (isinstance(compared, Piece) and isinstance(comma, Token) and isinstance(word, Piece)):
        return
    digits, is_close = word.word, (compared.end, word.start) == (comma.start_pos, comma.end_pos)
    if isinstance(compared.node, Compare) and is_close and re.fullmatch("[0-9]{3}", digits):
        sentence = f"Write a number without commas; or, if {digits} is a word, a room before it."
        raise Mistake(
            sentence, compared.start, word.end, f"{compared.node.field}{compared.node.op}{compared.node.value}{digits}"
        )


def _nothing_said(text: str) -> str:
    if text in ("-", "–", "—", "−"):
        return "A dash that stands alone says nothing; -word, without a room, leaves the word out."
    return f"“{text[:20]}” alone says nothing and was left out."

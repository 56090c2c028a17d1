"""What is wrong where the grammar cannot go on, in words."""

from __future__ import annotations

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from search.language.fields import field_called
from search.language.mistakes import Mistake

_NEEDS_MORE = {
    "AND": "Nothing stands after this “&&”.",
    "OR": "Nothing stands after this “||”.",
    "NOT": "Nothing that could be left out stands after this “!”.",
    "DASH": "Nothing that could be left out stands after this dash.",
    "TILDE": "After ~ stands a word, or a phrase in quotes.",
}


def explained(error: UnexpectedInput, text: str) -> Mistake:
    """The mistake of this text at the place where the parser stopped."""
    if isinstance(error, UnexpectedCharacters):
        at = error.pos_in_stream or 0
        return Mistake(f"“{text[at]}” makes no sense here.", at, at + 1)
    assert isinstance(error, UnexpectedToken)
    stack = error.interactive_parser.parser_state.value_stack
    before = stack[-1] if stack and isinstance(stack[-1], Token) else None
    opened = [value for value in stack if isinstance(value, Token) and value.type == "OPEN"]
    return _explained(error.token, before, opened, text)


def _explained(token: Token, before: Token | None, opened: list[Token], text: str) -> Mistake:
    """``before``: the token that stands unfinished before it; ``opened``: brackets that wait for their end."""
    is_end = token.type == "$END"
    start, end = (len(text), len(text)) if is_end else (token.start_pos or 0, token.end_pos or 0)
    if before is not None and before.type in ("FIELD", "NAMED"):
        return _without_value(before, token, start, end)
    if before is not None and before.type in _NEEDS_MORE:
        if before.type in ("AND", "OR") and token.type in ("AND", "OR", "COMMA"):
            return Mistake(f"“{text[start:end]}” stands directly after “{_of(before, text)}”.", start, end, "")
        return Mistake(_NEEDS_MORE[before.type], *_place(before), "")
    if is_end and opened:
        first, last = _place(opened[0])
        closed = "" if before is not None else text[first:] + ")" * len(opened)
        return Mistake(
            "This bracket is opened and not closed.", first, last, closed, until=len(text) if closed else None
        )
    if token.type == "CLOSE":
        if before is not None:
            return Mistake("Nothing stands between these brackets.", _place(before)[0], end, "")
        return Mistake("This bracket closes nothing: none is open.", start, end, "")
    if token.type in ("AND", "OR"):
        return Mistake(f"Nothing stands before this “{text[start:end]}”.", start, end, "")
    return Mistake(f"“{text[start:end]}” makes no sense here.", start, end, "")


def _without_value(field: Token, token: Token, start: int, end: int) -> Mistake:
    first, last = _place(field)
    name = field.rstrip()
    if token.type == "NOT":
        return Mistake(f"The ! stands before the field, as in !{name}x.", first, end, f"!{name}")
    known = field_called(name.rstrip(":=<>! "))
    like = f" Write it like {known.example}." if known else ""
    return Mistake(f"Nothing stands after “{name}”.{like}", first, last, "")


def _place(token: Token) -> tuple[int, int]:
    return token.start_pos or 0, token.end_pos or 0


def _of(token: Token, text: str) -> str:
    return text[slice(*_place(token))].strip()

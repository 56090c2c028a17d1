"""The parts of a query that can be taken out of it one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from search.language import printed
from search.language.printer import term
from search.language.tree import And, Node, Parsed, Word
from search.wording import spoken


def parts_of(parsed: Parsed) -> Iterator[tuple[str, Parsed]]:
    """Each part as it is written, and the query that stays without it. Words of plain speech are not taken apart."""
    for number, part in enumerate(_parts(parsed)):
        yield _said(part), _without(parsed, number)
    for words in parsed.without:
        kept = tuple(each for each in parsed.without if each != words)
        yield printed(Parsed(without=(words,))), replace(parsed, without=kept)
    if parsed.sort:
        yield f"sort:{parsed.sort}", replace(parsed, sort="")
    if parsed.limit is not None:
        yield f"limit:{parsed.limit}", replace(parsed, limit=None)


def _said(part: Node) -> str:
    if isinstance(part, Word):
        return term(part)  # a query of that alone would stand in brackets
    return printed(Parsed(tree=part, rest=part))


def with_letter(parsed: Parsed, letter: Node) -> Parsed:
    """The query of plain speech as one of operators: ``letter`` stands for its words."""
    tree = joined([letter, *_parts(parsed)])
    return Parsed(tree=tree, rest=tree, limit=parsed.limit)


def joined(parts: list[Node]) -> Node | None:
    flat: list[Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, And) else [part]
    return And(tuple(flat)) if len(flat) > 1 else flat[0] if flat else None


def _parts(parsed: Parsed) -> list[Node]:
    if parsed.rest is None:
        return []
    return list(parsed.rest.parts) if isinstance(parsed.rest, And) else [parsed.rest]


def _without(parsed: Parsed, number: int) -> Parsed:
    parts = _parts(parsed)
    rest = joined(parts[:number] + parts[number + 1 :])
    words: list[Node] = list(spoken(parsed))
    return replace(parsed, tree=joined([*words, *([rest] if rest else [])]), rest=rest)

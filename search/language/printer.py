"""A query as it is written: what parse() reads as the same again."""

from __future__ import annotations

from collections.abc import Iterator

from search.language.terms import quoted
from search.language.tree import And, Between, Compare, Fact, Node, Not, Or, Parsed, Tagged, Word


def printed(parsed: Parsed) -> str:
    """In one form, however it was written. It may be longer than parse() reads of a text."""
    return " ".join([*_tree(parsed), *(f'~"{words}"' for words in parsed.without), *_directives(parsed)])


def _tree(parsed: Parsed) -> Iterator[str]:
    tree = parsed.tree
    if tree is None:
        return
    if (parsed.prose or parsed.without) and isinstance(tree, And):
        yield " ".join(map(_node, tree.parts))
    elif not parsed.prose and isinstance(tree, Word) and not tree.field:
        yield f"({_node(tree)})"  # to the letter: without brackets it would be plain speech
    else:
        yield _node(tree)


def _directives(parsed: Parsed) -> Iterator[str]:
    if parsed.sort:
        yield f"sort:{parsed.sort}"
    if parsed.limit is not None:
        yield f"limit:{parsed.limit}"


def _node(node: Node) -> str:
    match node:
        case Or(parts):
            return " || ".join(map(_node, parts))
        case And(parts):
            return " && ".join(f"({_node(part)})" if isinstance(part, Or) else _node(part) for part in parts)
        case Not(part):
            return f"!({_node(part)})" if isinstance(part, And | Or) else f"!{_node(part)}"
        case _:
            return term(node)


def term(node: Word | Tagged | Compare | Between | Fact) -> str:
    """One term as it stands in a query."""
    match node:
        case Word(text, field, phrase):
            said = f'"{text}"' if phrase else text
            return f"{field}:{said}" if field else said
        case Tagged(name):
            return f"tag:{quoted(name)}"
        case Compare(field, op, value):
            return f"{field}{':' if op == '==' else op}{quoted(value)}"
        case Between(field, first, last):
            return f"{field}:{quoted(f'{first}..{last}')}"
        case Fact(field, value):
            return f"{field}:{quoted(value)}"

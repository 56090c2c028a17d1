"""Looking at trees of the query language."""

from __future__ import annotations

from collections.abc import Iterator

from search.language.tree import And, Node, Not, Or, Tagged, Word

ANYTHING = "*"


def leaves(node: Node | None) -> Iterator[Node]:
    """All parts that are neither and, or nor not, from left to right."""
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from leaves(part)
    elif isinstance(node, Not):
        yield from leaves(node.part)
    elif node is not None:
        yield node


def tag_names(node: Node | None) -> set[str]:
    """Of tags, as they were written."""
    return {leaf.name for leaf in leaves(node) if isinstance(leaf, Tagged)}


def words(node: Node | None) -> list[Word]:
    """What is looked for in documents, and may be the name of a tag: each once, from left to right."""
    return list(dict.fromkeys(leaf for leaf in leaves(node) if isinstance(leaf, Word)))


def askable(text: str) -> bool:
    """A database can be asked for it: no NUL, no half of a character."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)

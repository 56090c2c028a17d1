"""What implies what: all implications as edges (tag, implied), and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable

from gallery.models import TagImplication

Edge = tuple[int, int]


def edges() -> set[Edge]:
    return set(TagImplication.objects.values_list("tag_id", "implied_id"))


def implied_by(start: int, all_edges: Iterable[Edge]) -> set[int]:
    """All that a tag implies, without itself."""
    following: dict[int, list[int]] = {}
    for tag, implied in all_edges:
        following.setdefault(tag, []).append(implied)
    found: set[int] = set()
    waiting = [start]
    while waiting:
        fresh = set(following.get(waiting.pop(), ())) - found
        found |= fresh
        waiting += fresh
    return found


def implying(start: int, all_edges: Iterable[Edge]) -> set[int]:
    """All that imply a tag, without itself."""
    return implied_by(start, [(implied, tag) for tag, implied in all_edges])


def loops(tag: int, implied: int, all_edges: Iterable[Edge]) -> bool:
    """With this implication a tag would imply itself."""
    return tag == implied or tag in implied_by(implied, all_edges)

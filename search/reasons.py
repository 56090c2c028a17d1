"""Why nothing was found: which part of a query removed everything, and what may have been meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from gallery.models import Image
from search.compiler import Compiler
from search.compiling.budget import TooSlow, within
from search.compiling.contradictions import contradictions
from search.compiling.facts import Reader
from search.compiling.names import has_wildcard, is_anything
from search.compiling.nearest import nearest_tags
from search.language import printed
from search.language.tree import And, Node, Not, Or, Parsed, Tagged, Word

MOST_COUNTED, MOST_PARTS, MOST_UNKNOWN, MILLISECONDS = 10_000, 12, 4, 500
_LONGEST = 80


@dataclass
class _Lacking:
    """Leaves that are unknown."""

    wanted: list[Tagged | Word] = field(default_factory=list)
    """A picture must have them: each removes everything."""
    others: list[Tagged | Word] = field(default_factory=list)
    """It need not."""


@dataclass(frozen=True)
class Reason:
    sentence: str
    query: str = ""
    """A corrected query to link to, or ""."""
    offer: str = ""
    """What the link says: the name that may have been meant, or what is left out."""


def why_empty(parsed: Parsed, user: Reader) -> list[Reason]:
    """For a query that has found nothing, the most likely reason first; some quick questions to the database, which
    take no longer than MILLISECONDS together.

    QueryError as for the query itself.
    """
    if parsed.tree is None:
        return []
    notes: list[str] = []
    try:
        with within(MILLISECONDS) as go_on:
            look = _Look(parsed, user, go_on)
            notes = look.compiler.notes
            found = look.reasons()
    except TooSlow:
        found = [Reason("It would take too long to find out which part of the query removed everything.")]
    return found + [Reason(note) for note in notes]


class _Look:
    def __init__(self, parsed: Parsed, user: Reader, go_on: Callable[[], None]) -> None:
        self.parsed, self.compiler, self.go_on = parsed, Compiler(parsed.tree, user), go_on
        self.images = Image.objects.visible_to(user).order_by()
        self._known: dict[Node, bool] = {}

    def reasons(self) -> list[Reason]:
        lacking = self._unknown(self.parsed.tree)
        found = [*self.contradictory(), *(self._said_of(leaf) for leaf in lacking.wanted[:MOST_UNKNOWN])]
        hints = dict.fromkeys(leaf for leaf in lacking.others if leaf not in lacking.wanted)
        return (found or list(self.removed_by())) + [
            self._said_of(leaf, is_hint=True) for leaf in list(hints)[:MOST_UNKNOWN]
        ]

    def some(self, node: Node | None) -> bool:
        self.go_on()
        return self.images.filter(self.compiler.condition(node)).exists()

    def count(self, node: Node | None) -> str:
        """In words: "120 pictures match"."""
        self.go_on()
        number = self.images.filter(self.compiler.condition(node)).values("pk")[: MOST_COUNTED + 1].count()
        if number > MOST_COUNTED:
            return f"more than {MOST_COUNTED:,} pictures match"
        return f"{number:,} pictures match" if number != 1 else "1 picture matches"

    # --- the reasons
    def contradictory(self) -> Iterator[Reason]:
        for one, other in list(contradictions(self.parsed.tree))[:MOST_UNKNOWN]:
            yield Reason(
                f"{said(one)} and {said(other)} cannot both be true of a picture.",
                *self._without(other),
            )

    def _unknown(self, node: Node | None) -> _Lacking:
        """Names and words that no picture has."""
        if isinstance(node, Tagged | Word):
            return _Lacking([node] if self._is_unknown(node) else [])
        if not isinstance(node, And | Or):
            return _Lacking()
        each = [self._unknown(part) for part in node.parts]
        wanted = list(dict.fromkeys(leaf for part in each for leaf in part.wanted))
        others = [leaf for part in each for leaf in part.others]
        # What is one of several possibilities removes nothing, as long as one of them is known.
        is_choice = isinstance(node, Or) and not all(part.wanted for part in each)
        return _Lacking([], others + wanted) if is_choice else _Lacking(wanted, others)

    def _is_unknown(self, leaf: Tagged | Word) -> bool:
        if leaf not in self._known and len(self._known) < MOST_PARTS:
            self._known[leaf] = self._is_known(leaf)
        return not self._known.get(leaf, True)

    def _is_known(self, leaf: Tagged | Word) -> bool:
        if isinstance(leaf, Tagged):
            return is_anything(leaf.name) or bool(self.compiler.tags.ids(leaf.name))
        return bool(leaf.field) or self.some(leaf)

    def removed_by(self) -> Iterator[Reason]:
        tree = self.parsed.tree
        parts: list[Node] = list(tree.parts) if isinstance(tree, And) else [tree] if tree else []
        for place, part in enumerate(parts[:MOST_PARTS]):
            before = parts[:place]
            if not self.some(And((*before, part))):
                yield Reason(self._sentence(before, part), *self._without(part))
                return

    def _sentence(self, before: list[Node], part: Node) -> str:
        if not before:
            if not self.some(None):
                return "There are no pictures in the gallery yet."
            return f"No picture matches {said(part)}."
        first = And(tuple(before)) if len(before) > 1 else before[0]
        if not self.some(part):
            return f"No picture matches {said(part)}; {self.count(first)} {said(first)}."
        sentence = f"{self.count(first)} {said(first)} and {self.count(part)} {said(part)}, but none matches both."
        return sentence[0].upper() + sentence[1:]

    # --- corrections
    def _said_of(self, leaf: Tagged | Word, is_hint: bool = False) -> Reason:
        """``is_hint``: something else removed everything, so only what would lead to pictures is offered."""
        if isinstance(leaf, Tagged):
            sentence = f"No tag is {'like' if has_wildcard(leaf.name) else 'called'} “{_short(leaf.name)}”."
        else:
            sentence = f"No picture has a tag or a text with {said(leaf)}."
        self.go_on()
        names = nearest_tags(leaf.name if isinstance(leaf, Tagged) else leaf.text)
        corrected = [(name, self._replaced(leaf, name)) for name in names]
        found = next(((name, query) for name, query in corrected if self._finds(query)), None)
        found = found or (corrected[0] if corrected and not is_hint else None)
        if found is None:
            return Reason(sentence)
        name, query = found
        return Reason(f"{sentence} Did you mean “{name}”?", printed(query), name)

    def _finds(self, query: Parsed) -> bool:
        self.go_on()
        compiler = Compiler(query.tree, self.compiler.user)
        return self.images.filter(compiler.condition(query.tree)).exists()

    def _replaced(self, leaf: Tagged | Word, name: str) -> Parsed:
        """With the other name. A word of plain speech stays one."""
        plain = isinstance(leaf, Word) and name.isalnum()
        other: Node = replace(leaf, text=name) if plain and isinstance(leaf, Word) else Tagged(name)
        prose = self.parsed.prose
        if isinstance(leaf, Word) and prose:
            words = [name if word == leaf.text else word for word in prose.split(" ")] if plain else prose.split(" ")
            prose = " ".join(words)
        return replace(self.parsed, tree=_exchanged(self.parsed.tree, leaf, other), prose=prose)

    def _without(self, part: Node) -> tuple[str, str]:
        """(the query without a part of its outermost "and", what to call that); "" if nothing would be left."""
        tree = self.parsed.tree
        if not isinstance(tree, And) or part not in tree.parts or len(tree.parts) < 2:
            return "", ""
        rest = tuple(each for each in tree.parts if each != part)
        if not rest:
            return "", ""
        left = replace(self.parsed, tree=rest[0] if len(rest) == 1 else And(rest))
        return printed(left), f"without {said(part)}"


def said(node: Node) -> str:
    """A part as it is written in a query."""
    if isinstance(node, Word) and not node.field:
        return f"“{_short(node.text)}”"
    return f"“{_short(printed(Parsed(tree=node)))}”"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _exchanged(node: Node | None, leaf: Node, other: Node) -> Node | None:
    if node == leaf:
        return other
    if isinstance(node, And | Or):
        parts = tuple(part for each in node.parts if (part := _exchanged(each, leaf, other)) is not None)
        return replace(node, parts=parts)
    if isinstance(node, Not):
        inner = _exchanged(node.part, leaf, other)
        return node if inner is None else Not(inner)
    return node

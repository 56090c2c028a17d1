"""What the words of a query are to the database: lexemes of its language, and tags of this gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import F, FloatField, Func, Value

from search.compiling.documents import AsQuery
from search.compiling.lexemes import Lexicon
from search.compiling.names import TagBook
from search.language.tree import And, Fact, Node, Or, Parsed, Tagged, Word


@dataclass(frozen=True)
class Wording:
    word: Word
    lexemes: str
    """A tsquery, as PostgreSQL prints it; "" of words that its language does not count, such as "the"."""
    tags: tuple[int, ...] = ()
    """Ids of the tags that are called so."""


class Rank(Func):
    """How well the document of an image answers a tsquery; ``weights`` of D, C, B and A."""

    function = "ts_rank_cd"
    output_field = FloatField()

    def __init__(self, weights: Sequence[float], lexemes: str) -> None:
        array = Func(Value(list(weights)), template="%(expressions)s::real[]", output_field=FloatField())
        super().__init__(array, F("document"), AsQuery(lexemes))


def worded(words: Sequence[Word], tags: TagBook, lexicon: Lexicon | None = None) -> list[Wording]:
    """One statement, however many words there are. ``tags`` and ``lexicon``: all of them were looked up there."""
    lexicon = lexicon or Lexicon(words)
    return [Wording(word, lexicon.lexemes(word), () if word.field else tags.ids_of_word(word.text)) for word in words]


# --- of a tree
def spoken(parsed: Parsed) -> tuple[Word, ...]:
    """The words and phrases of its prose."""
    if not parsed.prose:
        return ()
    parts = parsed.tree.parts if isinstance(parsed.tree, And) else (parsed.tree,)
    return tuple(part for part in parts if isinstance(part, Word) and not part.field)


def wanted(node: Node | None) -> Iterator[Word | Tagged | Fact]:
    """The leaves that an answer may show: what is under a "not" is in none."""
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from wanted(part)
    elif isinstance(node, Word | Tagged | Fact):
        yield node

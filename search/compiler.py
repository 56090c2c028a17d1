"""A query as one condition of the database: what search/language/tree.py can say, asked of PostgreSQL.

Names of tags become ids and words are looked at once for the whole query; what is left is a condition on columns that
have an index: Image.tag_ids, Image.document, Image.colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q

from gallery.models import ImageSource, ImageTag
from search.compiling.budget import TooSlow, within
from search.compiling.collected import in_collection
from search.compiling.documents import WEIGHTS, document_has
from search.compiling.facts import Reader, fact, require_few_similar, similar, source_of
from search.compiling.lexemes import Lexicon
from search.compiling.names import TagBook, is_anything
from search.compiling.numbers import CONFIDENCE, compared, sure
from search.compiling.walk import askable, tag_names, words
from search.errors import QueryError
from search.language.tree import And, Between, Compare, Fact, Node, Not, Or, Tagged, Word

if TYPE_CHECKING:
    from search.ocr_words import Fuzzy

NOTHING = Q(pk__in=[])
_LOOK_UPS = {"similar": similar, "collection": in_collection}
"""Facts that ask the database right away."""
_TOO_COMMON = "“{}” is too common a word to be looked for."
_FEW = 1_000
"""Pictures that are named by their ids."""
_MOST_FOLDERS, _LOOK_UP_MILLISECONDS = 8, 500
"""So many names of folders are looked up before a query is asked, and no longer for each look."""


def compiled(node: Node | None, user: Any) -> Q:
    """The condition on images; always beside ``visible_to(user)``. QueryError for what this user cannot ask.

    ``user``: a Reader; or None where nothing but tags is asked, and no name of one is told."""
    return compile_query(node, user).condition


@dataclass(frozen=True)
class Compiled:
    condition: Q
    notes: list[str] = field(default_factory=list)
    """Sentences for the reader: what was left out."""


def compile_query(node: Node | None, user: Reader) -> Compiled:
    compiler = Compiler(node, user)
    return Compiled(compiler.condition(node), compiler.notes)


class Compiler:
    """For a query and any part of it: what was looked up once is kept."""

    def __init__(self, node: Node | None, user: Reader) -> None:
        self.user = user
        require_few_similar(node)
        asked = words(node)
        self.tags = TagBook(tag_names(node), [word.text for word in asked if not word.field], user)
        self.lexicon = Lexicon(asked)
        self._looked_up: dict[Node, Q] = {}
        self._folders_left = _MOST_FOLDERS
        stops = dict.fromkeys(word.text for word in asked if self.is_ignored(word))
        self.notes = [*self.tags.notes, *(_TOO_COMMON.format(text) for text in stops)]

    def condition(self, node: Node | None) -> Q:
        """An empty one, which holds for all, if nothing is left to ask."""
        found = None if node is None else self._of(node, Sureness())
        return Q() if found is None else found

    def is_ignored(self, node: Node) -> bool:
        """A word of every text, which nobody else means by a tag."""
        if not isinstance(node, Word) or (not node.field and self.tags.ids_of_word(node.text)):
            return False
        return node.field in ("", *WEIGHTS) and node.field != "ocr" and self.lexicon.is_stop(node)

    def _of(self, node: Node, sureness: Sureness) -> Q | None:
        """None for what is ignored: neither more nor fewer pictures are found by it."""
        if isinstance(node, And):
            return self._all(node, sureness)
        if isinstance(node, Or):
            return self._any(node, sureness)
        if isinstance(node, Not):
            inner = self._of(node.part, sureness)
            return None if inner is None else ~inner
        return None if self.is_ignored(node) else self._leaf(node, sureness)

    def _all(self, node: And, sureness: Sureness) -> Q | None:
        asked = tuple(part for part in node.parts if isinstance(part, Compare | Between) and _is_confidence(part))
        rest = [part for part in node.parts if part not in asked]
        sureness = Sureness(asked) if asked else sureness
        found = [each for part in rest if (each := self._of(part, sureness)) is not None]
        if asked and not any(self._names_tag(part) for part in rest):
            found.append(_some_tag(sureness))
        return reduce(and_, found) if found else None

    def _any(self, node: Or, sureness: Sureness) -> Q | None:
        plain = [] if sureness else [part for part in node.parts if isinstance(part, Tagged)]
        plain = [part for part in plain if not is_anything(part.name)]
        rest = [part for part in node.parts if part not in plain]
        found = [each for part in rest if (each := self._of(part, sureness)) is not None]
        if plain:  # one look into the index for all of them
            found.append(_has_one({pk for part in plain for pk in self.tags.ids(part.name)}))
        return reduce(or_, found) if found else None

    def _names_tag(self, node: Node) -> bool:
        """A tag is asked for, which the confidence beside it is about."""
        if isinstance(node, And | Or):
            return any(self._names_tag(part) for part in node.parts)
        if isinstance(node, Word):
            return not node.field and bool(self.tags.ids_of_word(node.text))
        return isinstance(node, Tagged)

    def _leaf(self, node: Node, sureness: Sureness) -> Q:
        if isinstance(node, Tagged):
            return self._tagged(node.name, sureness)
        if isinstance(node, Word):
            return self._word(node, sureness)
        if isinstance(node, Compare | Between):
            return _some_tag(Sureness((node,))) if _is_confidence(node) else compared(node)
        if isinstance(node, Fact):
            look_up = _LOOK_UPS.get(node.field)
            return self._once(node, lambda: look_up(node, self.user)) if look_up else fact(node, self.user)
        raise QueryError("This part of the query cannot be asked.")

    def _once(self, node: Node, look_up: Callable[[], Q]) -> Q:
        """Of what asks the database right away."""
        if node not in self._looked_up:
            self._looked_up[node] = look_up()
        return self._looked_up[node]

    def _tagged(self, name: str, sureness: Sureness) -> Q:
        if is_anything(name):
            return _some_tag(sureness) if sureness else ~Q(tag_ids=[])
        return self._called(self.tags.ids(name), sureness)

    def _called(self, ids: tuple[int, ...], sureness: Sureness) -> Q:
        found = _has_one(set(ids))
        return found & _some_tag(sureness, self.tags.with_implying(ids)) if sureness and ids else found

    def _word(self, word: Word, sureness: Sureness) -> Q:
        if not askable(word.text):
            return NOTHING
        if word.field in ("author", "license"):
            column = "author" if word.field == "author" else "licence"
            return source_of(None, ~Q(**{column: ""}), **{f"{column}__icontains": word.text.rstrip("*")})
        if word.field == "ocr":
            return self._once(word, lambda: self._inside(word))
        if word.field and word.field not in WEIGHTS:
            raise QueryError(f"“{word.field[:40]}:” cannot be asked.")
        if word.field == "source":
            return self._in_document(word) | self._source(word)
        tags = () if word.field else self.tags.ids_of_word(word.text)
        if not tags:
            return self._in_document(word)
        # Beside a confidence a word that is a tag means the tag: nobody is sure of a title.
        tag = self._called(tags, sureness)
        return tag if sureness else tag | self._in_document(word)

    def _inside(self, word: Word) -> Q:
        from search.ocr_words import ocr_condition

        return ocr_condition(word.text, word.phrase, self._alike)

    @cached_property
    def _alike(self) -> Fuzzy:
        from search.ocr_words import ALIKE_ENOUGH, Fuzzy

        return Fuzzy(ALIKE_ENOUGH)

    def _in_document(self, word: Word) -> Q:
        if not word.phrase and "*" in word.text.rstrip("*"):
            return NOTHING  # documents are kept by whole words
        lexemes = self.lexicon.lexemes(word)
        return document_has(lexemes, WEIGHTS.get(word.field, "")) if lexemes else NOTHING

    def _source(self, word: Word) -> Q:
        """Its kind, and for the staff its folder, which is not in the document."""
        # An "or" with a subquery keeps PostgreSQL from its index of the documents: none where nothing is there for it.
        kinds = [kind for kind in self._kinds if kind.lower() == word.text.lower()]
        found = source_of(self.user, kind__in=kinds) if kinds else NOTHING
        if not getattr(self.user, "is_staff", False):
            return found
        return found | self._once(word, lambda: self._in_folder(word.text.rstrip("*")))

    @cached_property
    def _kinds(self) -> list[str]:
        try:
            with within(_LOOK_UP_MILLISECONDS):
                return list(ImageSource.objects.order_by().values_list("kind", flat=True).distinct())
        except TooSlow:
            return ImageSource.Kind.values

    def _in_folder(self, text: str) -> Q:
        rows = ImageSource.objects.visible_to(self.user).filter(kind=ImageSource.Kind.FOLDER, address__icontains=text)
        if self._folders_left > 0:
            self._folders_left -= 1
            try:
                with within(_LOOK_UP_MILLISECONDS):
                    ids = set(rows.values_list("image", flat=True)[: _FEW + 1])
                if len(ids) <= _FEW:
                    return Q(pk__in=ids)
            except TooSlow:
                self._folders_left = 0
        return source_of(self.user, kind=ImageSource.Kind.FOLDER, address__icontains=text)


@dataclass(frozen=True)
class Sureness:
    """What is asked of the confidence of tags; nothing if it is empty."""

    parts: tuple[Compare | Between, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def condition(self) -> Q:
        return reduce(and_, (sure(part) for part in self.parts), Q())


def _is_confidence(node: Node) -> bool:
    return isinstance(node, Compare | Between) and node.field == CONFIDENCE


def _has_one(ids: set[int]) -> Q:
    if not ids:
        return NOTHING
    return Q(tag_ids__contains=list(ids)) if len(ids) == 1 else Q(tag_ids__overlap=sorted(ids))


def _some_tag(sureness: Sureness, ids: tuple[int, ...] | None = None) -> Q:
    """Somebody gave it a tag (one of ``ids``) and was so sure."""
    rows = ImageTag.objects.filter(sureness.condition, image=OuterRef("pk"), shown=True)
    return Q(Exists(rows if ids is None else rows.filter(tag__in=ids)))

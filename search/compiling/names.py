"""Names of tags and their other names, looked up once for a whole query."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from django.db.models import F, Lookup, Q, Value

from gallery.models import ImpliedTag, Tag, TagAlias
from gallery.words import WordError, tag_name
from search.compiling.walk import ANYTHING, askable
from search.errors import QueryError

MOST_TAGS = 1_000
"""So many that a pattern stands for; the most common ones."""
MOST_PATTERNS = 30
"""Each is compared with all names: 10 ms for 50,000."""
_AROUND = "?!.,;:…¿¡"
"""A sentence has such signs beside its words."""
_SPECIAL = re.compile(r"([%_\\])")


class Like(Lookup):
    """``name LIKE pattern``: an expression, so that it can stand in any filter."""

    lookup_name = "like"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right}", (*left_params, *right_params)


class TagBook:
    """Which tags are meant by the names of a query. Unknown names mean none."""

    def __init__(self, names: Iterable[str], words: Iterable[str] = (), user: Any = None) -> None:
        """``names`` are patterns, ``words`` those of a text, of which only a * at the end stands for other letters.
        ``user``: who is not told of tags that only others' private pictures have; None: what is found by them is
        nobody's business either."""
        self._user = user
        self._implying: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.notes: list[str] = []
        written = {name: spellings(name) for name in names if askable(name)}
        _require_few(name for name in written if has_wildcard(name))
        spoken = {word: _of_word(word) for word in words if askable(word)}
        exact = self._exact({each for forms in (*written.values(), *spoken.values()) for each in forms})
        self._ids = {
            name: self._meant(forms, exact, like_pattern if has_wildcard(name) else None)
            for name, forms in written.items()
            if not is_anything(name)
        }
        beginnings = [word for word in spoken if is_beginning(word)]
        if len(beginnings) > MOST_PATTERNS:
            self.notes.append(f"Only the first {MOST_PATTERNS} words with * were looked for among the names of tags.")
        looked_up = set(beginnings[:MOST_PATTERNS])
        self._of_words = {
            word: self._meant(forms, exact, _like_beginning if word in looked_up else None)
            for word, forms in spoken.items()
        }

    def ids(self, name: str) -> tuple[int, ...]:
        """Rising; empty for a name that no tag has."""
        return self._ids.get(name, ())

    def ids_of_word(self, word: str) -> tuple[int, ...]:
        """Of tags that are called as a word of a text."""
        return self._of_words.get(word, ())

    def _meant(
        self, forms: list[str], exact: dict[str, set[int]], like: Callable[[str], str] | None
    ) -> tuple[int, ...]:
        ids: set[int] = set()
        for form in forms:
            ids |= set(self._pattern(form, like(form))) if like else exact.get(form, set())
        return tuple(sorted(ids))

    def with_implying(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """The tags and all that imply one of them."""
        if ids not in self._implying:
            implying = ImpliedTag.objects.filter(implied__in=ids).values_list("tag", flat=True)
            self._implying[ids] = tuple(sorted({*ids, *implying}))
        return self._implying[ids]

    def _pattern(self, name: str, pattern: str) -> list[int]:
        meant = Q(Like(F("name"), Value(pattern)))
        aliased = TagAlias.objects.filter(meant).values("tag")
        tags = Tag.objects.filter(meant | Q(pk__in=aliased)).order_by("-count", "name")
        found = list(tags.values_list("pk", flat=True)[: MOST_TAGS + 1])
        if len(found) > MOST_TAGS:
            self.notes.append(f"More than {MOST_TAGS:,} tags are like “{name}”: only the most common ones were asked.")
        hidden = self._hidden(found)
        return [pk for pk in found[:MOST_TAGS] if pk not in hidden]

    def _exact(self, names: set[str]) -> dict[str, set[int]]:
        """{name: ids}"""
        found = _exact(names)
        hidden = self._hidden(set().union(*found.values()))
        return {name: ids - hidden for name, ids in found.items()}

    def _hidden(self, ids: Collection[int]) -> set[int]:
        if self._user is None or not ids:
            return set()
        return set(Tag.objects.filter(pk__in=ids, count__lte=0).hidden_from(self._user).values_list("pk", flat=True))


def _require_few(patterns: Iterable[str]) -> None:
    if sum(1 for _ in patterns) > MOST_PATTERNS:
        raise QueryError(f"At most {MOST_PATTERNS} names with * or ? can be asked for at once.")


def has_wildcard(name: str) -> bool:
    return "*" in name or "?" in name


def is_beginning(word: str) -> bool:
    return word.endswith("*") and not is_anything(word)


def is_anything(name: str) -> bool:
    return bool(name) and not name.strip(ANYTHING)


def like_pattern(name: str) -> str:
    """``sea*`` -> ``sea%``; what LIKE reads in another way is escaped."""
    return _SPECIAL.sub(r"\\\1", name).replace("*", "%").replace("?", "_")


def _like_beginning(word: str) -> str:
    return _SPECIAL.sub(r"\\\1", word.rstrip("*")) + "%"


def spellings(name: str) -> list[str]:
    """As tags are kept; where a space cannot be written, people write snow_field."""
    try:
        kept = tag_name(name)
    except WordError:
        return []
    return list(dict.fromkeys([kept, kept.replace("_", " "), kept.replace(" ", "_")]))


def _of_word(word: str) -> list[str]:
    """A word, as it stands in a text, may have a sign after it."""
    bare = word.strip(_AROUND)
    return list(dict.fromkeys([*spellings(word), *(spellings(bare) if bare else [])]))


def _exact(names: set[str]) -> dict[str, set[int]]:
    """{name: ids}"""
    found: dict[str, set[int]] = {}
    rows = Tag.objects.filter(name__in=names).values_list("name", "pk")
    for name, pk in rows.union(TagAlias.objects.filter(name__in=names).values_list("name", "tag")) if names else ():
        found.setdefault(name, set()).add(pk)
    return found

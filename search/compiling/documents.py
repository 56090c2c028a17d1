"""Words in the documents of images: titles, captions, sources and the text inside the picture, as one tsvector."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import F, Func, Lookup, Q

WEIGHTS = {"title": "a", "caption": "b", "source": "c", "ocr": "d"}


class AsQuery(SearchQuery):
    """A tsquery of its printed form, as search/compiling/lexemes.py reads it."""

    template = "%(expressions)s::tsquery"


class Matches(Lookup):
    """``tsvector @@ tsquery``"""

    lookup_name = "matches"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} @@ {right}", (*left_params, *right_params)


class Filtered(Func):
    """What a document has of one weight, "a" to "d"."""

    function = "ts_filter"
    template = "%(function)s(%(expressions)s, '{%(weight)s}')"
    output_field = SearchVectorField()


def document_has(lexemes: str, weight: str = "") -> Q:
    """The words of a tsquery stand in the titles, the captions, the sources or the text in the picture, all in one of
    them; ``weight`` "a" to "d": only there."""
    asked = AsQuery(lexemes)
    anywhere = Q(Matches(F("document"), asked))
    if not weight and "<" not in lexemes:
        return anywhere
    places = Q()
    for each in weight or WEIGHTS.values():
        places |= Q(Matches(Filtered(F("document"), weight=each), asked))
    return anywhere & places  # the index knows words, not where they stand

"""The page about the query language: examples to try, and all that can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from search.language.fields import FIELDS, Field


@dataclass(frozen=True)
class Example:
    query: str
    means: str

    @property
    def address(self) -> str:
        return f"{reverse('search')}?{urlencode({'q': self.query})}"


COMBINED = (
    Example("winter && forest", "both; beside fields a space or a comma is enough"),
    Example("forest || field", "one of them, or both"),
    Example("winter && !forest", "one without the other; so does -forest"),
    Example("winter && (forest || field)", "brackets say what belongs together"),
    Example("winter AND NOT forest", "the words in capitals, where the rest is not in capitals"),
    Example('"red car" || "blue car"', "quotes: these words, side by side"),
    Example("light*", "any ending: light, lights, lighthouse"),
    Example("tag:*house", "in the names of tags, * and ? stand for letters anywhere"),
)
SPEECH = (
    Example("a red car in the snow", "what it looks like, and its words; the best first"),
    Example("a red car -snow", "no picture with this word"),
    Example("a red car ~snow", "what looks less like it: the meaning is taken away"),
    Example("a red car width>=1920 added:1y", "only large ones that came in the last year"),
)
COMPARED = (
    Example("width>=1920", "at least so much; >, <, <=, = and != go as well"),
    Example("width:1000..2000", "from the one to the other; 1000.. and ..2000 have one end"),
    Example("ratio:16:9", "also 16/9 and 1.78"),
    Example("pixels>12mp", "also 2M, or 1920x1080"),
    Example("bytes<500kb", "also 2MB"),
    Example("date:2023..2024", "also 2024-05 and 2024-05-17"),
    Example("added:7d", "since then: 7d, 3w, 2m or 1y; also today and yesterday"),
    Example("confidence>80%", "also 0.8"),
)


@require_safe
def syntax(request: HttpRequest) -> HttpResponse:
    """How to ask, with everything that can be clicked."""
    context = {"speech": SPEECH, "combined": COMBINED, "compared": COMPARED, "rows": [_row(each) for each in FIELDS]}
    return render(request, "search/syntax.html", context)


def _row(field: Field) -> tuple[Field, Example]:
    return field, Example(field.example, field.sentence)

"""What a page shows of an answer: cards under headings that say what was proven, and outlines on the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gallery.justified import ratio_class
from search.drawing import Outline, frame, largest_first, outlines, polygon
from search.engines._base import Grade
from search.language.tree import Parsed
from search.marks import Mark, marks_of, misspelt
from search.retrieval import MISSPELT, WORDS, Found
from search.wording import wanted

AT_ONCE = 12
"""More outlines than these are shown on demand."""
RELATIONS = ("part", "whole", "overlap")


@dataclass
class Card:
    found: Found
    number: int | None = None
    """Of its outline on the query."""
    marks: list[Mark] = field(default_factory=list)
    """Where it holds the words that were asked for."""

    # Words, not numbers: a template looks up how each number is written here.
    @property
    def pk(self) -> str:
        return str(self.found.match.image_id)

    @property
    def percent(self) -> str:
        return str(self.found.percent)

    @property
    def size(self) -> str:
        return f"{self.found.image.width} × {self.found.image.height}"

    @property
    def why(self) -> str:
        """The evidence, without what its marks show already."""
        return self.found.evidence_but({WORDS, MISSPELT}) if self.marks else self.found.evidence

    @property
    def lacks(self) -> list[str]:
        """Words that were asked for, of which it has only others."""
        hit = self.found.match.hits.get(WORDS)
        return hit.evidence.get("lacks", []) if hit and self.found.match.weak else []

    @property
    def relation(self) -> str:
        """What the query is to the image, as geometry.Alignment says it; "" where nothing was proven by geometry."""
        return self.found.alignment["relation"] if self.found.alignment else ""

    @property
    def view_box(self) -> str:
        return "0 0 {} {}".format(*self._frame)

    @property
    def outline(self) -> str:
        """Of the query on the image, for an SVG polygon; "" where the query shows the whole image."""
        if self.relation not in ("part", "overlap"):
            return ""
        assert self.found.alignment
        return polygon(self.found.alignment["in_match"], self._frame)

    @property
    def _frame(self) -> tuple[int, int]:
        return frame(self.found.image.width, self.found.image.height)


@dataclass
class Section:
    """Cards under one heading."""

    grade: Grade
    relation: str
    cards: list[Card]
    total: int = 0
    """On all pages."""

    @property
    def name(self) -> str:
        """Of the element in the page; the first one of a grade can be linked to by its number."""
        return f"{self.grade.value}-{self.relation}" if self.relation in RELATIONS[1:] else f"{self.grade.value}"


@dataclass
class Outlined:
    """The query with the outlines of the images that it contains, each with its card."""

    width: int
    height: int
    outlines: list[tuple[Outline, Card]] = field(default_factory=list)
    """In the order of painting."""

    @property
    def ratio_class(self) -> str:
        return ratio_class(self.width, self.height)

    def __len__(self) -> int:
        return len(self.outlines)

    @property
    def crowded(self) -> bool:
        return len(self.outlines) > AT_ONCE


def mark(cards: Sequence[Card], parsed: Parsed) -> None:
    """Say on each card where the picture holds what the query asks for."""
    marks = marks_of([card.found.image.pk for card in cards], wanted(parsed.tree))
    for card in cards:
        card.marks = marks.get(card.found.image.pk, [])
        hit = card.found.match.hits.get(MISSPELT)
        if hit:
            card.marks = [*card.marks, *misspelt(hit.evidence["wrote"], hit.evidence["read"], card.marks)]


def sections(found: Sequence[Found], totals: Sequence[Found]) -> list[Section]:
    """The found ones of one page, by grade and, where geometry says it, by relation; ``totals``: of all pages."""
    counted = Counter(map(_heading, totals))
    below: dict[tuple[Grade, int], list[Card]] = {}
    for one in found:
        below.setdefault(_heading(one), []).append(Card(one))
    return [Section(key[0], RELATIONS[key[1]], below[key], counted[key]) for key in sorted(below)]


def _heading(found: Found) -> tuple[Grade, int]:
    """The grade, and the place in RELATIONS."""
    grade = found.match.grade
    relation = Card(found).relation if grade == Grade.CONTAINS else ""
    return grade, RELATIONS.index(relation) if relation in RELATIONS else 0


def outlined(cards: Iterable[Card], width: int, height: int, relations: Sequence[str] = RELATIONS[1:]) -> Outlined:
    """Number the cards whose image is contained in the query (a picture of this size in pixels)."""
    chosen = [card for card in cards if card.relation in relations]
    size = frame(width, height)
    polygons: list[Any] = [card.found.alignment["in_query"] for card in chosen if card.found.alignment]
    drawn = outlines(polygons, size)
    for outline, card in zip(drawn, chosen, strict=True):
        card.number = outline.number
    painted = [(outline, chosen[outline.number - 1]) for outline in largest_first(drawn, polygons)]
    return Outlined(*size, painted)

"""A candidate as a moderator is shown it: every verdict with its scores, and what it is like."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gallery.models import Image
from ingestion.cut_offs import lines_of
from ingestion.filters import all_filters, all_scores
from ingestion.filters._base import Outcome, Score
from ingestion.judgement import beyond, passes
from ingestion.likeness import Likeness
from ingestion.models import Candidate, DecisionStep
from ingestion.moderation import OPEN_TO, Action, is_stuck
from ingestion.sources import all_crawlers
from ingestion.unjudged import SENTENCE, WORD, is_unjudged

State = Candidate.State

SHOWN = 3
"""Duplicates on a card; the page of the candidate shows all."""
REASONS = (
    "Does not fit",
    "Watermark or logo",
    "Poor quality",
    "Is here already",
    "No right to show it",
    "Offensive",
    "Made by a machine",
)
UNJUDGED = "unjudged"
WORDS = {Outcome.PASS: "passes", Outcome.HOLD: "in doubt", Outcome.REJECT: "rejects", UNJUDGED: WORD}


@dataclass(frozen=True)
class Bar:
    """A score beside its line, drawn from 0 to 100."""

    score: Score | None
    name: str
    value: float
    cut_off: float | None = None

    @property
    def label(self) -> str:
        return self.score.label if self.score else self.name

    @property
    def about(self) -> str:
        return self.score.about if self.score else ""

    @property
    def at(self) -> float:
        return self._place(self.value)

    @property
    def line(self) -> float | None:
        return None if self.cut_off is None else self._place(self.cut_off)

    @property
    def is_beyond(self) -> bool:
        """On the wrong side of its line."""
        return bool(self.score and self.cut_off is not None and not passes(self.score, self.value, self.cut_off))

    @property
    def words(self) -> str:
        """ "0.72", "12.4", "1,840"."""
        return number(self.value)

    @property
    def line_words(self) -> str:
        """ "passes from 0.5 on"."""
        if self.score is None or self.cut_off is None:
            return "no line"
        side = "from {} on" if self.score.good == "high" else "up to {}"
        return f"passes {side.format(number(self.cut_off))}"

    def _place(self, value: float) -> float:
        low, high = (self.score.low, self.score.high) if self.score else (0.0, 1.0)
        share = (value - low) / ((high - low) or 1.0)
        return round(100 * min(1.0, max(0.0, share)), 1) if share == share else 0.0


def _besides(sentence: str, bars: Iterable[Bar]) -> str:
    """What a filter says besides what the bars show."""
    for bar in bars:
        if bar.score and bar.is_beyond and bar.cut_off is not None:
            sentence = sentence.replace(beyond(bar.score, bar.value, bar.cut_off), "")
    return " ".join(sentence.split())


def number(value: float) -> str:
    """At most three digits that say something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    words = f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")
    return "0" if words == "-0" else words


def _is_number(value: Any) -> bool:
    """What is none was stored as null; it must not take the page of all others with it."""
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True)
class Ruling:
    """What one filter says."""

    name: str
    label: str
    outcome: str
    """An Outcome, or UNJUDGED."""
    sentence: str
    bars: list[Bar]

    @property
    def word(self) -> str:
        return WORDS[self.outcome]


@dataclass(frozen=True)
class Like:
    """A picture of the gallery that shows the same."""

    likeness: Likeness
    image: Image


@dataclass(frozen=True)
class Card:
    candidate: Candidate
    lines: Mapping[str, tuple[float, str]]
    likes: list[Like]

    @cached_property
    def rulings(self) -> list[Ruling]:
        """In the order of the filters; the strictest is not hidden behind the others by the page."""
        return [self._ruling(verdict) for verdict in self.candidate.verdicts]

    def _ruling(self, verdict: dict[str, Any]) -> Ruling:
        name = verdict.get("filter", "")
        known = all_filters().get(name)
        if is_unjudged(verdict):
            return Ruling(name, known.label if known else name, UNJUDGED, SENTENCE, [])
        outcome = verdict.get("outcome", "hold")
        bars = [self._bar(score, value) for score, value in verdict.get("scores", {}).items() if _is_number(value)]
        return Ruling(
            name,
            known.label if known else name,
            outcome if outcome in set(Outcome) else "hold",
            _besides(verdict.get("sentence", ""), bars),
            bars,
        )

    def _bar(self, name: str, value: float) -> Bar:
        line = self.lines.get(name)
        return Bar(all_scores().get(name), name, float(value), line[0] if line else None)

    @property
    def shown(self) -> list[Like]:
        return self.likes[:SHOWN]

    @property
    def more(self) -> int:
        return len(self.likes) - len(self.shown)

    @property
    def kind(self) -> str:
        """Of its source: "Reddit"."""
        crawler = all_crawlers().get(self.candidate.source.kind)
        return crawler.label if crawler else self.candidate.source.kind

    @property
    def has_thumbnail(self) -> bool:
        """If it was read by Sieve.ordered, without its bytes."""
        drawn = getattr(self.candidate, "drawn", None)
        return bool(self.candidate.thumbnail if drawn is None else drawn)

    @property
    def sides(self) -> tuple[int, int]:
        """Of its thumbnail, in pixels."""
        width, height = max(1, self.candidate.width), max(1, self.candidate.height)
        scale = min(1.0, 320 / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    @property
    def is_web(self) -> bool:
        """Its page, or itself, has an address that a browser may open."""
        return self.address.startswith(("http://", "https://"))

    @property
    def address(self) -> str:
        return self.candidate.page or self.candidate.url

    # --- what can be done
    @property
    def may_accept(self) -> bool:
        state = self.candidate.state
        return state in OPEN_TO[Action.ACCEPT] and (state != State.REJECTED or self.candidate.has_file)

    @property
    def may_reject(self) -> bool:
        return self.candidate.state in OPEN_TO[Action.REJECT]

    @property
    def may_skip(self) -> bool:
        return self.candidate.state in OPEN_TO[Action.SKIP]

    @property
    def may_try_again(self) -> bool:
        return is_stuck(self.candidate)


def cards(candidates: Iterable[Candidate]) -> list[Card]:
    """The images and the lines of all of them are read at once."""
    rows = list(candidates)
    drawn = lines_of(row.source_id for row in rows)
    likes = {row.pk: [Likeness(**one) for one in row.likenesses] for row in rows}
    images = _images(one.image for some in likes.values() for one in some)
    return [
        Card(row, drawn[row.source_id], [Like(one, images[one.image]) for one in likes[row.pk] if one.image in images])
        for row in rows
    ]


def _images(pks: Iterable[int]) -> dict[int, Image]:
    """Also of those in the trash: a picture that was thrown away has been judged before."""
    return Image.objects.filter(private=False).in_bulk(set(pks))


def history(candidate: Candidate) -> list[DecisionStep]:
    """All decisions about it, the newest first."""
    steps = DecisionStep.objects.filter(candidate=candidate)
    return list(steps.select_related("decision__by", "decision__undone_by").order_by("-pk"))

"""Many lists of hits become one list of matches. Pure: no database, no Django."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from search.engines._base import Grade, Hit

RRF_K = 60
"""Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet ...", SIGIR 2009."""


@dataclass(frozen=True)
class Voice:
    """What fusion must know of an engine."""

    weight: float = 1.0
    cutoff: float = 0.5


@dataclass
class Match:
    """What all engines together say of one image."""

    image_id: int
    hits: dict[str, Hit] = field(default_factory=dict)
    """{engine name: its hit}"""
    strong: dict[str, Hit] = field(default_factory=dict)
    """Those of the hits that are certain or reach the cut-off of their engine."""
    rank_score: float = 0.0
    """Weighted reciprocal ranks, only good for ordering."""

    @property
    def weak(self) -> bool:
        return not self.strong

    @property
    def grade(self) -> Grade:
        """The best that any engine claims; a weak hit has no say beside a strong one."""
        return min([hit.grade for hit in (self.strong or self.hits).values()])

    @property
    def certain(self) -> bool:
        return any(hit.certain for hit in self.hits.values())

    @property
    def score(self) -> float:
        """0..1: the best score among the engines that give the match its grade."""
        grade = self.grade
        return max([hit.score for hit in (self.strong or self.hits).values() if hit.grade == grade])


def fuse(answers: Mapping[str, Sequence[Hit]], voices: Mapping[str, Voice]) -> list[Match]:
    """Matches, best first; ``answers`` is {engine name: hits, best first}.

    Strong ones before weak ones; then by grade, so that proof outranks every similarity; inside a grade by proof, then
    by weighted reciprocal ranks. An image that a single engine found is in the list too: a crop is found by one only.
    Hits of one score share a rank: of a thousand pictures with a tag the others say which come first. What is equal
    stays in the order in which it came.
    """
    matches: dict[int, Match] = {}
    for engine, hits in answers.items():
        voice = voices.get(engine, Voice())
        for rank, hit in _ranked(hits):
            match = matches.get(hit.image_id)
            if match is None:
                match = matches[hit.image_id] = Match(hit.image_id)
            match.hits[engine] = hit
            match.rank_score += voice.weight / (RRF_K + rank)
            if hit.certain or hit.score >= voice.cutoff:
                match.strong[engine] = hit
    return sorted(matches.values(), key=_order)


def _ranked(hits: Sequence[Hit]) -> Iterator[tuple[int, Hit]]:
    """From 1; the first of equal ones gives them its rank."""
    rank, score = 0, None
    for place, hit in enumerate(hits, 1):
        if hit.score != score:
            rank, score = place, hit.score
        yield rank, hit


def _order(match: Match) -> tuple[bool, int, bool, float]:
    """Its properties, each hit looked at once: there are hundreds of matches."""
    grade = min([hit.grade for hit in (match.strong or match.hits).values()])
    return not match.strong, grade, True not in [hit.certain for hit in match.hits.values()], -match.rank_score

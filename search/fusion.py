"""Many lists of hits become one list of matches. Pure: no database, no Django."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        return min(hit.grade for hit in (self.strong or self.hits).values())

    @property
    def certain(self) -> bool:
        return any(hit.certain for hit in self.hits.values())

    @property
    def score(self) -> float:
        """0..1: the best score among the engines that give the match its grade."""
        return max(hit.score for hit in (self.strong or self.hits).values() if hit.grade == self.grade)


def fuse(answers: Mapping[str, Sequence[Hit]], voices: Mapping[str, Voice]) -> list[Match]:
    """Matches, best first; ``answers`` is {engine name: hits, best first}.

    Strong ones before weak ones; then by grade, so that proof outranks every similarity; inside a grade by proof, then
    by weighted reciprocal ranks. An image that a single engine found is in the list too: a crop is found by one only.
    """
    matches: dict[int, Match] = {}
    for engine, hits in answers.items():
        voice = voices.get(engine, Voice())
        for rank, hit in enumerate(hits, 1):
            match = matches.setdefault(hit.image_id, Match(hit.image_id))
            match.hits[engine] = hit
            match.rank_score += voice.weight / (RRF_K + rank)
            if hit.certain or hit.score >= voice.cutoff:
                match.strong[engine] = hit
    return sorted(matches.values(), key=_order)


def _order(match: Match) -> tuple[bool, int, bool, float, int]:
    return match.weak, match.grade, not match.certain, -match.rank_score, match.image_id

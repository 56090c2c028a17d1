"""What can be asked about scenes, and how well the answers fit: precision of the first ten, against chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.networks.scenes import COLOURS, COUNTS, LIGHTS, PLACES, SHAPES, Scene, words

FIRST = 10
Asked = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Figures:
    """Means over questions."""

    asked: int
    precision: float
    """Share of the first ten, or of as many as there are to find, that fit."""
    recall: float
    """Share of those to find that are among the first ten; with more than ten it cannot be 1."""
    chance: float
    """Precision of a blind guess."""

    def __str__(self) -> str:
        return f"precision {self.precision:.3f}, recall@{FIRST} {self.recall:.3f}, chance {self.chance:.3f}"


def all_questions() -> dict[str, list[Asked]]:
    """{kind: [(words, what scenes that fit have)]}."""
    return {
        "colour and shape": [_asked(colour=c, shape=s, count=1) for c in COLOURS for s in SHAPES],
        "count": [_asked(shape=s, count=n) for n in COUNTS for s in SHAPES],
        "place": [_asked(colour=c, place=p, count=1) for c in COLOURS for p in PLACES],
        "light": [_asked(colour=c, light=light, count=n) for c in COLOURS for light in LIGHTS for n in COUNTS],
    }


def _asked(**wanted: Any) -> Asked:
    return words(**wanted), wanted


def figures(questions: list[Asked], scenes: list[Scene], scores: Callable[[str], np.ndarray]) -> Figures:
    """``scores``: of all scenes, for some words."""
    found = [np.array(each) for each in _each(questions, scenes, scores)]
    precision, recall, chance = np.mean(found, axis=0)
    return Figures(len(found), float(precision), float(recall), float(chance))


def _each(questions: list[Asked], scenes: list[Scene], scores: Callable[[str], np.ndarray]) -> Iterator[tuple]:
    for text, wanted in questions:
        fits = np.array([scene.has(**wanted) for scene in scenes])
        if fits.any():
            first = np.argsort(-scores(text))[:FIRST]
            best = first[: fits.sum()]
            yield fits[best].mean(), fits[first].sum() / fits.sum(), fits.mean()

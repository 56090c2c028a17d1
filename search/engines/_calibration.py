"""What a cosine means: of one query against a sample of the gallery, of one text against what else could be said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EXPECTED, _SPREAD, _WORTH = 0.5, 0.1, 8
"""Cosines of unrelated pictures, where too few are there to tell: as of so many pictures."""


@dataclass(frozen=True)
class Gallery:
    """The cosines of one query with a sample of the gallery."""

    cosines: np.ndarray
    """(n,), rising."""
    mean: float
    spread: float

    @classmethod
    def of(cls, cosines: np.ndarray, expected: float = _EXPECTED, spread: float = _SPREAD) -> Gallery:
        n = len(cosines)
        mean = (cosines.sum() + _WORTH * expected) / (n + _WORTH)
        squares = ((cosines - mean) ** 2).sum() + _WORTH * (spread**2 + (expected - mean) ** 2)
        return cls(np.sort(cosines), float(mean), float(np.sqrt(squares / (n + _WORTH))))

    def standing(self, cosines: np.ndarray) -> np.ndarray:
        """By how many standard deviations they are above the mean of the gallery."""
        return (cosines - self.mean) / self.spread

    def share_below(self, cosines: np.ndarray) -> np.ndarray:
        """0..1: of the gallery that is farther from the query."""
        return np.searchsorted(self.cosines, cosines) / max(1, len(self.cosines))


BEST = 0.05
"""The share of other texts that fit a picture: a few of two hundred."""


def fit(cosines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How well a text fits each of n pictures: 0 as the mean of other texts, 1 as the best few of them.

    (n,) cosines of the text, (n, m) of the others.
    """
    few = max(1, round(BEST * others.shape[1]))
    best = np.partition(others, -few, axis=1)[:, -few:].mean(1)
    usual = others.mean(1)
    return (cosines - usual) / np.maximum(best - usual, 1e-6)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Of length 1, along the last axis; what is 0 stays 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)

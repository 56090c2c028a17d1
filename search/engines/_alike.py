"""Pictures by the cosine of vectors: what a cosine means in this gallery, and asking again with what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from search.engines._calibration import Gallery
from search.engines._embedding import SAMPLE, as_rows, as_vectors
from search.expansion import expanded
from search.indexes.embedding_index import EmbeddingIndex, cosines

_ROUNDING = 1e-3
"""What float16 leaves in doubt of a cosine."""


@dataclass(frozen=True)
class Scale:
    """From cosines to scores."""

    unrelated: float
    """Standard deviations above the gallery's mean, where the score is 0.5."""
    expected: float
    """Mean and standard deviation of the cosines of different pictures, where too few are there to tell."""
    spread: float

    def gallery(self, sample: np.ndarray, query: np.ndarray) -> Gallery:
        """Mean and spread are those without the nearest: of 40 pictures, one copy would raise the cut-off above it."""
        rising = np.sort((sample @ query).astype(np.float64))
        others = Gallery.of(rising[: len(rising) - 1 - len(rising) // 100], self.expected, self.spread)
        return replace(others, cosines=rising)

    def begins(self, gallery: Gallery) -> float:
        """The cosine whose score is 0.5."""
        return min(0.98, gallery.mean + self.unrelated * gallery.spread)

    def scores(self, near: np.ndarray, gallery: Gallery) -> np.ndarray:
        """0.5 where it stands out enough, 1 for the same vector."""
        begins = self.begins(gallery)
        above = 0.5 + 0.5 * (near - begins) / (1 - begins)
        below = 0.5 * (near - gallery.mean) / max(1e-6, begins - gallery.mean)
        return np.round(np.clip(np.where(near >= begins, above, below), 0, 1), 3)


@dataclass(frozen=True)
class Alike:
    image_id: int
    score: float
    cosine: float
    share: float
    """0..1: of the gallery that is farther from the query."""
    how: str
    """ "" or "mirrored"."""


def alike(
    queries: np.ndarray,
    names: Sequence[str],
    index: EmbeddingIndex,
    k: int,
    among: np.ndarray | None,
    scale: Scale,
    expand: bool,
) -> list[Alike]:
    """The images that are nearest to any of the (m, d) queries, best first.

    ``expand``: the query that finds the nearest one is asked again, moved towards what it has found above the cut-off.
    What this finds has the better of its two scores: nothing that was found before is lost.
    """
    if k <= 0 or not len(index) or not len(queries):
        return []
    sample = index.sample(SAMPLE)
    galleries = [scale.gallery(sample, query) for query in queries]
    ids, near = _search(index, queries, k, among)
    best = _best(ids, near, galleries, names, scale)
    if expand and best:
        first = int(np.argmax(np.where(ids >= 0, near, -1).max(1)))
        again = _again(queries[first], index, ids[first], scale.begins(galleries[first]))
        if again is not queries[first]:
            gallery = scale.gallery(sample, again)
            more = _best(*_search(index, again[None], k, among), [gallery], [names[first]], scale)
            for image, one in more.items():
                best[image] = max(best.get(image, one), one, key=lambda each: each.score)
    return sorted(best.values(), key=lambda one: (-one.score, -one.cosine, one.image_id))[:k]


def _search(
    index: EmbeddingIndex, queries: np.ndarray, k: int, among: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    ids, distances = index.search(as_rows(queries), k, among)
    return ids, cosines(distances).astype(np.float64)


def _best(
    ids: np.ndarray, near: np.ndarray, galleries: Sequence[Gallery], names: Sequence[str], scale: Scale
) -> dict[int, Alike]:
    best: dict[int, Alike] = {}
    for row, gallery in enumerate(galleries):
        there = ids[row] >= 0
        columns = ids[row][there], scale.scores(near[row], gallery)[there], near[row][there]
        shares = gallery.share_below(near[row][there] - _ROUNDING)
        for image, score, cosine, share in zip(*(c.tolist() for c in (*columns, shares)), strict=True):
            if image not in best or score > best[image].score:
                best[image] = Alike(image, score, cosine, share, names[row])
    return best


def _again(query: np.ndarray, index: EmbeddingIndex, ids: np.ndarray, above: float) -> np.ndarray:
    _, rows = index.rows(np.sort(ids[ids >= 0]))
    return expanded(query, as_vectors(rows), above)

"""Vectors that lie as those of CLIP do: images in a narrow cone of clusters, texts far from all of them."""

from __future__ import annotations

import numpy as np


class Space:
    """For 512 numbers: random pairs of images have a mean cosine of 0.46, the spectrum a participation ratio of 32."""

    def __init__(self, dimension: int, clusters: int = 2000, seed: int = 0) -> None:
        self.dimension = dimension
        rng = np.random.default_rng(seed)
        self._basis = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].astype(np.float32)
        spread = np.arange(1, dimension + 1) ** -0.5
        self._spread = (spread / np.linalg.norm(spread)).astype(np.float32)
        self._mean, self._texts = _unit(rng.standard_normal((2, dimension)))
        self._centres = self._spread_out(rng, clusters)

    def images(self, n: int, seed: int = 1) -> np.ndarray:
        """(n, dimension) float16."""
        rng = np.random.default_rng(seed)
        found = np.empty((n, self.dimension), np.float16)
        for start in range(0, n, 50_000):
            part = found[start : start + 50_000]
            centres = self._centres[rng.integers(0, len(self._centres), len(part))]
            part[:] = _unit(0.925 * self._mean + 0.775 * centres + 0.632 * self._spread_out(rng, len(part)))
        return found

    def texts(self, n: int, seed: int = 2) -> np.ndarray:
        """(n, dimension) float16: cosines of 0.2 with images in the mean, up to 0.37 with the nearest.

        0.3 of a text points to a cluster; most of the rest is common to all texts, or its own, in any direction.
        """
        rng = np.random.default_rng(seed)
        subject = _unit(0.75 * self._centres[rng.integers(0, len(self._centres), n)] + 0.65 * self._spread_out(rng, n))
        far = _unit(0.75 * self._texts + 0.66 * _unit(rng.standard_normal((n, self.dimension))))
        far = _unit(far - (far @ self._mean)[:, None] * self._mean)
        return _unit(0.3 * self._mean + 0.31 * subject + 0.9 * far).astype(np.float16)

    def _spread_out(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return (rng.standard_normal((n, self.dimension), np.float32) * self._spread) @ self._basis.T


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def as_rows(vectors: np.ndarray) -> np.ndarray:
    """(n, 2 * dimension) uint8 of (n, dimension) unit vectors."""
    return np.ascontiguousarray(vectors.astype("<f2")).view(np.uint8)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true ids (m, k) that were found."""
    return float(np.mean([np.isin(right, row).mean() for row, right in zip(found, truth, strict=True)]))

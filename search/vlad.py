"""VLAD: a picture as one vector, made of the descriptors of its keypoints. No network, no weights.

A codebook of visual words is learned from the descriptors of a collection. Of each word a picture has the sum of the
differences between the descriptors nearest to the word and the word itself (Jégou, Douze, Schmid and Pérez,
"Aggregating local descriptors into a compact image representation", CVPR 2010), each word of length 1, so that a
repeated pattern does not outshout the rest (Arandjelović and Zisserman, "All about VLAD", CVPR 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module

import numpy as np

from search import learned, whitening
from search.whitening import Whitening

DIMENSIONS = 128
"""Of a descriptor."""
MOST = 512
"""Numbers that are left of a picture. Raw there are 8,192, which find 0.86 of hard edits first where these find 0.75,
in a collection that they were not learned from, and 0.87 in one that they were."""
FEW = 8
"""Fewer keypoints say nothing about a picture."""
_DESCRIPTORS, _ITERATIONS, _SEED = 40_000, 15, 1
_VECTORS = 2_000
"""The whitening is learned from so many: of pictures, then of mirrored ones, then of halves of their keypoints."""

Mirror = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Codebook:
    words: np.ndarray
    """(k, 128) float32."""
    whitening: Whitening

    def __post_init__(self) -> None:
        k = len(self.words)
        if self.words.shape != (k, DIMENSIONS) or self.words.dtype != np.float32 or not np.isfinite(self.words).all():
            raise ValueError("the words of a codebook are (k, 128) finite numbers")
        if len(self.whitening.mean) != k * DIMENSIONS:
            raise ValueError("words and whitening do not fit together")

    @property
    def dimension(self) -> int:
        return self.whitening.dimension

    @cached_property
    def of_nothing(self) -> np.ndarray:
        """(dimension,) float32 of a picture without keypoints."""
        return self.vectors([np.empty((0, DIMENSIONS), np.uint8)])[0]

    def vectors(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """(n, dimension) float32 of length 1 of n pictures, each (m, 128) uint8 descriptors."""
        return self.whitening.apply(aggregate(pictures, self.words))

    def pack(self) -> bytes:
        return learned.pack([self.words, *self.whitening.arrays()])

    @classmethod
    def unpack(cls, data: bytes) -> Codebook:
        """ValueError if it is damaged, or something else."""
        words, *rest = learned.unpack(data) or [np.empty(0)]
        return cls(words, Whitening.of_arrays(rest))


def learn(pictures: Sequence[np.ndarray], words: int, mirror: Mirror) -> Codebook:
    """From the descriptors (m, 128) uint8 of pictures; the same from the same. ``mirror``: as of KeypointEncoder."""
    book = _words(pictures, words)
    return Codebook(book, whitening.fit(aggregate(_variants(pictures, mirror), book), MOST))


def aggregate(pictures: Sequence[np.ndarray], words: np.ndarray) -> np.ndarray:
    """(n, k * 128) float32 of length 1; of 0 where there are too few descriptors."""
    sums = np.zeros((len(pictures), *words.shape), np.float32)
    halves = (words * words).sum(1) / 2
    for descriptors, of_words in zip(pictures, sums, strict=True):
        if len(descriptors) >= FEW:
            points = descriptors.astype(np.float32)
            nearest = (points @ words.T - halves).argmax(1)
            belongs = (nearest == np.arange(len(words))[:, None]).astype(np.float32)
            of_words[:] = belongs @ points - belongs.sum(1, keepdims=True) * words
    sums /= np.maximum(np.linalg.norm(sums, axis=2, keepdims=True), 1e-9)
    vectors = sums.reshape(len(pictures), words.size)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _words(pictures: Sequence[np.ndarray], k: int) -> np.ndarray:
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(1)  # of this thread only
    points = np.concatenate([np.empty((0, DIMENSIONS), np.uint8), *pictures])
    if not len(points):
        raise ValueError("nothing can be learned from pictures without keypoints")
    chosen = np.random.default_rng(_SEED).permutation(len(points))[:_DESCRIPTORS]
    sample = np.resize(points[chosen], (max(len(chosen), k), DIMENSIONS)).astype(np.float32)
    clustering = faiss.Clustering(DIMENSIONS, k)
    clustering.niter, clustering.seed, clustering.min_points_per_centroid = _ITERATIONS, _SEED, 1
    clustering.max_points_per_centroid = _DESCRIPTORS
    clustering.train(sample, faiss.IndexFlatL2(DIMENSIONS))
    return faiss.vector_to_array(clustering.centroids).reshape(k, DIMENSIONS)


def _variants(pictures: Sequence[np.ndarray], mirror: Mirror) -> list[np.ndarray]:
    """Crops and mirrored pictures are what the same picture looks like otherwise. With the pictures alone a small
    collection would have far fewer directions than are kept."""
    rng = np.random.default_rng(_SEED)
    found = [*pictures, *map(mirror, pictures)]
    while len(found) < _VECTORS:
        ways = [each if rng.random() < 0.5 else mirror(each) for each in pictures]
        found += [each[rng.random(len(each)) < 0.5] for each in ways]
    return found[:_VECTORS]

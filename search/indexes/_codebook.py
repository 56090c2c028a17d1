"""Descriptors in 16 bytes: learned from a collection, so that most of what tells its points apart is kept.

A point belongs to the list of the nearest centroid; what is left of it, the residual, is quantised in 16 parts of 8
dimensions, a byte each (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011). FAISS
learns both. Its own IndexIVFPQ is not used: with tables of 16 KB a list in memory it takes 14 ns for each point that is
looked at, and more without them. Here a point carries the one number that depends on both list and code, so that one
table a query is enough: 5 ns, the same recall, and nothing in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any

import numpy as np

from search import threads

PARTS, WORDS = 16, 256
DIMENSIONS = 128
_DEPTH = DIMENSIONS // PARTS

MOST_LISTS = 16_384
SAMPLE = 32
"""Points of the sample for each list. More of them find no more."""
_ITERATIONS = 8
_LINKS, _BUILD_EFFORT, _FILL_EFFORT, _ASK_EFFORT = 16, 80, 32, 64
"""Of the graph over the centroids: at 16,384 it takes a third of the time of looking at all of them, and finds 98 % of
the nearest 16."""
_PIECE = 2048
"""Points encoded at once: 0.1 s."""


@cache
def _faiss() -> Any:
    return import_module("faiss")


def lists_for(points: int) -> int:
    return int(np.clip(4 * np.sqrt(points), 16, MOST_LISTS))


@dataclass(frozen=True)
class Codebook:
    centroids: np.ndarray
    """(lists, 128) float32."""
    words: np.ndarray
    """(16, 256, 8) float32."""

    @property
    def lists(self) -> int:
        return len(self.centroids)

    @cached_property
    def tables(self) -> np.ndarray:
        """(16, 8, 256): the words as the kernel reads them."""
        return np.ascontiguousarray(self.words.transpose(0, 2, 1))

    @cached_property
    def _graph(self) -> Any:
        """Built anew in every process: a second for 16,384 lists, and FAISS has no file to trust."""
        graph = _new_graph()
        graph.add(np.ascontiguousarray(self.centroids))
        return graph

    @cached_property
    def _quantiser(self) -> Any:
        quantiser = _faiss().ProductQuantizer(DIMENSIONS, PARTS, 8)
        _faiss().copy_array_to_vector(np.ascontiguousarray(self.words).ravel(), quantiser.centroids)
        return quantiser

    def encode(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lists (n,) int32, codes (n, 16) uint8 and terms (n,) float32 of (n, 128) uint8.

        The squared distance of a query to a point is: that to the centroid + term - 2 * (query . decoded residual).
        """
        self._graph, self._quantiser  # noqa: B018 (made once, before many threads want them)
        pieces = [descriptors[start : start + _PIECE] for start in range(0, len(descriptors), _PIECE)]
        done: list[tuple[np.ndarray, ...]] = []
        for start in range(0, len(pieces), threads.CORES):  # a search that comes meanwhile waits for a few pieces only
            done += threads.pool().map(self._encode, pieces[start : start + threads.CORES])
        nothing = np.empty(0, "i4"), np.empty((0, PARTS), "u1"), np.empty(0, "f4")
        lists, codes, terms = (np.concatenate(column) for column in zip(*done, nothing, strict=True))
        return lists, codes, terms

    def _encode(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        points = descriptors.astype(np.float32)
        lists = self._nearest(points, 1, _FILL_EFFORT)[1][:, 0]
        centres = self.centroids[lists]
        codes = self._quantiser.compute_codes(points - centres)
        decoded = self.words[np.arange(PARTS), codes].reshape(-1, DIMENSIONS)
        return lists.astype(np.int32), codes, (decoded * (decoded + 2 * centres)).sum(1)

    def probes(self, queries: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The n nearest lists of each of (m, 128) float32: numbers (m, n) int64, -1 for none, squared distances."""
        far, lists = self._nearest(queries, min(n, self.lists), min(_ASK_EFFORT, 4 * n))
        return lists, far

    def _nearest(self, points: np.ndarray, k: int, effort: int) -> tuple[np.ndarray, np.ndarray]:
        _faiss().omp_set_num_threads(1)  # of this thread only
        how = _faiss().SearchParametersHNSW(efSearch=max(effort, k))
        far, lists = self._graph.search(points, k, params=how)
        return far, lists


def train(sample: np.ndarray, lists: int) -> Codebook:
    """From (n, 128) uint8; with fewer points than lists, or WORDS, some centroids come more than once."""
    sample = np.resize(sample, (max(len(sample), lists, WORDS), DIMENSIONS))
    faiss, points = _faiss(), sample.astype(np.float32)
    faiss.omp_set_num_threads(1)
    centroids = _centroids(points, lists)
    book = Codebook(centroids, np.zeros((PARTS, WORDS, _DEPTH), np.float32))
    few = points[np.random.default_rng(1).permutation(len(points))[: WORDS * 256]]
    nearest = book._nearest(few, 1, _FILL_EFFORT)[1][:, 0]
    quantiser = faiss.ProductQuantizer(DIMENSIONS, PARTS, 8)
    quantiser.cp.min_points_per_centroid = 1
    quantiser.train(few - centroids[nearest])
    words = faiss.vector_to_array(quantiser.centroids).reshape(PARTS, WORDS, _DEPTH)
    return Codebook(centroids, words)


def _centroids(points: np.ndarray, lists: int) -> np.ndarray:
    faiss = _faiss()
    clustering = faiss.Clustering(DIMENSIONS, lists)
    clustering.niter, clustering.seed = _ITERATIONS, 1
    clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, 2 * SAMPLE
    clustering.train(points, _new_graph())
    return faiss.vector_to_array(clustering.centroids).reshape(lists, DIMENSIONS)


def _new_graph() -> Any:
    _faiss().omp_set_num_threads(1)
    graph = _faiss().IndexHNSWFlat(DIMENSIONS, _LINKS)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = _BUILD_EFFORT, _FILL_EFFORT
    return graph

"""The kinds of rows that a FaissIndex holds: how FAISS keeps them and how the nearest are found.

Both read FAISS's own memory, mapped or not, through a numpy view; the view is only valid while its index lives.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from search.threads import Nearest, nearest_in_pieces

_LENGTH = 8
"""Bytes of the number of codes, with which FAISS ends a header."""
COSINE_STEPS = 2**24
"""Of a distance between embeddings: 1 - cosine as int32. As fine as float32 below 1, far finer than what float16 does
to a cosine (about 1e-5), and every distance, at most 2 ** 25, is exact in float32."""
UNIT = 1e-3
"""A vector may be so much longer or shorter than 1: rounding to float16 changes each number by at most 2 ** -11."""


@cache
def _faiss() -> Any:
    """Loaded by the first search, not by every process; its types lack what SWIG adds."""
    return import_module("faiss")


class Form(Protocol):
    name: str

    def header(self, width: int, rows: int) -> bytes:
        """What FAISS writes before the codes of an index of so many rows."""

    def map(self, path: Path) -> tuple[Any, np.ndarray]:
        """FAISS's index over a file, mapped read-only, and its codes as a flat array. RuntimeError if damaged."""

    def nearest(self, codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
        """The nearest of (n, width) codes to each of (m, width) queries; k at most n.

        ``alive``: a bitmap over the rows, lowest bit first; None for all.
        """


class Hamming:
    """Bits that differ: FAISS's binary flat index and its scan."""

    name = "hamming"

    def header(self, width: int, rows: int) -> bytes:
        faiss = _faiss()
        index = faiss.IndexBinaryFlat(width * 8)
        index.ntotal = rows
        return _with_length(faiss.serialize_index_binary(index), width * rows)

    def map(self, path: Path) -> tuple[Any, np.ndarray]:
        faiss = _faiss()
        index = faiss.read_index_binary(str(path), faiss.IO_FLAG_MMAP_IFC)
        return index, _view(index.xb)

    def nearest(self, codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
        """IndexBinaryFlat.search calls the same function of FAISS, but can only cut the queries into pieces."""

        def scan(start: int, stop: int) -> Nearest:
            only = None if alive is None else alive[start // 8 : (stop + 7) // 8]
            distances, rows = _hamming(codes[start:stop], only, queries, k)
            return distances, np.where(rows < 0, -1, rows + start)

        return nearest_in_pieces(scan, len(codes), k)


def _hamming(codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
    faiss = _faiss()
    distances, rows = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.int64)
    heap = faiss.int_maxheap_array_t()
    heap.nh, heap.k, heap.val, heap.ids = len(queries), k, faiss.swig_ptr(distances), faiss.swig_ptr(rows)
    only = None if alive is None else faiss.IDSelectorBitmap(alive.size, faiss.swig_ptr(alive))
    sizes, ordered = (len(codes), codes.shape[1]), 1
    faiss.omp_set_num_threads(1)  # of this thread only
    faiss.hammings_knn_hc(heap, faiss.swig_ptr(queries), faiss.swig_ptr(codes), *sizes, ordered, faiss.EXACT_TOPK, only)
    return distances, rows


class L1:
    """Sum of absolute differences of bytes: FAISS's scalar quantiser holds them, our kernel scans them.

    FAISS itself would offer L1 only over float32: four times the memory, six times slower (baselines.md).
    """

    name = "l1"

    def header(self, width: int, rows: int) -> bytes:
        faiss = _faiss()
        index = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L1)
        index.ntotal = rows
        return _with_length(faiss.serialize_index(index), width * rows)

    def map(self, path: Path) -> tuple[Any, np.ndarray]:
        faiss = _faiss()
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        return index, _view(index.codes)

    def nearest(self, codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
        from search.kernels import nearest_l1

        return nearest_l1(codes, alive, queries, k)


class Cosine:
    """Unit vectors of float16, two bytes a number: FAISS's scalar quantiser holds them, our kernel scans them.

    FAISS's own scan uses one core for a query (tests/bench/bench_embeddings.py).
    """

    name = "cosine"

    def header(self, width: int, rows: int) -> bytes:
        faiss = _faiss()
        kind = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexScalarQuantizer(width // 2, kind, faiss.METRIC_INNER_PRODUCT)
        index.ntotal = rows
        return _with_length(faiss.serialize_index(index), width * rows)

    def map(self, path: Path) -> tuple[Any, np.ndarray]:
        faiss = _faiss()
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        return index, _view(index.codes)

    def nearest(self, codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
        from search.kernels import nearest_cosines

        return nearest_cosines(codes, alive, queries, k)


FORMS: dict[str, Form] = {"hamming": Hamming(), "l1": L1(), "cosine": Cosine()}


def _with_length(empty: np.ndarray, size: int) -> bytes:
    """The file of an empty index ends with the number of code bytes that follow: none. Say how many will."""
    return bytes(empty.tobytes()[:-_LENGTH]) + size.to_bytes(_LENGTH, "little")


def _view(codes: Any) -> np.ndarray:
    faiss = _faiss()
    if not codes.size():
        return np.empty(0, np.uint8)
    return faiss.rev_swig_ptr(codes.data(), codes.size())

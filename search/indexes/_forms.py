"""The two kinds of rows that a FaissIndex holds: how FAISS keeps them and how the nearest are found.

Both read FAISS's own memory, mapped or not, through a numpy view; the view is only valid while its index lives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

_LENGTH = 8
"""Bytes of the number of codes, with which FAISS ends a header."""


class Form(Protocol):
    name: str

    def header(self, width: int, rows: int) -> bytes:
        """What FAISS writes before the codes of an index of so many rows."""

    def map(self, path: Path) -> tuple[Any, np.ndarray]:
        """FAISS's index over a file, mapped read-only, and its codes as a flat array. RuntimeError if damaged."""

    def nearest(
        self, codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distances (m, k) int32 and rows (m, k) int64, nearest first, equal ones by row; k at most len(codes).

        ``alive``: a bitmap over the rows, lowest bit first. Fewer than k alive: the last rows are -1.
        """


class Hamming:
    """Bits that differ: FAISS's binary flat index and its scan."""

    name = "hamming"

    def header(self, width: int, rows: int) -> bytes:
        import faiss

        index = faiss.IndexBinaryFlat(width * 8)
        index.ntotal = rows
        return _with_length(faiss.serialize_index_binary(index), width * rows)

    def map(self, path: Path) -> tuple[Any, np.ndarray]:
        import faiss

        index = faiss.read_index_binary(str(path), faiss.IO_FLAG_MMAP_IFC)
        return index, _view(index.xb)

    def nearest(
        self, codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """IndexBinaryFlat.search calls the same function; here it also scans a part of a numpy array."""
        import faiss

        heap, m = faiss.int_maxheap_array_t(), len(queries)
        distances, rows = np.empty((m, k), np.int32), np.empty((m, k), np.int64)
        heap.nh, heap.k, heap.val, heap.ids = m, k, faiss.swig_ptr(distances), faiss.swig_ptr(rows)
        only = None if alive is None else faiss.IDSelectorBitmap(alive.size, faiss.swig_ptr(alive))
        exact, ordered = faiss.EXACT_TOPK, 1
        faiss.hammings_knn_hc(
            heap, faiss.swig_ptr(queries), faiss.swig_ptr(codes), len(codes), codes.shape[1], ordered, exact, only
        )
        return distances, rows


class L1:
    """Sum of absolute differences of bytes: FAISS's scalar quantiser holds them, our kernel scans them.

    FAISS itself would offer L1 only over float32: four times the memory, six times slower (baselines.md).
    """

    name = "l1"

    def header(self, width: int, rows: int) -> bytes:
        import faiss

        index = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L1)
        index.ntotal = rows
        return _with_length(faiss.serialize_index(index), width * rows)

    def map(self, path: Path) -> tuple[Any, np.ndarray]:
        import faiss

        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        return index, _view(index.codes)

    def nearest(
        self, codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        from search.kernels import nearest_l1

        return nearest_l1(codes, alive, queries, k)


FORMS: dict[str, Form] = {"hamming": Hamming(), "l1": L1()}


def _with_length(empty: np.ndarray, size: int) -> bytes:
    """The file of an empty index ends with the number of code bytes that follow: none. Say how many will."""
    return bytes(empty.tobytes()[:-_LENGTH]) + size.to_bytes(_LENGTH, "little")


def _view(codes: Any) -> np.ndarray:
    import faiss

    if not codes.size():
        return np.empty(0, np.uint8)
    return faiss.rev_swig_ptr(codes.data(), codes.size())

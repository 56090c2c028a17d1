"""Scans over many rows, cut into pieces for the threads of one small pool.

Not OpenMP, neither FAISS's nor numba's: in a child forked after its first use it waits for ever or ends the process.
The pool only helps where the work releases the GIL, as FAISS and our kernels do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
FARTHEST = np.iinfo(np.int32).max
_ROWS_WORTH_A_THREAD = 32_768
"""A hand-over costs as much processor time as the scan of some thousand rows."""

Nearest = tuple[np.ndarray, np.ndarray]
"""Distances (m, k) int32 and rows (m, k) int64, nearest first, equal ones by row; nothing is (FARTHEST, -1)."""


def nearest_in_pieces(scan: Callable[[int, int], Nearest], rows: int, k: int) -> Nearest:
    """The k nearest of range(rows), where scan(start, stop) answers for a part; every start is a multiple of 8."""
    pieces = max(1, min(CORES, rows // _ROWS_WORTH_A_THREAD))
    edges = [rows * i // pieces // 8 * 8 for i in range(pieces)] + [rows]
    parts = [scan(0, rows)] if pieces == 1 else list(pool().map(scan, edges, edges[1:]))
    distances, found = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    order = np.lexsort((found, distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(found, order, 1)


_pool: ThreadPoolExecutor | None = None


def pool() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:  # two threads at once make two pools, and one of them is used once: no harm
        _pool = ThreadPoolExecutor(CORES, thread_name_prefix="scan")
    return _pool


def _forget_threads() -> None:
    """A forked child has the pool, but none of its threads: it would wait for ever."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)

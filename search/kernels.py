"""Inner scans compiled by numba, where FAISS has none or is measured slower. Import it where you search: numba takes
half a second to load.

Each kernel is single-threaded and releases the GIL; ``in_pieces`` runs one per core. Numba's own ``parallel=True`` is
no choice in a web server: its workqueue layer ends the process when two threads call it at once, and its OpenMP
layer ends a forked child.

Compiled code is kept in NUMBA_CACHE_DIR, else beside this file, else in the user's cache folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
FARTHEST = np.iinfo(np.int32).max
_ROWS_WORTH_A_THREAD = 4096


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """``njit`` without the GIL, from the cache where a cache folder can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba: "no locator available": every place for a cache is read-only
        return njit(nogil=True)(function)


@njit(inline="always")
def _replace_farthest(distances: Any, rows: Any, distance: Any, row: Any) -> None:
    """Put one answer in the place of the root of a max heap ordered by (distance, row)."""
    k, i = len(distances), 0
    while 2 * i + 1 < k:
        child = 2 * i + 1
        if child + 1 < k and (
            distances[child + 1] > distances[child]
            or (distances[child + 1] == distances[child] and rows[child + 1] > rows[child])
        ):
            child += 1
        if distances[child] < distance or (distances[child] == distance and rows[child] < row):
            break
        distances[i], rows[i] = distances[child], rows[child]
        i = child
    distances[i], rows[i] = distance, row


@compiled
def _nearest_l1(codes: Any, alive: Any, query: Any, start: int, stop: int, distances: Any, rows: Any) -> None:
    """Fill the heap (distances, rows) with the rows start..stop nearest to the query.

    The heap starts as (FARTHEST, -1). Rows come in rising order, so that of equally far ones the first stay.
    """
    for row in range(start, stop):
        if alive.size and not (alive[row >> 3] >> (row & 7)) & 1:
            continue
        distance = np.int32(0)
        for j in range(
            codes.shape[1]
        ):  # LLVM makes vpsadbw of this; leaving early would cost 12 times as much
            distance += np.int32(abs(np.int32(codes[row, j]) - np.int32(query[j])))
        if distance < distances[0]:
            _replace_farthest(distances, rows, distance, row)


def nearest_l1(
    codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Exact L1 over bytes: distances (m, k) int32 and rows (m, k) int64, nearest first, equal ones by row.

    codes (n, width) uint8; ``alive`` a bitmap over the rows, lowest bit first, None for all; queries (m, width)
    uint8; k at most n. Missing answers are (FARTHEST, -1).
    """
    bitmap = np.empty(0, np.uint8) if alive is None else alive
    results = [_nearest_to_one(codes, bitmap, query, k) for query in queries]
    return np.array([r[0] for r in results]), np.array([r[1] for r in results])


def _nearest_to_one(
    codes: np.ndarray, bitmap: np.ndarray, query: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    pieces = max(1, min(CORES, len(codes) // _ROWS_WORTH_A_THREAD))
    distances, rows = np.full((pieces, k), FARTHEST, np.int32), np.full((pieces, k), -1, np.int64)

    def scan(piece: int, start: int, stop: int) -> None:
        _nearest_l1(codes, bitmap, query, start, stop, distances[piece], rows[piece])

    in_pieces(scan, len(codes), pieces)
    order = np.lexsort((rows.ravel(), distances.ravel()))[:k]
    return distances.ravel()[order], rows.ravel()[order]


def in_pieces(work: Callable[[int, int, int], None], total: int, pieces: int) -> None:
    """work(piece, start, stop) for equal pieces of range(total), each in its own thread."""
    edges = [total * i // pieces for i in range(pieces + 1)]
    if pieces == 1:
        return work(0, 0, total)
    list(_threads().map(work, range(pieces), edges, edges[1:]))


_pool: ThreadPoolExecutor | None = None


def _threads() -> ThreadPoolExecutor:
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

"""Inner scans compiled by numba, where FAISS has none or is measured slower. Import it where you search: numba takes
half a second to load.

Each kernel is single-threaded and releases the GIL, see search/threads.py. Compiled code is kept in NUMBA_CACHE_DIR,
else beside this file, else in the user's cache folder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from search.threads import FARTHEST, Nearest, nearest_in_pieces


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
def _scan_l1(codes: Any, alive: Any, query: Any, start: int, stop: int, distances: Any, rows: Any) -> None:
    """Fill the heap (distances, rows) with the rows start..stop nearest to the query.

    The heap starts as (FARTHEST, -1). Rows come in rising order, so that of equally far ones the first stay.
    """
    for row in range(start, stop):
        if alive.size and not (alive[row >> 3] >> (row & 7)) & 1:
            continue
        distance = np.int32(0)
        for j in range(codes.shape[1]):  # looking at the heap in here would cost 12 times as much
            distance += np.int32(abs(np.int32(codes[row, j]) - np.int32(query[j])))
        if distance < distances[0]:
            _replace_farthest(distances, rows, distance, row)


def nearest_l1(codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
    """Exact L1 over bytes: codes (n, width) uint8 and queries (m, width) uint8; k at most n.

    ``alive``: a bitmap over the rows, lowest bit first; None for all.
    """
    bitmap = np.empty(0, np.uint8) if alive is None else alive

    def scan(start: int, stop: int) -> Nearest:
        heap = np.full((len(queries), k), FARTHEST, np.int32), np.full((len(queries), k), -1, np.int64)
        for query, distances, rows in zip(queries, *heap, strict=True):
            _scan_l1(codes, bitmap, query, start, stop, distances, rows)
        return heap

    return nearest_in_pieces(scan, len(codes), k)

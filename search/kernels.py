"""Inner scans compiled by numba, where FAISS has none or is measured slower. Import it where you search: numba takes
half a second to load.

Each kernel is single-threaded and releases the GIL, see search/threads.py. Compiled code is kept in NUMBA_CACHE_DIR,
else beside this file, else in the user's cache folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from search.indexes._forms import COSINE_STEPS, UNIT
from search.threads import CORES, FARTHEST, Nearest, nearest_in_pieces, pool


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``njit`` without the GIL, from the cache where a cache folder can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba: "no locator available": every place for a cache is read-only
        return njit(nogil=True)(function)


@njit(inline="always")
def replace_farthest(distances: Any, rows: Any, distance: Any, row: Any) -> None:
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
            replace_farthest(distances, rows, distance, row)


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


@compiled
def spread(places: Any, width: Any, height: Any, cells: int, most: int) -> np.ndarray:
    """Numbers of at most ``most`` of the (n, 2+) places, which come best first, spread over the picture.

    A grid of ``cells`` over the longest side takes two of each cell, and twice as many round by round, until there
    are enough.
    """
    side = max(width, height) / cells
    across = int(width / side) + 1
    held = np.zeros(across * (int(height / side) + 1), np.int64)
    taken = np.zeros(len(places), np.bool_)
    chosen = np.empty(min(most, len(places)), np.int64)
    n, cap = 0, 2
    while n < len(chosen):
        for i in range(len(places)):
            if taken[i]:
                continue
            cell = int(places[i, 1] / side) * across + int(places[i, 0] / side)
            if held[cell] < cap:
                held[cell] += 1
                taken[i] = True
                chosen[n] = i
                n += 1
                if n == len(chosen):
                    break
        cap *= 2
    return chosen


@compiled
def mutual_matches(products: Any, a_squares: Any, b_squares: Any, ratio: Any) -> np.ndarray:
    """(k, 2) numbers of rows of A (n) and B (m) that are each other's nearest, from their (n, m) inner products.

    ``ratio``: the squared distance must be below this share of that to the second nearest in B.
    """
    n, m = products.shape
    first, second = np.full(n, np.float32(np.inf)), np.full(n, np.float32(np.inf))
    nearest = np.zeros(n, np.int64)
    other, back = np.full(m, np.float32(np.inf)), np.zeros(m, np.int64)
    for i in range(n):
        for j in range(m):
            distance = a_squares[i] + b_squares[j] - 2 * products[i, j]
            if distance < first[i]:
                second[i] = first[i]
                first[i] = distance
                nearest[i] = j
            elif distance < second[i]:
                second[i] = distance
            if distance < other[j]:
                other[j] = distance
                back[j] = i
    pairs = np.empty((n, 2), np.int64)
    k = 0
    for i in range(n):
        if back[nearest[i]] == i and first[i] < ratio * second[i]:
            pairs[k, 0], pairs[k, 1] = i, nearest[i]
            k += 1
    return pairs[:k]


@compiled
def similar_pairs(a: Any, b: Any, reach: float, scale: float) -> np.ndarray:
    """Which of n pairs of places (n, 4) agree with the similarity that most agree with: (n,) bool.

    Each pair is a hypothesis: its sizes give the scale, its angles the turn. A pair agrees when it lies within
    ``reach`` pixels of where the hypothesis carries it and its own scale is within a factor ``scale``.
    """
    n = len(a)
    best, agree = 0, np.zeros(n, np.bool_)
    for i in range(n):
        s = b[i, 2] / a[i, 2]
        turn = math.radians(b[i, 3] - a[i, 3])
        c, d = s * math.cos(turn), s * math.sin(turn)
        x, y = b[i, 0] - (c * a[i, 0] - d * a[i, 1]), b[i, 1] - (d * a[i, 0] + c * a[i, 1])
        mine, count = np.zeros(n, np.bool_), 0
        for j in range(n):
            dx = c * a[j, 0] - d * a[j, 1] + x - b[j, 0]
            dy = d * a[j, 0] + c * a[j, 1] + y - b[j, 1]
            ratio = b[j, 2] / a[j, 2] / s
            if dx * dx + dy * dy < reach * reach and 1 / scale < ratio < scale:
                mine[j] = True
                count += 1
        if count > best:
            best = count
            agree = mine
    return agree


@compiled
def votes(points: Any, weights: Any, places: Any) -> Any:
    """Images by how many neighbours of the query's keypoints agree on a turn and a scale: (ids, votes), unordered.

    ``points``: (n, k) int64 numbers of neighbours as search.indexes.keypoint_index packs them; -1 for none.
    ``weights``: (n, k) float32; only positive ones count. ``places``: (n, 4) of the query. A keypoint has one vote for
    an image. Votes fall into bins of 15 degrees and half an octave, and the best 3 x 3 of them count.
    """
    n, k = points.shape
    images, bins = np.empty(n * k, np.int64), np.empty((n * k, 2), np.int64)
    weight = np.empty(n * k, np.float32)
    used = 0
    for i in range(n):
        start = used
        for j in range(k):
            point = points[i, j]
            if point < 0 or weights[i, j] <= 0:
                continue
            image = point >> 24
            again = False
            for before in range(start, used):
                again = again or images[before] == image
            if again:
                continue
            turn = ((point >> 8) & 255) * (360 / 256) - places[i, 3]
            octaves = (point & 255) / 16 - math.log2(max(1.0, places[i, 2]))
            images[used] = image
            bins[used, 0] = int((turn % 360) / 15) % 24
            bins[used, 1] = min(15, max(0, int(octaves * 2 + 8)))
            weight[used] = weights[i, j]
            used += 1
    order = np.argsort(images[:used])
    ids, best = np.empty(used, np.int64), np.empty(used, np.float32)
    table = np.zeros((24, 16), np.float32)
    found, start = 0, 0
    while start < used:
        stop = start
        while stop < used and images[order[stop]] == images[order[start]]:
            stop += 1
        table[:] = 0
        for at in order[start:stop]:
            table[bins[at, 0], bins[at, 1]] += weight[at]
        most = np.float32(0)
        for at in order[start:stop]:
            total = np.float32(0)
            for turn in range(-1, 2):
                for octave in range(max(0, bins[at, 1] - 1), min(16, bins[at, 1] + 2)):
                    total += table[(bins[at, 0] + turn) % 24, octave]
            most = max(most, total)
        ids[found], best[found] = images[order[start]], most
        found += 1
        start = stop
    return ids[:found], best[:found]


_SLACK = np.float32(2 * UNIT)
"""More than the cosine can differ from the float32 product with a row that is not quite of length 1."""
_DEAD = np.iinfo(np.uint16).max
"""Score of a row that is no answer: more than any other with 4096 bits or less."""


@njit(inline="always")
def _single(half: Any) -> Any:
    """The bits of a float16 as float32. Numba has no float16 on the CPU; LLVM makes SIMD of this."""
    half = np.uint32(half)
    bits = np.uint32(((half & np.uint32(0x7FFF)) << np.uint32(13)) | ((half & np.uint32(0x8000)) << np.uint32(16)))
    return bits.view(np.float32) * np.float32(2.0**112)  # the exponents of the two are counted from different ends


@njit(fastmath={"reassoc", "contract"})
def _product(code: Any, query: Any) -> Any:
    """In float32, rounded: to pass over the rows that are too far."""
    total = np.float32(0)
    for j in range(len(query)):
        total += _single(code[j]) * query[j]
    return total


@njit(fastmath={"reassoc"})
def _cosine_distance(code: Any, query: Any) -> Any:
    """Exact up to the last rounding: products of float16 and sums of them up to 2 fit a float64, in any order."""
    product = own = other = np.float64(0)
    for j in range(len(query)):
        value, asked = np.float64(_single(code[j])), np.float64(query[j])
        product += value * asked
        own += value * value
        other += asked * asked
    return np.int32(round((1 - product / math.sqrt(own * other)) * COSINE_STEPS))


@compiled
def _scan_cosines(
    codes: Any, alive: Any, chosen: Any, query: Any, start: int, stop: int, distances: Any, rows: Any
) -> None:
    """As _scan_l1, over (n, d) float16 given as uint16. ``chosen``: rising rows to look at; empty for all."""
    length = np.float32(math.sqrt(np.sum(query * query)))
    reach = np.float32(-np.inf)
    for i in range(start, stop):
        row = chosen[i] if chosen.size else i
        if alive.size and not (alive[row >> 3] >> (row & 7)) & 1:
            continue
        if _product(codes[row], query) < reach:
            continue
        distance = _cosine_distance(codes[row], query)
        if distance < distances[0]:
            replace_farthest(distances, rows, distance, row)
            reach = length * (np.float32(1 - distances[0] / COSINE_STEPS) - _SLACK)


def nearest_cosines(
    codes: np.ndarray, alive: np.ndarray | None, queries: np.ndarray, k: int, chosen: np.ndarray | None = None
) -> Nearest:
    """Exact cosines of unit vectors: codes (n, 2 d) and queries (m, 2 d) uint8, the bytes of float16; k at most n.

    ``alive``: a bitmap over the rows, lowest bit first; None for all. ``chosen``: rising rows (at least k) to look at.
    """
    bitmap = np.empty(0, np.uint8) if alive is None else alive
    only = np.empty(0, np.int64) if chosen is None else chosen
    halves, singles = codes.view(np.uint16), queries.view(np.float16).astype(np.float32)

    def scan(start: int, stop: int) -> Nearest:
        heap = np.full((len(queries), k), FARTHEST, np.int32), np.full((len(queries), k), -1, np.int64)
        for query, distances, rows in zip(singles, *heap, strict=True):
            _scan_cosines(halves, bitmap, only, query, start, stop, distances, rows)
        return heap

    return nearest_in_pieces(scan, len(codes) if chosen is None else len(chosen), k)


def _ones_of(typing: Any, word: Any) -> Any:
    return types.uint64(types.uint64), lambda context, builder, signature, words: builder.ctpop(words[0])


_ones: Any = intrinsic(_ones_of)
"""Bits that are set in a uint64: numba has no function for what LLVM has an instruction for."""


@compiled
def _score_signs(signs: Any, alive: Any, planes: Any, start: int, stop: int, scores: Any) -> np.ndarray:
    """Fill in scores (n,) uint16 of the rows start..stop; returns how many live rows have each."""
    counts = np.zeros(15 * 64 * planes.shape[1] + 1, np.int64)
    for row in range(start, stop):
        total = np.uint64(0)
        for word in range(planes.shape[1]):
            bits = signs[row, word]
            total += (
                _ones(bits ^ planes[0, word])
                + (_ones(bits ^ planes[1, word]) << np.uint64(1))
                + (_ones(bits ^ planes[2, word]) << np.uint64(2))
                + (_ones(bits ^ planes[3, word]) << np.uint64(3))
            )
        scores[row] = total
    for row in range(start, stop):  # not in the loop above, which SIMD runs through
        if alive.size and not (alive[row >> 3] >> (row & 7)) & 1:
            scores[row] = _DEAD
        else:
            counts[scores[row]] += 1
    return counts


def likely_by_signs(signs: np.ndarray, alive: np.ndarray | None, planes: np.ndarray, most: int) -> np.ndarray:
    """Rising numbers of the ``most`` rows (and those as near as the last of them) that are likely nearest.

    ``signs``: (n, 8 w) uint8, a bit for a number, set where it is positive. ``planes``: (4, w) uint64, lowest first:
    bits of the numbers of the query, 0..15 from the least to the greatest. Each number of a row costs as many points
    as the query's is away from the end that its sign stands for.
    """
    bitmap = np.empty(0, np.uint8) if alive is None else alive
    words, scores = signs.view(np.uint64), np.empty(len(signs), np.uint16)
    edges = [len(signs) * i // CORES for i in range(CORES + 1)]
    counts = list(pool().map(lambda *ends: _score_signs(words, bitmap, planes, *ends, scores), edges, edges[1:]))
    last = int(np.searchsorted(np.cumsum(np.sum(counts, axis=0)), most))
    return np.flatnonzero(scores <= last)

"""Few pictures that stand for many.

Farthest first (Gonzalez, Clustering to minimize the maximum intercluster distance, 1985), known as k-centre greedy
where it chooses what to label (Sener and Savarese, Active Learning for Convolutional Neural Networks: A Core-Set
Approach, 2018): each next one is the farthest from all that are chosen. No choice of the same size covers all within
less than half of its radius.

Spread (the seeding of k-means++: Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007): each
next one is drawn with a chance that grows with the square of that distance. It follows where many pictures lie, where
farthest first collects what is odd.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BEAT = 64
_PAIRS = 4_096


def farthest_first(
    rows: np.ndarray, count: int, seed: int = 0, beat: Callable[[int], None] = lambda n: None
) -> list[int]:
    """Places of ``count`` of the (n, d) float32 rows of length 1, in the order in which they were chosen.

    The first is the nearest to the middle: the same for every seed, which only decides between equals.
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    rows = rows[order]
    first = int((rows @ rows.mean(axis=0)).argmax()) if len(rows) else 0
    return [int(order[place]) for place in _chosen(rows, count, first, _farthest, beat)]


def spread(rows: np.ndarray, count: int, seed: int = 0, beat: Callable[[int], None] = lambda n: None) -> list[int]:
    """The same, each next one drawn by squared distance."""
    rng = np.random.default_rng(seed)

    def draw(distances: np.ndarray) -> int:
        total = float(distances.sum())
        if total <= 0:
            return int(distances.argmax())
        place = int(np.searchsorted(np.cumsum(distances, dtype=np.float64), rng.random() * total))
        return min(len(distances) - 1, place)

    return _chosen(rows, count, int(rng.integers(len(rows))) if len(rows) else 0, draw, beat)


def _farthest(distances: np.ndarray) -> int:
    return int(distances.argmax())


def _chosen(
    rows: np.ndarray, count: int, first: int, choose: Callable[[np.ndarray], int], beat: Callable[[int], None]
) -> list[int]:
    count = min(count, len(rows))
    if count <= 0:
        return []
    chosen = [first]
    distances = _squared(rows, first)
    taken = np.zeros(len(rows), bool)
    taken[first] = True
    while len(chosen) < count:
        place = choose(distances)
        if taken[place]:  # all that are left are copies of chosen ones
            place = int(np.flatnonzero(~taken)[0])
        taken[place] = True
        chosen.append(place)
        np.minimum(distances, _squared(rows, place), out=distances)
        distances[place] = 0
        if len(chosen) % BEAT == 0:
            beat(len(chosen))
    return chosen


def _squared(rows: np.ndarray, place: int) -> np.ndarray:
    """Squared distances to one of them; of vectors of length 1 that is 2 - 2 cos."""
    return np.maximum(0, 2 - 2 * (rows @ rows[place]))


def at_random(places: int, count: int, seed: int = 0) -> list[int]:
    """``count`` of so many places, rising; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    return sorted(rng.choice(places, size=min(count, places), replace=False).tolist())


def coverage(rows: np.ndarray, chosen: list[int]) -> tuple[float, float]:
    """(radius, mean): how far the farthest picture, and a picture on average, is from the nearest chosen one."""
    nearest = np.concatenate(
        [(block @ rows[chosen].T).max(axis=1) for block in np.array_split(rows, len(rows) // 4096 + 1)]
    )
    distances = np.sqrt(np.maximum(0, 2 - 2 * nearest))
    return float(distances.max()), float(distances.mean())


def usual_distance(rows: np.ndarray) -> float:
    """Between two of them, on average over some pairs: what the distances of ``coverage`` are measured by."""
    if len(rows) < 2:
        return 0.0
    rng = np.random.default_rng(0)
    one = rng.integers(len(rows), size=_PAIRS)
    other = (one + rng.integers(1, len(rows), size=_PAIRS)) % len(rows)
    cosines = np.einsum("ij,ij->i", rows[one], rows[other])
    return float(np.sqrt(np.maximum(0, 2 - 2 * cosines)).mean())


def uncertain(scores: dict[int, float], low: float, high: float, count: int | None = None) -> list[int]:
    """Keys whose score lies between, the nearest to the middle of the band first; at most ``count``."""
    middle = (low + high) / 2
    inside = sorted((round(abs(score - middle), 9), key) for key, score in scores.items() if low <= score <= high)
    return [key for _, key in inside][:count]

"""Which of many pictures are near-duplicates of a better one.

The leader algorithm (Hartigan, Clustering Algorithms, 1975): from the best to the worst, a picture goes if one that
stays is near enough to it. So each that goes has a stand-in that stays, however long a chain of likenesses is, and
pictures are only compared with those that stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

BLOCK = 512


@dataclass(frozen=True)
class View:
    """One way to look at pictures. ``rows``: (n, d) float32 of length 1, in the order best first; a row of zeros is
    near nothing. ``least``: the cosine from which on two are near."""

    name: str
    rows: np.ndarray
    least: float


@dataclass(frozen=True)
class Drop:
    """All of them places in the order."""

    place: int
    keep: int
    why: str
    """The name of the view; "known" for a pair that was known before."""
    cosine: float


def thin(
    count: int, views: Iterable[View], known: Mapping[int, Iterable[int]], beat: Callable[[int], None] = lambda n: None
) -> list[Drop]:
    """``known``: {place: places of the same picture}. ``beat``: called with how many were looked at.

    n * kept * d multiplications: 10,000 pictures that all stay take seconds.
    """
    views = list(views)
    keeps = np.empty(count, np.int64)
    kept = 0
    stays = np.zeros(count, bool)
    drops: list[Drop] = []
    for start in range(0, count, BLOCK):
        places = np.arange(start, min(count, start + BLOCK))
        found = _before(places, keeps[:kept], views)
        cosines = [view.rows[places] @ view.rows[places].T for view in views]
        for place in places:
            drop = (
                _known(int(place), known, stays)
                or found.get(int(place))
                or _beside(int(place), start, stays, views, cosines)
            )
            if drop:
                drops.append(drop)
            else:
                keeps[kept], stays[place] = place, True
                kept += 1
        beat(int(places[-1]) + 1)
    return drops


def _known(place: int, known: Mapping[int, Iterable[int]], stays: np.ndarray) -> Drop | None:
    keep = min((other for other in known.get(place, ()) if stays[other]), default=None)
    return None if keep is None else Drop(place, keep, "known", 1.0)


def _before(places: np.ndarray, kept: np.ndarray, views: list[View]) -> dict[int, Drop]:
    """Those of a block that are near one that stays, of the blocks before."""
    found: dict[int, Drop] = {}
    for view in views if len(kept) else []:
        cosines = view.rows[places] @ view.rows[kept].T
        best = cosines.argmax(axis=1)
        near = cosines[np.arange(len(places)), best]
        for row in np.flatnonzero(near >= view.least):
            place = int(places[row])
            found.setdefault(place, Drop(place, int(kept[best[row]]), view.name, float(near[row])))
    return found


def _beside(place: int, start: int, stays: np.ndarray, views: list[View], cosines: list[np.ndarray]) -> Drop | None:
    """The same inside of a block."""
    row = place - start
    for view, near in zip(views, cosines, strict=True):
        beside = np.where(stays[start:place], near[row, :row], -1.0)
        if row and beside.max() >= view.least:
            best = int(beside.argmax())
            return Drop(place, start + best, view.name, float(beside[best]))
    return None


def bits_as_rows(packed: np.ndarray) -> np.ndarray:
    """(n, b) uint8 of packed bits as (n, 8 b) float32 of length 1: the cosine is 1 - 2 distance / bits."""
    bits = np.unpackbits(packed, axis=1)
    return (bits * np.float32(2) - 1) / np.float32(np.sqrt(bits.shape[1]))


def cosine_of_bits(distance: float, bits: int) -> float:
    return 1 - 2 * distance / bits - 1e-6


def bits_of_cosine(cosine: float, bits: int) -> int:
    return round((1 - cosine) * bits / 2)

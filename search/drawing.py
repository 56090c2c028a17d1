"""Evidence as lines: outlines on a picture, and matched points joined. Pure; what comes out is written into SVG.

What comes in is in shares of the sides of a picture, with corners (0, 0) and (1, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.geometry import Alignment, area

VIEW = 1000
"""Units of the longest side of a picture that outlines are drawn on."""
_INSET, _APART = 34, 56
"""Units: a number stands so far inside of its outline, and so far from the other numbers."""
LINES = 60
"""More lines than these make the drawing a thicket."""
COLOURS = 3


@dataclass(frozen=True)
class Outline:
    number: int
    """1, 2, 3 ... in the order of the cards."""
    points: str
    """For an SVG polygon."""
    x: int
    y: int
    """Where its number stands."""


def frame(width: int, height: int, longest: int = VIEW) -> tuple[int, int]:
    """The size of a picture (pixels) in units of a drawing."""
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def polygon(corners: Any, size: tuple[int, int], at: tuple[float, float] = (0, 0)) -> str:
    """Corners as the ``points`` of an SVG polygon on a picture of ``size`` units that lies ``at`` a place."""
    placed = np.asarray(corners, float).reshape(-1, 2) * size + at
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)


def outlines(polygons: Sequence[Any], size: tuple[int, int]) -> list[Outline]:
    """Numbered in their order. Their numbers do not cover each other, also where outlines lie on each other."""
    taken: list[np.ndarray] = []
    for corners in polygons:
        taken.append(_free(_label(np.asarray(corners, float) * size), taken, size))
    return [
        Outline(number, polygon(corners, size), round(float(x)), round(float(y)))
        for number, (corners, (x, y)) in enumerate(zip(polygons, taken, strict=True), 1)
    ]


def largest_first(outlines: Sequence[Outline], polygons: Sequence[Any]) -> list[Outline]:
    """In the order of painting: a small one stays within reach of the pointer when it lies inside a large one.

    Those of about equal size stay in the order of their numbers, which is also that of the tabulator key.
    """
    sizes = [round(float(np.log2(max(1e-6, area(corners))))) for corners in polygons]
    return [outlines[i] for i in sorted(range(len(outlines)), key=lambda i: -sizes[i])]


def _label(corners: np.ndarray) -> np.ndarray:
    """Inside of the upper left corner."""
    corner, middle = corners[corners.sum(1).argmin()], corners.mean(0)
    away = middle - corner
    return corner + away * min(1.0, _INSET * 2**0.5 / max(1.0, float(np.hypot(*away))))


def _free(label: np.ndarray, taken: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    while any(np.abs(label - other).max() < _APART for other in taken):
        label = label + np.array([_APART, 0])
        if label[0] > size[0] - _INSET:
            label = np.array([_INSET, label[1] + _APART])
            if label[1] > size[1]:
                break  # there is no room at all
    return label


@dataclass(frozen=True)
class Box:
    x: int
    y: int
    width: int
    height: int

    def place(self, shares: np.ndarray) -> np.ndarray:
        return shares * (self.width, self.height) + (self.x, self.y)


@dataclass(frozen=True)
class Lines:
    """Data of two SVG paths: of the dots (lines of no length, with round ends) and of the lines between them."""

    dots: str
    lines: str


@dataclass(frozen=True)
class Joined:
    """Two pictures in one drawing, with lines between the points that they share."""

    name: str
    width: int
    height: int
    query: Box
    match: Box
    query_outline: str
    match_outline: str
    lines: list[Lines]
    """For each colour; at most LINES in all."""
    more: list[Lines]
    """The others."""


def side_by_side(found: Alignment, query: tuple[int, int], match: tuple[int, int]) -> Joined:
    """Equally high, for wide windows. ``query`` and ``match``: sizes in pixels."""
    (qw, qh), (mw, mh) = (_fitted(size, (900, 600)) for size in (query, match))
    height = max(qh, mh)
    left, right = Box(0, (height - qh) // 2, qw, qh), Box(qw + 60, (height - mh) // 2, mw, mh)
    return _joined("wide", found, left, right, (qw + 60 + mw, height))


def stacked(found: Alignment, query: tuple[int, int], match: tuple[int, int]) -> Joined:
    """Equally wide, one above the other, for phones."""
    (qw, qh), (mw, mh) = (_fitted(size, (600, 640)) for size in (query, match))
    width = max(qw, mw)
    upper, lower = Box((width - qw) // 2, 0, qw, qh), Box((width - mw) // 2, qh + 60, mw, mh)
    return _joined("tall", found, upper, lower, (width, qh + 60 + mh))


def _fitted(size: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    scale = min(most[0] / size[0], most[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _joined(name: str, found: Alignment, query: Box, match: Box, size: tuple[int, int]) -> Joined:
    order = spread(found.pairs)
    on_query = polygon(found.in_query, (query.width, query.height), (query.x, query.y))
    on_match = polygon(found.in_match, (match.width, match.height), (match.x, match.y))
    few, more = (_paths(found.pairs[part], query, match) for part in (order[:LINES], order[LINES:]))
    return Joined(name, *size, query, match, on_query, on_match, few, more)


def spread(pairs: np.ndarray) -> np.ndarray:
    """An order of n pairs in which the first ones lie far apart on the query: each next one is the farthest of those
    that are left. (n,) int64 of (n, 4)."""
    if not len(pairs):
        return np.empty(0, np.int64)
    order, far = [0], np.full(len(pairs), np.inf)
    while len(order) < len(pairs):
        far = np.minimum(far, np.hypot(*(pairs[:, :2] - pairs[order[-1], :2]).T))
        far[order] = -1
        order.append(int(far.argmax()))
    return np.array(order)


def _paths(pairs: np.ndarray, query: Box, match: Box) -> list[Lines]:
    """Lines from left to right on the query get the colours in turn."""
    ends = np.concatenate([query.place(pairs[:, :2]), match.place(pairs[:, 2:])], 1)[pairs[:, 0].argsort()]
    return [Lines(*_path(part)) for part in np.array_split(ends, COLOURS)]


def _path(ends: np.ndarray) -> tuple[str, str]:
    rounded = ends.round().astype(int)
    dots = "".join(f"M{a} {b}h0M{c} {d}h0" for a, b, c, d in rounded)
    return dots, "".join(f"M{a} {b}L{c} {d}" for a, b, c, d in rounded)

"""Where the picture lies inside the picture: borders, bars with words on them, boxes between straight edges.

A box is (left, top, right, bottom) in shares of the width and the height.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from PIL import Image

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_SIDE = 256
"""Everything is looked for in a square of so many pixels: a line is then equally long in each direction."""
_SMALLEST = 0.3
"""Boxes narrower or lower than this share hold too little to be told apart."""
_SAME_GREY = 16
"""Grey levels within which a border keeps its colour, JPEG noise included."""
_STEP = 14
"""Grey levels between two rows that show as an edge."""


def inner_boxes(grey: Image.Image, edges: int) -> list[tuple[Box, str]]:
    """Boxes of the picture without the whole one, each different, with words; at most ``edges`` by straight edges."""
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.int16)
    found = [(_inside(small, 0.98), "borders cut away"), (_inside(small, 0.4), "bars cut away")]
    found += [(box, "cut out at its edges") for box in _edge_boxes(small, edges)]
    return _different(found)


def _inside(grey: np.ndarray, share: float) -> Box:
    """What is left when rows and columns that show the border's colour over ``share`` of their length are cut."""
    top, bottom = _middle(grey, share)
    left, right = _middle(grey[top:bottom].T, share)
    return left / _SIDE, top / _SIDE, right / _SIDE, bottom / _SIDE


def _middle(grey: np.ndarray, share: float) -> tuple[int, int]:
    """First and last + 1 row that is no border."""
    top = _border(grey, share)
    return top, max(top + 1, len(grey) - _border(grey[::-1], share))


def _border(grey: np.ndarray, share: float) -> int:
    """Rows that keep the colour of the outermost row, if that one has a single colour."""
    colour = np.median(grey[0])
    like = (np.abs(grey - colour) <= _SAME_GREY).mean(1)
    inner = np.flatnonzero(like < share)
    return int(inner[0]) if like[0] > 0.95 and len(inner) else 0


def _edge_boxes(grey: np.ndarray, most: int) -> list[Box]:
    """Boxes between the strongest straight lines and the sides of the picture, best first."""
    boxes = []
    rows, columns = _spans(_lines(grey)), _spans(_lines(grey.T))
    for height, top, bottom, edges in rows:
        for width, left, right, more in columns:
            if n := edges + more:
                # The mean strength of the lines that bound the box; more lines are less likely by chance.
                boxes.append(((height + width) / n + 0.08 * n, (left, top, right, bottom)))
    boxes.sort(reverse=True)
    return [(b[0] / _SIDE, b[1] / _SIDE, b[2] / _SIDE, b[3] / _SIDE) for _, b in boxes[:most]]


def _lines(grey: np.ndarray, most: int = 6) -> list[tuple[float, int]]:
    """(strength, row) of rows below a step that shows over at least 30 % of the length."""
    share = (np.abs(np.diff(grey, axis=0)) > _STEP).mean(1)
    beside = np.maximum(np.append(0, share[:-1]), np.append(share[1:], 0))
    strength = share - 0.5 * np.minimum(beside, share)  # texture has steps in the next row as well
    return [(float(strength[i]), int(i) + 1) for i in np.argsort(-strength)[:most] if share[i] > 0.3]


def _spans(lines: list[tuple[float, int]]) -> list[tuple[float, int, int, int]]:
    """(strength, from, to, how many of both ends are lines) between any two lines or sides."""
    spans = []
    for (a, start), (b, stop) in combinations(sorted([(0.0, 0), (0.0, _SIDE), *lines], key=lambda x: x[1]), 2):
        if stop - start >= _SMALLEST * _SIDE:
            spans.append((a + b, start, stop, (start > 0) + (stop < _SIDE)))
    return spans


def _different(found: list[tuple[Box, str]]) -> list[tuple[Box, str]]:
    """Without boxes that are too small, the whole picture, or nearly the same as an earlier one."""
    kept: list[tuple[Box, str]] = []
    for box, words in found:
        large = min(box[2] - box[0], box[3] - box[1]) >= _SMALLEST
        if large and all(np.abs(np.subtract(box, other)).max() > 0.006 for other, _ in [(WHOLE, ""), *kept]):
            kept.append((box, words))
    return kept

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
CUT_OUT = "cut out at its edges"
"""Of a box that lies among other things: what it shows is a part of the picture. A frame is only added to one."""
_SMALLEST = 0.3
"""Boxes narrower or lower than this share hold too little to be told apart."""
_SAME_GREY = 16
"""Grey levels within which a border keeps its colour, JPEG noise included."""
_STEP = 14
"""Grey levels between two rows that show as an edge."""


def inner_boxes(grey: Image.Image, edges: int) -> list[tuple[Box, str]]:
    """Boxes of the picture with words, each different and none the whole; at most ``edges`` by straight edges."""
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.int16)
    found = [(box, "borders cut away") for box in _without_borders(small)]
    found += [(box, "bar cut away") for box in _without_bar(small)]
    found += [(box, CUT_OUT) for box in _edge_boxes(small, edges)]
    return _different(found)


def _without_borders(grey: np.ndarray) -> list[Box]:
    """Plain rows and columns cut on all sides, and above and below only: the picture may have plain sides itself."""
    top, bottom = _border(grey), _SIDE - _border(grey[::-1])
    if top >= bottom:
        return []
    inner = grey[top:bottom].T
    left, right = _border(inner), _SIDE - _border(inner[::-1])
    return [_box(left, top, right, bottom), _box(0, top, _SIDE, bottom)]


def _without_bar(grey: np.ndarray) -> list[Box]:
    """A bar of one colour with words on it cut from one side."""
    boxes = []
    for end in _bar_ends(grey):
        boxes.append(_box(0, end, _SIDE, _SIDE))
    for end in _bar_ends(grey[::-1]):
        boxes.append(_box(0, 0, _SIDE, _SIDE - end))
    return boxes


def _like_first(grey: np.ndarray) -> np.ndarray:
    """Share of each row that has the colour of the outermost row; none if that one has no single colour."""
    like = (np.abs(grey - np.median(grey[0])) <= _SAME_GREY).mean(1)
    return like if like[0] > 0.95 else np.zeros(len(like))


def _border(grey: np.ndarray) -> int:
    """Rows from the start that show one colour only."""
    return _first_below(_like_first(grey), 0.98)


def _bar_ends(grey: np.ndarray) -> list[int]:
    """Where words on one colour may end: at the first row with little of it, or after the last plain row."""
    like = _like_first(grey)
    plain = np.flatnonzero(like[: _SIDE // 2] >= 0.98)
    return [_first_below(like, 0.4), int(plain[-1]) + 1 if len(plain) else 0]


def _first_below(shares: np.ndarray, share: float) -> int:
    below = np.flatnonzero(shares < share)
    return int(below[0]) if len(below) else len(shares)


def _box(left: int, top: int, right: int, bottom: int) -> Box:
    return left / _SIDE, top / _SIDE, right / _SIDE, bottom / _SIDE


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
    return [_box(*box) for _, box in boxes[:most]]


def _lines(grey: np.ndarray, most: int = 6) -> list[tuple[float, int]]:
    """(strength, row) of rows below a step that shows over at least 30 % of the length."""
    share = (np.abs(np.diff(grey, axis=0)) > _STEP).mean(1)
    beside = np.maximum(np.append(0, share[:-1]), np.append(share[1:], 0))
    strength = share - 0.5 * np.minimum(beside, share)  # texture has steps in the next row as well
    return [(float(strength[i]), int(i) + 1) for i in np.argsort(-strength)[:most] if share[i] > 0.3]


def _spans(lines: list[tuple[float, int]]) -> list[tuple[float, int, int, int]]:
    """(strength, from, to, how many of both ends are lines) between any two lines or sides."""
    spans = []
    ends = sorted([(0.0, 0), (0.0, _SIDE), *lines], key=lambda line: line[1])
    for (a, start), (b, stop) in combinations(ends, 2):
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

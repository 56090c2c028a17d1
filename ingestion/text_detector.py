"""Does a picture hold text at all? Asked before Tesseract, which takes a hundred times as long. Pure: numpy and OpenCV.

Letters are spots that are darker or lighter than what is around them, and text is a row of such spots: about equally
high, strong and thick, on one base line or under one top line, close to each other. The longest such row counts, in
the reading direction or, for turned pictures, across it. Short words (EXIT, BAR) are told from windows and leaves by
being clear: letters are of one even colour each, the same one, and are not all full boxes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from search.encoders.sift import cv2

ROW = 5
"""So many letters in a row are text."""
SURE_ROW = 9
"""So many are hardly ever anything else."""
CLEAR_ROW = 3
"""So many clear letters are text."""
SIDE = 900
"""Pixels of the longest side as it is looked at; smaller pictures are enlarged up to twice."""
_AROUND = 17
"""Pixels of the square whose mean is the ground that a spot stands on."""
_CONTRAST = 12
"""Grey levels between a pixel of a spot and its ground."""
_SCALES = (1, 1 / 3, 1 / 9)
"""Large letters are looked for in smaller pictures."""
_SMALLEST, _LARGEST = 6, 90
"""Pixels of a letter's longer side."""
_MOST = 350
"""Spots of about one size that are looked at, the strongest first: their pairs are counted."""
_HEIGHTS = (6, 8.5, 12, 17, 24, 34, 48, 68)
_SPREAD = 1.8
"""Letters of one row are between a height and so many times as high."""

_CLEAR_HEIGHT, _CLEAR_CONTRAST = 12, 30
"""Pixels and grey levels, at the least, of a letter in a short row."""


def longest_row(grey: np.ndarray, enough: int = 100) -> int:
    """Letters, or what looks like them, in the longest row; no longer one is looked for once ``enough`` are found.

    A short row that is clear counts as ROW.
    """
    longest = 0
    for spots in _spots(_sized(grey)):
        for row in _rows_of(spots, longest):
            longest = max(longest, row)
            if longest >= enough:
                return longest
    return longest


def _rows_of(spots: np.ndarray, longest: int) -> Iterator[int]:
    """``longest``: row so far. With ROW, whether a short one is clear matters no more."""
    if len(spots) >= ROW:
        yield from _rows(spots, across=False)
        yield from _rows(spots, across=True)
    if longest < ROW and len(spots) >= CLEAR_ROW and _has_clear_row(spots):
        yield ROW


def _sized(grey: np.ndarray) -> np.ndarray:
    scale = min(2.0, SIDE / max(grey.shape))
    return _scaled(grey, scale) if min(grey.shape) * scale >= _SMALLEST else grey


def _scaled(grey: np.ndarray, scale: float) -> np.ndarray:
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    how = cv2().INTER_AREA if scale < 1 else cv2().INTER_LINEAR
    scaled: np.ndarray = cv2().resize(grey, size, interpolation=how)
    return scaled


def _spots(grey: np.ndarray) -> Iterator[np.ndarray]:
    """(n, 9) float32 for dark and for light spots, small and large ones: x and y of the middle, width, height,
    contrast, thickness, grey level, how uneven it is (of the contrast) and how much of its box the spot fills."""
    for scale in _SCALES:
        picture = grey if scale == 1 else _scaled(grey, scale)
        ground = cv2().boxFilter(picture, -1, (_AROUND, _AROUND), borderType=cv2().BORDER_REPLICATE)
        for above in (cv2().subtract(ground, picture), cv2().subtract(picture, ground)):
            spots = _spots_of(above, picture)
            if len(spots):
                yield spots


def _spots_of(above: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """``above``: (h, w) uint8, how much each pixel differs from its ground."""
    _, mask = cv2().threshold(above, _CONTRAST, 1, cv2().THRESH_BINARY)
    count, labels, boxes, _ = cv2().connectedComponentsWithStats(mask, None, 8, cv2().CV_32S)
    at = np.flatnonzero(mask)
    label = labels.ravel()[at]
    area = np.maximum(1, boxes[:, 4]).astype(np.float32)
    contrast = np.bincount(label, above.ravel()[at], minlength=count) / area
    inner = np.bincount(label, cv2().erode(mask, np.ones((3, 3), np.uint8)).ravel()[at], minlength=count)
    thickness = 2 * area / np.maximum(1, area - inner)
    levels = picture.ravel()[at].astype(np.float64)
    level = np.bincount(label, levels, minlength=count) / area
    spread = np.bincount(label, levels * levels, minlength=count) / area - level**2
    uneven = np.sqrt(np.maximum(0, spread)) / np.maximum(1, contrast)
    width, height = boxes[:, 2], boxes[:, 3]
    longer, box = np.maximum(width, height), np.maximum(1, width * height)
    is_letter = (longer >= _SMALLEST) & (longer <= _LARGEST) & (area >= np.maximum(8, 0.12 * box))
    is_letter &= (thickness < 0.6 * longer) & (contrast > 1.25 * _CONTRAST)
    is_letter[0] = False  # the ground
    x, y = boxes[:, 0] + width / 2, boxes[:, 1] + height / 2
    columns = [x, y, width, height, contrast, thickness, level, uneven, area / box]
    return np.column_stack(columns)[is_letter].astype(np.float32)


def _rows(spots: np.ndarray, across: bool) -> Iterator[int]:
    """Lengths of the longest rows, for each height of letters. ``across``: of columns, for pictures that are turned."""
    if across:
        spots = spots[:, [1, 0, 3, 2, 4, 5, 6, 7, 8]]
    height = spots[:, 3]
    for lowest in _HEIGHTS:
        alike = spots[(height >= lowest) & (height < _SPREAD * lowest) & (spots[:, 2] < 4 * height)]
        if len(alike) < ROW:
            continue
        alike = alike[np.argsort(-alike[:, 4], kind="stable")[:_MOST]]
        yield _longest(alike[np.argsort(alike[:, 0], kind="stable")])


def _longest(spots: np.ndarray) -> int:
    """``spots``: from left to right. Each is followed by the nearest one that may be the next letter."""
    following = _nearest(spots, *_neighbours(spots))
    length: dict[int, int] = {}
    for spot in sorted(following, reverse=True):
        length[spot] = 1 + length.get(following[spot], 1)
    return max(length.values(), default=1)


def _nearest(spots: np.ndarray, one: np.ndarray, other: np.ndarray) -> dict[int, int]:
    order = np.lexsort((spots[other, 0] - spots[one, 0], one))
    one, other = one[order], other[order]
    first = np.unique(one, return_index=True)[1]
    return dict(zip(one[first].tolist(), other[first].tolist(), strict=True))


def _neighbours(spots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of spots and of those that may be the next letter to the right."""
    x, y, width, height, contrast, thickness = spots.T[:6]
    apart = x[None] - x[:, None]
    gap = (apart - (width[None] + width[:, None]) / 2) / np.minimum(height[None], height[:, None])
    a, b = np.nonzero((apart > 0) & (gap < 0.75) & (gap > -0.3))
    near = 0.2 * np.minimum(height[a], height[b])
    on_line = np.abs(y[a] + height[a] / 2 - y[b] - height[b] / 2) < near
    under_line = np.abs(y[a] - height[a] / 2 - y[b] + height[b] / 2) < near
    fits = (on_line | under_line) & _alike(contrast[a], contrast[b], 0.6) & _alike(thickness[a], thickness[b], 0.55)
    return a[fits], b[fits]


# --- short rows
def _has_clear_row(spots: np.ndarray) -> bool:
    _, _, width, height, contrast, _, _, _, fills = spots.T
    clear = spots[(height >= _CLEAR_HEIGHT) & (contrast >= _CLEAR_CONTRAST) & (width < 2 * height) & (fills > 0.15)]
    clear = clear[np.argsort(-clear[:, 4], kind="stable")[:_MOST]]
    clear = clear[np.argsort(clear[:, 0], kind="stable")]
    following = _nearest(clear, *_clear_neighbours(clear))
    return any(_is_clear(clear[row]) for row in _chains(following))


def _clear_neighbours(spots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As _neighbours, but stricter."""
    one, other = _neighbours(spots)
    _, y, _, height, contrast, thickness, level, _, _ = spots.T
    near = 0.14 * np.minimum(height[one], height[other])
    top = np.abs(y[one] - height[one] / 2 - y[other] + height[other] / 2) < near
    base = np.abs(y[one] + height[one] / 2 - y[other] - height[other] / 2) < near
    even = np.maximum(20, 0.25 * np.minimum(contrast[one], contrast[other]))  # thin letters are paler
    fits = base & (top | _alike(height[one], height[other], 0.6)) & (np.abs(level[one] - level[other]) < even)
    fits &= _alike(contrast[one], contrast[other], 0.7) & _alike(thickness[one], thickness[other], 0.7)
    return one[fits], other[fits]


def _chains(following: dict[int, int]) -> Iterator[list[int]]:
    """Rows from each spot on, of CLEAR_ROW and more."""
    for spot in following:
        row = [spot]
        while row[-1] in following:
            row.append(following[row[-1]])
        if len(row) >= CLEAR_ROW:
            yield row


def _is_clear(row: np.ndarray) -> bool:
    """Even letters about equally high, and not all full boxes as windows are."""
    height, uneven, fills = row[:, 3], row[:, 7], row[:, 8]
    return bool(height.max() < 1.7 * height.min() and np.median(uneven) < 0.5 and np.median(fills) < 0.75)


def _alike(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    alike: np.ndarray = np.minimum(a, b) > share * np.maximum(a, b)
    return alike

"""Do two pictures agree in what they show, once one is laid on the other?

Keypoints can agree where pictures do not: the same words on two photographs, the same window around two pages, the
same logo. So both are laid on each other, small and grey, and compared block by block.

Pure: numpy, and OpenCV to warp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from search.encoders.sift import cv2

_BLOCKS = 6
"""In each direction, over the area that both show."""
_BLUR = 0.8
"""Pixels: hides what an alignment is wrong by."""
_PLAIN = 4.0
"""Standard deviation in grey levels below which a block has nothing to compare."""
_ALIKE = 0.6
"""Correlation from which a block agrees. Of blocks of unrelated photographs 8 % reach it."""
_FEWEST = 9
"""Pixels of a block that can be compared."""


@dataclass(frozen=True)
class Agreement:
    blocks: int
    """Those with something to compare."""
    share: float
    """Of them that agree."""
    correlation: float
    """Over the whole area, -1..1."""


NONE = Agreement(0, 0.0, 0.0)


def agreement(query: np.ndarray, match: np.ndarray, homography: np.ndarray) -> Agreement:
    """Of two (h, w) uint8 small pictures (Keypoints.grey); ``homography``: (3, 3) between their unit squares."""
    to_match = _to_pixels(match) @ homography @ np.linalg.inv(_to_pixels(query))
    finer = _scale(to_match, query.shape)
    if finer < 1:  # compared in the frame of whichever shows the area with fewer pixels
        warped, reference = _warped(query, to_match, match.shape, 1 / finer), match
    else:
        warped, reference = _warped(match, np.linalg.inv(to_match), query.shape, finer), query
    inside = ~np.isnan(warped)
    if inside.sum() < _FEWEST * _BLOCKS:
        return NONE
    return _compared(np.nan_to_num(warped), _blurred(reference, _BLUR).astype(np.float64), inside)


def _to_pixels(picture: np.ndarray) -> np.ndarray:
    """From the unit square to pixels, whose centres are whole numbers."""
    height, width = picture.shape
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]])


def _scale(homography: np.ndarray, shape: tuple[int, ...]) -> float:
    """Pixels there for a pixel here, at the centre of what is carried over."""
    x, y = shape[1] / 2, shape[0] / 2
    around = np.array([[x, y, 1], [x + 1, y, 1], [x, y + 1, 1]]) @ homography.T
    at = around[:, :2] / around[:, 2:]
    return float(np.sqrt(max(1e-9, abs(np.linalg.det(at[1:] - at[0])))))


def _warped(picture: np.ndarray, homography: np.ndarray, shape: tuple[int, ...], shrunk: float) -> np.ndarray:
    """(h, w) float64 of the given shape, NaN outside of the picture; blurred for being shrunk, then by _BLUR."""
    smooth = _blurred(picture, 0.5 * np.sqrt(max(0.0, shrunk**2 - 1)))
    size = shape[1], shape[0]
    there = cv2().warpPerspective(smooth, homography, size, flags=cv2().INTER_LINEAR, borderMode=cv2().BORDER_REPLICATE)
    whole = np.full(picture.shape, 255, np.uint8)
    inside = cv2().warpPerspective(whole, homography, size, flags=cv2().INTER_NEAREST)
    return np.where(inside > 0, _blurred(there, _BLUR), np.nan).astype(np.float64)


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    grey = picture.astype(np.float32)
    return cv2().GaussianBlur(grey, (0, 0), sigma) if sigma > 0.2 else grey


def _compared(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> Agreement:
    rows, columns = np.nonzero(inside)
    block = _parts(rows) * _BLOCKS + _parts(columns)
    each = _moments(a[inside], b[inside], block, _BLOCKS**2)
    seen = (each.n >= _FEWEST) & (np.maximum(each.a_spread, each.b_spread) >= _PLAIN)
    agree = int(np.count_nonzero(each.correlation[seen] > _ALIKE))
    blocks = int(np.count_nonzero(seen))
    whole = _moments(a[inside], b[inside], np.zeros(len(rows), np.int64), 1)
    return Agreement(blocks, agree / max(1, blocks), float(whole.correlation[0]))


def _parts(places: np.ndarray) -> np.ndarray:
    """Which of _BLOCKS equal parts of their range the places lie in."""
    first, last = places.min(), places.max()
    return (places - first) * _BLOCKS // (last - first + 1)


@dataclass(frozen=True)
class _Moments:
    n: np.ndarray
    a_spread: np.ndarray
    b_spread: np.ndarray
    """Standard deviations."""
    correlation: np.ndarray
    """Pearson's; less than one grey level of contrast counts as none."""


def _moments(a: np.ndarray, b: np.ndarray, group: np.ndarray, groups: int) -> _Moments:
    """Of each group of the values."""
    n = np.bincount(group, minlength=groups)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values, groups) / np.maximum(1, n)

    a_mean, b_mean = mean(a), mean(b)
    a_spread, b_spread = (np.sqrt(np.maximum(0, mean(v * v) - m * m)) for v, m in ((a, a_mean), (b, b_mean)))
    correlation = (mean(a * b) - a_mean * b_mean) / np.maximum(1.0, a_spread * b_spread)
    return _Moments(n, a_spread, b_spread, correlation)

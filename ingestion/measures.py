"""What can be measured of a picture without knowing what it shows: blur, noise, blocks, borders, exposure. Pure.

All but ``borders`` answer a raw number, the higher the worse; ingestion/filters/quality.py says what it means. Grey is
(height, width) uint8. What is too small to tell is 0.
"""

from __future__ import annotations

import numpy as np

from search.detail import contrast

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels."""
SEEN_AT = 640
"""Pixels of the longest side at which blur is judged: a picture is blurred that is so at first sight."""
_SMALLEST = 32
_REFERENCE, _FINEST = (0.15, 0.4), (0.8, 0.95)
"""Bands of the spectrum, in shares of the finest detail that so many pixels can hold."""
_REBLUR = 9
_BLOCK = 8
_LEAST_PERIOD = 2.5
_NOISE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_TILE = 16
_SAME_GREY = 16
_MOST_BORDER = 0.45
_MOST_FRAMES = 3
_STEPS = 0.25
"""Share of its length over which a border ends with a step."""


def blur(grey: np.ndarray) -> float:
    """Share of the variation between neighbours that is still there after blurring once more, in the worse direction.

    Crété-Roffet, Dolmiere, Ladret, Nicolas: The blur effect, SPIE 6492 (2007).
    """
    import cv2

    height, width = grey.shape
    scale = min(1.0, SEEN_AT / max(height, width))
    if min(height, width) * scale < _SMALLEST:
        return 0.0
    seen = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    return max(_kept(seen, axis) for axis in (0, 1))


def _kept(grey: np.ndarray, axis: int) -> float:
    import cv2

    sharp = grey.astype(np.float32)
    blurred = cv2.blur(sharp, (1, _REBLUR) if axis == 0 else (_REBLUR, 1))
    before, after = (np.abs(np.diff(each, axis=axis)) for each in (sharp, blurred))
    total = float(before.sum())
    return 1 - float(np.maximum(0, before - after).sum()) / total if total else 0.0


def emptiness(grey: np.ndarray) -> float:
    """How many decades less contrast there is in the finest detail than in coarse: of a copy that was enlarged, or
    smoothed, nearly all is gone. A photograph has about as much in each octave (search/detail.py)."""
    if min(grey.shape) < 2 * _SMALLEST:
        return 0.0
    found = contrast(grey)
    reference, finest = (found[int(a * len(found)) : int(b * len(found))].mean() for a, b in (_REFERENCE, _FINEST))
    return float(-np.log10(finest / reference + 1e-6)) if reference > 1e-6 else 0.0


def blocking(grey: np.ndarray, scale: float = 1.0) -> float:
    """Grey levels of the steps that come back every 8 pixels of the file, wherever they begin, in both directions.

    ``scale``: pixels here for one of the file. A step counts by what it exceeds the differences beside it; its period
    is told by the spectrum of their profile, as in Wang, Bovik, Evans: Blind measurement of blocking artifacts in
    images, ICIP 2000.
    """
    period = _BLOCK * scale
    if min(grey.shape) < max(4 * _BLOCK, _SMALLEST) or period < _LEAST_PERIOD:
        return 0.0
    return min(_periodic(grey, period), _periodic(grey.T, period))


def _periodic(grey: np.ndarray, period: float) -> float:
    steps = np.abs(np.diff(grey.astype(np.int16), axis=1)).astype(np.float32)
    profile = np.maximum(0, steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2).mean(0)
    waves = [k / period for k in range(1, 5) if k / period <= 0.5]
    turns = np.exp(-2j * np.pi * np.outer(waves, np.arange(len(profile))))
    return float(np.abs(turns @ profile).mean() / len(profile))


def noise(grey: np.ndarray) -> float:
    """Standard deviation of the noise in grey levels, told where the picture is plain and not cut off at its ends.

    Immerkær: Fast noise variance estimation, CVIU 64 (1996); of tiles, the lowest fifth, for texture is no noise.
    """
    import cv2

    height, width = (side // _TILE * _TILE for side in grey.shape)
    if min(height, width) < _SMALLEST:
        return 0.0
    cut = np.ascontiguousarray(grey[:height, :width])
    rough = np.abs(cv2.filter2D(cut, cv2.CV_32F, _NOISE))
    tiles = cv2.resize(rough, (width // _TILE, height // _TILE), interpolation=cv2.INTER_AREA)
    level = cv2.resize(cut, (width // _TILE, height // _TILE), interpolation=cv2.INTER_AREA)
    plain = tiles[(level > 20) & (level < 235)]
    return float(np.sqrt(np.pi / 2) / 6 * np.percentile(plain, 20)) if len(plain) > 8 else 0.0


def exposure(grey: np.ndarray) -> tuple[float, float, float]:
    """(flat, dark, bright): 1 minus the share of the grey levels in use; 1 minus the brightest level that is there; the
    share of the picture that is burnt out. The outermost hundredth at each end does not count."""
    counts = np.bincount(grey.reshape(-1), minlength=256)
    below = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(below, [0.01, 0.99]) / 255
    return float(1 - (high - low)), float(1 - high), float(counts[250:].sum() / counts.sum())


def borders(grey: np.ndarray) -> Box:
    """What lies inside rows and columns of one colour that end at a straight line; all of it if there are none."""
    left, top, right, bottom = 0, 0, grey.shape[1], grey.shape[0]
    for _ in range(_MOST_FRAMES):
        inner = grey[top:bottom, left:right].astype(np.int16)
        above, below = _border(inner), _border(inner[::-1])
        inner = inner[above : len(inner) - below].T
        before, after = _border(inner), _border(inner[::-1])
        if not above + below + before + after:
            break
        left, top, right, bottom = left + before, top + above, right - after, bottom - below
    return left, top, right, bottom


def _border(rows: np.ndarray) -> int:
    """How many from the start belong to a border. A sky ends little by little, a border at once."""
    if min(rows.shape) < _SMALLEST:
        return 0
    rows = rows[: int(_MOST_BORDER * len(rows)) + 4]
    like = (np.abs(rows - np.median(rows[0])) <= _SAME_GREY).mean(1)
    if like[0] < 0.98:
        return 0
    other = np.flatnonzero(like < 0.98)
    if not len(other) or other[0] >= len(rows) - 4:
        return 0
    end = int(other[0])
    steps = np.abs(rows[end : end + 4] - rows[end - 1]) > _SAME_GREY
    return end if steps.mean(1).max() > _STEPS else 0

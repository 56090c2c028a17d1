"""One picture laid on another by a homography. Pure: numpy and OpenCV."""

from __future__ import annotations

import numpy as np
from PIL import Image

from search.encoders.sift import cv2
from search.geometry import outline

VERSION = 1
"""Of how it is laid: browsers keep what an older one has made."""
LONGEST = 720
"""Pixels: no larger than what the page shows."""
_FINE = 360
"""Pixels of the longest side at which the last fraction of a pixel is looked for."""
STRONGER = 4


def fit(pixels: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """(h, w, 3) uint8, reduced if a side is over ``longest`` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(image)


def lay(query: np.ndarray, match: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """The query as it lies on the match: (h, w, 4) uint8 of the size of ``match``, transparent where it shows nothing.

    ``query`` and ``match``: (h, w, 3) uint8. ``homography``: (3, 3) between their unit squares. It comes from
    keypoints of small pictures; here it is refined by all pixels, if that brings the two nearer to each other.
    """
    height, width = match.shape[:2]
    query = _reduced(query, homography, width, height)
    small = fit(match, _FINE)
    better = refined(query, small, _in_pixels(homography, query, small))
    homography = np.diag([width / small.shape[1], height / small.shape[0], 1]) @ _to_corners(better)
    return _warped(query, _to_centres(homography), width, height)


def refined(query: np.ndarray, match: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """(3, 3) between pixels: the given one, or what Evangelidis and Psarakis, "Parametric image alignment using
    enhanced correlation coefficient maximization", PAMI 2008, make of it."""
    height, width = match.shape[:2]
    laid = _warped(query, homography, width, height)
    grey, target = (cv2().cvtColor(np.ascontiguousarray(p[..., :3]), cv2().COLOR_RGB2GRAY) for p in (laid, match))
    criteria = (cv2().TERM_CRITERIA_EPS | cv2().TERM_CRITERIA_COUNT, 30, 1e-4)
    start = np.eye(3, dtype=np.float32)
    try:
        _, moved = cv2().findTransformECC(target, grey, start, cv2().MOTION_HOMOGRAPHY, criteria, laid[..., 3], 5)
    except cv2().error:  # it does not converge where one of them is flat
        return homography
    better = np.linalg.inv(moved.astype(float)) @ homography
    again = _warped(query, better, width, height)
    return better if _apart(again, match) < _apart(laid, match) else homography


def _apart(laid: np.ndarray, match: np.ndarray) -> float:
    """Mean difference where both show something; infinite where that is hardly anything."""
    seen = laid[..., 3] > 0
    return float(cv2().absdiff(laid[..., :3], match)[seen].mean()) if seen.mean() > 0.005 else np.inf


def _warped(query: np.ndarray, homography: np.ndarray, width: int, height: int) -> np.ndarray:
    seen = np.dstack([query, np.full(query.shape[:2], 255, np.uint8)])
    return cv2().warpPerspective(seen, homography, (width, height), flags=cv2().INTER_LINEAR)


def _reduced(query: np.ndarray, homography: np.ndarray, width: int, height: int) -> np.ndarray:
    """As large as it will be on the match: warping a larger one would take single pixels of it."""
    corners = np.array(outline(np.linalg.inv(homography))) * (query.shape[1], query.shape[0])
    shown = np.array(outline(homography)) * (width, height)
    scale = float(np.sqrt(_area(shown) / max(1e-9, _area(corners))))
    return fit(query, max(16, round(scale * max(query.shape)))) if scale < 0.75 else query


def _area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def _in_pixels(homography: np.ndarray, query: np.ndarray, match: np.ndarray) -> np.ndarray:
    to_units = np.diag([1 / query.shape[1], 1 / query.shape[0], 1])
    return _to_centres(np.diag([match.shape[1], match.shape[0], 1]) @ homography @ to_units)


_HALF = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
_BACK = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])


def _to_centres(homography: np.ndarray) -> np.ndarray:
    """OpenCV counts from the centre of the first pixel, shares of a side from its corner."""
    return _BACK @ homography @ _HALF


def _to_corners(homography: np.ndarray) -> np.ndarray:
    return _HALF @ homography @ _BACK

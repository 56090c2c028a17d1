"""SIFT: where the keypoints of a picture are, and RootSIFT descriptors of them.

Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004; Arandjelović and Zisserman, "Three things
everyone should know to improve object retrieval", CVPR 2012.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from search.encoders._base import KeypointEncoder

_CONTRAST, _EDGE = 0.005, 12
"""OpenCV's thresholds are 0.04 and 10. Weak keypoints are kept because the strongest of each part of the picture are
chosen afterwards: a plain part would have none."""


@cache
def cv2() -> Any:
    module = import_module("cv2")
    module.setNumThreads(1)  # its pool does not survive a fork, and pictures are small here
    return module


def detect(grey: np.ndarray) -> list[Any]:
    """cv2.KeyPoint of (h, w) uint8 grey levels, the strongest first."""
    found = _sift().detect(grey, None)
    return sorted(found, key=lambda keypoint: -keypoint.response)


def _sift() -> Any:
    # One for each call: it holds the pyramid of its last picture, and threads must not share that.
    return cv2().SIFT_create(contrastThreshold=_CONTRAST, edgeThreshold=_EDGE)


def _mirrored_dimensions() -> np.ndarray:
    """Mirroring reverses the rows of the 4 x 4 grid around the keypoint and negates its 8 gradient directions."""
    row, column, direction = np.indices((4, 4, 8))
    return (((3 - row) * 4 + column) * 8 + (8 - direction) % 8).ravel()


class RootSift(KeypointEncoder):
    name = "sift"
    version = 1
    mirrors = True
    _MIRRORED = _mirrored_dimensions()

    def describe(self, grey: np.ndarray, found: list[Any]) -> tuple[list[Any], np.ndarray]:
        if not found:
            return [], np.empty((0, 128), np.uint8)
        described, sift = _sift().compute(grey, found)
        return list(described), root(sift)

    def mirror(self, descriptors: np.ndarray) -> np.ndarray:
        """Exact: computing them from the mirrored picture gives the same (baselines.md, harder queries)."""
        return np.ascontiguousarray(descriptors[:, self._MIRRORED])


def root(sift: np.ndarray) -> np.ndarray:
    """(n, 128) SIFT as RootSIFT in a byte: Euclidean distance of roots is the Hellinger distance of histograms."""
    shares = sift / np.maximum(sift.sum(1, keepdims=True), 1e-9)
    return np.minimum(255, np.round(512 * np.sqrt(shares))).astype(np.uint8)


ENCODER = RootSift()

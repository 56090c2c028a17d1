"""What an encoder of keypoints is. (Networks that turn a whole picture into one vector will stand beside it.)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np


class KeypointEncoder(ABC):
    """Says in 128 bytes what is seen around a keypoint, so that Euclidean distance between the bytes is likeness."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Of the features: no other encoder may have the same, since their descriptors cannot be compared."""

    @abstractmethod
    def describe(self, grey: np.ndarray, found: list[Any]) -> tuple[list[Any], np.ndarray]:
        """Descriptors of places in (h, w) uint8 grey levels. ``found``: cv2.KeyPoint as SIFT's detector gives them.

        Returns those of them that could be described, m in number, and (m, 128) uint8.
        """

    mirrors: ClassVar[bool] = False
    """Whether ``mirror`` can be asked."""

    def mirror(self, descriptors: np.ndarray) -> np.ndarray:
        """Those of the same places in the mirrored picture, told without the picture."""
        raise NotImplementedError

"""The encoder that was asked for, or the ordinary one where it cannot be used."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np

from search.encoders._base import KeypointEncoder
from search.encoders.hardnet import HardNet8
from search.encoders.sift import ENCODER as SIFT
from search.errors import WeightsMissing

logger = logging.getLogger(__name__)


def keypoint_encoder(name: str, weights: Path) -> KeypointEncoder:
    """The one for LOOKALIKE_KEYPOINTS; nothing is read yet. ``weights``: the folder."""
    return Preferred(HardNet8(weights), SIFT) if name == HardNet8.name else SIFT


class Preferred(KeypointEncoder):
    """Settled by the first use, even by a question for the version, and then for as long as the process lives: what two
    encoders have made must not meet in one index. Weights that come later count from the next start."""

    def __init__(self, wanted: HardNet8, otherwise: KeypointEncoder) -> None:
        self.wanted, self.otherwise = wanted, otherwise
        self._used: KeypointEncoder | None = None
        self._lock = threading.Lock()

    @property
    def used(self) -> KeypointEncoder:
        with self._lock:
            if self._used is None:
                self._used = self._settle()
            return self._used

    def _settle(self) -> KeypointEncoder:
        try:
            self.wanted.load()
        except (WeightsMissing, ImportError) as error:
            logger.warning("%s Until then %s describes the keypoints.", error, self.otherwise.name)
            return self.otherwise
        return self.wanted

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.used.name

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.used.version

    @property
    def mirrors(self) -> bool:  # type: ignore[override]
        return self.used.mirrors

    def describe(self, grey: np.ndarray, found: list[Any]) -> tuple[list[Any], np.ndarray]:
        return self.used.describe(grey, found)

    def mirror(self, descriptors: np.ndarray) -> np.ndarray:
        return self.used.mirror(descriptors)

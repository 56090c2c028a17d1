"""HardNet8: descriptors of SIFT's keypoints by a network, the alternative to RootSIFT.

Mishchuk, Mishkin, Radenović and Matas, "Working hard to know your neighbor's margins", NIPS 2017; Pultar, "Improving
the HardNet descriptor", 2020. The network and the cutting of patches are kornia's, the weights come from its authors.
"""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from search.encoders import weights
from search.encoders._base import KeypointEncoder
from search.encoders.pytorch import torch
from search.errors import WeightsMissing

FILE = "hardnet8v2.pt"
_SOURCE = f"Copy {FILE} of the model kornia/hardnet on Hugging Face to this place."

_PATCH = 32
_MAGNIFIED = 3.0
"""Half a patch in diameters of its keypoint: 6 standard deviations of it, as where the network was trained (mr_size in
kornia's detectors). OpenCV's SIFT looks at the same square."""
_AT_ONCE = 64
"""Patches: more at once are no faster and take more memory."""
_STEP = 1 / 160
"""Of one byte. The range is +-0.8, and no number of two networks was beyond 0.77; distances change by 0.2 %."""


class HardNet8(KeypointEncoder):
    name = "hardnet8"
    version = 101
    """Those of SIFT count from 1, those of this network from 101: the two never meet."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._network: Any = None
        self._lock = threading.Lock()

    def look(self) -> None:
        """WeightsMissing if the weights are not there or damaged; what only the network can tell is told by load."""
        try:
            weights.look_at(self.file)
        except WeightsMissing as error:
            raise WeightsMissing(f"HardNet8 cannot be used: {error} {_SOURCE}") from error

    def load(self) -> Any:
        """The network; WeightsMissing without good weights."""
        with self._lock:  # two threads may want it at once
            if self._network is None:
                try:
                    self._network = weights.fill(empty_network(), self.file)
                except WeightsMissing as error:
                    raise WeightsMissing(f"HardNet8 cannot be used: {error} {_SOURCE}") from error
            return self._network

    def describe(self, grey: np.ndarray, found: list[Any]) -> tuple[list[Any], np.ndarray]:
        if not found:
            return [], np.empty((0, 128), np.uint8)
        network = self.load()
        with torch().inference_mode():
            parts = patches(grey, found).split(_AT_ONCE)
            return list(found), as_bytes(np.concatenate([network(part).numpy() for part in parts]))


def empty_network() -> Any:
    """Kornia's network without its first weights: to make those takes 5 seconds, and the file replaces them."""
    base = import_module("kornia.feature").HardNet8
    kind = type("HardNet8", (base,), {"weights_init": staticmethod(lambda module: None)})
    return kind(pretrained=False).to(memory_format=torch().channels_last)


def patches(grey: np.ndarray, found: list[Any]) -> Any:
    """(n, 1, 32, 32) float32 tensor: the squares around cv2.KeyPoints, turned upright; the border goes on outside."""
    feature, tensor = import_module("kornia.feature"), torch().tensor
    places = np.array([(*k.pt, _MAGNIFIED * k.size, -k.angle) for k in found], np.float32)  # kornia turns the other way
    xy, scale, turn = (tensor(places[None, :, part]) for part in (slice(0, 2), slice(2, 3), slice(3, 4)))
    frames = feature.laf_from_center_scale_ori(xy, scale[..., None], turn)
    picture = tensor(grey, dtype=torch().float32)[None, None] / 255
    return feature.extract_patches_from_pyramid(picture, frames, _PATCH)[0]


def as_bytes(floats: np.ndarray) -> np.ndarray:
    """(n, 128) float32 of length 1 as uint8, so that their Euclidean distances grow alike."""
    return np.clip(np.round(floats / _STEP) + 128, 0, 255).astype(np.uint8)

"""Keypoints of one picture with their descriptors, and how they are stored: 136 bytes each, and 3 KB of the picture.

Pure: numpy only. Who finds keypoints is in search/encoders, what two pictures have in common in search/geometry.py.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST = 250
"""Keypoints a picture; the index has 8 bits for the number of one. 150 prove 0.2 % fewer copies (baselines.md)."""
DIMENSIONS = 128

GREY = 64
"""Pixels of the longest side of what is stored of the picture itself."""

_FACTS = struct.Struct("<HHHBB")
"""Width, height, how many keypoints, width and height of the small picture."""
_CHECKSUM = struct.Struct("<I")
"""CRC-32 of everything else."""
_HEADER = _FACTS.size + _CHECKSUM.size
_PLACE = 4
_SCALES = np.array([64, 64, 64, 65536 / 360])
"""Places are stored as unsigned 16-bit integers: 1/64 pixel for x, y and size, 1/182 degree for the angle."""
_POINT = 2 * _PLACE + DIMENSIONS
ROW = _HEADER + GREY * GREY + MOST * _POINT
"""Bytes of a picture in an index: a feature, filled up with zeros."""

Mirror = Callable[[np.ndarray], np.ndarray]
"""(n, 128) descriptors -> those of the mirrored picture."""


@dataclass(frozen=True)
class Keypoints:
    """What is seen at n places of a picture of ``width`` x ``height`` pixels (its canonical size, not its own)."""

    width: int
    height: int
    places: np.ndarray
    """(n, 4) float32: x, y, diameter, all in pixels, and the angle in degrees, 0..360, growing clockwise."""
    descriptors: np.ndarray
    """(n, 128) uint8."""
    grey: np.ndarray
    """(h, w) uint8: the whole picture, to be compared in the end; stored with at most GREY pixels a side."""

    def __len__(self) -> int:
        return len(self.places)

    @property
    def size(self) -> np.ndarray:
        return np.array([self.width, self.height], np.float32)

    def mirrored(self, mirror: Mirror) -> Keypoints:
        """Left to right, without the picture."""
        places = self.places.copy()
        places[:, 0] = self.width - 1 - places[:, 0]
        places[:, 3] = (180 - places[:, 3]) % 360
        return Keypoints(self.width, self.height, places, mirror(self.descriptors), self.grey[:, ::-1])


def pack(keypoints: Keypoints) -> bytes:
    """The feature: as long as it has keypoints, at most ROW bytes. At most MOST keypoints and GREY pixels a side."""
    stored = np.round(keypoints.places * _SCALES).astype(np.int64) & 0xFFFF  # 360 degrees are 0
    body = stored.astype("<u2").tobytes() + keypoints.descriptors.tobytes() + keypoints.grey.tobytes()
    height, width = keypoints.grey.shape
    facts = _FACTS.pack(keypoints.width, keypoints.height, len(keypoints), width, height)
    return facts + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(facts))) + body


def unpack(feature: bytes) -> Keypoints:
    """The keypoints of a feature, or of a row of an index. ValueError if a single bit of it is wrong."""
    end = _length(feature)
    if end > len(feature) or feature[end:].strip(b"\0"):
        raise ValueError(f"{len(feature)} bytes are no feature of keypoints")
    facts, body = feature[: _FACTS.size], feature[_HEADER:end]
    if zlib.crc32(body, zlib.crc32(facts)) != _CHECKSUM.unpack_from(feature, _FACTS.size)[0]:
        raise ValueError(f"the {len(feature)} bytes of these keypoints were altered")
    width, height, n, across, down = _FACTS.unpack(facts)
    places = np.frombuffer(body, "<u2", n * _PLACE).reshape(n, _PLACE) / _SCALES
    descriptors = np.frombuffer(body, np.uint8, n * DIMENSIONS, 2 * n * _PLACE).reshape(n, DIMENSIONS)
    grey = np.frombuffer(body, np.uint8, offset=n * _POINT).reshape(down, across)
    return Keypoints(width, height, places.astype(np.float32), descriptors, grey)


def as_rows(features: list[bytes]) -> np.ndarray:
    """(n, ROW) uint8 for an index. ValueError if one of the features is damaged, or is a row already."""
    for feature in features:
        if len(feature) != _length(feature):
            raise ValueError(f"{len(feature)} bytes are no feature of keypoints")
        unpack(feature)
    return np.frombuffer(b"".join(f.ljust(ROW, b"\0") for f in features), np.uint8).reshape(-1, ROW)


def _length(feature: bytes) -> int:
    """What its header says."""
    if len(feature) < _HEADER:
        raise ValueError(f"a feature of keypoints has at least {_HEADER} bytes")
    _, _, n, across, down = _FACTS.unpack_from(feature)
    if n > MOST or max(across, down) > GREY:
        raise ValueError(f"{len(feature)} bytes are no feature of keypoints")
    return _HEADER + n * _POINT + across * down

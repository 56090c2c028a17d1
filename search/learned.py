"""What was learned of a collection, as bytes: arrays one after the other, with a checksum. Pure: numpy only."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import numpy as np

_CHECKSUM = 4
"""Bytes at the beginning: CRC-32 of the rest."""


def pack(arrays: Sequence[np.ndarray]) -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)
    return zlib.crc32(file.getvalue()).to_bytes(_CHECKSUM, "little") + file.getvalue()


def unpack(learned: bytes) -> list[np.ndarray]:
    """ValueError if a single bit of it is wrong."""
    body = learned[_CHECKSUM:]
    if len(learned) < _CHECKSUM or zlib.crc32(body) != int.from_bytes(learned[:_CHECKSUM], "little"):
        raise ValueError(f"the {len(learned)} bytes that were learned of the collection are damaged")
    file, arrays = io.BytesIO(body), []
    while file.tell() < len(body):
        arrays.append(np.lib.format.read_array(file, allow_pickle=False))
    return arrays

"""The format of safetensors: the length of a header, the header in JSON, and plain numbers.

https://github.com/huggingface/safetensors. Its own reader maps the whole file into memory; here one tensor after the
other is read, and what is in the file can be told without torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from search.encoders.pytorch import torch
from search.errors import WeightsMissing

_LONGEST_HEADER = 100 * 2**20
_DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}


@dataclass(frozen=True)
class Stored:
    """A tensor in a file, not read yet."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    bytes: int

    def tensor(self, file: Path) -> Any:
        """Read from the file of the header. WeightsMissing if that cannot be."""
        try:
            flat = np.fromfile(file, np.uint8, self.bytes, offset=self.start)
        except OSError as error:
            raise WeightsMissing(f"{file} cannot be read: {error.strerror or error}.") from error
        if len(flat) != self.bytes:
            raise WeightsMissing(f"{file} is cut: it was changed while it was read.")
        return torch().from_numpy(flat).view(getattr(torch(), self.dtype)).reshape(self.shape)


def read_header(file: Path) -> dict[str, Stored]:
    """{name: what is stored}. OSError, or WeightsMissing if the file is cut or none of this format."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = opened.read(length) if 2 <= length <= min(_LONGEST_HEADER, size - 8) else b""
    try:
        described = json.loads(header)
        described.pop("__metadata__", None)
        stored = {name: _stored(8 + length, **of_one) for name, of_one in described.items()}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise WeightsMissing(f"{file} is damaged, or holds no weights.") from error
    end = 8 + length
    for one in sorted(stored.values(), key=lambda one: one.start):
        if one.start != end:
            raise WeightsMissing(f"{file} is damaged, or holds no weights.")
        end += one.bytes
    if size != end:
        raise WeightsMissing(f"{file} is cut or damaged: it has {size:,} bytes, and should have {end:,}.")
    return stored


def _stored(base: int, dtype: str, shape: list[int], data_offsets: list[int]) -> Stored:
    start, end = data_offsets
    name, width = _DTYPES[dtype]
    if not all(type(number) is int and number >= 0 for number in [*shape, start, end]):
        raise ValueError("a length that is none")
    if end - start != width * prod(shape):
        raise ValueError("a tensor of another length than its shape's")
    return Stored(name, tuple(shape), base + start, end - start)

"""Arrays on disk as .npy files, written in pieces and mapped read-only.

A file is only mapped when its header is, byte for byte, what would have been written, and nothing is missing behind
it: reading behind the end of a mapped file would end the process (SIGBUS).
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import TracebackType

import numpy as np


class ArrayWriter:
    """Rows of a file, piece by piece. FileExistsError if it is there: a file that may be mapped is never changed."""

    def __init__(self, path: Path, dtype: str, shape: tuple[int, ...]) -> None:
        self._file = path.open("xb")
        self._dtype, self._left = dtype, int(np.prod(shape))
        self._file.write(_header(dtype, shape))

    def write(self, rows: np.ndarray) -> None:
        self._left -= rows.size
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        with self._file as file:
            if kind is None:
                file.flush()
                os.fsync(file.fileno())
        if kind is None and self._left:
            raise ValueError(f"{self._left} numbers are missing in {self._file.name}")


def write_array(path: Path, array: np.ndarray) -> None:
    with ArrayWriter(path, array.dtype.str, array.shape) as file:
        file.write(array)


def map_array(path: Path, dtype: str, *width: int) -> np.ndarray:
    """(n, *width), read-only; n is told by the length of the file. ValueError or OSError if it is damaged."""
    item = np.dtype(dtype).itemsize * int(np.prod(width))
    empty = len(_header(dtype, (0, *width)))  # numpy fills headers up to a multiple of 64: all have one length
    n = max(0, path.stat().st_size - empty) // item
    header = _header(dtype, (n, *width))
    with path.open("rb") as file:
        if file.read(len(header)) != header or os.fstat(file.fileno()).st_size != len(header) + n * item:
            raise ValueError(f"{path.name} does not hold what its length promises")
    if not n:
        return np.empty((0, *width), dtype)
    return np.asarray(np.memmap(path, dtype, "r", len(header), (n, *width)))


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    return header.getvalue()

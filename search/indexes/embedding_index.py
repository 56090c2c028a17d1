"""Unit vectors by their cosine: float16 scanned exactly while they are few, found by their signs when they are many.

Scanning a million vectors of 512 float16 reads 1 GB. So a snapshot of many rows also holds one bit for each number of
a row, taken after the mean of the collection was subtracted and the rest was turned at random, so that all numbers say
equally much: 64 MB. A query is turned alike, but keeps four bits a number, and what these bits make likely is compared
exactly, from the mapped float16.

A text lies far from all images, and most of what it is made of lies where images do not differ at all. There the signs
of a row are nothing but noise, so the query is first weighted by how much the images differ in each direction: the
linear estimate of q (x - m) from the signs of x - m that errs least (Wiener's filter). And q (x - m) ranks as q x does.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gallery.disk import flush_folder
from search.indexes._base import IndexDamaged
from search.indexes._forms import COSINE_STEPS, FORMS, UNIT
from search.indexes.faiss_index import FaissIndex, _check, _Rows, _State, _write
from search.threads import Nearest

SIGNS, TURN = "signs.faiss", "turn.f32"
EXACT_ROWS = 32_768
"""Up to so many rows an exact scan is about as fast as signs."""
_COPIED = 4096
"""So few rows that are asked for are compared exactly."""
_LIKELY, _LIKELY_EACH = 3000, 24
"""Rows to compare exactly, and for each answer. Measured among a million: 2,000 hold 0.98 of the nearest ten of a text
and all of an image's, 4,000 hold 0.99; 16,000 hold 0.95 of a text's nearest thousand, 32,000 hold 0.99."""
_LEAST_BITS = 512
"""Of a row, also where it has fewer numbers."""
_SAMPLE = 50_000
"""Rows that the mean and the directions are learned from."""
_PROBES = 64
"""Rows that must have the signs they came with."""
_CHUNK = 16_384
_SEED = 1


def cosines(distances: np.ndarray) -> np.ndarray:
    """float32 of the distances that an EmbeddingIndex answers; meaningless where the id is -1."""
    return (1 - distances / COSINE_STEPS).astype(np.float32)


@dataclass(frozen=True)
class Turn:
    """How vectors become numbers whose signs count: b numbers of d, b a multiple of 64."""

    rows: np.ndarray
    """(b, d) float32: the random turn."""
    queries: np.ndarray
    """(b, d) float32: the same after the filter."""
    mean: np.ndarray
    """(d,) float32."""

    @classmethod
    def of(cls, codes: np.ndarray) -> Turn:
        """For these (n, 2 d) rows, from a sample of them."""
        sample = _floats(codes[np.unique(np.linspace(0, len(codes) - 1, _SAMPLE).astype(int))])
        bits, dimension = _bits(sample.shape[1]), sample.shape[1]
        whole = np.linalg.qr(np.random.default_rng(_SEED).standard_normal((bits, bits)))[0]
        turn = whole[:, :dimension]
        covariance = np.cov(sample.T).astype(np.float64).reshape(dimension, dimension)
        # A sign says as much of a normal number as the number itself with noise of pi / 2 - 1 times its variance. Each
        # of the bits has an equal share of all variance, which may be none.
        noise = (np.pi / 2 - 1) * max(float(np.trace(covariance)), 1e-9) / bits
        weights = np.linalg.solve(covariance + noise * np.eye(dimension), covariance)
        return cls(turn.astype(np.float32), (turn @ weights).astype(np.float32), sample.mean(0))

    def signs(self, codes: np.ndarray) -> np.ndarray:
        """(n, b / 8) uint8 of (n, 2 d) rows."""
        return np.packbits((_floats(codes) - self.mean) @ self.rows.T > 0, axis=1, bitorder="little")

    def planes(self, query: np.ndarray) -> np.ndarray:
        """(4, b / 64) uint64 of one (2 d,) query: its numbers as 0..15, the lowest bits first."""
        numbers = self.queries @ _floats(query[None])[0]
        most = max(float(np.abs(numbers).max()), 1e-30)
        steps = np.minimum(15, np.floor((numbers / most + 1) * 8)).astype(np.uint8)
        return np.packbits(steps >> np.arange(4)[:, None] & 1, axis=1, bitorder="little").view(np.uint64)


@dataclass(frozen=True, kw_only=True)
class _SignedRows(_Rows):
    turn: Turn
    signs: np.ndarray
    """(n, b / 8) uint8."""
    signs_owner: Any


class EmbeddingIndex(FaissIndex):
    """Rows and queries: (n, 2 * dimension) uint8, the bytes of unit vectors as little-endian float16.

    Distances: (1 - cosine) in COSINE_STEPS, rounded; see ``cosines``. Exact below ``exact_rows``, and for whatever was
    added since the index was read; above, one in some hundred of the nearest ten may be missing, and those found have
    their exact distances. A snapshot must be read with the ``exact_rows`` that it was written with.
    """

    def __init__(self, dimension: int, exact_rows: int = EXACT_ROWS) -> None:
        if not 1 <= dimension <= 4096:
            raise ValueError(f"the dimension of an embedding must be 1 to 4096, not {dimension}")
        self._exact_rows = exact_rows
        self._sampled: tuple[_State, int, np.ndarray] | None = None
        """Of which state, how many, and they."""
        super().__init__("cosine", 2 * dimension)

    def write(self, folder: Path) -> None:
        super().write(folder)
        rows = super()._mapped(folder)
        if len(rows.ids) > self._exact_rows:
            _write_signs(folder, rows.codes)
            flush_folder(folder)

    def sample(self, most: int) -> np.ndarray:
        """(n, d) float32: vectors, evenly spread over the ids, the same ones while nothing changes."""
        state, known = self._state, self._sampled
        if known is not None and known[0] is state and known[1] == most:
            return known[2]
        alive = np.flatnonzero(state.alive) if state.dead else np.arange(len(state.base.ids))
        chosen = _spread(len(alive) + len(state.delta.ids), most)
        base, delta = alive[chosen[chosen < len(alive)]], chosen[chosen >= len(alive)] - len(alive)
        sample = _floats(np.concatenate([state.base.codes[base], state.delta.codes[delta]]))
        self._sampled = state, most, sample
        return sample

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        rows = super()._checked(rows)
        lengths = np.concatenate([_lengths(rows[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK)] or [np.empty(0)])
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT))  # so that what is not a number is wrong
        if len(wrong):
            raise ValueError(f"rows must be unit vectors of float16; row {wrong[0]} has length {lengths[wrong[0]]:.4g}")
        return rows

    def _mapped(self, folder: Path) -> _Rows:
        rows = super()._mapped(folder)
        return rows if len(rows.ids) <= self._exact_rows else _signed(rows, folder)

    def _few(self, asked: int, rows: _Rows) -> bool:
        return asked <= _COPIED if isinstance(rows, _SignedRows) else super()._few(asked, rows)

    def _scan(self, rows: _Rows, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
        if not isinstance(rows, _SignedRows):
            return super()._scan(rows, alive, queries, k)
        from search.kernels import likely_by_signs, nearest_cosines

        found = []
        for query in queries:
            likely = likely_by_signs(rows.signs, alive, rows.turn.planes(query), _LIKELY + _LIKELY_EACH * k)
            found.append(nearest_cosines(rows.codes, None, query[None], k, likely))
        distances, at = (np.concatenate(column) for column in zip(*found, strict=True))
        return distances, at


def _spread(n: int, most: int) -> np.ndarray:
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(int)


def _bits(dimension: int) -> int:
    return max(_LEAST_BITS, -(-dimension // 64) * 64)


def _floats(codes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(codes).view("<f2").astype(np.float32)


def _lengths(rows: np.ndarray) -> np.ndarray:
    vectors = _floats(rows)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))


def _write_signs(folder: Path, codes: np.ndarray) -> None:
    turn = Turn.of(codes)
    width = len(turn.rows) // 8
    numbers = np.concatenate([turn.rows, turn.queries, turn.mean[None]])
    checksum = zlib.crc32(numbers.data)

    def chunks() -> Iterator[np.ndarray]:
        nonlocal checksum
        for start in range(0, len(codes), _CHUNK):
            signs = turn.signs(codes[start : start + _CHUNK])
            checksum = zlib.crc32(signs.data, checksum)
            yield signs

    _write(folder / SIGNS, FORMS["hamming"].header(width, len(codes)), chunks())
    _write(folder / TURN, b"", iter([numbers, np.array([checksum], "<u4")]))


def _signed(rows: _Rows, folder: Path) -> _SignedRows:
    """With their signs, which must be those of these rows: some are computed again."""
    n, dimension = len(rows.ids), rows.codes.shape[1] // 2
    width = _bits(dimension) // 8
    try:
        _check(folder / SIGNS, FORMS["hamming"].header(width, n), n * width)
        owner, flat = FORMS["hamming"].map(folder / SIGNS)
        signs = flat.reshape(n, width)
        turn = _read_turn(folder / TURN, dimension, signs)
    except (OSError, ValueError, RuntimeError) as error:
        raise IndexDamaged(f"The signs in {folder} cannot be read: {error}") from error
    probes = np.linspace(0, n - 1, _PROBES).astype(int)
    other = np.bitwise_count(turn.signs(rows.codes[probes]) ^ signs[probes]).sum()
    if other > 0.01 * _PROBES * width * 8:  # another processor may round numbers next to 0 to the other side
        raise IndexDamaged(f"The signs in {folder} belong to other rows.")
    return _SignedRows(rows.ids, rows.codes, rows.owner, turn=turn, signs=signs, signs_owner=owner)


def _read_turn(path: Path, dimension: int, signs: np.ndarray) -> Turn:
    """ValueError unless it was written with these signs."""
    bits = _bits(dimension)
    size = (2 * bits + 1) * dimension * 4
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != size + 4:
            raise ValueError(f"{path.name} does not hold what its length promises")
        content, checksum = file.read(size), int.from_bytes(file.read(4), "little")
    if zlib.crc32(signs.data, zlib.crc32(content)) != checksum:
        raise ValueError(f"{path.name} was not written with these signs")
    numbers = np.frombuffer(content, "<f4").reshape(-1, dimension)
    return Turn(numbers[:bits], numbers[bits:-1], numbers[-1])

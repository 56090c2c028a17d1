"""FAISS indexes: a mapped, read-only base, a small delta in memory for what came since, a bitmap of the dead.

FAISS ends the process (no Python exception) when rows are added to or removed from a mapped index. Here nobody can:
the mapped index is only kept alive and never called, and only ``read`` makes one.

A search takes one immutable state and never waits; writers take turns, and swap in a new state. Rows are kept sorted
by id, so that an id is found by bisection in the mapped file and equally near rows come in the order of their ids.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gallery.disk import flush_folder
from search.indexes._base import IndexDamaged, VectorIndex
from search.indexes._forms import FORMS, Form
from search.threads import FARTHEST, Nearest

CODES, IDS = "codes.faiss", "ids.npy"
_CHUNK = 65536
"""Rows copied at once while writing."""
_FEW = 16
"""When at most one row in so many is asked for, copying these rows is cheaper than scanning past the others."""


@dataclass(frozen=True)
class _Rows:
    ids: np.ndarray
    """(n,) int64, rising."""
    codes: np.ndarray
    """(n, width) uint8."""
    owner: Any = None
    """What the memory belongs to: FAISS's mapped index."""

    def where(self, ids: np.ndarray) -> np.ndarray:
        """Positions of those of the ids that are here."""
        at = np.searchsorted(self.ids, ids)
        at, ids = at[at < len(self.ids)], ids[at < len(self.ids)]
        return at[self.ids[at] == ids]

    def take(self, at: np.ndarray) -> _Rows:
        return _Rows(self.ids[at], self.codes[at])


@dataclass(frozen=True)
class _State:
    base: _Rows
    alive: np.ndarray
    """(n,) bool over the base."""
    dead: int
    delta: _Rows


class FaissIndex(VectorIndex):
    """``FaissIndex("hamming", 72)``: bits that differ; ``FaissIndex("l1", 512)``: L1 over bytes. Both exact.

    For "cosine" see EmbeddingIndex.
    """

    def __init__(self, form: Literal["hamming", "l1", "cosine"], width: int) -> None:
        self.width = width
        self._form: Form = FORMS[form]
        self._writing = threading.Lock()
        self._start(self._none())

    def __len__(self) -> int:
        state = self._state
        return len(state.base.ids) - state.dead + len(state.delta.ids)

    @property
    def pending(self) -> int:
        return self._state.dead + len(self._state.delta.ids)

    def add(self, ids: np.ndarray, rows: np.ndarray) -> None:
        new = self._sorted(ids, rows)
        with self._writing:
            state = self._without(new.ids)
            if len(state.delta.ids) and len(new.ids) and new.ids[0] < state.delta.ids[-1]:
                self._room = _merged(state.delta, new)
                self._state = replace(state, delta=self._room)
            else:
                self._state = replace(state, delta=self._appended(state.delta, new))

    def remove(self, ids: np.ndarray) -> None:
        with self._writing:
            self._state = self._without(np.asarray(ids, np.int64))

    def search(self, queries: np.ndarray, k: int, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        state, queries = self._state, self._checked(queries)
        alive = state.alive if state.dead else None
        parts = [
            self._nearest(state.base, alive, queries, k, among),
            self._nearest(state.delta, None, queries, k, among),
        ]
        return _best(parts, len(queries), k)

    def rows(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        state = self._state
        ids = np.unique(np.asarray(ids, np.int64))
        at = state.base.where(ids)
        found = _merged(state.base.take(at[state.alive[at]]), state.delta.take(state.delta.where(ids)))
        return found.ids, found.codes

    def write(self, folder: Path) -> None:
        """FileExistsError if the folder holds an index already: a file that may be mapped is never changed."""
        state = self._state
        kept = np.flatnonzero(state.alive)
        ids = np.concatenate([state.base.ids[kept], state.delta.ids])
        order = np.argsort(ids, kind="stable")
        at = np.concatenate([kept, np.arange(len(state.delta.ids)) + len(state.alive)])[order]
        _write(folder / IDS, _ids_header(len(ids)), iter([ids[order]]))
        _write(folder / CODES, self._form.header(self.width, len(ids)), _gathered(state, at))
        flush_folder(folder)

    def read(self, folder: Path) -> None:
        base = self._mapped(folder)
        with self._writing:
            self._start(base)

    def _start(self, base: _Rows) -> None:
        self._room = self._none()
        """Memory for the delta, which is always its beginning; what lies behind is free."""
        self._state = _State(base, np.ones(len(base.ids), bool), 0, self._room)

    def _none(self) -> _Rows:
        return _Rows(np.empty(0, np.int64), np.empty((0, self.width), np.uint8))

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows)
        if rows.ndim != 2 or rows.shape[1] != self.width or rows.dtype != np.uint8:
            raise ValueError(f"rows must be (n, {self.width}) uint8, not {rows.shape} {rows.dtype}")
        return np.ascontiguousarray(rows)

    def _sorted(self, ids: np.ndarray, rows: np.ndarray) -> _Rows:
        """Rising ids; of one that comes twice the last row stays."""
        ids, rows = np.asarray(ids, np.int64), self._checked(rows)
        if ids.shape != (len(rows),):
            raise ValueError(f"{len(rows)} rows need as many ids, not {ids.shape}")
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        last = np.append(ids[1:] != ids[:-1], True)[: len(ids)]
        return _Rows(ids[last], rows[order[last]])

    def _without(self, ids: np.ndarray) -> _State:
        """The state without these ids: dead in the base, cut out of the delta. The old state stays as it is."""
        state = self._state
        if len(at := state.base.where(ids)):
            alive = state.alive.copy()
            alive[at] = False
            state = replace(state, alive=alive, dead=int(len(alive) - np.count_nonzero(alive)))
        if len(at := state.delta.where(ids)):
            self._room = state.delta.take(np.setdiff1d(np.arange(len(state.delta.ids)), at))
            state = replace(state, delta=self._room)
        return state

    def _appended(self, delta: _Rows, new: _Rows) -> _Rows:
        """Written behind what searches see. The room doubles, so that many small additions cost one big one."""
        start, stop = len(delta.ids), len(delta.ids) + len(new.ids)
        if stop > len(self._room.ids):
            room = _Rows(np.empty(2 * stop, np.int64), np.empty((2 * stop, self.width), np.uint8))
            room.ids[:start], room.codes[:start] = delta.ids, delta.codes
            self._room = room
        self._room.ids[start:stop], self._room.codes[start:stop] = new.ids, new.codes
        return _Rows(self._room.ids[:stop], self._room.codes[:stop])

    def _nearest(
        self, rows: _Rows, alive: np.ndarray | None, queries: np.ndarray, k: int, among: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and distances, at most k columns; nothing is id -1."""
        if among is not None and self._few(len(among), rows):
            at = rows.where(among)
            rows, alive = rows.take(at if alive is None else at[alive[at]]), None
        elif among is not None:
            asked = np.isin(rows.ids, among)
            alive = asked if alive is None else asked & alive
        if not len(rows.ids) or not len(queries) or k < 1:
            return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.int32)
        bitmap = None if alive is None else np.packbits(alive, bitorder="little")
        distances, at = self._scan(rows, bitmap, queries, min(k, len(rows.ids)))
        return np.where(at < 0, -1, rows.ids[at]), np.where(at < 0, FARTHEST, distances)

    def _few(self, asked: int, rows: _Rows) -> bool:
        return asked * _FEW <= len(rows.ids)

    def _scan(self, rows: _Rows, alive: np.ndarray | None, queries: np.ndarray, k: int) -> Nearest:
        """``alive``: a bitmap over the rows, lowest bit first; None for all."""
        return self._form.nearest(rows.codes, alive, queries, k)

    def _mapped(self, folder: Path) -> _Rows:
        """Both files are compared with what ``write`` would have written, byte for byte up to the first row.

        So FAISS never sees a foreign header, and no row lies behind the end of its file, where reading would end
        the process (SIGBUS). Another version of FAISS with another header costs one rebuild.
        """
        try:
            n = ((folder / IDS).stat().st_size - len(_ids_header(0))) // 8
            _check(folder / IDS, _ids_header(n), n * 8)
            _check(folder / CODES, self._form.header(self.width, n), n * self.width)
            if not n:
                return self._none()
            ids = np.asarray(np.memmap(folder / IDS, np.int64, "r", len(_ids_header(n)), (n,)))
            index, codes = self._form.map(folder / CODES)
            rows = _Rows(ids, codes.reshape(n, self.width), index)
        except (OSError, ValueError, RuntimeError, OverflowError) as error:
            raise IndexDamaged(f"The index in {folder} cannot be read: {error}") from error
        if not (ids[1:] > ids[:-1]).all():
            raise IndexDamaged(f"The ids in {folder / IDS} are out of order.")
        return rows


def _merged(old: _Rows, new: _Rows) -> _Rows:
    """Of two without a common id."""
    order = np.argsort(ids := np.concatenate([old.ids, new.ids]), kind="stable")
    return _Rows(ids[order], np.concatenate([old.codes, new.codes])[order])


def _best(parts: list[tuple[np.ndarray, np.ndarray]], m: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    nothing = np.full((m, max(k, 0)), -1, np.int64), np.full((m, max(k, 0)), FARTHEST, np.int32)
    ids, distances = (np.concatenate([*column], axis=1) for column in zip(*parts, nothing, strict=True))
    order = np.lexsort((ids, distances), axis=1)[:, : max(k, 0)]
    return np.take_along_axis(ids, order, 1), np.take_along_axis(distances, order, 1).astype(np.int32)


def _gathered(state: _State, at: np.ndarray) -> Iterator[np.ndarray]:
    """Rows by position in base + delta, in chunks."""
    for start in range(0, len(at), _CHUNK):
        part = at[start : start + _CHUNK]
        from_base = part < len(state.alive)
        codes = np.empty((len(part), state.delta.codes.shape[1]), np.uint8)
        codes[from_base] = state.base.codes[part[from_base]]
        codes[~from_base] = state.delta.codes[part[~from_base] - len(state.alive)]
        yield codes


def _ids_header(n: int) -> bytes:
    header = io.BytesIO()
    layout = {"descr": "<i8", "fortran_order": False, "shape": (n,)}
    np.lib.format.write_array_header_1_0(header, layout)
    return header.getvalue()


def _check(path: Path, header: bytes, size: int) -> None:
    with path.open("rb") as file:
        if file.read(len(header)) != header or os.fstat(file.fileno()).st_size != len(header) + size:
            raise ValueError(f"{path.name} does not hold what its length promises")


def _write(path: Path, header: bytes, chunks: Iterator[np.ndarray]) -> None:
    with path.open("xb") as file:
        file.write(header)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk).data)
        file.flush()
        os.fsync(file.fileno())

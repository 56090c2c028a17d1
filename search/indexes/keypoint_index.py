"""Descriptors of the keypoints of all pictures: which of them are nearest to those of a query.

A point's number holds all that the votes need, so that nothing has to be looked up for it: image << 24 | number of the
keypoint << 16 | angle in 256 steps << 8 | log2 of its size in steps of 1/16.

Few points are compared one by one. Many are encoded by a codebook that was learned from them, 28 bytes each; it is
learned when the index is written, and again when the collection has grown. What was read from disk is mapped and never
changes; what came since lies in a few segments in memory, what went is passed over. A search takes one immutable state
and never waits; writers take turns, and swap in a new state.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from gallery.disk import flush_folder
from search import threads
from search.indexes._arrays import map_array, write_array
from search.indexes._base import Index, IndexDamaged, Rows
from search.indexes._codebook import DIMENSIONS, PARTS, SAMPLE, WORDS, Codebook, lists_for, train
from search.indexes._segments import NONE, Ask, Lists, Points, point_numbers, write_lists
from search.indexes.faiss_index import FaissIndex
from search.keypoints import ROW

__all__ = ["KeypointIndex", "point_numbers"]

EXACT = 40_000
"""Points that 500 descriptors of a query are compared with one by one in 0.1 s of a processor: 160 pictures."""
_FAR_TOO_MANY = 4
"""So many times EXACT are not waited with until the index is written."""
GROWTH = 4
"""The codebook is learned again when there are so many times the points that it was learned from."""
PROBES = 16
"""Lists that are looked into for each descriptor (bench_local_scale.py)."""
_EXACT_AMONG = 150
"""Among so few pictures all points are compared."""
_BATCH = 1_500
"""Rows in memory at once."""
_FORM = "keypoints 1"

Segment = Points | Lists


def _those_in(rising: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Which of the ids are in ``rising``, rising and each once. np.intersect1d looks at all that are there: 40 ms of
    100,000, where a few are asked for."""
    ids = np.unique(np.asarray(ids, np.int64))
    if not len(rising):
        return ids[:0]
    at = np.minimum(np.searchsorted(rising, ids), len(rising) - 1)
    return ids[rising[at] == ids]


@dataclass(frozen=True)
class _State:
    images: np.ndarray
    """All that are here, rising."""
    base: Segment | None
    """What was read from disk."""
    dead: np.ndarray
    """Images whose points in the base count no longer, rising."""
    fresh: tuple[Segment, ...] = ()
    """What came since: no image is in two of them. Each is more than twice as large as the next."""
    codebook: Codebook | None = None
    learned_from: int = 0
    """Points."""

    @property
    def parts(self) -> list[tuple[Segment, np.ndarray]]:
        """Segments, each with the images in it that do not count."""
        base = [(self.base, self.dead)] if self.base is not None else []
        return base + [(segment, NONE) for segment in self.fresh]

    @property
    def points(self) -> int:
        """About: as if every dead image had the mean of its segment."""
        return sum(round(len(s) * (1 - len(dead) / max(1, len(s.images)))) for s, dead in self.parts)

    @property
    def wants_to_learn(self) -> bool:
        if self.codebook is None:
            return self.points > EXACT
        return self.points >= GROWTH * self.learned_from and lists_for(self.points) > self.codebook.lists

    def without(self, gone: np.ndarray) -> _State:
        gone = _those_in(self.images, gone)
        if not len(gone):
            return self
        dead = self.dead if self.base is None else np.union1d(self.dead, _those_in(self.base.images, gone))
        fresh = [s.without(gone) if len(_those_in(s.images, gone)) else s for s in self.fresh]
        images = np.setdiff1d(self.images, gone, assume_unique=True)
        return replace(self, images=images, dead=dead, fresh=tuple(s for s in fresh if len(s.images)))

    def plus(self, points: Points) -> _State:
        """With images that are not here yet. Small segments are joined, so that many additions leave few of them."""
        if not len(points.images):
            return self
        new: Segment = points if self.codebook is None else Lists.of(points, self.codebook)
        fresh = list(self.fresh)
        while fresh and len(fresh[-1]) <= 2 * len(new):
            new = new.joined(fresh.pop())  # type: ignore[arg-type]  # with a codebook all are Lists, without all Points
        return replace(self, images=np.union1d(self.images, points.images), fresh=(*fresh, new))

    def all_points(self) -> Points:
        """Before anything was learned."""
        points = Points(NONE, NONE.copy(), np.empty((0, DIMENSIONS), np.uint8))
        for segment, dead in self.parts:
            points = points.joined(segment.without(dead))  # type: ignore[arg-type]
        return points

    def answer(
        self, queries: np.ndarray, k: int, among: np.ndarray | None, lists: int
    ) -> tuple[np.ndarray, np.ndarray]:
        ask = Ask(queries, k, among)
        probes = self.codebook.probes(queries, lists) if self.codebook else None
        for segment, dead in self.parts:
            if isinstance(segment, Points):
                segment.scan(ask, dead)
            elif self.codebook and probes:
                segment.scan(ask, dead, *probes, self.codebook.tables)
        return ask.answer()


_EMPTY = _State(NONE, None, NONE)


class KeypointIndex(Index):
    """Rows (search/keypoints.py) come in; ``nearest`` answers from their descriptors. The rows themselves, 38 KB each,
    are only kept where nobody else can bring them back (``fetch_rows_by``)."""

    width = ROW
    effort = 5  # 2,000 pictures take 10 s of a processor

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._state = _EMPTY
        self._kept: FaissIndex | None = FaissIndex("hamming", ROW)
        self._fetch: Callable[[np.ndarray], Rows] = self._kept.rows

    def fetch_rows_by(self, fetch: Callable[[np.ndarray], Rows]) -> None:
        self._fetch, self._kept = fetch, None

    def __len__(self) -> int:
        return len(self._state.images)

    @property
    def pending(self) -> int:
        state = self._state
        return len(state.dead) + sum(len(segment.images) for segment in state.fresh)

    @property
    def wants_writing(self) -> bool:
        return self._state.wants_to_learn

    def frozen(self) -> Self:
        still = copy(self)
        if self._kept is not None:
            still._kept = self._kept.frozen()
            still._fetch = still._kept.rows
        return still

    def add(self, ids: np.ndarray, rows: np.ndarray) -> None:
        """Ids from 0 to 2^39 - 1. ValueError if a row is damaged; nothing is added then."""
        ids, rows = _checked(ids, rows)
        points = Points.of(ids, rows)
        with self._writing:
            if self._kept is not None:
                self._kept.add(ids, rows)
            state = self._state.without(ids).plus(points)
            if state.codebook is None and state.points > _FAR_TOO_MANY * EXACT:
                state = _learned(state)
            self._state = state

    def remove(self, ids: np.ndarray) -> None:
        with self._writing:
            if self._kept is not None:
                self._kept.remove(ids)
            self._state = self._state.without(np.asarray(ids, np.int64))

    def rows(self, ids: np.ndarray) -> Rows:
        return self._fetch(_those_in(self._state.images, ids))

    def nearest(
        self, descriptors: np.ndarray, k: int, among: np.ndarray | None = None, lists: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k points nearest to each of (n, 128) uint8 descriptors: numbers (n, k) int64, -1 for none, and squared
        distances (n, k) float32, nearest first. ``among``: sorted ids of the images whose points may be answered.
        ``lists``: fewer than PROBES, to be quick.

        Distances are exact while nothing was learned, then those to the encoded points.
        """
        if descriptors.ndim != 2 or descriptors.shape[1] != DIMENSIONS or descriptors.dtype != np.uint8:
            raise ValueError(f"descriptors must be (n, 128) uint8, not {descriptors.shape} {descriptors.dtype}")
        state, queries, k = self._state, descriptors.astype(np.float32), max(0, k)
        if among is not None and state.codebook and len(among) <= _EXACT_AMONG:
            few = Points.of(*self.rows(among))
            state = _State(few.images, few, NONE)
        if not len(queries) or not k or not state.points:
            return Ask(queries, k, among).answer()
        pieces = np.array_split(queries, threads.CORES if state.codebook else 1)
        answers = threads.pool().map(lambda piece: state.answer(piece, k, among, lists or PROBES), pieces)
        numbers, distances = (np.concatenate(column) for column in zip(*answers, strict=True))
        return numbers, distances

    def write(self, folder: Path) -> None:
        """FileExistsError if the folder holds an index already. Learns the codebook (again) when that is due: minutes,
        where there are many pictures."""
        state = self._state
        if self._kept is not None:
            self._kept.write(folder)
        if state.wants_to_learn:
            self._learn_and_write(folder, state)
        elif state.codebook:
            lists = [(segment, dead) for segment, dead in state.parts if isinstance(segment, Lists)]
            _write(folder, state.images, lists, state.codebook, state.learned_from)
        else:
            points = state.all_points()
            points.write(folder)
            _write_facts(folder, learned_from=0, images=len(points.images), points=len(points), lists=0)

    def read(self, folder: Path) -> None:
        kept = FaissIndex("hamming", ROW) if self._kept is not None else None
        try:
            if kept is not None:
                kept.read(folder)
            state = _read(folder)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise IndexDamaged(f"The index in {folder} cannot be read: {error}") from error
        with self._writing:
            self._state = state
            if kept is not None:
                self._kept, self._fetch = kept, kept.rows

    def _learn_and_write(self, folder: Path, state: _State) -> None:
        """Encode batch by batch into parts of their own on disk, then put these together."""
        codebook = _learn(self._sample(state), state.points)
        parts: list[tuple[Lists, np.ndarray]] = []
        images = [NONE]
        try:
            for points in self._batches(state):
                place = folder / f"part-{len(parts)}"
                place.mkdir()
                write_lists(place, points.images, [(Lists.of(points, codebook), NONE)])
                parts.append((Lists.read(place), NONE))
                images.append(points.images)
            _write(folder, np.concatenate(images), parts, codebook, state.points)
        finally:
            for place in folder.glob("part-*"):
                shutil.rmtree(place)

    def _batches(self, state: _State) -> Iterator[Points]:
        """All points as they are, by rising images."""
        if state.codebook is None:
            yield state.all_points()
            return
        for start in range(0, len(state.images), _BATCH):
            yield Points.of(*self._fetch(state.images[start : start + _BATCH]))

    def _sample(self, state: _State) -> np.ndarray:
        if state.codebook is None:
            return state.all_points().descriptors
        share = _sample_size(state.points) / state.points
        some = np.sort(np.random.default_rng(0).permutation(state.images)[: int(share * len(state.images)) + 1])
        batches = (some[start : start + _BATCH] for start in range(0, len(some), _BATCH))
        return np.concatenate([Points.of(*self._fetch(batch)).descriptors for batch in batches])


def _checked(ids: np.ndarray, rows: np.ndarray) -> Rows:
    """Rising ids; of one that comes twice the last row stays."""
    ids, rows = np.asarray(ids, np.int64), np.asarray(rows)
    if rows.ndim != 2 or rows.shape[1] != ROW or rows.dtype != np.uint8:
        raise ValueError(f"rows must be (n, {ROW}) uint8, not {rows.shape} {rows.dtype}")
    if ids.shape != (len(rows),):
        raise ValueError(f"{len(rows)} rows need as many ids, not {ids.shape}")
    if len(ids) and (ids.min() < 0 or ids.max() >= 1 << 39):
        raise ValueError("ids of rows must be from 0 to 2^39 - 1")
    unique, last = np.unique(ids[::-1], return_index=True)
    return unique, rows[len(ids) - 1 - last]


def _sample_size(points: int) -> int:
    return min(points, max(SAMPLE * lists_for(points), 256 * WORDS))


def _learn(descriptors: np.ndarray, points: int) -> Codebook:
    """For so many points, of which these are some."""
    some = np.random.default_rng(0).permutation(len(descriptors))[: _sample_size(points)]
    return train(descriptors[np.sort(some)], lists_for(points))


def _learned(state: _State) -> _State:
    points = state.all_points()
    codebook = _learn(points.descriptors, len(points))
    fresh = Lists.of(points, codebook)
    # The points of a base from disk, if there is one, are in it: the base itself is no longer needed.
    return _State(state.images, None, NONE, (fresh,), codebook, len(points))


def _write(
    folder: Path, images: np.ndarray, parts: list[tuple[Lists, np.ndarray]], codebook: Codebook, learned_from: int
) -> None:
    points = write_lists(folder, images, parts)
    write_array(folder / "centroids.npy", codebook.centroids)
    write_array(folder / "words.npy", codebook.words[None])
    _write_facts(folder, learned_from=learned_from, images=len(images), points=points, lists=codebook.lists)


def _write_facts(folder: Path, **facts: int) -> None:
    with (folder / "facts.json").open("x") as file:
        json.dump({"form": _FORM, **facts}, file)
        file.flush()
        os.fsync(file.fileno())
    flush_folder(folder)


def _read(folder: Path) -> _State:
    facts = json.loads((folder / "facts.json").read_text())
    segment: Segment = Lists.read(folder) if facts["lists"] else Points.read(folder)
    codebook = _codebook(folder) if isinstance(segment, Lists) else None
    seen = {"images": len(segment.images), "points": len(segment), "lists": codebook.lists if codebook else 0}
    if facts != {"form": _FORM, "learned_from": int(facts["learned_from"]), **seen}:
        raise ValueError("facts.json speaks of another index")
    if isinstance(segment, Lists) and segment.lists != seen["lists"]:
        raise ValueError("the lists are not those of the codebook")
    images = np.array(segment.images)
    if len(images) and (images[0] < 0 or (np.diff(images) <= 0).any()):
        raise ValueError("the ids in images.npy are out of order")
    return _State(images, segment, NONE, (), codebook, facts["learned_from"])


def _codebook(folder: Path) -> Codebook:
    centroids = map_array(folder / "centroids.npy", "<f4", DIMENSIONS)
    words = map_array(folder / "words.npy", "<f4", PARTS, WORDS, DIMENSIONS // PARTS)[0]
    if not (np.isfinite(centroids).all() and np.isfinite(words).all()):
        raise ValueError("the codebook holds what is no number")
    return Codebook(np.array(centroids), np.array(words))

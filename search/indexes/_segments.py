"""Points of many pictures that are searched together and never change: as they are, or in the lists of a codebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.indexes._arrays import ArrayWriter, map_array, write_array
from search.indexes._codebook import DIMENSIONS, PARTS, Codebook
from search.keypoints import Keypoints, unpack

IMAGE_SHIFT = 24
NONE = np.empty(0, np.int64)
_BLOCK = 16_384
"""Points compared at once: products with 500 queries are 32 MB."""
_CHUNK = 500_000
"""Points written at once."""


def point_numbers(image: int, keypoints: Keypoints) -> np.ndarray:
    """(n,) int64: image << 24 | number of the keypoint << 16 | angle in 256 steps << 8 | log2 of its size in 1/16."""
    sizes = np.clip(np.round(16 * np.log2(np.maximum(1, keypoints.places[:, 2]))), 0, 255).astype(np.int64)
    angles = np.floor(keypoints.places[:, 3] * (256 / 360)).astype(np.int64) & 255
    return np.int64(image) << IMAGE_SHIFT | np.arange(len(keypoints)) << 16 | angles << 8 | sizes


class Ask:
    """Queries (m, 128) float32 and, while segments are looked through, the best k answers so far (see _scan)."""

    def __init__(self, queries: np.ndarray, k: int, among: np.ndarray | None) -> None:
        self.queries = queries
        self.own = (queries * queries).sum(1)
        self.chosen, self.among = among is not None, NONE if among is None else np.asarray(among, np.int64)
        self.distances = np.full((len(queries), k), np.inf, np.float32)
        self.found = np.full((len(queries), k), -1, np.int64)

    def answer(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and distances, nearest first."""
        order = np.lexsort((self.found, self.distances), axis=1)
        distances = np.maximum(0, np.take_along_axis(self.distances, order, 1))
        return np.take_along_axis(self.found, order, 1), distances


@dataclass(frozen=True)
class Points:
    """Compared one by one: exact, and cheap for as long as there are few."""

    images: np.ndarray
    """Rising, int64; those without a single point as well."""
    numbers: np.ndarray
    """(n,) int64."""
    descriptors: np.ndarray
    """(n, 128) uint8."""

    def __post_init__(self) -> None:
        _never_change(self.numbers, self.descriptors)

    @classmethod
    def of(cls, images: np.ndarray, rows: np.ndarray) -> Points:
        """Of rising ids and rows of an index. ValueError if a row is damaged."""
        stored = [unpack(row.tobytes()) for row in rows]
        numbers = [point_numbers(image, keypoints) for image, keypoints in zip(images.tolist(), stored, strict=True)]
        descriptors = [np.empty((0, DIMENSIONS), np.uint8), *(keypoints.descriptors for keypoints in stored)]
        return cls(images, np.concatenate([NONE, *numbers]), np.concatenate(descriptors))

    def __len__(self) -> int:
        return len(self.numbers)

    def without(self, gone: np.ndarray) -> Points:
        kept = ~np.isin(self.numbers >> IMAGE_SHIFT, gone)
        return Points(np.setdiff1d(self.images, gone), self.numbers[kept], self.descriptors[kept])

    def joined(self, other: Points) -> Points:
        return Points(
            np.union1d(self.images, other.images),
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.descriptors, other.descriptors]),
        )

    def scan(self, ask: Ask, dead: np.ndarray) -> None:
        from search.indexes._scan import scan_products

        for start in range(0, len(self), _BLOCK):
            points = self.descriptors[start : start + _BLOCK].astype(np.float32)
            products, squares = ask.queries @ points.T, (points * points).sum(1)
            numbers = self.numbers[start : start + _BLOCK]
            heap = ask.distances, ask.found
            scan_products(products, ask.own, squares, numbers, dead, ask.chosen, ask.among, *heap)

    def write(self, folder: Path) -> None:
        for name, array in (("images", self.images), ("numbers", self.numbers), ("descriptors", self.descriptors)):
            write_array(folder / f"{name}.npy", array)

    @classmethod
    def read(cls, folder: Path) -> Points:
        """ValueError or OSError if it is damaged."""
        images, numbers = (map_array(folder / f"{name}.npy", "<i8") for name in ("images", "numbers"))
        points = cls(images, numbers, map_array(folder / "descriptors.npy", "|u1", DIMENSIONS))
        if len(points.descriptors) != len(numbers):
            raise ValueError("there are not as many descriptors as points")
        return points


@dataclass(frozen=True)
class Lists:
    """Encoded, and only looked at where a query may be near. Points of list i: offsets[i] to offsets[i + 1]."""

    images: np.ndarray
    offsets: np.ndarray
    """(lists + 1,) int64."""
    codes: np.ndarray
    """(n, 16) uint8."""
    terms: np.ndarray
    """(n,) float32: see Codebook.encode."""
    numbers: np.ndarray
    """(n,) int64."""

    def __post_init__(self) -> None:
        _never_change(self.offsets, *self._columns())

    @classmethod
    def of(cls, points: Points, codebook: Codebook) -> Lists:
        at, codes, terms = codebook.encode(points.descriptors)
        return cls._sorted(points.images, at, codebook.lists, codes, terms, points.numbers)

    @classmethod
    def _sorted(cls, images: np.ndarray, at: np.ndarray, lists: int, *columns: np.ndarray) -> Lists:
        order = np.argsort(at, kind="stable")
        return cls(images, _offsets(at, lists), *(column[order] for column in columns))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def lists(self) -> int:
        return len(self.offsets) - 1

    def without(self, gone: np.ndarray) -> Lists:
        if not len(gone):
            return self
        kept = ~np.isin(self.numbers >> IMAGE_SHIFT, gone)
        offsets = _offsets(self._at()[kept], self.lists)
        return Lists(np.setdiff1d(self.images, gone), offsets, self.codes[kept], self.terms[kept], self.numbers[kept])

    def joined(self, other: Lists) -> Lists:
        return Lists.merged([self, other], np.union1d(self.images, other.images))

    @classmethod
    def merged(cls, parts: list[Lists], images: np.ndarray = NONE) -> Lists:
        """Of the same codebook."""
        columns = (np.concatenate(column) for column in zip(*(part._columns() for part in parts), strict=True))
        at = np.concatenate([part._at() for part in parts])
        return cls._sorted(images, at, parts[0].lists, *columns)

    def part(self, first: int, last: int) -> Lists:
        """Only the lists from first to last - 1, and no images."""
        start, stop = self.offsets[first], self.offsets[last]
        return Lists(NONE, self.offsets[first : last + 1] - start, *(c[start:stop] for c in self._columns()))

    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.codes, self.terms, self.numbers

    def _at(self) -> np.ndarray:
        return np.repeat(np.arange(self.lists, dtype=np.int32), np.diff(self.offsets))

    def scan(self, ask: Ask, dead: np.ndarray, probes: np.ndarray, far: np.ndarray, tables: np.ndarray) -> None:
        from search.indexes._scan import scan_lists

        mine = self.offsets, self.codes.view(np.uint64), self.terms, self.numbers
        heap = ask.distances, ask.found
        scan_lists(ask.queries, probes, far, tables, *mine, dead, ask.chosen, ask.among, *heap)

    @classmethod
    def read(cls, folder: Path) -> Lists:
        """ValueError or OSError if it is damaged."""
        images, offsets, numbers = (map_array(folder / f"{n}.npy", "<i8") for n in ("images", "offsets", "numbers"))
        codes, terms = map_array(folder / "codes.npy", "|u1", PARTS), map_array(folder / "terms.npy", "<f4")
        if not len(numbers) == len(codes) == len(terms):
            raise ValueError("there are not as many codes as points")
        if len(offsets) < 2 or offsets[0] or offsets[-1] != len(numbers) or (np.diff(offsets) < 0).any():
            raise ValueError("the lists are not those of these points")
        return cls(images, offsets, codes, terms, numbers)


def write_lists(folder: Path, images: np.ndarray, parts: list[tuple[Lists, np.ndarray]]) -> int:
    """Parts, each without its dead images, as one. Returns the number of points."""
    counts = np.sum([_living(part, dead) for part, dead in parts], axis=0)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n = int(offsets[-1])
    write_array(folder / "images.npy", images)
    write_array(folder / "offsets.npy", offsets)
    with ExitStack() as stack:
        codes = stack.enter_context(ArrayWriter(folder / "codes.npy", "|u1", (n, PARTS)))
        terms = stack.enter_context(ArrayWriter(folder / "terms.npy", "<f4", (n,)))
        numbers = stack.enter_context(ArrayWriter(folder / "numbers.npy", "<i8", (n,)))
        for first, last in _ranges(offsets):
            merged = Lists.merged([part.part(first, last).without(dead) for part, dead in parts])
            codes.write(merged.codes)
            terms.write(merged.terms)
            numbers.write(merged.numbers)
    return n


def _living(part: Lists, dead: np.ndarray) -> np.ndarray:
    """(lists,) points that are not dead."""
    if not len(dead):
        return np.diff(part.offsets)
    counts = np.zeros(part.lists, np.int64)
    for first, last in _ranges(part.offsets):
        counts[first:last] = np.diff(part.part(first, last).without(dead).offsets)
    return counts


def _ranges(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Consecutive lists (first, last) of about _CHUNK points together."""
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + _CHUNK, side="right")) - 1
        last = max(first + 1, last)
        yield first, last
        first = last


def _never_change(*arrays: np.ndarray) -> None:
    """As those mapped from disk. To numba other arrays are of another type: it would compile everything twice."""
    for array in arrays:
        array.flags.writeable = False


def _offsets(at: np.ndarray, lists: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(at, minlength=lists))]).astype(np.int64)

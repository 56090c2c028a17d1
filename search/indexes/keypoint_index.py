"""Descriptors of the keypoints of all pictures: which of them are nearest to those of a query.

A point's number holds all that the votes need, so that nothing has to be looked up for it: image << 24 | number of the
keypoint << 16 | angle in 256 steps << 8 | log2 of its size in steps of 1/16.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from search.indexes._base import Index, IndexDamaged, Rows
from search.keypoints import ROW, Keypoints, unpack


def point_numbers(image: int, keypoints: Keypoints) -> np.ndarray:
    """(n,) int64."""
    sizes = np.clip(np.round(16 * np.log2(np.maximum(1, keypoints.places[:, 2]))), 0, 255).astype(np.int64)
    angles = np.floor(keypoints.places[:, 3] * (256 / 360)).astype(np.int64) & 255
    return np.int64(image) << 24 | np.arange(len(keypoints)) << 16 | angles << 8 | sizes


class KeypointIndex(Index):
    width = ROW

    def __init__(self) -> None:
        self._rows: dict[int, np.ndarray] = {}

    def add(self, ids: np.ndarray, rows: np.ndarray) -> None:
        for image, row in zip(ids.tolist(), rows, strict=True):
            self._rows[image] = row

    def remove(self, ids: np.ndarray) -> None:
        for image in ids.tolist():
            self._rows.pop(image, None)

    def nearest(
        self, descriptors: np.ndarray, k: int, among: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k points nearest to each of (n, 128) uint8 descriptors: numbers (n, k) int64, -1 for none, and squared
        distances (n, k) float32, nearest first. ``among``: sorted ids of the images whose points may be answered."""
        wanted = self._rows if among is None else set(among.tolist()) & set(self._rows)
        stored = [(image, unpack(self._rows[image].tobytes())) for image in wanted]
        numbers, distances = np.full((len(descriptors), k), -1, np.int64), np.full((len(descriptors), k), np.inf, "f4")
        if stored and k:
            a = descriptors.astype(np.float32)
            b = np.concatenate([keypoints.descriptors for _, keypoints in stored]).astype(np.float32)
            all_numbers = np.concatenate([point_numbers(*one) for one in stored])
            far = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
            best = np.argsort(far, 1)[:, :k]
            numbers[:, : best.shape[1]] = all_numbers[best]
            distances[:, : best.shape[1]] = np.take_along_axis(far, best, 1)
        return numbers, distances

    def rows(self, ids: np.ndarray) -> Rows:
        found = [i for i in np.unique(ids).tolist() if i in self._rows]
        return np.array(found, np.int64), np.array([self._rows[i] for i in found], np.uint8).reshape(-1, ROW)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def pending(self) -> int:
        return len(self._rows)

    def write(self, folder: Path) -> None:
        np.savez(folder / "rows.npz", ids=np.array(list(self._rows)), rows=np.array(list(self._rows.values())))

    def read(self, folder: Path) -> None:
        try:
            stored = np.load(folder / "rows.npz")
            self._rows = dict(zip(stored["ids"].tolist(), stored["rows"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            raise IndexDamaged(str(error)) from error

"""What an index is: a cache of the features of one engine that answers nearest neighbours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np


class IndexDamaged(Exception):
    """The files of an index cannot be read as one; it must be built again from the features."""


class Index(ABC):
    """Rows of a fixed width, each under an int64 id. Searches may run in several threads while one thread writes."""

    width: int
    """Bytes a row."""

    @abstractmethod
    def add(self, ids: np.ndarray, rows: np.ndarray) -> None:
        """Put (n, width) rows under (n,) ids; an id that is already there is replaced. ValueError on a wrong shape."""

    @abstractmethod
    def remove(self, ids: np.ndarray) -> None:
        """Forget these ids; unknown ones are ignored."""

    @abstractmethod
    def search(self, queries: np.ndarray, k: int, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of each of (m, width) queries: ids (m, k) int64 and distances (m, k) int32.

        Nearest first, equal distances by id; rows that are missing (fewer than k) have id -1. ``among``: sorted
        int64 ids; only these are answered.
        """

    @abstractmethod
    def rows(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the ids that are here, rising, and their rows (n, width): to look at answers more closely."""

    @abstractmethod
    def __len__(self) -> int:
        """Live rows."""

    @property
    @abstractmethod
    def pending(self) -> int:
        """Rows added or removed since the index was read: when there are many, a new snapshot is worth writing."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write all live rows into an empty folder, flushed to disk. The index itself stays as it is."""

    @abstractmethod
    def read(self, folder: Path) -> None:
        """Replace everything by what ``write`` wrote, mapped from disk. IndexDamaged if that cannot be."""

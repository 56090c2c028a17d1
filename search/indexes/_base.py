"""What an index is: a cache of the features of one engine that answers nearest neighbours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np


class IndexDamaged(Exception):
    """The files of an index cannot be read as one; it must be built again from the features."""


Rows = tuple[np.ndarray, np.ndarray]
"""Rising ids (n,) int64 and their rows (n, width) uint8."""


class Index(ABC):
    """Rows of a fixed width, each under an int64 id. Searches may run in several threads while one thread writes.

    This is the life of an index; how it is asked is the business of its kind: see VectorIndex and KeypointIndex.
    """

    width: int
    """Bytes a row."""
    effort: int = 1
    """Of adding a row, in that of adding a plain vector: a process that begins from a snapshot adds all that came
    since before it answers."""

    @abstractmethod
    def add(self, ids: np.ndarray, rows: np.ndarray) -> None:
        """Put (n, width) rows under (n,) ids; an id that is already there is replaced. ValueError on a wrong shape."""

    @abstractmethod
    def remove(self, ids: np.ndarray) -> None:
        """Forget these ids; unknown ones are ignored."""

    @abstractmethod
    def rows(self, ids: np.ndarray) -> Rows:
        """Those of the ids that are here, rising, and their rows (n, width): to look at answers more closely."""

    def fetch_rows_by(self, fetch: Callable[[np.ndarray], Rows]) -> None:  # noqa: B027 (most indexes keep their rows)
        """Called before anything else by who can bring rows back by their ids: an index of large rows need not keep
        them then. ``fetch`` leaves out ids that it does not know."""

    @abstractmethod
    def __len__(self) -> int:
        """Live rows."""

    @property
    @abstractmethod
    def pending(self) -> int:
        """Rows added or removed since the index was read: when there are many, a new snapshot is worth writing."""

    @property
    def wants_writing(self) -> bool:
        """It would answer better, or sooner, once it was written and read again: it learns from what it holds."""
        return False

    def frozen(self) -> Self:
        """One that stays as this is now, to be written or searched. Additions may go on here meanwhile."""
        return copy(self)  # both share a state that never changes; whoever writes swaps in another one

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write all live rows into an empty folder, flushed to disk. The index itself stays as it is."""

    @abstractmethod
    def read(self, folder: Path) -> None:
        """Replace everything by what ``write`` wrote, mapped from disk. IndexDamaged if that cannot be."""


class VectorIndex(Index):
    """One row is one vector."""

    @abstractmethod
    def search(self, queries: np.ndarray, k: int, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of each of (m, width) queries: ids (m, k) int64 and distances (m, k) int32.

        Nearest first, equal distances by id; rows that are missing (fewer than k) have id -1. ``among``: sorted
        int64 ids; only these are answered.
        """

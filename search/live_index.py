"""The index of an engine in this process: loaded once, then kept fresh by the change log before every search."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction

from search import snapshots
from search.engines import get_engine
from search.engines._base import Engine
from search.errors import EngineError
from search.indexes._base import Index
from search.models import Change, Feature

logger = logging.getLogger(__name__)

BATCH = 20_000
PENDING_ROWS, PENDING_SHARE = 2_000, 0.1
"""A snapshot is worth writing when so many rows, and such a share of all, are not in the last one."""
SNAPSHOT_LOCK = 7342


class LiveIndex:
    """One for each engine and process: ``live_index(name)``."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self.engine, self.root = engine, root
        self.index: Index | None = None
        self.position = 0
        """Everything up to this place of the log is in the index."""
        self._loaded = 0
        """Position of the snapshot that the index began from."""
        self._lock = threading.Lock()
        self._building: threading.Thread | None = None
        self._built, self._to_build = 0, 0
        self._build_error = ""

    def fresh(self, seconds: float) -> Index:
        """The index with every change that was committed before this call.

        Waits at most ``seconds`` for an index that has to be built first; EngineError if that is not enough.
        """
        deadline = time.monotonic() + seconds
        while (index := self._fresh_now()) is None:
            building = self._building
            if building is not None:
                building.join(max(0.0, deadline - time.monotonic()))
                if building.is_alive() or time.monotonic() > deadline:
                    raise EngineError(self._progress())
            if self._build_error:
                error, self._build_error = self._build_error, ""
                raise EngineError(error)
        return index

    def _progress(self) -> str:
        share = self._built / self._to_build if self._to_build else 0
        return f"{self.engine.label}: the index is being built, {share:.0%} done."

    def _fresh_now(self) -> Index | None:
        """The fresh index, or None while it is being built in the background."""
        with self._lock:
            if self._building is not None and self._building.is_alive():
                return None
            last = self._last_change()
            if self.index is None or last < self.position:  # the database went back in time: another one, or restored
                self._load(last)
            if self.index is not None and last > self.position:
                self._catch_up(self.index)
                self._move_to_newer_snapshot(last)
            return self.index

    def _last_change(self) -> int:
        rows = Change.objects.filter(engine=self.engine.name, version=self.engine.version)
        return rows.order_by("-seq").values_list("seq", flat=True).first() or 0

    def _load(self, last: int) -> None:
        index = self.engine.new_index()
        position = snapshots.read_newest(self.engine, index, self.root, at_most=last)
        if position is not None:
            self.index, self.position, self._loaded = index, position, position
        elif last == 0:
            self.index, self.position = index, 0
        else:
            self.index = None
            self._building = threading.Thread(target=self._build, name=f"build {self.engine.name}", daemon=True)
            self._building.start()

    def _move_to_newer_snapshot(self, last: int) -> None:
        """Another process may have written down what fills the memory of this one."""
        newest = next(iter(snapshots.positions(snapshots.folder_of(self.engine, self.root))), 0)
        if newest > self._loaded and self.worth_a_snapshot():
            index = self.engine.new_index()
            position = snapshots.read_newest(self.engine, index, self.root, at_most=last)
            if position is not None:
                self.index, self.position, self._loaded = index, position, position
                self._catch_up(index)

    def _build(self) -> None:
        """Read all features into a new index, on a connection of this thread."""
        try:
            index = self.engine.new_index()
            position = self._read_all(index)
            with self._lock:
                self.index, self.position = index, position
        except (DatabaseError, ValueError, MemoryError) as error:
            logger.exception("The index of %s could not be built", self.engine.name)
            self._build_error = f"{self.engine.label}: the index could not be built: {error}"
        finally:
            connection.close()

    def _read_all(self, index: Index) -> int:
        features = Feature.objects.of(self.engine)
        with transaction.atomic():
            # One snapshot of the database for the position and the rows: what commits meanwhile is caught up later.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            position = self._last_change()
            self._built, self._to_build = 0, features.count()
            rows: list[tuple[int, Any]] = []
            for row in features.values_list("image_id", "data").iterator(chunk_size=BATCH):
                rows.append(row)
                if len(rows) == BATCH:
                    self._add(index, rows)
            self._add(index, rows)
        return position

    def _add(self, index: Index, rows: list[tuple[int, Any]]) -> None:
        if rows:
            ids = np.fromiter((image_id for image_id, _ in rows), np.int64, len(rows))
            index.add(ids, self.engine.rows([bytes(data) for _, data in rows]))
            self._built += len(rows)
            rows.clear()

    def _catch_up(self, index: Index) -> None:
        """Apply the changes after ``position``; one statement, so that log and features are of one moment."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.seq, c.image_id, f.data FROM search_change c LEFT JOIN search_feature f"
                " ON f.image_id = c.image_id AND f.engine = c.engine AND f.version = c.version"
                " WHERE c.engine = %s AND c.version = %s AND c.seq > %s ORDER BY c.seq",
                [self.engine.name, self.engine.version, self.position],
            )
            while rows := cursor.fetchmany(BATCH):
                gone = [image_id for _, image_id, data in rows if data is None]
                if gone:
                    index.remove(np.array(gone, np.int64))
                self._add(index, [(image_id, data) for _, image_id, data in rows if data is not None])
                self.position = rows[-1][0]

    def worth_a_snapshot(self) -> bool:
        if self.index is None or self.position == 0:
            return False
        if not snapshots.positions(snapshots.folder_of(self.engine, self.root)):
            return len(self.index) > 0
        return self.index.pending > max(PENDING_ROWS, PENDING_SHARE * len(self.index))

    def write_snapshot(self) -> bool:
        """Write one unless another process is doing so. Later loads, here and elsewhere, begin from it."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [SNAPSHOT_LOCK])
            if not cursor.fetchone()[0]:
                return False
            try:
                with self._lock:
                    if self.index is None:
                        return False
                    target = snapshots.write(self.engine, self.index, self.position, self.root)
                    self.index.read(target)
                    self._loaded = self.position
                return True
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [SNAPSHOT_LOCK])


@cache
def live_index(name: str) -> LiveIndex:
    """The index of the engine with this name in this process."""
    return LiveIndex(get_engine(name), Path(settings.INDEX_ROOT))


def forget_all() -> None:
    """Drop the indexes of this process; the next search loads them again."""
    live_index.cache_clear()


def close_stale_connection() -> None:
    """For threads that live longer than a request: Django only looks after those of requests."""
    with suppress(DatabaseError):
        close_old_connections()

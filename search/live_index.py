"""The index of an engine in this process: loaded once, then kept fresh by the change log before every search."""

from __future__ import annotations

import logging
import math
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction

from gallery.models import READY, Image
from search import snapshots
from search.current import current_engine
from search.engines._base import Engine
from search.errors import EngineError
from search.indexes._base import Index, Rows
from search.models import Change, Feature, Snapshot, Unmade, images_without
from search.models.features import renew_damaged

logger = logging.getLogger(__name__)

BATCH, BATCH_BYTES = 20_000, 64 * 2**20
"""Features in memory at once, whichever is less."""
PENDING_ROWS, PENDING_SHARE = 2_000, 0.1
"""A snapshot is worth writing when so many rows, and such a share of all, are not in the last one: fewer where adding
takes more effort."""
SNAPSHOT_LOCK = 7342
"""With a number for the engine: one writes each index at a time, and nobody waits for the slowest."""
LOOK_SECONDS = 60
_SOON = 0.01
"""Seconds: who only looks at the index has gone by then, who brings it up to date has not."""


class LiveIndex:
    """One for each engine and process: ``live_index(name)``."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self.engine, self.root = engine, root
        self.index: Index | None = None
        self.position = 0
        """Everything up to this place of the log is in the index."""
        self._loaded = 0
        """Position of the snapshot that the index began from."""
        self.took = math.inf
        """Seconds of the last search; whoever searches says it."""
        self._lock = threading.Lock()
        self._building: threading.Thread | None = None
        self._built, self._to_build = 0, 0
        self._build_error = ""
        self._gaps = ""
        self._damaged: frozenset[int] = frozenset()
        """Images whose feature could not be read, until it was made again."""
        self._unreadable: list[tuple[int, bytes, ValueError]] = []
        """Met while reading many, to be renewed after that."""
        self._look_at = 0.0
        """When to look for gaps again, on the monotonic clock; infinite when there are none."""

    @property
    def notice(self) -> str:
        """What a reader should know of the answers: pictures are missing after an upgrade, or damage on the disk."""
        n = len(self._damaged)
        damage = f"{self.engine.label}: {n} damaged entr{'y is' if n == 1 else 'ies are'} being made again."
        return " ".join(filter(None, [self._gaps, damage if n else ""]))

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

    def at_once(self, last: int) -> Index | None:
        """The index if it has the log up to its place ``last``, and nothing else is to be done before it answers."""
        if not self._lock.acquire(timeout=_SOON):
            return None
        try:
            index = self.index
            waits = index is None or index.wants_writing or time.monotonic() >= self._look_at
            return None if waits or self.position != last else index
        finally:
            self._lock.release()

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
                self._load()
            if self.index is not None and (last > self.position or self.index.wants_writing):
                self._move_to_newer_snapshot(self.index)
            if self.index is not None and last > self.position:
                self.position = self._catch_up(self.index, self.position)
            if self.index is not None and time.monotonic() >= self._look_at:
                self._look_for_gaps(self.index)
            return self.index

    def _look_for_gaps(self, index: Index) -> None:
        """After an upgrade only the features of the new version count. Nothing is counted unless something is missing:
        there are features of another version, or the oldest picture, which comes last, has none."""
        features, images = Feature.objects.filter(engine=self.engine.name), Image.objects.filter(READY)
        missing = any(features.filter(**{f"version__{side}": self.engine.version}).exists() for side in ("lt", "gt"))
        if not missing and (oldest := images.order_by("pk").first()):
            missing = not Feature.objects.of(self.engine).filter(image=oldest).exists()
        pictures = images.count() - self._unmade() if missing else 0
        self._gaps = ""
        if len(index) < pictures:
            share = 100 * len(index) // pictures
            self._gaps = f"{self.engine.label}: {share} % of the pictures are indexed, the others are on their way."
        if self._damaged:
            self._damaged &= set(images_without(self.engine).filter(pk__in=self._damaged).values_list("pk", flat=True))
        self._look_at = time.monotonic() + LOOK_SECONDS if self.notice else math.inf

    def _unmade(self) -> int:
        """Pictures of which a network can make nothing: they are not on their way."""
        return Unmade.objects.filter(generation=self.engine.version).count() if self.engine.of_network else 0

    def _last_change(self) -> int:
        rows = Change.objects.filter(engine=self.engine.name, version=self.engine.version)
        return rows.order_by("-seq").values_list("seq", flat=True).first() or 0

    def _load(self) -> None:
        if self._read_snapshot(self._known_snapshots()):
            return
        if self._last_change() == 0:
            self.index, self.position, self._loaded = self._new_index(), 0, 0
        else:
            self.index = None
            self._building = threading.Thread(target=self._build, name=f"build {self.engine.name}", daemon=True)
            self._building.start()

    def _new_index(self) -> Index:
        index = self.engine.new_index()
        index.fetch_rows_by(self._fetch)
        return index

    def _known_snapshots(self) -> dict[int, str]:
        """{position: id} of the snapshots that belong to this database as it is now."""
        rows = Snapshot.objects.filter(engine=self.engine.name, version=self.engine.version)
        rows = rows.filter(position__lte=self._last_change())
        return {position: str(pk) for position, pk in rows.values_list("position", "id")}

    def _read_snapshot(self, known: dict[int, str]) -> bool:
        """Begin from the newest snapshot that is known and good. False, and all stays as it is, if there is none."""
        index = self._new_index()
        position = snapshots.read_newest(self.engine, index, self.root, known)
        if position is None:
            return False
        self.index, self.position, self._loaded = index, position, position
        return True

    def _move_to_newer_snapshot(self, index: Index) -> None:
        """Another process may have written down what fills the memory of this one, or what it would catch up with."""
        newest = next(iter(self._positions()), 0)
        worth_it = index.wants_writing or _many(index.pending + newest - self.position, index)
        if newest > self._loaded and worth_it:
            self._read_snapshot({p: id for p, id in self._known_snapshots().items() if p > self._loaded})

    def _positions(self) -> list[int]:
        return snapshots.positions(snapshots.folder_of(self.engine, self.root))

    def _build(self) -> None:
        """Read all features into a new index, on a connection of this thread."""
        try:
            index = self._new_index()
            position = self._read_all(index)
            with self._lock:
                self.index, self.position, self._loaded = index, position, 0
        except Exception:  # whatever it was, nobody else hears of it: the next search must say it
            logger.exception("The index of %s could not be built", self.engine.name)
            self._build_error = f"{self.engine.label}: the index could not be built."
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
            batch = _batch(index)
            for row in features.values_list("image_id", "data").iterator(chunk_size=batch):
                rows.append(row)
                if len(rows) == batch:
                    self._add(index, rows)
            self._add(index, rows)
        self._renew_unreadable()
        return position

    def _add(self, index: Index, rows: list[tuple[int, Any]]) -> None:
        if rows:
            ids, readable = self._readable(rows)
            index.add(ids, readable)
            self._damaged = self._damaged.difference(ids.tolist())
            self._built += len(rows)
            rows.clear()

    def _readable(self, features: list[tuple[int, Any]]) -> Rows:
        """Those that the engine can read; the others are remembered for ``_renew_unreadable``."""
        stored = [(image_id, bytes(data)) for image_id, data in features]
        try:
            rows = self.engine.rows([data for _, data in stored])
        except ValueError:
            stored = [each for each in stored if self._is_readable(*each)]
            rows = self.engine.rows([data for _, data in stored])
        return np.array([image_id for image_id, _ in stored], np.int64), rows

    def _is_readable(self, image_id: int, data: bytes) -> bool:
        try:
            self.engine.rows([data])
        except ValueError as error:
            self._unreadable.append((image_id, data, error))
            return False
        return True

    def _renew_unreadable(self) -> None:
        """Not while reading: inside a long transaction, a feature that changed meanwhile would end it."""
        unreadable, self._unreadable = self._unreadable, []
        if unreadable:
            self._damaged |= {image_id for image_id, _, _ in unreadable}
            self._look_at = time.monotonic() + LOOK_SECONDS
        for damaged in unreadable:
            renew_damaged(self.engine, *damaged)

    def _fetch(self, ids: np.ndarray) -> Rows:
        """The rows that an index of large rows does not keep: see Index.fetch_rows_by. One statement."""
        features = Feature.objects.of(self.engine).filter(image_id__in=ids.tolist()).order_by("image_id")
        rows = self._readable(list(features.values_list("image_id", "data")))
        self._renew_unreadable()
        return rows

    def _catch_up(self, index: Index, position: int) -> int:
        """Apply the changes after ``position``; returns the position then. One statement, so that log and features
        are of one moment.

        Through a cursor on the server, which lives in a transaction: there may be more changes than memory.
        """
        with transaction.atomic(), connection.chunked_cursor() as cursor:
            cursor.execute(
                "SELECT c.seq, c.image_id, f.data FROM search_change c LEFT JOIN search_feature f"
                " ON f.image_id = c.image_id AND f.engine = c.engine AND f.version = c.version"
                " WHERE c.engine = %s AND c.version = %s AND c.seq > %s ORDER BY c.seq",
                [self.engine.name, self.engine.version, position],
            )
            while rows := cursor.fetchmany(_batch(index)):
                gone = [image_id for _, image_id, data in rows if data is None]
                if gone:
                    index.remove(np.array(gone, np.int64))
                self._add(index, [(image_id, data) for _, image_id, data in rows if data is not None])
                position = rows[-1][0]
        self._renew_unreadable()
        return position

    def worth_a_snapshot(self) -> bool:
        if self.index is None or self.position == 0:
            return False
        if not self._positions():
            return len(self.index) > 0
        return self.index.wants_writing or _many(self.index.pending, self.index)

    def write_snapshot(self) -> bool:
        """Write one, so that later loads, here and elsewhere, begin from it. Searches go on meanwhile.

        False if nothing was written: another process is writing one, or there is no index of this log yet. OSError
        when the disk is full or read-only; IndexDamaged if what was written cannot be read again. The index stays
        usable.
        """
        lock = [SNAPSHOT_LOCK, zlib.crc32(self.engine.name.encode()) - 2**31]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", lock)
            if not cursor.fetchone()[0]:
                return False
            try:
                return self._write_snapshot()
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s::int, %s::int)", lock)

    def _write_snapshot(self) -> bool:
        with self._lock:
            index, start = self.index, self.position
            if index is None or start > self._last_change():  # restored a moment ago
                return False
            frozen, id = index.frozen(), self._register()
        written = self._new_index()
        written.read(snapshots.write(self.engine, frozen, start, self.root, id))
        position = self._catch_up(written, start)
        with self._lock:
            if self.index is index:  # nobody has loaded another one meanwhile
                self.index, self.position, self._loaded = written, position, start
        return True

    def _register(self) -> str:
        """The id of a snapshot of the present position, known to the database before the files are there.

        What is foreign goes first: it would be in the way, and count among the newest. Under the snapshot lock.
        """
        known = self._known_snapshots()
        snapshots.remove_foreign(self.engine, self.root, known)
        if self.position in known:
            return known[self.position]
        new = Snapshot(engine=self.engine.name, version=self.engine.version, position=self.position)
        with transaction.atomic():
            # One of this position that was never finished, or was lost.
            Snapshot.objects.filter(engine=new.engine, version=new.version, position=new.position).delete()
            new.save(force_insert=True)
        return str(new.pk)


def _batch(index: Index) -> int:
    return max(1, min(BATCH, BATCH_BYTES // index.width))


def _many(rows: int, index: Index) -> bool:
    return rows * index.effort > max(PENDING_ROWS, PENDING_SHARE * len(index))


_all: dict[str, LiveIndex] = {}
"""{engine name: of the version that was asked for last}"""
_all_lock = threading.Lock()


def live_index(asked: str | Engine) -> LiveIndex:
    """The index in this process, of an engine as it is asked, or of the one that answers now under a name."""
    engine = current_engine(asked) if isinstance(asked, str) else asked
    with _all_lock:  # two first searches at once must not build two indexes
        if engine.name not in _all or _all[engine.name].engine is not engine:
            _all[engine.name] = LiveIndex(engine, Path(settings.INDEX_ROOT))
        return _all[engine.name]


def forget_all() -> None:
    """Drop the indexes of this process; the next search loads them again."""
    with _all_lock:
        _all.clear()


def close_stale_connection() -> None:
    """For threads that live longer than a request: Django only looks after those of requests."""
    with suppress(DatabaseError):
        close_old_connections()

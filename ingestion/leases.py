"""Work that takes longer than its lease: as long as its process lives and is at it, the lease goes on.

One thread for all that is going on in this process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error as DatabaseFailure
from django.db import connection
from django.db.models.functions import Now

from ingestion.models import Candidate, Crawl

logger = logging.getLogger(__name__)

BEAT = 60.0
"""Seconds between two looks."""
MOST = 3 * 3600.0
"""Seconds: what has not ended by then hangs, and somebody else may try it."""

_going_on: dict[int, tuple[Crawl | Candidate, timedelta, float]] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None


@contextmanager
def held(row: Crawl | Candidate, lease: timedelta) -> Iterator[None]:
    """``row``: claimed by this worker. It stays its own until the end of the block, even if that takes longer."""
    global _thread
    with _lock:
        _going_on[id(row)] = row, lease, time.monotonic()
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_beat, name="leases", daemon=True)
            _thread.start()
    try:
        yield
    finally:
        with _lock:
            del _going_on[id(row)]


def renew(older_than: float = BEAT) -> int:
    """The leases of what has gone on for so many seconds. Returns how many are still held."""
    now = time.monotonic()
    with _lock:
        long = [(row, lease) for row, lease, since in _going_on.values() if older_than <= now - since < MOST]
    return sum(row.mine().update(lease_until=Now() + lease) for row, lease in long)


def _beat() -> None:
    global _thread
    while True:
        time.sleep(BEAT)
        with _lock:
            if not _going_on:
                _thread = None
                return
        try:
            renew()
        except DatabaseFailure as error:  # away: the next beat tries it again
            logger.warning("A lease could not be renewed: %s", error)
        finally:
            connection.close()

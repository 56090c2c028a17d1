"""What waits for servers has threads of its own, beside those of the queue: these are for work that keeps a core busy,
and neither keeps the other waiting. An errand can be dropped anywhere: what it does lies in rows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable

from django.db import Error as DatabaseFailure
from django.db import connection
from huey.contrib.djhuey import HUEY

logger = logging.getLogger(__name__)

MOST = 8
"""Of one kind, in this process."""
GOODBYE = 3.0
"""Seconds that the worker waits for its errands when it stops: most of them are back by then."""

_running: dict[tuple[str, Hashable], threading.Thread] = {}
_lock = threading.Lock()
_stop = threading.Event()


def send(kind: str, whose: Hashable, errand: Callable[[], None]) -> bool:
    """Run ``errand`` in a thread, unless one of this kind is out for the same, or too many are."""
    with _lock:
        out = [key for key, thread in _running.items() if thread.is_alive()]
        for key in set(_running) - set(out):
            del _running[key]
        if _stop.is_set() or (kind, whose) in out or sum(key[0] == kind for key in out) >= MOST:
            return False
        thread = threading.Thread(target=_run, args=(errand,), name=f"{kind} {whose}", daemon=True)
        _running[kind, whose] = thread
        thread.start()
    return True


def is_stopping() -> bool:
    """An errand asks between two pieces of its work."""
    return _stop.is_set()


def come_back(seconds: float = GOODBYE) -> None:
    """The worker stops: ask all to end, and wait a moment for them."""
    _stop.set()
    wait(seconds)


def wait(seconds: float) -> bool:
    """Until all are back. False if that takes longer."""
    ends = time.monotonic() + seconds
    for thread in list(_running.values()):
        thread.join(max(0.0, ends - time.monotonic()))
    return not any(thread.is_alive() for thread in list(_running.values()))


def _run(errand: Callable[[], None]) -> None:
    try:
        errand()
    except DatabaseFailure as error:  # away: the leases bring back what was begun
        logger.warning("An errand broke off: %s", error)
    except Exception:
        logger.exception("An errand broke off")
    finally:
        connection.close()
        HUEY.storage.close()

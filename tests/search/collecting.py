"""A worker for tests of collections: what `manage.py run` starts beside the web server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 0.05


@contextmanager
def a_worker() -> Iterator[None]:
    """Works on collections as long as the block lasts."""
    over = threading.Event()
    thread = threading.Thread(target=_work, args=[over])
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _work(over: threading.Event) -> None:
    from django.db import connection

    from search.datasets import works

    try:
        while not over.wait(PAUSE):
            works.work_on(5)
            works.pack_next()
    finally:
        connection.close()

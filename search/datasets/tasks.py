"""Works on collections, run by the worker."""

from __future__ import annotations

import logging
import threading

from django.db import Error as DatabaseFailure
from django.db import connection, transaction
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from gallery.tasks import ring
from search.datasets import works
from search.models import CollectionWork

logger = logging.getLogger(__name__)

SECONDS = 5
"""Then the thread rings again for itself, and what else waits in the queue has its turn."""


@db_periodic_task(crontab(minute="*"))
def look_after_collections() -> None:
    """Every minute: go on with what a crash has left half done, and forget what is over."""
    if CollectionWork.objects.unfinished().exists():
        ring(change_collections)
    if gone := works.sweep():
        logger.info("%s collections and files are over", gone)


@db_task()
def change_collections() -> None:
    """For a while; packing begins in a thread beside the queue's, since it takes minutes."""
    if CollectionWork.objects.to_pack().exists():
        threading.Thread(target=_pack, name="pack collections", daemon=True).start()
    if works.work_on(SECONDS):
        ring(change_collections)


_packing = threading.Lock()


def _pack() -> None:
    if not _packing.acquire(blocking=False):
        return  # this process is at it
    try:
        while works.pack_next():
            pass
    except DatabaseFailure as error:  # the lease ends by itself
        logger.warning("Nothing is packed now: %s", error)
    finally:
        _packing.release()
        connection.close()


def start(work: CollectionWork) -> bool:
    """Do what was begun: now if it is little, else in a worker. False if it is left to one."""
    if works.at_once(work):
        return True
    transaction.on_commit(lambda: ring(change_collections), robust=True)
    return False

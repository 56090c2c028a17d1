"""Housekeeping of searching, run by the worker."""

from __future__ import annotations

import logging
import time
from contextlib import closing

from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from gallery.models import Image
from search.current import current_engines
from search.errors import EngineError
from search.live_index import live_index
from search.models import sweep_queries

logger = logging.getLogger(__name__)

EXAMINE_SECONDS = 40
"""Of each minute, while there are images to examine."""
EXAMINE_SECONDS_BESIDE = 10
"""The same while new pictures are being prepared: those come first."""


@db_periodic_task(crontab(minute="*"))
def forget_queries() -> None:
    for name in sweep_queries():
        logger.info("The query %s is over", name)


@db_periodic_task(crontab(minute="*"))
def write_snapshots() -> None:
    """Save the next process from reading all features again."""
    for name, engine in current_engines().items():
        try:
            live = live_index(engine)
            live.fresh(seconds=600)
            if live.worth_a_snapshot():
                live.write_snapshot()
        except (EngineError, OSError) as error:
            logger.error("No snapshot of %s: %s", name, error)
        except Exception:  # whatever a leaf raises: the next engine must still get its snapshot
            logger.exception("No snapshot of %s", name)


@db_periodic_task(crontab(minute="*"))
def examine_new() -> None:
    """Look for duplicates of images that were not examined yet, newest first; in one worker at a time."""
    from search.duplicates import examine_missing  # only workers need what it brings
    from search.groups import mend_groups

    mend_groups()
    started = time.monotonic()
    try:
        with closing(examine_missing()) as images:
            for _ in images:
                if time.monotonic() - started > _examine_seconds():
                    break
    except EngineError as error:
        logger.info("Nothing was examined: %s", error)


def _examine_seconds() -> float:
    new = Image.objects.filter(state=Image.State.NEW, trashed_at__isnull=True)
    return EXAMINE_SECONDS_BESIDE if new.exists() else EXAMINE_SECONDS

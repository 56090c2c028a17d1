"""Housekeeping of searching, run by the worker."""

from __future__ import annotations

import logging

from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from search.engines import all_engines
from search.errors import EngineError
from search.live_index import live_index
from search.models import sweep_queries

logger = logging.getLogger(__name__)


@db_periodic_task(crontab(minute="*"))
def forget_queries() -> None:
    for name in sweep_queries():
        logger.info("The query %s is over", name)


@db_periodic_task(crontab(minute="*"))
def write_snapshots() -> None:
    """Save the next process from reading all features again."""
    for name in all_engines():
        try:
            live = live_index(name)
            live.fresh(seconds=600)
            if live.worth_a_snapshot():
                live.write_snapshot()
        except (EngineError, OSError) as error:
            logger.error("No snapshot of %s: %s", name, error)
        except Exception:  # whatever a leaf raises: the next engine must still get its snapshot
            logger.exception("No snapshot of %s", name)

"""After a line has moved, the worker judges again what waits."""

from __future__ import annotations

import logging

import psycopg
from django.db import Error as DatabaseFailure
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from ingestion.models import Source
from ingestion.rejudging import rejudge_waiting

logger = logging.getLogger(__name__)


def ring_for_cut_offs(source: Source | None) -> None:
    """Tell a worker; if it cannot be told now, the hour does."""
    try:
        rejudge(source.pk if source else None)
    except (DatabaseFailure, psycopg.Error) as error:
        logger.warning("The bell could not be rung: %s", error)


@db_task()
def rejudge(source_id: int | None) -> None:
    source = Source.objects.filter(pk=source_id).first() if source_id else None
    if source or source_id is None:
        sum(rejudge_waiting(source))


@db_periodic_task(crontab(minute="53"))
def rejudge_all() -> None:
    """Every hour, because a bell may be lost; what is judged as it would be now is not written."""
    sum(rejudge_waiting())

"""What the queue does for sources and candidates. As everywhere, a task is only a bell: the work lies in rows.

Crawling and fetching wait for servers: each source has a thread for it (ingestion/errands.py). Judging and publishing
keep a core busy: the queue does them, a few seconds a ring and on half of its threads at most, so that whatever else
comes in has its turn.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

import psycopg
from django.conf import settings
from django.db import Error as DatabaseFailure
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task, on_shutdown

from ingestion import errands
from ingestion.candidate_files import forget_old_rows, sweep_files
from ingestion.crawling import begin_due, crawl_next
from ingestion.download import Web
from ingestion.fetching import fetch_next, fetchable
from ingestion.models import Candidate, Crawl, Source
from ingestion.publishing import publish_next
from ingestion.screening import screen_next

logger = logging.getLogger(__name__)

SECONDS_A_RING = 5
SECONDS_AN_ERRAND = 60
"""Then another source has its turn, if there are more than threads."""

_at_once = threading.BoundedSemaphore(max(1, settings.WORKERS // 2))
_rung = threading.Event()
"""A bell of this process that nobody has heard yet: one is enough, for some seconds. Another process may have heard."""
_rung_at = 0.0
_unheard = threading.Event()
"""Somebody was sent away while all hands were busy: those look once more."""


def ring() -> None:
    """Tell a worker that there is something to crawl, fetch, judge or publish. If it cannot be told now, the sweep
    does."""
    try:
        mine()
    except (DatabaseFailure, psycopg.Error) as error:
        logger.warning("The bell could not be rung: %s", error)


def _ring_once() -> None:
    global _rung_at
    if not _rung.is_set() or time.monotonic() > _rung_at + SECONDS_A_RING:
        _rung_at = time.monotonic()
        _rung.set()
        ring()


@db_task()
def mine() -> None:
    """Send for what has to come from servers; judge and publish what is here, for some seconds."""
    _rung.clear()
    send_errands()
    if not _at_once.acquire(blocking=False):
        _unheard.set()
        return
    _unheard.clear()
    try:
        more = work_for(SECONDS_A_RING)
    finally:
        _at_once.release()
    if more or _unheard.is_set():
        _ring_once()


def work_for(seconds: float) -> bool:
    """Publish and judge until nothing is left, or so many seconds are over: then it is True."""
    ends = time.monotonic() + seconds
    while publish_next() or screen_next():
        if time.monotonic() > ends:
            return True
    return False


# --- waiting for servers
def send_errands() -> None:
    """A thread for each crawl that waits, and one for each source with something to fetch."""
    for pk in Crawl.objects.waiting().order_by("not_before").values_list("pk", flat=True)[: errands.MOST]:
        errands.send("crawl", pk, partial(_crawl, pk))
    sources = fetchable().order_by().values_list("source", flat=True).distinct()
    waits = Source.objects.filter(pk__in=sources).order_by("?")  # none comes before the others for ever
    for source in waits[: 2 * errands.MOST]:
        errands.send("fetch", source.pk, partial(_fetch, source))


def _crawl(pk: int) -> None:
    crawl_next(among=Crawl.objects.filter(pk=pk))
    _ring_once()


def _fetch(source: Source) -> None:
    """What one source offers, one after the other: no server is asked twice at once by us."""
    ends = time.monotonic() + SECONDS_AN_ERRAND
    with Web(known=True) as web:
        while not errands.is_stopping() and time.monotonic() < ends:
            if not fetchable().filter(source=source).exists():
                break
            candidate = fetch_next(web, source)
            if candidate is None:
                break
            _ring_once()  # it can be judged while the next one comes
    _ring_once()


@on_shutdown()
def _come_back() -> None:
    errands.come_back()


# --- by the clock
@db_periodic_task(crontab(minute="*"))
def sweep_mining() -> None:
    """Every minute: begin what is due, and ring for what waits."""
    begin_due()
    if Crawl.objects.waiting().exists() or Candidate.objects.to_do().exists():
        ring()


@db_periodic_task(crontab(minute="41"))
def forget() -> None:
    """Every hour: files that nobody needs any more, and rows of long ago."""
    sweep_files()
    forget_old_rows()

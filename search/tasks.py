"""Housekeeping of searching, run by the worker."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from gallery.models import Image
from gallery.tasks import ring
from search import ocr_words, weights
from search.current import current_engines
from search.datasets import tasks as datasets  # noqa: F401 - the queue only finds modules of this name in an app
from search.errors import EngineError
from search.fetch import Stopped
from search.filling import fill
from search.generations import begin_wanted, forget_former
from search.live_index import live_index
from search.models import Fetch, Generation, sweep_queries
from search.servers import FetchError

logger = logging.getLogger(__name__)

EXAMINE_SECONDS = 40
"""Of each minute, while there are images to examine."""
EXAMINE_SECONDS_BESIDE = 10
"""The same while new pictures are being prepared: those come first."""
FILL_SECONDS = 5
"""Then the thread rings again for itself, and what else waits in the queue has its turn."""
FILL_LOCK = 7346
OCR_WORDS_SECONDS = 20
HOLD_SECONDS = 5


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


@db_periodic_task(crontab(minute="*"))
def read_ocr_words() -> None:
    """Those of texts that came by the admin, an import or a merge; who writes many says so himself."""
    if texts := ocr_words.sweep(OCR_WORDS_SECONDS):
        logger.info("The words of %s texts were read", texts)


@db_periodic_task(crontab(hour="4", minute="17"))
def forget_ocr_words() -> None:
    if words := ocr_words.forget_unused():
        logger.info("%s words stand in no picture any more", words)


# --- networks
@db_periodic_task(crontab(minute="*"))
def look_after_networks() -> None:
    """Every minute: begin what settings and weights allow, ring for what is not complete, forget what is over."""
    if Fetch.objects.waiting().exists():
        ring(fetch_weights)
    begin_wanted()
    if any(map(is_incomplete, Generation.objects.at_work())):
        ring(fill_networks)
    ends = time.monotonic() + FILL_SECONDS
    while forget_former() and time.monotonic() < ends:
        pass


def is_incomplete(generation: Generation) -> bool:
    return generation.state == Generation.State.BESIDE or generation.missing().exists()


@db_task()
def begin_networks() -> None:
    """Weights have come: do not wait for the minute."""
    begin_wanted()
    ring(fill_networks)


@db_task()
def fill_networks() -> None:
    """Let networks look at pictures for a while. One thread always stays free for what else there is to do."""
    with _place_to_fill() as there_is_one:
        more = there_is_one and fill(FILL_SECONDS)
    if more:
        ring(fill_networks)


@contextmanager
def _place_to_fill() -> Iterator[bool]:
    """False if as many threads are filling as may."""
    with connection.cursor() as cursor:
        for place in range(max(1, settings.WORKERS - 1)):
            cursor.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", [FILL_LOCK, place])
            if cursor.fetchone()[0]:
                break
        else:
            yield False
            return
    try:
        yield True
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s::int, %s::int)", [FILL_LOCK, place])


_fetching = threading.Lock()


@db_task()
def fetch_weights() -> None:
    """Begin in a thread beside the queue's: it takes minutes, and waits for the network most of the time."""
    threading.Thread(target=_fetch_waiting, name="fetch weights", daemon=True).start()


def _fetch_waiting() -> None:
    if not _fetching.acquire(blocking=False):
        return  # this process is at it
    try:
        while fetch_next():
            pass
    except DatabaseFailure as error:  # the lease ends by itself
        logger.warning("Weights are not fetched now: %s", error)
    finally:
        _fetching.release()
        connection.close()


def fetch_next() -> bool:
    """Fetch the weights of one network that somebody waits for. False if nobody does."""
    claimed = Fetch.objects.claim(uuid.uuid4().hex)
    if claimed is None:
        return False
    holding = _Holding(claimed)
    try:
        weights.fetch(weights.weights_of(claimed.network), still_wanted=holding)
    except Stopped:
        claimed.give_back()
    except FetchError as error:
        claimed.put_off(str(error), error.again_after)
    except DatabaseFailure:
        raise
    except Exception as error:  # whatever it was, the page must say it
        logger.exception("The weights of %s could not be fetched", claimed.network)
        claimed.put_off(f"{error.__class__.__name__}: {error}", None)
    else:
        claimed.done()
        ring(begin_networks)
    return True


class _Holding:
    """Whether the fetch is still wanted, asked of the database every few seconds only."""

    def __init__(self, claimed: Fetch) -> None:
        self.claimed, self.asked, self.wanted = claimed, time.monotonic(), True

    def __call__(self) -> bool:
        if time.monotonic() - self.asked > HOLD_SECONDS:
            self.asked, self.wanted = time.monotonic(), self.claimed.hold()
        return self.wanted

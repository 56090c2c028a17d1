"""What is done to collections in the background: begin, go on in slices, stop, undo, forget.

The row is the truth. A worker holds it for LEASE and writes how far it is together with what it did, so that one that
is killed loses its slice only, and nothing is done twice. What never comes to its end is given up.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from gallery.models import User
from search.datasets import adding, choosing, packing
from search.datasets.errors import CollectionError, NotYet
from search.errors import EngineError, QueryError
from search.models import Collection, CollectionItem, CollectionWork
from search.models.collections import KEPT

logger = logging.getLogger(__name__)

State, Kind = CollectionWork.State, CollectionWork.Kind
AT_ONCE = 500
"""So many pictures are done in the request itself."""
AT_ONCE_SECONDS = 5
MOST_AT_WORK = 5
"""Of one person."""
MOST_ATTEMPTS = 3

STEPS: dict[str, Callable[[CollectionWork, str], None]] = {
    Kind.ADD: adding.step,
    Kind.REMOVE: choosing.remove,
    Kind.THIN: choosing.thin,
    Kind.SAMPLE: choosing.sample,
    Kind.EXPORT: packing.step,
}
"""Each does one slice, and ends the work after the last one."""


def begin(collection: Collection, kind: str, options: dict[str, Any], by: User, total: int = 0) -> CollectionWork:
    """A row that waits; CollectionError if this person has enough of them. Ring afterwards (search.tasks)."""
    if CollectionWork.objects.unfinished().filter(by=by).count() >= MOST_AT_WORK:
        sentence = f"{MOST_AT_WORK} works of yours are not done yet: wait for one of them, or stop it."
        raise CollectionError(sentence, "busy", 409)
    return CollectionWork.objects.create(collection=collection, kind=kind, options=options, by=by, total=total)


def at_once(work: CollectionWork) -> bool:
    """Do it now if it is little. False if it is left to a worker."""
    if work.kind != Kind.EXPORT and work.total <= AT_ONCE:
        return go_on(work, AT_ONCE)
    return False


def go_on(work: CollectionWork, most: float = math.inf) -> bool:
    """For AT_ONCE_SECONDS, unless another process is at it, or more than ``most`` pictures turn out to be meant. True
    if it is over."""
    worker = uuid.uuid4().hex
    if claimed := CollectionWork.objects.claim_one(work.pk, worker):
        _until(time.monotonic() + AT_ONCE_SECONDS, claimed, worker, most)
    work.refresh_from_db()
    return not work.is_unfinished


def work_on(seconds: float) -> bool:
    """Work on whatever is unfinished for about so long. True if there is more to do."""
    ends, worker = time.monotonic() + seconds, uuid.uuid4().hex
    while work := CollectionWork.objects.exclude(kind=Kind.EXPORT).claim(worker):
        if not _until(ends, work, worker):
            return True
    return False


def pack_next() -> bool:
    """Pack one export, however long it takes. False if there is none."""
    worker = uuid.uuid4().hex
    work = CollectionWork.objects.to_pack().claim(worker)
    return work is not None and _until(math.inf, work, worker)


def _until(ends: float, work: CollectionWork, worker: str, most: float = math.inf) -> bool:
    """False if it is not over: the time is, or it has more than ``most`` pictures."""
    if work.attempts > MOST_ATTEMPTS:
        problem = f"It was begun {MOST_ATTEMPTS} times and never came to its end. The log may say why."
        work.end(worker, State.FAILED, problem=problem)
        return True
    while work.is_unfinished and work.worker == worker:
        if time.monotonic() > ends or work.total > most:
            _let_go(work, worker)
            return False
        try:
            _step(work, worker)
        except NotYet:
            _let_go(work, worker)
            return False
        work.refresh_from_db(fields=["state", "worker", "done", "total", "outcome"])
    return True


def _let_go(work: CollectionWork, worker: str) -> None:
    """For anybody to take up; nothing has gone wrong with it."""
    CollectionWork.objects.filter(pk=work.pk, worker=worker).update(worker="", lease_until=None, attempts=0)


def _step(work: CollectionWork, worker: str) -> None:
    try:
        if work.by is None or work.collection.deleted_at:
            raise CollectionError("The collection was deleted meanwhile.")
        STEPS[work.kind](work, worker)
    except (CollectionError, QueryError, EngineError) as error:
        work.end(worker, State.FAILED, problem=str(error))
    except OSError as error:
        logger.exception("%s failed", work)
        work.end(worker, State.FAILED, problem=f"The disk refused it: {error.strerror or error}.")
    except NotYet:
        raise
    except DatabaseError:
        raise  # the lease ends by itself, and somebody begins again
    except Exception as error:  # whatever it was, the page must say it
        logger.exception("%s failed", work)
        work.end(worker, State.FAILED, problem=f"{error.__class__.__name__}: {error}"[:1000])


# --- the way back
def stop(work: CollectionWork) -> bool:
    """What is done stays, and can be undone. False if it was over already."""
    mine = CollectionWork.objects.unfinished().filter(pk=work.pk)
    stopped = mine.update(state=State.STOPPED, ended_at=Now(), worker="", lease_until=None)
    work.refresh_from_db()
    return bool(stopped)


def undo(work: CollectionWork) -> str:
    """What it has put in goes, what it has taken out is in again, as far as nobody did that since. What was done, in
    words. CollectionError if there is nothing to undo."""
    with transaction.atomic():
        if not work.can_be_undone or not _claim_undo(work):
            raise CollectionError("This cannot be undone: it is undone already, or not over.", "over", 409)
        put_in = CollectionItem.objects.filter(work=work)
        touched = set(put_in.values_list("collection", flat=True))
        removed = put_in.filter(out_by__isnull=True).count()
        put_in.delete()
        again = CollectionItem.objects.inside().filter(collection=OuterRef("collection"), image=OuterRef("image"))
        out = CollectionItem.objects.filter(out_by=work)
        back = out.filter(~Exists(again)).update(out_by=None)
        _forget_empty(touched - {work.collection_id})
    work.refresh_from_db()
    said = [f"{_pictures(removed)} taken out again" if removed else "", f"{_pictures(back)} put back" if back else ""]
    return f"Undone: {', '.join(part for part in said if part) or 'nothing had changed'}."


def _claim_undo(work: CollectionWork) -> bool:
    over = CollectionWork.objects.filter(pk=work.pk, state__in=[State.DONE, State.FAILED, State.STOPPED])
    return bool(over.update(state=State.UNDONE))


def _forget_empty(made: set[int]) -> None:
    """Collections that a sample has made: without it they are nothing."""
    full = CollectionItem.objects.inside().filter(collection=OuterRef("pk"))
    Collection.objects.alive().filter(~Exists(full), pk__in=made).update(deleted_at=Now())


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"


# --- what is over
def sweep() -> int:
    """Forget collections that nobody brings back any more, works that nobody undoes, and files that are too old."""
    gone, _ = Collection.objects.expired().delete()
    CollectionWork.objects.exclude(state__in=CollectionWork.UNFINISHED).filter(ended_at__lt=Now() - KEPT).delete()
    return gone + packing.sweep()

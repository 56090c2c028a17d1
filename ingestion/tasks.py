"""What the queue runs. huey forgets a task when its worker dies, so a task is only a bell: work lies in Job rows."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

import psycopg
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from huey import crontab
from huey.contrib.djhuey import HUEY, db_periodic_task, db_task

from gallery import originals, renditions
from gallery.models import Edit, Image, ImageQuerySet
from gallery.pictures import DecoderBusy, PictureError

# Some are named only because huey looks into no other module than this one.
from ingestion import (  # noqa: F401
    decisions,
    folders,
    mining_tasks,
    novelty_tasks,
    pipeline,
    score_tasks,
    word_tasks,
)
from ingestion.models import HeldUpload, Job, WatchedFolder, sweep_held
from search import tasks as networks
from search.engines import own_engines
from search.models import images_without

logger = logging.getLogger(__name__)

MANY_BELLS = 20
"""More than the periodic tasks that may stand in the same queue, so that some of them are bells."""
MAX_SECONDS_A_RING = 5
"""Then the thread rings again for itself: whoever stops the worker does not wait until the queue is empty."""
MAX_SECONDS_AWAY = 10
"""How long a database that restarts is waited for."""
GAPS_AT_ONCE = 10_000
"""Ten minutes of work."""
RECENTLY = timedelta(hours=2)
MANY_FILES = 1_000
"""Contents that are looked up at once."""


def ring() -> None:
    """Tell a worker that there is work. A database that is away costs nothing: the sweep rings again.

    Bells that nobody has heard yet are enough when there are MANY: whoever hears one takes every job there is.
    """
    try:
        if HUEY.pending_count() < MANY_BELLS:
            work()
    except (DatabaseFailure, psycopg.Error) as error:  # the queue has a connection of its own, without Django
        logger.warning("The bell could not be rung: %s", error)


@db_task()
def work() -> None:
    """Do jobs until none is waiting."""
    ends = time.monotonic() + MAX_SECONDS_A_RING
    while work_once():
        if time.monotonic() > ends:
            ring()
            break
    networks.ring(networks.fill_networks)  # they look at the new pictures


def ring_for_held() -> None:
    """Tell a worker that many were decided at once. If it cannot be told now, the sweep does."""
    try:
        keep_held()
    except (DatabaseFailure, psycopg.Error) as error:
        logger.warning("The bell could not be rung: %s", error)


@db_task()
def keep_held() -> None:
    """Store what is decided, until nothing of it is left."""
    ends = time.monotonic() + MAX_SECONDS_A_RING
    while decisions.keep_next():
        if time.monotonic() > ends:
            ring_for_held()
            return


def work_once() -> bool:
    """Claim one job and do it. False if none was waiting."""
    job = Job.objects.claim()
    if job is not None:
        try:
            do(job)
        except (OperationalError, InterfaceError):
            _give_back(job)
            raise
    return job is not None


def _give_back(job: Job) -> None:
    """A database that went away is no fault of the picture. If it stays away, the lease brings the job back."""
    ends = time.monotonic() + MAX_SECONDS_AWAY
    while time.monotonic() < ends:
        connection.close()
        try:
            return job.give_back()
        except (OperationalError, InterfaceError):
            time.sleep(0.5)


def do(job: Job) -> None:
    try:
        errors = pipeline.complete(job.image)
    except PictureError as error:
        job.refuse(str(error))
    except DecoderBusy:
        job.give_back()
    except Image.DoesNotExist:
        pass  # purged meanwhile, and the job with it
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # a job must say why it failed, whatever it was
        logger.exception("Job %s failed", job.pk)
        job.finish(error=f"{error.__class__.__name__}: {error}")
    else:
        job.finish(error="\n".join(errors))


@db_periodic_task(crontab(minute="*"))
def sweep() -> None:
    """Every minute: ring for what waits, and finish what a crash left half done."""
    adopt_orphans()
    if Job.objects.waiting().exists():
        ring()
    if HeldUpload.objects.keeping().exists():
        ring_for_held()
    Job.objects.sweep()
    list(sweep_held())
    originals.sweep_incoming()
    unpublish(Image.objects.trashed().filter(trashed_at__gt=Now() - RECENTLY))
    shared = Edit.objects.filter(kind=Edit.Kind.PRIVATE, at__gt=Now() - RECENTLY)
    settle(Image.objects.filter(pk__in=shared.values("image")))
    purge_expired()


@db_periodic_task(crontab(minute="23"))
def unpublish_all() -> None:
    """Every hour: the same for the whole trash, and all private pictures. The gallery may have been off for days."""
    unpublish(Image.objects.trashed())
    settle(Image.objects.filter(private=True, trashed_at__isnull=True))
    found = sorted({path.name.partition("-")[0] for path in renditions.private_root().glob("*/*/*.webp")})
    for start in range(0, len(found), MANY_FILES):
        here = Image.objects.filter(sha256__in=found[start : start + MANY_FILES], trashed_at__isnull=True)
        settle(here.filter(private=False))


def unpublish(images: ImageQuerySet) -> None:
    """Whoever put a picture into the trash may have died before its renditions were removed."""
    for image in images.only("sha256", "width", "height").iterator():
        if image.is_published:
            image.unpublish()


def settle(images: ImageQuerySet) -> None:
    """Whoever made a picture private or public may have died with its renditions on their way."""
    for image in images.only("sha256", "private").iterator():
        if not renditions.is_settled(image.sha256, image.private):
            image.settle_renditions()


def purge_expired() -> None:
    """Empty the trash of what has lain there too long."""
    for image in Image.objects.expired().iterator():
        image.purge()


def adopt_orphans() -> None:
    """Images that are not ready and have no job that is open or says why, get one."""
    for image in _without_job(Image.objects.filter(state=Image.State.NEW, trashed_at__isnull=True))[:1000]:
        pipeline.enqueue(image)


@db_periodic_task(crontab(minute="*/10"))
def fill_gaps() -> None:
    """After an upgrade that brought a new engine, all images get its features without anybody asking for it."""
    for engine in own_engines().values():
        for image in _without_job(images_without(engine).filter(state=Image.State.READY))[:GAPS_AT_ONCE]:
            pipeline.enqueue(image)


def _without_job(images: ImageQuerySet) -> ImageQuerySet:
    """Without one that is open, and without one that says why nothing came of it."""
    jobs = Job.objects.filter(image=OuterRef("pk")).exclude(state=Job.State.DONE)
    return images.filter(~Exists(jobs))


@db_periodic_task(crontab(minute="*"))
def watch() -> None:
    """Every minute: look through the watched folders."""
    folders.watch_all()


@db_task()
def look_through(pk: int) -> None:
    """Look through one watched folder now."""
    folders.look_through(WatchedFolder.objects.filter(pk=pk))

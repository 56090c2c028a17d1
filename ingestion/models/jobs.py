"""Durable work. A row is the truth about a job; the queue only rings a bell (see ingestion/tasks.py)."""

from __future__ import annotations

import os
import socket
import threading
from datetime import timedelta

from django.db import IntegrityError, models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Value
from django.db.models.functions import Left, Now

from gallery.models import Image

LEASE = timedelta(minutes=5)
"""A worker that has not reported for so long is taken for dead."""
MAX_ATTEMPTS = 3
PAUSE = timedelta(seconds=10)
KEEP_DONE = timedelta(days=7)
MAX_ERROR = 10_000


class JobQuerySet(models.QuerySet["Job"]):
    def waiting(self) -> JobQuerySet:
        """Ready to be claimed: queued and due, or claimed by a worker whose lease is over."""
        queued = Q(state="queued", not_before__lte=Now())
        return self.filter(queued | Q(state="running", lease_until__lt=Now()))

    def open(self) -> JobQuerySet:
        return self.filter(state__in=("queued", "running"))

    def stopped(self) -> JobQuerySet:
        """Nobody tries them again by itself."""
        return self.filter(state__in=("failed", "quarantined"))

    def counts(self) -> dict[str, int]:
        """{state: jobs}, every state named."""
        found = dict(self.values_list("state").annotate(Count("id")).order_by())
        return {state: found.get(state, 0) for state in Job.State.values}

    def unfinished(self) -> dict[str, int]:
        """The same without those that are done, which may be millions: these are in small indexes."""
        counts = self.open().counts() | {"done": 0}
        return counts | {state: n for state, n in self.stopped().counts().items() if n}

    def enqueue(self, kind: str, image: Image) -> bool:
        """Add a job unless one of this kind is open for the image. True if it was added."""
        if self.open().filter(kind=kind, image=image).exists():
            return False
        try:
            with transaction.atomic():
                self.create(kind=kind, image=image)
        except IntegrityError:  # another one was faster
            return False
        return True

    def claim(self) -> Job | None:
        """Take the oldest waiting job; nobody else gets it until its lease is over.

        A job whose worker died MAX_ATTEMPTS times is set aside instead of being tried for ever.
        """
        with transaction.atomic():
            while job := self.waiting().select_for_update(skip_locked=True).order_by("id").first():
                if job.attempts < MAX_ATTEMPTS:
                    job.take()
                    break
                job.set_aside()
        return job

    def retry(self) -> int:
        """Give failed and quarantined jobs a fresh start: of one image only the last, if none is open.

        Returns how many.
        """
        is_open = Job.objects.open().filter(kind=OuterRef("kind"), image=OuterRef("image"))
        stopped = (
            self.stopped().filter(~Exists(is_open)).order_by("kind", "image_id", "-id").distinct("kind", "image_id")
        )
        return Job.objects.filter(pk__in=stopped.values("pk")).update(
            state="queued", attempts=0, not_before=Now(), error="", finished_at=None
        )

    def sweep(self) -> int:
        """Forget jobs that were done long ago."""
        return self.filter(state="done", finished_at__lt=Now() - KEEP_DONE).delete()[0]


class Job(models.Model):
    """One piece of work on one image. Doing it twice is harmless; losing it is not."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        QUARANTINED = "quarantined", "set aside"

    class Kind(models.TextChoices):
        COMPLETE = "complete", "make thumbnails, features and descriptions"

    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.COMPLETE)
    image = models.ForeignKey(Image, models.CASCADE, related_name="jobs")
    state = models.CharField(max_length=11, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "image"], condition=Q(state__in=("queued", "running")), name="job_open_once"
            )
        ]
        indexes = [
            models.Index("id", name="job_open", condition=Q(state__in=("queued", "running"))),
            models.Index("finished_at", name="job_done", condition=Q(state="done")),
            models.Index("state", name="job_stopped", condition=Q(state__in=("failed", "quarantined"))),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of image {self.image_id}"

    def take(self) -> None:
        """Called with the row locked."""
        self.worker = worker_name()
        Job.objects.filter(pk=self.pk).update(
            state=Job.State.RUNNING, attempts=F("attempts") + 1, lease_until=Now() + LEASE, worker=self.worker
        )
        self.refresh_from_db()

    def finish(self, error: str = "") -> None:
        """Done, or with an error: again after a pause, or failed for good.

        Guarded: a worker that was taken for dead has no say any more about a job that another one has claimed.
        """
        again = bool(error) and self.attempts < MAX_ATTEMPTS
        state = Job.State.QUEUED if again else Job.State.FAILED if error else Job.State.DONE
        pause = PAUSE * 6 ** (self.attempts - 1) if again else timedelta(0)
        finished = self._mine().update(
            state=state,
            error=Left(Value(_storable(error)), MAX_ERROR),
            not_before=Now() + pause,
            lease_until=None,
            finished_at=None if again else Now(),
        )
        if finished and state == Job.State.DONE:  # what an earlier job complained about has been made good
            Job.objects.stopped().filter(kind=self.kind, image=self.image_id).delete()

    def refuse(self, error: str) -> None:
        """An error that no repetition mends."""
        self._mine().update(
            state=Job.State.FAILED, error=_storable(error)[:MAX_ERROR], lease_until=None, finished_at=Now()
        )

    def give_back(self) -> None:
        """Nobody's fault: the attempt does not count."""
        self._mine().update(
            state=Job.State.QUEUED, attempts=F("attempts") - 1, lease_until=None, not_before=Now() + PAUSE
        )

    def _mine(self) -> JobQuerySet:
        return Job.objects.filter(pk=self.pk, state=Job.State.RUNNING, attempts=self.attempts, worker=self.worker)

    def set_aside(self) -> None:
        Job.objects.filter(pk=self.pk).update(
            state=Job.State.QUARANTINED,
            lease_until=None,
            finished_at=Now(),
            error=f"The worker died {self.attempts} times on this picture, so it is not tried again by itself.",
        )


def _storable(error: str) -> str:
    """An exception may quote anything; PostgreSQL takes neither NUL nor half a surrogate pair."""
    return error.replace("\x00", "").encode("utf-8", "backslashreplace").decode()


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:100]

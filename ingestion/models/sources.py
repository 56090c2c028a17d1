"""Where pictures are looked for, and each time that somebody looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Least, Now

from ingestion.models.jobs import MAX_ATTEMPTS, worker_name

CRAWL_LEASE = timedelta(minutes=5)
"""A crawl reports after every page of its source; one that has not for so long is taken for dead."""
SLOWEST = 64
"""Times its interval: how rarely a source is asked that brings nothing."""
PACES = (("day", 1440), ("hour", 60), ("minute", 1))
KEEP_CRAWLS = timedelta(days=90)


class SourceQuerySet(models.QuerySet["Source"]):
    def due(self) -> SourceQuerySet:
        """Those whose time has come, and that nobody is crawling."""
        crawling = Crawl.objects.open().values("source")
        return self.here().filter(active=True, next_at__lte=Now()).exclude(pk__in=crawling)

    def here(self) -> SourceQuerySet:
        """Without those that somebody has removed: their candidates stay, and they can be brought back."""
        return self.filter(removed_at=None)


class Source(models.Model):
    """A place that offers pictures, as ingestion/sources/<kind>.py knows how to crawl it."""

    name = models.SlugField(max_length=80, unique=True, help_text="Short, for addresses and the command line.")
    kind = models.CharField(max_length=32, help_text="A file of ingestion/sources.")
    options = models.JSONField(default=dict, blank=True, help_text="What its form asks for.")
    rules = models.JSONField(default=dict, blank=True, help_text="{filter: {option: value}} where it is not the usual.")
    active = models.BooleanField(default=True, help_text="It is crawled by itself.")
    publishes = models.BooleanField(
        default=False, help_text="What passes every filter is published without asking a person."
    )
    every = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(60 * 24 * 30)], help_text="Minutes."
    )
    budget = models.PositiveIntegerField(
        default=200,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="Pictures a crawl, at most.",
    )
    slowness = models.PositiveSmallIntegerField(default=1, help_text="Times the interval, while it brings nothing.")
    since = models.JSONField(default=dict, blank=True, help_text="Where the next crawl goes on, in its own words.")
    next_at = models.DateTimeField(db_default=Now())
    paused_because = models.TextField(blank=True, help_text="Why the gallery itself has paused it.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def pace(self) -> str:
        """ "hour", "3 hours", "day"."""
        unit, minutes = next((unit, n) for unit, n in PACES if self.every % n == 0)
        count = self.every // minutes
        return unit if count == 1 else f"{count} {unit}s"

    def pause(self, because: str = "") -> None:
        """``because``: why the gallery itself does so; a person needs no reason."""
        self.active, self.paused_because = False, because
        self.save(update_fields=["active", "paused_because"])
        stopped = {"state": Crawl.State.STOPPED, "error": because or "The source was paused.", "finished_at": Now()}
        Crawl.objects.open().filter(source=self).update(**stopped)

    def change(self, options: dict[str, Any]) -> None:
        """Another place: what was said of the former one means nothing there, and its crawl ends."""
        stopped = {"state": Crawl.State.STOPPED, "error": "The source was changed.", "finished_at": Now()}
        with transaction.atomic():
            Crawl.objects.open().filter(source=self).update(**stopped)
            Source.objects.filter(pk=self.pk).update(options=options, since={}, next_at=Now())
        self.options, self.since = options, {}

    def resume(self) -> None:
        Source.objects.filter(pk=self.pk).update(active=True, paused_because="", slowness=1, next_at=Now())
        self.refresh_from_db()

    def remove(self) -> None:
        """It is crawled no more and shown no more; ``bring_back`` undoes it."""
        Source.objects.filter(pk=self.pk).update(removed_at=Now())
        Crawl.objects.open().filter(source=self).update(state=Crawl.State.STOPPED, finished_at=Now())

    def bring_back(self) -> None:
        Source.objects.filter(pk=self.pk).update(removed_at=None)

    def brought(self, new: int) -> None:
        """After a crawl: one that brings nothing is asked half as often each time, one that does as often as wanted."""
        slowness: Any = 1 if new else Least(F("slowness") * 2, SLOWEST)
        Source.objects.filter(pk=self.pk).update(slowness=slowness)
        pause = ExpressionWrapper(F("every") * F("slowness") * Value(timedelta(minutes=1)), DurationField())
        Source.objects.filter(pk=self.pk).update(next_at=Now() + pause)


class CrawlQuerySet(models.QuerySet["Crawl"]):
    def open(self) -> CrawlQuerySet:
        return self.filter(state__in=("queued", "running"))

    def waiting(self) -> CrawlQuerySet:
        queued = Q(state="queued", not_before__lte=Now())
        return self.filter(queued | Q(state="running", lease_until__lt=Now()))

    def begin(self, source: Source) -> Crawl:
        """The open crawl of a source, or a new one."""
        with transaction.atomic():
            Source.objects.select_for_update(no_key=True).get(pk=source.pk)
            return self.open().filter(source=source).first() or self.create(source=source, since=source.since)

    def claim(self) -> Crawl | None:
        """The oldest that waits, for this worker alone; one whose workers died too often is set aside."""
        with transaction.atomic():
            found = self.waiting().select_for_update(skip_locked=True, of=("self",)).order_by("id")
            while crawl := found.first():
                if crawl.attempts < MAX_ATTEMPTS:
                    crawl.worker, crawl.attempts = worker_name(), crawl.attempts + 1
                    crawl.state = Crawl.State.RUNNING
                    self.filter(pk=crawl.pk).update(
                        state=crawl.state, worker=crawl.worker, attempts=crawl.attempts, lease_until=Now() + CRAWL_LEASE
                    )
                    break
                self.filter(pk=crawl.pk).update(
                    state=Crawl.State.FAILED,
                    finished_at=Now(),
                    error=f"The worker died {crawl.attempts} times on this crawl, so it is not tried again by itself.",
                )
        return crawl


class Crawl(models.Model):
    """One look at a source, page by page. ``since`` moves on with each page, in the transaction of its candidates."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        STOPPED = "stopped", "stopped by a person"

    source = models.ForeignKey(Source, models.CASCADE, related_name="crawls")
    state = models.CharField(max_length=7, choices=State.choices, default=State.QUEUED)
    since = models.JSONField(default=dict, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since the last page that it has finished.")
    not_before = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)
    pages = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0, help_text="All that its source has offered.")
    known = models.PositiveIntegerField(default=0, help_text="Of those, met before.")
    left = models.PositiveIntegerField(default=0, help_text="Left out by its rules, without being fetched.")
    new = models.PositiveIntegerField(default=0, help_text="Became candidates.")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = CrawlQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"], condition=Q(state__in=("queued", "running")), name="crawl_open_once"
            )
        ]
        indexes = [
            models.Index(fields=["source", "-id"], name="crawl_of_source"),
            models.Index("id", name="crawl_open", condition=Q(state__in=("queued", "running"))),
        ]

    def __str__(self) -> str:
        return f"crawl {self.pk} of source {self.source_id}"

    def mine(self) -> CrawlQuerySet:
        """This row, as long as this worker holds it: a guarded update through it tells whether it still does."""
        return Crawl.objects.filter(pk=self.pk, state=Crawl.State.RUNNING, worker=self.worker, attempts=self.attempts)

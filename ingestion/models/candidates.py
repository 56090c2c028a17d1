"""Pictures that were found and are not in the gallery, and what is known of addresses and servers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from gallery.models import Image
from ingestion.models.jobs import MAX_ATTEMPTS, worker_name
from ingestion.models.sources import Crawl, Source
from search.models import new_token

CANDIDATE_LEASE = timedelta(minutes=5)
WORK = Q(state__in=("found", "fetched", "accepted"))
HEAVY = ("thumbnail", "embedding")
"""Columns that lists do not read."""


class CandidateQuerySet(models.QuerySet["Candidate"]):
    def to_do(self) -> CandidateQuerySet:
        """Those that a worker has something to do for, now: fetch, screen or publish."""
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
        return self.filter(WORK, free, not_before__lte=Now())

    def waiting(self) -> CandidateQuerySet:
        """For a person."""
        return self.filter(state=Candidate.State.WAITING)

    def claim(self, state: str | None = None) -> Candidate | None:
        """The oldest with something to do, for this worker alone until its lease is over.

        One whose worker died too often is set aside.
        """
        with transaction.atomic():
            ready = self.to_do().filter(state=state) if state else self.to_do()
            locked = ready.select_for_update(skip_locked=True, of=("self",)).order_by("not_before", "id")
            while candidate := locked.first():
                if candidate.attempts < MAX_ATTEMPTS:
                    candidate.take()
                    break
                candidate.set_aside()
        return candidate


class CandidateManager(models.Manager.from_queryset(CandidateQuerySet)):  # type: ignore[misc]
    def get_queryset(self) -> CandidateQuerySet:
        return super().get_queryset().defer(*HEAVY)


class Candidate(models.Model):
    """A picture that a source has offered. The row is its durable job: its state says what has to be done next.

    found -> (fetch) -> fetched -> (screen) -> waiting -> (a person, or the rules) -> accepted -> (publish) -> published
    """

    class State(models.TextChoices):
        FOUND = "found", "to be fetched"
        FETCHED = "fetched", "to be screened"
        WAITING = "waiting", "waits for a decision"
        ACCEPTED = "accepted", "to be published"
        PUBLISHED = "published", "published"
        REJECTED = "rejected", "rejected"
        KNOWN = "known", "here already"
        LEFT = "left", "left out"
        FAILED = "failed", "failed"

    token = models.CharField(max_length=40, unique=True, default=new_token)
    source = models.ForeignKey(Source, models.CASCADE, related_name="candidates")
    crawl = models.ForeignKey(Crawl, models.SET_NULL, null=True, blank=True, related_name="candidates")
    key = models.CharField(max_length=64, help_text="sha256 of what its source calls it: it becomes a candidate once.")
    # --- what its source says
    url = models.TextField(help_text="Where the picture lies: a URL, decoded once, or a path.")
    page = models.TextField(blank=True, help_text="Where people look at it.")
    name = models.CharField(max_length=255, blank=True)
    title = models.CharField(max_length=1000, blank=True)
    author = models.CharField(max_length=255, blank=True)
    licence = models.CharField(max_length=255, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    offered = models.JSONField(default=dict, blank=True, help_text="ingestion.sources._base.Found, in full.")
    # --- what it is
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    format = models.CharField(max_length=8, blank=True)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    thumbnail = models.BinaryField(default=b"", help_text="A WebP of at most 320 pixels.")
    phash = models.BinaryField(default=b"", help_text="A feature of the engine phash.")
    embedding = models.BinaryField(default=b"", help_text="float16, of the network that embedded_by names.")
    embedded_by = models.CharField(max_length=200, blank=True)
    # --- what the filters say
    scores = models.JSONField(default=dict, blank=True, help_text="{name: number}")
    verdicts = models.JSONField(default=list, blank=True, help_text="Of ingestion.filters._base.Verdict, in order.")
    advice = models.CharField(max_length=6, blank=True, help_text="The worst outcome of the verdicts.")
    likenesses = models.JSONField(default=list, blank=True, help_text="ingestion.likeness.Likeness, the best first.")
    # --- where it stands
    state = models.CharField(max_length=9, choices=State.choices, default=State.FOUND)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Of what has to be done now.")
    not_before = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True, help_text="Why it failed, was left out or rejected.")
    skips = models.PositiveSmallIntegerField(default=0, help_text="So often somebody wanted to decide later.")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    image = models.ForeignKey(Image, models.SET_NULL, null=True, blank=True, related_name="candidates")
    found_at = models.DateTimeField(db_default=Now())
    screened_at = models.DateTimeField(null=True, blank=True)

    objects = CandidateManager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["source", "key"], name="candidate_once")]
        indexes = [
            models.Index(
                "state",
                "not_before",
                "id",
                name="candidate_work",
                condition=Q(state__in=("found", "fetched", "accepted")),
            ),
            models.Index("skips", "id", name="candidate_waiting", condition=Q(state="waiting")),
            models.Index("id", name="candidate_in_line", condition=Q(state__in=("waiting", "accepted"))),
            models.Index("decided_at", name="candidate_decided", condition=Q(decided_at__isnull=False)),
            models.Index(fields=["source", "state"], name="candidate_of_source"),
            models.Index("id", name="candidate_without_image", condition=Q(state="known", image__isnull=True)),
            GinIndex(fields=["scores"], name="candidate_scores"),
        ]

    def __str__(self) -> str:
        return self.title or self.name or self.url

    @property
    def path(self) -> Path:
        """Its file, while it has one; never under a public mount."""
        return Path(settings.MEDIA_ROOT) / "candidates" / self.token[:2] / self.token

    @property
    def has_file(self) -> bool:
        """Whole, as far as its size tells."""
        try:
            return self.path.stat().st_size == self.bytes
        except OSError:
            return False

    def take(self) -> None:
        """Called with the row locked."""
        self.worker, self.attempts = worker_name(), self.attempts + 1
        Candidate.objects.filter(pk=self.pk).update(
            attempts=self.attempts, worker=self.worker, lease_until=Now() + CANDIDATE_LEASE
        )

    def mine(self) -> CandidateQuerySet:
        """This row, as long as this worker holds it in this state: guards every update."""
        held = Candidate.objects.filter(pk=self.pk, state=self.state, worker=self.worker, attempts=self.attempts)
        return held.filter(lease_until__isnull=False)

    def advance(self, state: str, **changes: object) -> bool:
        """Done with this step: on to the next. False if somebody else holds it by now, and nothing was changed."""
        done = {"attempts": 0, "lease_until": None, "worker": "", "not_before": Now(), **changes}
        return bool(self.mine().update(state=state, **done))

    def put_off(self, seconds: float, reason: str, counts: bool = True) -> bool:
        """The same step again, later. ``counts``: as an attempt of its own fault."""
        attempts = self.attempts if counts else F("attempts") - 1
        later = Now() + timedelta(seconds=seconds)
        return bool(
            self.mine().update(attempts=attempts, lease_until=None, worker="", not_before=later, reason=reason[:1000])
        )

    def set_aside(self) -> None:
        Candidate.objects.filter(pk=self.pk).update(
            state=self.State.FAILED,
            lease_until=None,
            reason=f"The worker died {self.attempts} times on this picture, so it is not tried again by itself.",
        )


class KnownUrl(models.Model):
    """What became of an address the last time, and when to ask it again."""

    key = models.CharField(max_length=64, unique=True, help_text="sha256 of the address.")
    url = models.TextField()
    status = models.PositiveSmallIntegerField(default=0, help_text="Of HTTP; 0 if no answer came.")
    outcome = models.CharField(max_length=20, blank=True, help_text="fetched, or the code of a DownloadError.")
    etag = models.CharField(max_length=500, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="In a row.")
    again_at = models.DateTimeField(null=True, blank=True, help_text="Not before; never, if it is gone for good.")
    asked_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.url


class Server(models.Model):
    """The pace that we keep with a host, over all processes."""

    host = models.CharField(max_length=300, unique=True)
    free_at = models.DateTimeField(db_default=Now(), help_text="It is not asked before.")
    pause = models.FloatField(default=1.0, help_text="Seconds between two requests.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["host"]

    def __str__(self) -> str:
        return self.host

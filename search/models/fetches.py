"""Weights that somebody wants to have: a row until they are here, so that no restart forgets them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

LEASE = timedelta(seconds=60)
"""Whoever fetches reports every few seconds; one that has not for so long is taken for dead."""
MAX_ATTEMPTS = 30
"""Over about a day."""
LONGEST_PAUSE = 3600.0


class FetchQuerySet(models.QuerySet["Fetch"]):
    def want(self, network: str) -> None:
        """Begin, or begin again one that has failed."""
        self.update_or_create(network=network, defaults={"failed": False, "error": "", "attempts": 0})
        self.filter(network=network).update(not_before=Now())

    def waiting(self) -> FetchQuerySet:
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
        return self.filter(free, failed=False, not_before__lte=Now())

    def claim(self, worker: str) -> Fetch | None:
        """The one that waits longest, for this worker alone."""
        with transaction.atomic():
            fetch = self.waiting().select_for_update(skip_locked=True).order_by("not_before", "pk").first()
            if fetch:
                self.filter(pk=fetch.pk).update(worker=worker, lease_until=Now() + LEASE)
                fetch.worker = worker
        return fetch


class Fetch(models.Model):
    network = models.CharField(max_length=200, unique=True, help_text="As search.encoders.get_network knows it.")
    failed = models.BooleanField(default=False, help_text="It is not tried again by itself.")
    error = models.TextField(blank=True, help_text="Of the last attempt.")
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    asked_at = models.DateTimeField(db_default=Now())

    objects = FetchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "fetches"

    def __str__(self) -> str:
        return f"weights of {self.network}"

    def hold(self) -> bool:
        """Keep it for a while longer. False if it was cancelled, or somebody else has taken over."""
        mine = Fetch.objects.filter(pk=self.pk, worker=self.worker, failed=False)
        return bool(mine.update(lease_until=Now() + LEASE))

    def done(self) -> None:
        Fetch.objects.filter(pk=self.pk, worker=self.worker).delete()

    def put_off(self, error: str, seconds: float | None) -> None:
        """It did not work. ``seconds``: try again then, later and later; None: somebody must do something first."""
        attempts = self.attempts + 1
        if seconds is None or attempts >= MAX_ATTEMPTS:
            changes: dict[str, Any] = {"failed": True}
        else:
            pause = min(LONGEST_PAUSE, max(seconds, 30 * 2.0 ** min(attempts, 10)))
            changes = {"not_before": Now() + timedelta(seconds=pause)}
        mine = Fetch.objects.filter(pk=self.pk, worker=self.worker)
        mine.update(error=error[:1000], attempts=attempts, lease_until=None, worker="", **changes)

    def give_back(self) -> None:
        """Not finished, and no fault of its own: whoever comes next goes on at once."""
        Fetch.objects.filter(pk=self.pk, worker=self.worker).update(lease_until=None, worker="")

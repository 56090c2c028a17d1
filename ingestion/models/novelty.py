"""What a fit has learned of the accepted pictures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from ingestion.models.jobs import MAX_ATTEMPTS, worker_name

NOVELTY_LEASE = timedelta(minutes=5)
"""A worker reports after every step of a fit, and every few hundred candidates."""


class NoveltyQuerySet(models.QuerySet["NoveltyModel"]):
    def current(self) -> NoveltyModel | None:
        return self.filter(state="current").first()

    def proposed(self) -> NoveltyModel | None:
        return self.filter(state="proposed").first()

    def former(self) -> NoveltyModel | None:
        """The one that a roll back goes to."""
        return self.filter(state="former").order_by("-decided_at", "-pk").first()

    def being_made(self) -> NoveltyModel | None:
        return self.filter(state="training").first()

    def to_do(self) -> NoveltyQuerySet:
        """What a worker has to do: train one, or give the candidates the scores of the one that is in use now."""
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
        return self.filter(Q(state="training") | Q(state="current", scored_at__isnull=True), free)

    def claim(self) -> NoveltyModel | None:
        """For this worker alone until its lease is over; one over which workers died too often is given up."""
        with transaction.atomic():
            locked = self.to_do().select_for_update(skip_locked=True, of=("self",)).order_by("pk")
            while model := locked.first():
                if model.attempts < MAX_ATTEMPTS:
                    model.worker, model.attempts = worker_name(), model.attempts + 1
                    self.filter(pk=model.pk).update(
                        attempts=model.attempts, worker=model.worker, lease_until=Now() + NOVELTY_LEASE
                    )
                    break
                model.give_up(f"The worker died {model.attempts} times over it, so it is not tried again by itself.")
        return model


class NoveltyManager(models.Manager.from_queryset(NoveltyQuerySet)):  # type: ignore[misc]
    """The parameters may be megabytes, and few who look at a model need them."""

    def get_queryset(self) -> NoveltyQuerySet:
        return super().get_queryset().defer("parameters")


class NoveltyModel(models.Model):
    """A Gaussian mixture over embeddings. One is in use; a better one is proposed, and a person switches.

    The row is its durable job: it is trained, and after a switch the candidates that wait get its scores.
    """

    class State(models.TextChoices):
        TRAINING = "training", "is being trained"
        FAILED = "failed", "could not be trained"
        PROPOSED = "proposed", "waits for a decision"
        CURRENT = "current", "in use"
        FORMER = "former", "was in use before"
        DECLINED = "declined", "declined"

    embedded_by = models.CharField(max_length=200, help_text="As Candidate.embedded_by.")
    parameters = models.BinaryField(default=b"", help_text="A .npz without pickle: see ingestion/mixture.py.")
    components = models.PositiveSmallIntegerField(default=0)
    fitted_on = models.PositiveIntegerField(default=0, help_text="So many accepted pictures.")
    criterion = models.CharField(max_length=3, default="bic", help_text="bic or aic")
    curve = models.JSONField(default=list, blank=True, help_text="[[components, BIC, AIC], ...]")
    report = models.JSONField(default=dict, blank=True, help_text="Cross-validated figures, and the gain.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PROPOSED)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    nightly = models.BooleanField(default=False, help_text="Nobody has asked for it.")
    created_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True, blank=True)
    # --- the work on it
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)
    done = models.PositiveIntegerField(default=0, help_text="Steps of its training, or candidates.")
    steps = models.PositiveIntegerField(default=0, help_text="Of so many.")
    scored_to = models.BigIntegerField(default=0, help_text="Candidates up to this id have its scores.")
    scored_at = models.DateTimeField(null=True, blank=True, help_text="All that waited have.")

    objects = NoveltyManager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="current"), name="novelty_current_once"),
            models.UniqueConstraint(fields=["state"], condition=Q(state="training"), name="novelty_training_once"),
        ]

    def __str__(self) -> str:
        return f"novelty model {self.pk}"

    def mine(self) -> NoveltyQuerySet:
        """This row, as long as this worker holds it: guards every update."""
        held = NoveltyModel.objects.filter(pk=self.pk, state=self.state, worker=self.worker, attempts=self.attempts)
        return held.filter(lease_until__isnull=False)

    def report_progress(self, done: int, steps: int, **changes: Any) -> bool:
        """And keep the lease. False if somebody else holds it by now."""
        return bool(self.mine().update(done=done, steps=steps, lease_until=Now() + NOVELTY_LEASE, **changes))

    def put_back(self) -> None:
        """For any worker to go on with; it has not failed."""
        self.mine().update(attempts=F("attempts") - 1, lease_until=None, worker="")

    def give_up(self, error: str) -> None:
        """``error``: a sentence."""
        changes: dict[str, Any] = {"error": error[:1000], "lease_until": None, "worker": "", "attempts": 0}
        if self.state == self.State.TRAINING:
            changes["state"] = self.State.FAILED
        else:
            changes["scored_at"] = Now()  # it stays in use, with the scores that the candidates have
        NoveltyModel.objects.filter(pk=self.pk, state=self.state).update(**changes)

    def use(self) -> bool:
        """From now on; the one in use becomes the former. False if it is neither proposed nor former (any more)."""
        with transaction.atomic():
            rows = NoveltyModel.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
            states = dict(rows.values_list("pk", "state"))
            if states.get(self.pk) not in (self.State.PROPOSED, self.State.FORMER, self.State.DECLINED):
                return False
            changes: dict[str, Any] = {"decided_at": Now(), "attempts": 0, "lease_until": None, "worker": ""}
            NoveltyModel.objects.filter(state=self.State.CURRENT).update(state=self.State.FORMER, **changes)
            changes |= {"done": 0, "steps": 0, "scored_to": 0, "scored_at": None, "error": ""}
            NoveltyModel.objects.filter(pk=self.pk).update(state=self.State.CURRENT, **changes)
        self.refresh_from_db(fields=["state", "scored_to", "scored_at"])
        return True

    def decline(self) -> bool:
        return self._move(self.State.PROPOSED, self.State.DECLINED)

    def propose_again(self) -> bool:
        """Undo ``decline``. False if another one is proposed by now."""
        if NoveltyModel.objects.proposed():
            return False
        return self._move(self.State.DECLINED, self.State.PROPOSED)

    def _move(self, before: str, after: str) -> bool:
        return bool(NoveltyModel.objects.filter(pk=self.pk, state=before).update(state=after, decided_at=Now()))

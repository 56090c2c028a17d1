"""Decisions about candidates: who, what, why, and how it is undone; where the lines of the scores are."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models.candidates import Candidate
from ingestion.models.sources import Source


class Decision(models.Model):
    """One act: of a person on one or many candidates, or of the rules. Undone as a whole."""

    class Action(models.TextChoices):
        ACCEPT = "accept", "accepted"
        REJECT = "reject", "rejected"
        SKIP = "skip", "put off"

    action = models.CharField(max_length=6, choices=Action.choices)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    note = models.CharField(max_length=500, blank=True, help_text="What chose the candidates: a line, a selection.")
    at = models.DateTimeField(db_default=Now())
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_action_display()} at {self.at}"


class DecisionStep(models.Model):
    """What a decision did to one candidate."""

    decision = models.ForeignKey(Decision, models.CASCADE, related_name="steps")
    candidate = models.ForeignKey(Candidate, models.CASCADE, related_name="steps")
    before = models.CharField(max_length=9, help_text="Its state before.")
    skips = models.PositiveSmallIntegerField(default=0)
    scores = models.JSONField(default=dict, help_text="As they were when it was decided: what lines are learned from.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["decision", "candidate"], name="decision_step_once")]

    def __str__(self) -> str:
        return f"{self.candidate_id} in decision {self.decision_id}"


class Ban(models.Model):
    """A rejected picture stays out: these bytes, and what certainly shows the same."""

    candidate = models.OneToOneField(Candidate, models.SET_NULL, null=True, blank=True, related_name="ban")
    sha256 = models.CharField(max_length=64, db_index=True)
    phash = models.BinaryField(default=b"", help_text="A feature of the engine phash; empty: only the bytes count.")
    reason = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.sha256[:12]


class CutOff(models.Model):
    """Where the line of a score is: for all sources, or for one."""

    class Action(models.TextChoices):
        HOLD = "hold", "ask a person"
        REJECT = "reject", "reject"

    score = models.CharField(max_length=64, help_text="As ingestion.filters knows it.")
    source = models.ForeignKey(Source, models.CASCADE, null=True, blank=True, related_name="cut_offs")
    value = models.FloatField()
    action = models.CharField(max_length=6, choices=Action.choices, default=Action.HOLD)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["score", "source"]
        constraints = [
            models.UniqueConstraint(fields=["score"], condition=Q(source=None), name="cut_off_of_all_once"),
            models.UniqueConstraint(fields=["score", "source"], name="cut_off_once"),
        ]

    def __str__(self) -> str:
        return f"{self.score} at {self.value:g}"

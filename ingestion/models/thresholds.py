"""How sure a network must be before its suggestion is shown: a line for each role, and lines of single tags."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from gallery.models import Tag

SHARE = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class Threshold(models.Model):
    """A line that somebody has drawn. Without one, a tag has the line of its role, and a role that of its program."""

    role = models.CharField(max_length=32)
    tag = models.ForeignKey(Tag, models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: all.")
    value = models.FloatField(validators=SHARE)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["role", "tag"], nulls_distinct=False, name="threshold_once"),
            models.CheckConstraint(condition=Q(value__gte=0, value__lte=1), name="threshold_share"),
        ]

    def __str__(self) -> str:
        return f"{self.role}{f', {self.tag}' if self.tag else ''}: {self.value:.2f}"


class ThresholdChange(models.Model):
    """A line was moved: from when it counts, how far what is shown follows it already, and the way back."""

    role = models.CharField(max_length=32)
    tag = models.ForeignKey(Tag, models.CASCADE, null=True, related_name="+")
    before = models.FloatField(null=True, help_text="Empty: no line of its own.")
    after = models.FloatField(null=True, help_text="Empty: no line of its own.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now())
    done_to = models.BigIntegerField(default=0, help_text="Images up to this id are done.")
    finished_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index("id", name="threshold_change_open", condition=Q(finished_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.role}: {self.before} → {self.after}"

"""What was decided about duplicates: one image kept, others put into the trash. Each decision can be undone."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from gallery.models import Image, User


class ResolutionQuerySet(models.QuerySet["Resolution"]):
    def standing(self) -> ResolutionQuerySet:
        """Those that were not undone."""
        return self.filter(undone_at__isnull=True)

    def merge(
        self, keep: Image, drop: list[Image], by: User | None = None, rule: str = "", run: uuid.UUID | None = None
    ) -> Resolution:
        """Keep one image: it gets the tags, sources and words of the others, which go to the trash for TRASH_DAYS.

        All or nothing. MergeError (a sentence) if one of them is gone, in the trash, or named twice. Of two people who
        merge the same images at the same time one gets that error.
        """
        from search.merge import merge

        return merge(keep, drop, by, rule, run)


class Resolution(models.Model):
    """One decision: ``keep`` stays, ``dropped`` went to the trash."""

    keep = models.ForeignKey(Image, models.SET_NULL, null=True, blank=True, related_name="resolutions")
    rule = models.CharField(max_length=32, blank=True, help_text="The rule that decided; empty for a person.")
    run = models.UUIDField(null=True, blank=True, help_text="All that one run of a rule decided.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    at = models.DateTimeField(db_default=Now())
    undone_at = models.DateTimeField(null=True, blank=True)
    given = models.JSONField(default=list, help_text="What the kept image got, and from whom: search/merge.py.")

    objects = ResolutionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["run"], name="resolution_by_run", condition=Q(run__isnull=False))]

    def __str__(self) -> str:
        return f"image {self.keep_id} kept" + (f" by the rule {self.rule}" if self.rule else "")

    def undo(self) -> list[str]:
        """Take the dropped images out of the trash, and back from the kept one what it got, unless that was changed.

        Returns a sentence for each image that does not come back: it was purged, or put into the trash once more since.
        What the kept image got from it stays. MergeError if none can come back, or if it was undone already.
        """
        from search.merge import undo

        return undo(self)

    @property
    def given_words(self) -> list[str]:
        """What the kept image got: ["tag “harbour”", "source /photos/a.jpg"]."""
        return [entry["words"] for entry in self.given if "values" in entry or "field" in entry]


class Dropped(models.Model):
    """An image that a resolution put into the trash. The row outlives the image."""

    resolution = models.ForeignKey(Resolution, models.CASCADE, related_name="dropped")
    image = models.ForeignKey(Image, models.SET_NULL, null=True, blank=True, related_name="dropped_by")
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    trashed_at = models.DateTimeField(null=True, help_text="By this decision: another time means another reason.")

    def __str__(self) -> str:
        return self.name

    def restored(self) -> bool:
        """Somebody took it out of the trash already."""
        return bool(self.image and self.image.trashed_at is None)

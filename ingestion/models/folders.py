"""Folders of the server that are watched, and the files that were met in folders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models.functions import Now

from gallery.models import Image

MAX_PATH = 2_000
MAX_FOLDER = 600


class Edits(models.TextChoices):
    """What becomes of a picture that is here already in another form."""

    HOLD = "hold", "ask before it is stored"
    KEEP = "keep", "keep both"
    SKIP = "skip", "do not store it"


class WatchedFolder(models.Model):
    """A folder that is looked through every minute for new pictures."""

    path = models.CharField(max_length=MAX_FOLDER, unique=True)
    active = models.BooleanField(default=True)
    edits = models.CharField(
        "when a picture is here already in another form",
        max_length=4,
        choices=Edits.choices,
        default=Edits.KEEP,
        help_text="A crop, a copy of another size, a collage: what the gallery can prove.",
    )
    last_scan = models.DateTimeField(null=True, blank=True, editable=False)
    result = models.TextField(blank=True, editable=False, help_text="What the last look-through brought.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["path"]

    def __str__(self) -> str:
        return self.path


class KnownFile(models.Model):
    """A file that was looked at before: as long as size and date stay, it is not read again.

    It outlives its image: a picture that was purged does not come back by itself from a watched folder.
    """

    class Result(models.TextChoices):
        STORED = "stored", "stored"
        KNOWN = "known", "already here"
        HELD = "held", "waits for a decision"
        SKIPPED = "skipped", "not stored: here in another form"
        REFUSED = "refused", "refused"

    path = models.TextField(unique=True)
    bytes = models.BigIntegerField()
    modified_ns = models.BigIntegerField()
    result = models.CharField(max_length=8, choices=Result.choices)
    reason = models.TextField(blank=True)
    image = models.ForeignKey(Image, models.SET_NULL, null=True, blank=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.path

    @classmethod
    def remember(cls, path: str, stamp: tuple[int, int], **result: Any) -> None:
        """``stamp``: (bytes, modification time in nanoseconds)."""
        if len(path.encode()) > MAX_PATH:
            return  # longer than an index entry can be; such a file is hashed again the next time, that is all
        values = {"bytes": stamp[0], "modified_ns": stamp[1], "seen_at": Now(), **result}
        cls.objects.update_or_create(path=path, defaults=values)

    @classmethod
    def settle(cls, paths: Iterable[str], **result: Any) -> None:
        """What became of files that waited for a decision."""
        cls.objects.filter(path__in=list(paths), result=cls.Result.HELD).update(**result)

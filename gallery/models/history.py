"""What people did to the words of pictures: one row for each decision, written with it and never changed."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from gallery.models.images import HEAVY, Image


class Batch(models.Model):
    """What one person did to many pictures at once."""

    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="batches")
    at = models.DateTimeField(db_default=Now())
    sentence = models.TextField(help_text='What was done, without who: "added sea to 12 pictures".')
    takes_back = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="taken_back_by")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.sentence


class EditQuerySet(models.QuerySet["Edit"]):
    def with_people(self) -> EditQuerySet:
        return self.select_related("by", "batch", "takes_back")

    def with_images(self) -> EditQuerySet:
        """Without what of an image no list shows: tens of kilobytes each."""
        return self.select_related("image").defer(*(f"image__{name}" for name in HEAVY))

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> EditQuerySet:
        """What was done while a picture was somebody's alone is for its owners, also when everybody sees it by now."""
        reset = Edit.objects.filter(image=OuterRef("image"), kind=Edit.Kind.PRIVATE, pk__gte=OuterRef("pk"))
        own = Image.owners.through.objects.filter(image=OuterRef("image"), user=user.pk)
        return self.filter(Q(image__private=False) & ~Exists(reset) | Q(Exists(own)))

    def told_once(self) -> EditQuerySet:
        """A batch as the one that stands for it."""
        return self.filter(Q(batch__isnull=True) | Q(leads=True))


class Edit(models.Model):
    """One decision about one thing that is said of a picture, and what was known of it before and after.

    Written under the lock of the image, so that of two edits of an image the later has the higher id.
    """

    class Kind(models.TextChoices):
        TAG = "tag", "tag"
        CAPTION = "caption", "caption"
        TEXT = "text", "text in the picture"
        TRASH = "trash", "trash"
        PRIVATE = "private", "who sees it"

    image = models.ForeignKey(Image, models.CASCADE, related_name="edits", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    about = models.TextField(blank=True, help_text="The tag's name, or the words, as readers know them.")
    things = ArrayField(
        models.CharField(max_length=64), help_text="What it was about; edits that share one are about the same."
    )
    before = models.JSONField(help_text="gallery/word_states.py says what it holds.")
    after = models.JSONField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="edits", db_index=False
    )
    at = models.DateTimeField(db_default=Now())
    batch = models.ForeignKey(Batch, models.CASCADE, null=True, blank=True, related_name="edits")
    leads = models.BooleanField(default=False, db_default=False, help_text="It stands for its batch in lists.")
    takes_back = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="taken_back_by")

    objects: ClassVar[EditQuerySet] = EditQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["image", "-id"], name="edit_of_image"),
            models.Index(fields=["by", "-id"], name="edit_by_person"),
        ]

    def __str__(self) -> str:
        return self.sentence

    @property
    def sentence(self) -> str:
        """What was done, without who: "added the tag “sea”"."""
        from gallery.history_words import said

        return said(self.kind, self.about, self.before, self.after)

"""The pictures of the gallery and what is known about them."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AbstractUser, AnonymousUser
from django.db import models, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Cast, Now
from django.urls import reverse
from django.utils.functional import cached_property

from gallery import justified, originals
from gallery.pictures import Limits
from gallery.renditions import Rendition, remove_renditions, rendition_sizes
from gallery.signals import image_incomplete, image_trashed

VISIBLE = Q(state="ready", trashed_at__isnull=True)


def decode_limits() -> Limits:
    """What the settings allow of a picture."""
    return Limits(
        max_bytes=settings.MAX_BYTES,
        max_pixels=settings.MAX_PIXELS,
        max_jpeg_scans=settings.MAX_JPEG_SCANS,
        max_seconds=settings.MAX_DECODE_SECONDS,
        # Lossless WebP needs 18.5 bytes a pixel at its peak (measured at 100 megapixels), and the child some room.
        max_memory=max(Limits.max_memory, 20 * settings.MAX_PIXELS + 256 * 2**20),
    )


class User(AbstractUser):
    """Our own from the first migration on: changing the user model later is not possible."""


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> ImageQuerySet:
        """The one filter between a reader and the pictures: every page, strip and answer goes through it."""
        return self.filter(VISIBLE)

    def trashed(self) -> ImageQuerySet:
        return self.filter(trashed_at__isnull=False)

    def expired(self) -> ImageQuerySet:
        """In the trash for longer than TRASH_DAYS, by the clock of the database."""
        return self.filter(trashed_at__lt=Now() - timedelta(days=settings.TRASH_DAYS))


class Image(models.Model):
    """A stored picture. The row is written after its file is safe on disk and never before."""

    class State(models.TextChoices):
        NEW = "new", "being prepared"
        READY = "ready", "ready"

    sha256 = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=255, help_text="The file name it came with, cleaned for showing.")
    format = models.CharField(max_length=8)
    bytes = models.BigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    pixels = models.GeneratedField(
        expression=Cast("width", models.BigIntegerField()) * F("height"),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    added_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(null=True, blank=True)
    exif = models.JSONField(default=dict, blank=True)
    palette = models.JSONField(default=list, blank=True, help_text="[[hex colour, share], ...], largest first.")
    placeholder = models.BinaryField(default=b"", help_text="A WebP of 16 pixels, shown until the thumbnail is there.")
    caption = models.TextField(
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="The best of its captions that are shown; kept by a trigger of the table of captions.",
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.NEW)
    trashed_at = models.DateTimeField(null=True, blank=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index("id", name="image_visible", condition=VISIBLE),
            models.Index(F("pixels").desc(), F("id").desc(), name="image_largest", condition=VISIBLE),
            models.Index("trashed_at", name="image_trashed", condition=Q(trashed_at__isnull=False)),
            models.Index("id", name="image_new", condition=Q(state="new")),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.width} × {self.height})"

    def get_absolute_url(self) -> str:
        return reverse("image", args=[self.pk])

    # --- how it is shown
    @property
    def alt(self) -> str:
        """Words in place of the picture."""
        return self.caption or self.name

    @property
    def ratio_class(self) -> str:
        return justified.ratio_class(self.width, self.height)

    @cached_property
    def renditions(self) -> list[Rendition]:
        """Smallest first; never empty."""
        return rendition_sizes(self.sha256, self.width, self.height)

    @property
    def thumbnail(self) -> Rendition:
        return self.renditions[0]

    @property
    def screen(self) -> Rendition:
        """The largest rendition: what the image page shows."""
        return self.renditions[-1]

    @property
    def srcset(self) -> str:
        return ", ".join(f"{r.url} {r.width}w" for r in self.renditions)

    @property
    def placeholder_uri(self) -> str:
        return "data:image/webp;base64," + base64.b64encode(self.placeholder).decode()

    @property
    def location(self) -> dict[str, float] | None:
        """Where it was taken; only when the owner of the gallery says that this may be shown."""
        return self.exif.get("GPS") if settings.SHOW_GPS else None

    @property
    def camera_facts(self) -> dict[str, Any]:
        return {key: value for key, value in self.exif.items() if key != "GPS"}

    # --- trash
    def trash(self) -> bool:
        """Hide the picture; ``restore`` undoes it. False if it was in the trash already.

        Its renditions leave the public mount at once; the original stays for TRASH_DAYS.
        """
        with transaction.atomic():
            changed = Image.objects.filter(pk=self.pk, trashed_at__isnull=True).update(trashed_at=Now())
            if changed:
                image_trashed.send(Image, image=self)
                transaction.on_commit(self.unpublish, robust=True)  # if it fails, the sweep does it
        self.refresh_from_db(fields=["trashed_at"])
        return bool(changed)

    def unpublish(self) -> None:
        """Remove the renditions of a picture in the trash. One that was taken out meanwhile keeps its fresh ones."""
        with transaction.atomic():
            trashed = Image.objects.trashed().filter(pk=self.pk)
            if trashed.select_for_update(no_key=True).first():
                remove_renditions(self.sha256)

    @property
    def is_published(self) -> bool:
        """Some rendition lies under the public mount."""
        return any(rendition.path.exists() for rendition in self.renditions)

    def restore(self) -> bool:
        """Take the picture out of the trash. It is shown again when its renditions have been made again."""
        changed = Image.objects.filter(pk=self.pk, trashed_at__isnull=False).update(
            trashed_at=None, state=Image.State.NEW
        )
        self.refresh_from_db(fields=["trashed_at", "state"])
        if changed:
            image_incomplete.send(Image, image=self)
        return bool(changed)

    def purge(self) -> bool:
        """Destroy the picture: rows first, then files, so that no row is ever without its file.

        False, and nothing is touched, if somebody has taken it out of the trash since this object was read.
        """
        with transaction.atomic():
            originals.lock(self.sha256)
            now = Image.objects.select_for_update().filter(pk=self.pk).first()
            if now and now.trashed_at != self.trashed_at:
                return False
            if now:
                now.delete()
        with transaction.atomic():
            originals.lock(self.sha256)
            if not Image.objects.filter(sha256=self.sha256).exists():  # else it has come back in between
                remove_renditions(self.sha256)
                originals.remove(self.sha256, self.format)
        return True


class ImageSourceQuerySet(models.QuerySet["ImageSource"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> ImageSourceQuerySet:
        """Folders of the server are nobody's business but the staff's."""
        return self if getattr(user, "is_staff", False) else self.exclude(kind="folder", title="")


class ImageSource(models.Model):
    """Where a picture was met. A picture met again gets another source, not another row."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", "uploaded"
        FOLDER = "folder", "found in a folder"

    image = models.ForeignKey(Image, models.CASCADE, related_name="sources")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    address = models.TextField(help_text="Path or URL; shown to staff only when it is a path.")
    title = models.CharField(max_length=255, blank=True)
    author = models.CharField(max_length=255, blank=True)
    licence = models.CharField(max_length=255, blank=True)
    first_seen = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)

    objects = ImageSourceQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["image", "kind", "address"], name="image_source_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.title or self.address}"


class Opinion(models.TextChoices):
    """What a person thinks of a machine's word."""

    SUGGESTED = "suggested", "suggested"
    ACCEPTED = "accepted", "accepted"
    REJECTED = "rejected", "rejected"


class Tag(models.Model):
    name = models.CharField(max_length=100, unique=True)
    category = models.CharField(max_length=32, blank=True)
    images: models.ManyToManyField[Image, ImageTag] = models.ManyToManyField(
        Image, through="ImageTag", related_name="tags"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


PERSON = "person"


class WordQuerySet(models.QuerySet[Any]):
    def best_first(self) -> WordQuerySet:
        """A person's before a machine's, those that a person agreed with before suggestions, the surer first."""
        of_person = Case(When(origin=PERSON, then=0), default=1)
        agreed = Case(When(state=Opinion.ACCEPTED, then=0), default=1)
        return self.order_by(of_person, agreed, F("confidence").desc(nulls_last=True), "-pk")


class Word(models.Model):
    """Shared by all that an annotator or a person says of a picture."""

    origin = models.CharField(
        max_length=200, default=PERSON, help_text='"person", or the network or program that wrote it.'
    )
    generation = models.PositiveBigIntegerField(
        default=0, db_default=0, editable=False, help_text="Of the network (search.Generation); 0 for all others."
    )
    confidence = models.FloatField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=Opinion.choices, default=Opinion.ACCEPTED)
    decision = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="A number of its own for what was decided last."
    )
    offered = models.BooleanField(
        default=True,
        db_default=True,
        editable=False,
        help_text="As a suggestion it is shown: its network is the one that answers, and it is sure enough.",
    )
    shown = models.GeneratedField(
        expression=Q(state="accepted") | Q(state="suggested", offered=True),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )

    objects: ClassVar[WordQuerySet] = WordQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        abstract = True

    @property
    def is_of_person(self) -> bool:
        return self.origin == PERSON


class ImageTag(Word):
    image = models.ForeignKey(Image, models.CASCADE, related_name="image_tags")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="image_tags")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "tag", "origin", "generation"], name="image_tag_once")]
        indexes = [
            models.Index(
                fields=["generation", "confidence"],
                include=["image", "tag"],
                name="image_tag_sure",
                condition=Q(generation__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.tag}"


class Caption(Word):
    image = models.ForeignKey(Image, models.CASCADE, related_name="captions")
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "origin", "generation"], name="caption_once")]
        indexes = [
            models.Index(
                fields=["generation", "confidence"],
                include=["image"],
                name="caption_sure",
                condition=Q(generation__gt=0),
            )
        ]

    def __str__(self) -> str:
        return self.text


class OcrText(Word):
    """Text inside the picture."""

    image = models.ForeignKey(Image, models.CASCADE, related_name="ocr_texts")
    text = models.TextField()
    words = models.JSONField(default=list, blank=True, help_text="[[word, x, y, width, height, confidence], ...]")

    class Meta:
        verbose_name = "OCR text"
        constraints = [models.UniqueConstraint(fields=["image", "origin", "generation"], name="ocr_text_once")]

    def __str__(self) -> str:
        return self.text

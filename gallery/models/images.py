"""The pictures of the gallery, and where they come from."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any, ClassVar

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models, transaction
from django.db.models import Exists, F, Func, OuterRef, Q
from django.db.models.functions import Cast, Now
from django.utils.functional import cached_property

from gallery import justified, originals, renditions
from gallery.addresses import address_of
from gallery.models.accounts import Role, User, role_of
from gallery.names import safe_name
from gallery.pictures import Limits
from gallery.renditions import Rendition, remove_renditions, rendition_sizes
from gallery.signals import image_hidden, image_incomplete, image_trashed

READY = Q(state="ready", trashed_at__isnull=True)
VISIBLE = READY & Q(private=False)
"""To everybody who may look at the gallery."""
KEPT = ("caption", "tag_ids", "document")
"""Columns that triggers keep: nobody else writes them."""
_OF_THE_FILE = ("sha256", "format", "bytes", "width", "height", "exif", "taken_at", "placeholder")
HEAVY = ("tag_ids", "document", "colours", "scores")
"""Columns to search by, which pages do not read."""


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


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> ImageQuerySet:
        """The one filter between a reader and the pictures: every page, strip and answer goes through it.

        A private picture is there for its owners only; what is known of it counts nowhere else.
        """
        if role_of(user) == Role.ANONYMOUS:
            return self.filter(VISIBLE)
        return self.filter(READY, Q(private=False) | Q(pk__in=_owned_by(user)))

    def reachable_by(self, user: AbstractBaseUser | AnonymousUser) -> ImageQuerySet:
        """What may be opened by its address: also what is in the trash or still being prepared, by its owners and by
        moderators; of others' private pictures only an admin."""
        role = role_of(user)
        if role == Role.ADMIN:
            return self
        if role == Role.ANONYMOUS:
            return self.filter(VISIBLE)
        own = Q(pk__in=_owned_by(user))
        return self.filter(Q(private=False) | own) if role == Role.MODERATOR else self.filter(VISIBLE | own)

    def changeable_by(self, user: AbstractBaseUser | AnonymousUser | None) -> ImageQuerySet:
        """What this person may put into the trash and take out of it, make private or public.

        A member: what nobody else has brought. An owner by a second upload of the same bytes sees a picture, but others
        count on it as well; and so does a folder or a crawl that has met a public one. Moderators: all that is public.
        """
        role = role_of(user)
        if role == Role.ADMIN:
            return self
        if user is None or role == Role.ANONYMOUS:
            return self.none()
        others = Image.owners.through.objects.filter(image=OuterRef("pk")).exclude(user=user.pk)
        brought = ImageSource.objects.filter(image=OuterRef("pk"))
        of_others = brought.filter(Q(by__isnull=True) | ~Q(by=user.pk))
        private = Q(private=True, pk__in=_owned_by(user))
        public = Q(private=False) & Exists(brought.filter(by=user.pk)) & ~Exists(of_others)
        own = (private | public) & ~Exists(others)
        return self.filter(Q(private=False) | own) if role == Role.MODERATOR else self.filter(own)

    def hidden_from(self, user: AbstractBaseUser | AnonymousUser) -> ImageQuerySet:
        """Others' private pictures."""
        private = self.filter(private=True)
        return private if role_of(user) == Role.ANONYMOUS else private.exclude(pk__in=_owned_by(user))

    def trashed(self) -> ImageQuerySet:
        return self.filter(trashed_at__isnull=False)

    def expired(self) -> ImageQuerySet:
        """In the trash for longer than TRASH_DAYS, by the clock of the database."""
        return self.filter(trashed_at__lt=Now() - timedelta(days=settings.TRASH_DAYS))


def _owned_by(user: AbstractBaseUser | AnonymousUser) -> models.QuerySet:
    return Image.owners.through.objects.filter(user_id=user.pk).values("image_id")


class ImageManager(models.Manager.from_queryset(ImageQuerySet)):  # type: ignore[misc]
    def get_queryset(self) -> ImageQuerySet:
        return super().get_queryset().defer(*HEAVY)


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
    tag_ids = ArrayField(
        models.IntegerField(),
        default=list,
        db_default=[],
        editable=False,
        help_text="Its tags that are shown, and what these imply; kept by triggers.",
    )
    document = SearchVectorField(
        default="",
        db_default="",
        editable=False,
        help_text="Words of its titles (A), captions (B), sources (C) and of the text inside it (D); kept by triggers.",
    )
    colours = models.GeneratedField(
        expression=Func(F("palette"), function="gallery_colour_codes"),
        output_field=ArrayField(models.IntegerField()),
        db_persist=True,
        help_text="Of its palette, 4 bits a channel: 0xf00 is red.",
    )
    scores = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="{name: number}, as filters gave them."
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.NEW)
    trashed_at = models.DateTimeField(null=True, blank=True)
    private = models.BooleanField(default=False, db_default=False, help_text="Only its owners see it.")
    owners: models.ManyToManyField[User, Any] = models.ManyToManyField(
        User, blank=True, related_name="pictures", help_text="Who brought it; of the same picture there may be several."
    )

    objects: ClassVar[ImageManager] = ImageManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex(fields=["tag_ids"], name="image_tags"),
            GinIndex(fields=["document"], name="image_document"),
            GinIndex(fields=["colours"], name="image_colours"),
            models.Index(fields=["id"], include=["private"], name="image_visible", condition=READY),
            models.Index(F("pixels").desc(), F("id").desc(), name="image_largest", condition=READY),
            models.Index("trashed_at", name="image_trashed", condition=Q(trashed_at__isnull=False)),
            models.Index("id", name="image_new", condition=Q(state="new")),
            models.Index("id", name="image_private", condition=Q(private=True)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.width} × {self.height})"

    def save(self, *, update_fields: Any = None, **options: Any) -> None:
        """What triggers keep is not written back: it may have changed since it was read."""
        if update_fields is None and not self._state.adding:
            written = [
                field.name for field in self._meta.concrete_fields if not field.generated and not field.primary_key
            ]
            update_fields = [name for name in written if name not in {*KEPT, *self.get_deferred_fields()}]
        super().save(update_fields=update_fields, **options)

    def get_absolute_url(self) -> str:
        return address_of("image", self.pk)

    # --- how it is shown
    @property
    def is_shown(self) -> bool:
        """Its thumbnails are there, and are no secret to who may see it at all."""
        return self.state == "ready" and not self.trashed_at

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
        return rendition_sizes(self.sha256, self.width, self.height, self.private)

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

    # --- whose it is
    def may_change(self, user: AbstractBaseUser | AnonymousUser | None) -> bool:
        """See ``changeable_by``."""
        return Image.objects.changeable_by(user).filter(pk=self.pk).exists()

    def set_private(self, private: bool) -> bool:
        """Only for its owners, or for everybody. False if it was so already, or if it has no owner.

        A public rendition is moved away before this is committed, a private one is published after it: whatever breaks
        in between, nothing is shown that should not be, and the sweep mends the rest.
        """
        with transaction.atomic():
            row = Image.objects.filter(pk=self.pk).select_for_update(no_key=True).first()
            changed = bool(row and row.private != private and (not private or row.owners.exists()))
            if changed:
                Image.objects.filter(pk=self.pk).update(private=private)
                if private:
                    image_hidden.send(Image, image=self)
                    renditions.settle(self.sha256, private=True)
                else:
                    transaction.on_commit(self.settle_renditions, robust=True)
        self.refresh_from_db(fields=["private"])
        self.__dict__.pop("renditions", None)
        return changed

    def settle_renditions(self) -> None:
        """Put its renditions where they belong by now."""
        with transaction.atomic():
            row = Image.objects.filter(pk=self.pk).select_for_update(no_key=True).first()
            if row:
                renditions.settle(row.sha256, row.private)

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
        """Some rendition lies on the disk."""
        return renditions.is_there(self.sha256)

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
                now._leave()
        with transaction.atomic():
            originals.lock(self.sha256)
            if not Image.objects.filter(sha256=self.sha256).exists():  # else it has come back in between
                remove_renditions(self.sha256)
                originals.remove(self.sha256, self.format)
        return True

    def _leave(self) -> None:
        """A private picture that a folder or a crawl has met too begins again, for everybody, without a word of its
        owners: ingestion.pipeline.meet. Tags that only it had go with it."""
        # An upload without an account may be of one that is deleted: what was private must not come back by that.
        brought = ImageSource.Kind.UPLOAD, ImageSource.Kind.ARCHIVE
        met = list(self.sources.filter(by__isnull=True).exclude(kind__in=brought)) if self.private else []
        tags = list(self.image_tags.values_list("tag", flat=True)) if self.private else []
        self.delete()
        if tags:
            Tag = apps.get_model("gallery", "Tag")
            unused = {f"{name}__isnull": True for name in ("image_tags", "aliases", "implications", "implied_by")}
            Tag.objects.filter(pk__in=tags, count__lte=0, **unused).delete()
        if met:
            remove_renditions(self.sha256)
            same = {name: getattr(self, name) for name in _OF_THE_FILE}
            fresh = Image.objects.create(name=safe_name(met[0].address), **same)
            for source in met:
                source.pk, source.image = None, fresh
                source.save(force_insert=True)
            image_incomplete.send(Image, image=fresh)


class ImageSourceQuerySet(models.QuerySet["ImageSource"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> ImageSourceQuerySet:
        """Paths of the server are nobody's business but the staff's."""
        if getattr(user, "is_staff", False):
            return self
        own = Q(kind="folder") | Q(kind="archive") & ~Q(address__istartswith="http")
        return self.exclude(own, title="")


class ImageSource(models.Model):
    """Where a picture was met. A picture met again gets another source, not another row."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", "uploaded"
        FOLDER = "folder", "found in a folder"
        ARCHIVE = "archive", "found in an archive"
        FEED = "feed", "found in a feed"
        FLICKR = "flickr", "found on Flickr"
        IMGUR = "imgur", "found on Imgur"
        OPENGAMEART = "opengameart", "found on OpenGameArt"
        PAGE = "page", "found on a page"
        REDDIT = "reddit", "found on Reddit"

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

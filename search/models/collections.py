"""Collections: pictures that somebody has put together, to look at, to thin out, and to take away as a dataset."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse

from gallery.models import Image, ImageQuerySet, Role, role_of
from search.models.queries import new_token

KEPT = timedelta(days=30)
"""So long a deleted one can be brought back, and a work be undone."""
LEASE = timedelta(minutes=2)
"""A slice takes a few seconds: whoever holds a work for longer is dead."""


class CollectionQuerySet(models.QuerySet["Collection"]):
    def alive(self) -> CollectionQuerySet:
        return self.filter(deleted_at__isnull=True)

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> CollectionQuerySet:
        """One's own, and those that others share. The pictures in it are another question: Collection.images_for."""
        own = Q(owner=user.pk) if role_of(user) >= Role.MEMBER else Q(pk__in=[])
        return self.alive().filter(Q(is_shared=True) | own)

    def expired(self) -> CollectionQuerySet:
        return self.filter(deleted_at__lt=Now() - KEPT)


class Collection(models.Model):
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    name = models.CharField(max_length=100)
    note = models.TextField(blank=True, max_length=2000)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="collections")
    is_shared = models.BooleanField(default=False, help_text="Everybody who may look at the gallery sees it.")
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[CollectionQuerySet] = CollectionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"], name="collection_once", condition=Q(deleted_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("collection", args=[self.token])

    def items_for(self, reader: AbstractBaseUser | AnonymousUser) -> CollectionItemQuerySet:
        """What is in it, as far as this reader may see the pictures: nothing of a collection is shown otherwise."""
        return CollectionItem.objects.inside().filter(collection=self).visible_to(reader)

    def tells_how(self, reader: AbstractBaseUser | AnonymousUser) -> bool:
        """By which searches its pictures came in: their words may be those of private pictures and collections."""
        return self.owner_id == reader.pk

    def images_for(self, reader: AbstractBaseUser | AnonymousUser) -> ImageQuerySet:
        inside = CollectionItem.objects.inside().filter(collection=self)
        return Image.objects.visible_to(reader).filter(pk__in=inside.values("image"))


class CollectionItemQuerySet(models.QuerySet["CollectionItem"]):
    def inside(self) -> CollectionItemQuerySet:
        """Not taken out."""
        return self.filter(out_by__isnull=True)

    def visible_to(self, reader: AbstractBaseUser | AnonymousUser) -> CollectionItemQuerySet:
        return self.filter(image__in=Image.objects.visible_to(reader).values("pk"))


class CollectionItem(models.Model):
    """A picture in a collection. Ids follow the order in which they came.

    One that was taken out stays a row for as long as that can be undone; the same picture may come in again beside it.
    """

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="items")
    image = models.ForeignKey(Image, models.CASCADE, related_name="+")
    via = models.CharField(max_length=1000, blank=True, help_text="The search that found it, as it is written.")
    score = models.FloatField(null=True, help_text="Of a model of the owner's, 0 to 1, if one was given.")
    added_at = models.DateTimeField(db_default=Now())
    work = models.ForeignKey(
        "CollectionWork", models.SET_NULL, null=True, related_name="added", help_text="That has put it in."
    )
    out_by = models.ForeignKey(
        "CollectionWork", models.CASCADE, null=True, related_name="taken_out", help_text="That has taken it out."
    )

    objects: ClassVar[CollectionItemQuerySet] = CollectionItemQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "image"], name="collection_item_once", condition=Q(out_by__isnull=True)
            )
        ]
        indexes = [
            models.Index(fields=["collection", "id"], name="collection_inside", condition=Q(out_by__isnull=True))
        ]

    def __str__(self) -> str:
        return f"image {self.image_id} in collection {self.collection_id}"


class CollectionWorkQuerySet(models.QuerySet["CollectionWork"]):
    def unfinished(self) -> CollectionWorkQuerySet:
        return self.filter(state__in=CollectionWork.UNFINISHED)

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> CollectionWorkQuerySet:
        """One's own: what a work has found and packed is as much as its person may see."""
        return self.filter(by=user.pk) if role_of(user) >= Role.MEMBER else self.none()

    def to_pack(self) -> CollectionWorkQuerySet:
        """They take minutes, and have a thread of their own."""
        return self.unfinished().filter(kind=CollectionWork.Kind.EXPORT)

    def claim(self, worker: str) -> CollectionWork | None:
        """The oldest of these that nobody is at; it is this worker's for LEASE."""
        for pk in self.unfinished().order_by("pk").values_list("pk", flat=True):
            if claimed := self.claim_one(pk, worker):
                return claimed
        return None

    def claim_one(self, pk: int, worker: str) -> CollectionWork | None:
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now()) | Q(worker="")
        held = (
            self.unfinished()
            .filter(free, pk=pk)
            .update(
                worker=worker,
                lease_until=Now() + LEASE,
                attempts=F("attempts") + 1,
                state=CollectionWork.State.WORKING,
            )
        )
        return self.get(pk=pk) if held else None


class CollectionWork(models.Model):
    """What is done to a collection in the background: a row with all that it needs, how far it is, and the way back."""

    class Kind(models.TextChoices):
        ADD = "add", "adding pictures"
        REMOVE = "remove", "taking out pictures"
        THIN = "thin", "taking out near-duplicates"
        SAMPLE = "sample", "choosing a sample"
        EXPORT = "export", "packing"

    class State(models.TextChoices):
        WAITING = "waiting", "waits"
        WORKING = "working", "at work"
        DONE = "done", "done"
        FAILED = "failed", "given up"
        UNDONE = "undone", "undone"
        STOPPED = "stopped", "stopped"

    UNFINISHED = (State.WAITING, State.WORKING)

    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    collection = models.ForeignKey(Collection, models.CASCADE, related_name="works")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    options = models.JSONField(default=dict)
    total = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    outcome = models.JSONField(default=dict, help_text="What was changed, to undo it; of an export, its file.")
    problem = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[CollectionWorkQuerySet] = CollectionWorkQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], name="collection_work_left", condition=Q(state__in=["waiting", "working"]))
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_state_display()}"

    @property
    def is_unfinished(self) -> bool:
        return self.state in self.UNFINISHED

    @property
    def is_preview(self) -> bool:
        """It only says what would be done."""
        return bool(self.options.get("dry_run"))

    @property
    def can_be_undone(self) -> bool:
        changes = self.kind != self.Kind.EXPORT and not self.is_preview
        return changes and self.state in (self.State.DONE, self.State.FAILED, self.State.STOPPED)

    def hold(self, worker: str, **changes: Any) -> bool:
        """The lease begins anew. False, and nothing is written, if it is not this worker's any more, or was stopped."""
        mine = CollectionWork.objects.unfinished().filter(pk=self.pk, worker=worker)
        return bool(mine.update(lease_until=Now() + LEASE, **changes))

    def end(self, worker: str, state: str, **changes: Any) -> bool:
        """As ``hold``; nobody is at it from now on."""
        mine = CollectionWork.objects.unfinished().filter(pk=self.pk, worker=worker)
        return bool(mine.update(state=state, ended_at=Now(), worker="", lease_until=None, **changes))

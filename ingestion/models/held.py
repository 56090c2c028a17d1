"""Uploads that are proven to be an edit of a picture that is here: they wait until somebody decides."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models, transaction
from django.db.models import Count, Q, Sum
from django.db.models.functions import Now

from gallery import originals
from gallery.disk import flush_folder
from gallery.models import Image, User, decode_limits
from gallery.originals import Incoming
from gallery.pictures import Picture, decode
from ingestion.models.folders import KnownFile
from search.models import new_token

UNDO = timedelta(days=1)
"""How long what was dropped can be taken back."""


PRIVATE = Q(origin__contains={"private": True}) | Q(also__contains=[{"private": True}])
"""Only its owner is to see it."""


class HeldQuerySet(models.QuerySet["HeldUpload"]):
    def of(self, user: AbstractBaseUser | AnonymousUser) -> HeldQuerySet:
        """Those that this reader is told of: one's own; staff all that are not private. A visitor without an account
        only has addresses."""
        if getattr(user, "is_staff", False):
            return self.filter(~PRIVATE | Q(by=user.pk))
        return self.filter(by=user.pk) if user.is_authenticated else self.none()

    def open_to(self, user: AbstractBaseUser | AnonymousUser) -> HeldQuerySet:
        """Those that this reader may look at and decide, if the address is known: also what came without an account.

        Never what came from a folder of the server, which has no account either.
        """
        if getattr(user, "is_staff", False):
            return self.of(user)
        brought = self.exclude(origin__kind="folder")
        of_nobody = Q(by=None) & ~PRIVATE  # of an account that is gone, what was private is nobody's
        return brought.filter(of_nobody | Q(by=user.pk) if user.is_authenticated else of_nobody)

    def alike(self, sha256: str, origin: dict, by: Any) -> HeldQuerySet:
        """The same bytes from the same person. Without an account nobody knows who that is, but for folders."""
        same = self.filter(sha256=sha256, by=by)
        if by is not None:
            return same
        return same.filter(origin__kind="folder") if origin.get("kind") == "folder" else self.none()

    def waiting(self) -> HeldQuerySet:
        return self.filter(state="waiting")

    def keeping(self) -> HeldQuerySet:
        """Decided, many at once, and not stored yet: the worker does it."""
        return self.filter(state="keeping")

    def dropped(self) -> HeldQuerySet:
        return self.filter(state="dropped", decided_at__gt=Now() - UNDO)

    def undoable(self, by: AbstractBaseUser | AnonymousUser) -> HeldQuerySet:
        """Dropped, or stored in the place of another, less than a day ago; and not by somebody who has more to say.

        What staff have decided only staff undo; and a replacement is undone by them, or by who made it.
        """
        undone = Q(state="dropped") | Q(state="stored", resolution__isnull=False)
        recent = self.filter(undone, decided_at__gt=Now() - UNDO)
        if getattr(by, "is_staff", False):
            return recent
        staff = User.objects.filter(is_staff=True).values("pk")  # no join: the guard of an update must not lie in one
        mine = Q(decided_by__isnull=False, decided_by=by.pk)
        return recent.filter(mine | Q(state="dropped") & (Q(decided_by=None) | ~Q(decided_by__in=staff)))

    def over(self) -> HeldQuerySet:
        """Decided so long ago that nobody can change it any more."""
        return self.filter(state__in=("stored", "dropped"), decided_at__lte=Now() - UNDO)

    def keep(self, by: AbstractBaseUser | AnonymousUser) -> int:
        """Decide to store all that wait. Returns how many; the worker carries it out."""
        return self.waiting().update(state="keeping", decided_by=by.pk, decided_at=Now(), error="")

    def drop(self, by: AbstractBaseUser | AnonymousUser) -> int:
        """Decide against all that wait, in one act that ``take_back`` can undo. Returns how many."""
        return self.waiting().update(state="dropped", decided_by=by.pk, decided_at=Now(), error="")

    def take_back(self) -> int:
        """Let those that were dropped less than a day ago wait again. Returns how many."""
        return self.dropped().update(state="waiting", decided_by=None, decided_at=None)

    def last_drop(self) -> dict[str, Any] | None:
        """{decided_at, count} of the last act of dropping."""
        return self.dropped().values("decided_at").annotate(count=Count("id")).order_by("-decided_at").first()

    def size(self) -> int:
        """Bytes on the disk."""
        return self.aggregate(sum=Sum("bytes"))["sum"] or 0


class HeldUpload(models.Model):
    """A whole, flushed file, never under a public mount, and the question what shall become of it.

    What is held is acknowledged: the row is committed after its file is safe, and the file stays until a decision is
    committed. ``matches``: search.retrieval's findings as ingestion.likeness.Likeness. ``origin``: the fields of
    ingestion.pipeline.Origin that can be written down; ``also``: more of them, of the same bytes, that came later.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waits for a decision"
        KEEPING = "keeping", "is being stored"
        STORED = "stored", "stored"
        DROPPED = "dropped", "not stored"

    token = models.CharField(max_length=40, unique=True, default=new_token)
    sha256 = models.CharField(max_length=64, db_index=True)
    name = models.CharField(max_length=255)
    format = models.CharField(max_length=8)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bytes = models.BigIntegerField()
    origin = models.JSONField(default=dict)
    also = models.JSONField(default=list)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    matches = models.JSONField(default=list)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    error = models.TextField(blank=True, help_text="Why it could not be stored when somebody wanted it.")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    image = models.ForeignKey(Image, models.SET_NULL, null=True, blank=True, related_name="+")
    resolution = models.BigIntegerField(null=True, blank=True, help_text="The merge by which it replaced one.")
    created_at = models.DateTimeField(db_default=Now())

    objects = HeldQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index("id", name="held_open", condition=Q(state__in=("waiting", "keeping"))),
            models.Index("decided_at", name="held_decided", condition=Q(state__in=("stored", "dropped"))),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.width} × {self.height})"

    @classmethod
    def hold(cls, incoming: Incoming, picture: Picture, matches: list, origin: dict, by: Any = None) -> HeldUpload:
        """Keep a finished upload until somebody decides. File first, row second; OSError if the disk refuses it.

        The same bytes from the same person wait only once, with all the places that they came from.
        """
        with transaction.atomic():
            originals.lock(incoming.sha256)
            same = cls.objects.waiting().alike(incoming.sha256, origin, by)
            held = same.select_for_update().first()  # nobody decides on it in between
            if held is None:
                size = {"width": picture.width, "height": picture.height, "bytes": incoming.bytes}
                facts = {"name": incoming.name, "format": picture.format, "origin": origin, "by": by}
                held = cls(sha256=incoming.sha256, **facts, **size)
            elif origin not in held.origins:
                held.also.append(origin)
            held.matches = matches
            if not held.has_file:
                _move(incoming.path, held.path)
            held.save()
        return held

    @property
    def origins(self) -> list[dict[str, Any]]:
        """All that it came from, the first first."""
        return [self.origin, *self.also]

    @property
    def paths(self) -> list[str]:
        """Files of folders of the server, each noted as one that waits."""
        return [origin["address"] for origin in self.origins if origin.get("kind") == "folder"]

    @property
    def path(self) -> Path:
        """Never under a public mount."""
        return held_folder() / self.token

    @property
    def has_file(self) -> bool:
        """Whole, as far as its size tells."""
        try:
            return self.path.stat().st_size == self.bytes
        except OSError:
            return False

    def picture(self, longest: int) -> Picture:
        """OSError if the file is gone, PictureError if it is damaged."""
        return decode(self.path, longest=longest, limits=decode_limits())

    def forget_file(self) -> None:
        self.path.unlink(missing_ok=True)

    @property
    def undo_until(self) -> datetime | None:
        return self.decided_at + UNDO if self.decided_at else None


def blocks_of(held: HeldUpload) -> Iterator[bytes]:
    """The file. OSError if it is gone."""
    with held.path.open("rb") as file:
        while block := file.read(originals.BLOCK):
            yield block


def held_folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "held"


def _move(path: Path, target: Path) -> None:
    new = not target.parent.exists()
    target.parent.mkdir(parents=True, exist_ok=True)
    if new:
        flush_folder(target.parent.parent)
    os.replace(path, target)
    flush_folder(target.parent)


def sweep_held() -> Iterator[str]:
    """Forget what was decided a day ago, row first; remove files that nobody needs any more; yields their names."""
    for held in HeldUpload.objects.over().iterator():
        if HeldUpload.objects.over().filter(pk=held.pk).delete()[0]:  # else it was taken back a moment ago
            if held.state == HeldUpload.State.DROPPED:
                KnownFile.settle(held.paths, result=KnownFile.Result.SKIPPED)
            held.forget_file()
            yield held.name
    # As long as the trash: a crash leaves few of them, and a database that comes from a backup may not know its own.
    there = _files(before=time.time() - settings.TRASH_DAYS * 86_400)
    needed = HeldUpload.objects.exclude(state="stored").filter(token__in=[path.name for path in there])
    kept = set(needed.values_list("token", flat=True))
    for path in there:
        if path.name not in kept:
            path.unlink(missing_ok=True)
            yield path.name


def _files(before: float) -> list[Path]:
    """Those that were brought here before this moment (seconds since 1970)."""
    found = []
    for path in held_folder().iterdir() if held_folder().is_dir() else ():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                found.append(path)
    return found

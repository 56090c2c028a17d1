"""The pictures that visitors ask for."""

from __future__ import annotations

import io
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from gallery.models import decode_limits
from gallery.originals import Incoming
from gallery.pictures import Picture, decode

QUERY_LONGEST = 1600
"""Pixels of the longest side that are kept of a query: no engine looks at more."""


def new_token() -> str:
    return secrets.token_urlsafe(24)


class QueryPictureQuerySet(models.QuerySet["QueryPicture"]):
    def alive(self) -> QueryPictureQuerySet:
        return self.filter(expires_at__gt=Now())

    def expired(self) -> QueryPictureQuerySet:
        return self.filter(expires_at__lte=Now())


class QueryPicture(models.Model):
    """A picture that somebody searches with. It never becomes part of the gallery, and is gone after QUERY_HOURS.

    ``format``, ``width`` and ``height`` are of the file that came. It is decoded once; what is kept is the picture,
    reduced and without metadata, because each reader of the answer has it decoded again.
    """

    token = models.CharField(max_length=40, unique=True, default=new_token)
    name = models.CharField(max_length=255)
    format = models.CharField(max_length=8)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    objects = QueryPictureQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="query_expires")]

    def __str__(self) -> str:
        return f"{self.name}, until {self.expires_at:%H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("query", args=[self.token])

    @classmethod
    def accept(cls, incoming: Incoming) -> QueryPicture:
        """Keep a finished upload as a query. PictureError if it is no picture; OSError if the disk refuses it."""
        picture = decode(incoming.path, longest=QUERY_LONGEST, limits=decode_limits())
        query = cls(name=incoming.name, format=picture.format, width=picture.width, height=picture.height)
        query.expires_at = Now() + timedelta(hours=settings.QUERY_HOURS)  # by the database's clock, like every lease
        _write_whole(query.path, _packed(picture))
        query.save()
        query.refresh_from_db()
        return query

    @property
    def path(self) -> Path:
        """Never under a public mount."""
        return queries_folder() / self.token

    def picture(self, longest: int = QUERY_LONGEST) -> Picture:
        """What came, at most ``longest`` and QUERY_LONGEST pixels a side.

        FileNotFoundError if the file is gone, other OSError if it cannot be read, PictureError if it is damaged.
        """
        # The default limits: those of the settings are for strangers, and this file may be larger than what came.
        small = decode(self.path, longest=longest)
        return replace(small, format=self.format, width=self.width, height=self.height)

    def forget(self) -> None:
        self.delete()
        self.path.unlink(missing_ok=True)


def queries_folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "queries"


def _packed(picture: Picture) -> bytes:
    """Lossless. At 1600 x 1067 pixels method 0 takes half the time of the fastest PNG, and less room."""
    out = io.BytesIO()
    picture.pil().save(out, "WEBP", lossless=True, method=0, quality=0)
    return out.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    """Under the name lies a whole file or none. OSError leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sweep_queries() -> Iterator[str]:
    """Forget the queries whose time is over, and files that a crash left without a row; yields their names."""
    for query in QueryPicture.objects.expired().iterator():
        query.forget()
        yield query.name
    old = _old_files(time.time() - settings.QUERY_HOURS * 3600)
    kept = set(QueryPicture.objects.filter(token__in=[path.name for path in old]).values_list("token", flat=True))
    for path in old:
        if path.name not in kept:
            path.unlink(missing_ok=True)
            yield path.name


def _old_files(before: float) -> list[Path]:
    """Files of queries that were written before this moment (seconds since 1970)."""
    old = []
    for path in queries_folder().iterdir() if queries_folder().is_dir() else ():
        with suppress(FileNotFoundError):  # forgotten in between
            if path.stat().st_mtime < before:
                old.append(path)
    return old

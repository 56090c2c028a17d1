"""What the engines know of the images, the log of its changes, and the pictures that visitors ask for."""

from __future__ import annotations

import io
import logging
import os
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.urls import reverse

from gallery.models import Image, ImageQuerySet, decode_limits
from gallery.originals import Incoming
from gallery.pictures import Picture, decode
from search.engines import all_engines
from search.engines._base import Engine

logger = logging.getLogger(__name__)

QUERY_LONGEST = 1600
"""Pixels of the longest side that are kept of a query: no engine looks at more."""


class FeatureQuerySet(models.QuerySet["Feature"]):
    def of(self, engine: Engine) -> FeatureQuerySet:
        """The features that this version of the engine can read."""
        return self.filter(engine=engine.name, version=engine.version)


class Feature(models.Model):
    """What one version of an engine stores of one image. Indexes are built from these rows and are only caches."""

    image = models.ForeignKey(Image, models.CASCADE, related_name="features")
    engine = models.CharField(max_length=32)
    version = models.PositiveIntegerField()
    data = models.BinaryField()

    objects = FeatureQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "engine", "version"], name="feature_once")]
        indexes = [models.Index(fields=["engine", "version", "image"], name="feature_by_engine")]

    def __str__(self) -> str:
        return f"{self.engine} {self.version} of image {self.image_id}"


def store_features(
    image: Image, picture: Picture, engines: Iterable[Engine] | None = None, again: bool = False
) -> list[str]:
    """Extract and store what is missing, or everything ``again``. An image in the trash, or purged, gets nothing.

    Returns a sentence for each engine that failed; the others are stored, and an old feature stays.
    """
    features, errors = [], []
    there = set() if again else set(image.features.values_list("engine", "version"))
    for engine in engines or all_engines().values():
        if (engine.name, engine.version) in there:
            continue
        try:
            data = engine.extract(picture)
        except Exception as error:  # whatever a leaf raises: the other engines must still get their feature
            logger.exception("The engine %s failed on image %s", engine.name, image.pk)
            errors.append(f"{engine.label}: {error.__class__.__name__}: {error}")
        else:
            features.append(Feature(image=image, engine=engine.name, version=engine.version, data=data))
    with transaction.atomic():
        # Locked: who trashes the picture meanwhile waits, and then removes these features too.
        if Image.objects.filter(pk=image.pk, trashed_at__isnull=True).select_for_update(no_key=True).first():
            Feature.objects.bulk_create(
                features,
                update_conflicts=True,
                unique_fields=["image", "engine", "version"],
                update_fields=["data"],
            )
    return errors


def images_without(engine: Engine) -> ImageQuerySet:
    """Images that this version of the engine has not seen yet; what lies in the trash has no features."""
    seen = Feature.objects.of(engine).filter(image=OuterRef("pk"))
    return Image.objects.filter(~Exists(seen), trashed_at__isnull=True)


class Change(models.Model):
    """The log by which indexes catch up: one row for each feature, with the place of its last change.

    Written by a deferred trigger only (migration 0002), under a lock that is held until the commit, so that the order
    of ``seq`` is the order of commits and ``seq > position`` misses nothing. A deleted feature leaves its row behind.
    """

    engine = models.CharField(max_length=32)
    version = models.PositiveIntegerField()
    image_id = models.BigIntegerField()
    seq = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["engine", "version", "image_id"], name="change_once")]
        indexes = [models.Index(fields=["engine", "version", "seq"], name="change_by_seq")]

    def __str__(self) -> str:
        return f"{self.engine} {self.version}: {self.seq}"


class Snapshot(models.Model):
    """Each index that was written to disk, with the id in its header; see search/snapshots.py.

    A database that was restored from a backup has forgotten the snapshots of its lost future. Those must never be
    used, even when its log passes their position again, with other pictures: what has no row here is foreign.
    (A process that ran on during the restore only notices while the log is behind its own position: restart it.)
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    engine = models.CharField(max_length=32)
    version = models.PositiveIntegerField()
    position = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["engine", "version", "position"], name="snapshot_once")]

    def __str__(self) -> str:
        return f"{self.engine} {self.version} at {self.position}"


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

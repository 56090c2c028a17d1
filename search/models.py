"""What the engines know of the images, the log of its changes, and the pictures that visitors ask for."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.urls import reverse

from gallery.models import Image, ImageQuerySet, decode_limits
from gallery.originals import Incoming
from gallery.pictures import MIME, Picture, decode
from search.engines import all_engines
from search.engines._base import Engine

logger = logging.getLogger(__name__)


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


def store_features(image: Image, picture: Picture, engines: Iterable[Engine] | None = None) -> list[str]:
    """Extract and store what is missing. Returns a sentence for each engine that failed; the others are stored."""
    features, errors = [], []
    there = set(image.features.values_list("engine", "version"))
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
    Feature.objects.bulk_create(features, ignore_conflicts=True)
    return errors


def images_without(engine: Engine) -> ImageQuerySet:
    """Images that this version of the engine has not seen yet."""
    seen = Feature.objects.of(engine).filter(image=OuterRef("pk"))
    return Image.objects.filter(~Exists(seen))


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


def new_token() -> str:
    return secrets.token_urlsafe(24)


class QueryPictureQuerySet(models.QuerySet["QueryPicture"]):
    def alive(self) -> QueryPictureQuerySet:
        return self.filter(expires_at__gt=Now())

    def expired(self) -> QueryPictureQuerySet:
        return self.filter(expires_at__lte=Now())


class QueryPicture(models.Model):
    """A picture that somebody searches with. It never becomes part of the gallery, and is gone after QUERY_HOURS."""

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
        """Keep a finished upload as a query. PictureError if it is no picture that can be read."""
        picture = decode(incoming.path, longest=64, limits=decode_limits())
        query = cls(name=incoming.name, format=picture.format, width=picture.width, height=picture.height)
        query.expires_at = Now() + timedelta(hours=settings.QUERY_HOURS)  # by the database's clock, like every lease
        query.path.parent.mkdir(parents=True, exist_ok=True)
        incoming.path.replace(query.path)
        query.save()
        query.refresh_from_db()
        return query

    @property
    def path(self) -> Path:
        """Never under a public mount."""
        return Path(settings.MEDIA_ROOT) / "queries" / self.token

    @property
    def mime(self) -> str:
        return MIME[self.format]

    def picture(self, longest: int = 1600) -> Picture:
        return decode(self.path, longest=longest, limits=decode_limits())

    def forget(self) -> None:
        self.delete()
        self.path.unlink(missing_ok=True)


def sweep_queries() -> Iterator[str]:
    """Forget the queries whose time is over; yields their names."""
    for query in QueryPicture.objects.expired().iterator():
        query.forget()
        yield query.name

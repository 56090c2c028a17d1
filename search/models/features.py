"""What the engines know of the images, and the log of its changes."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable

from django.db import models, transaction
from django.db.models import Exists, OuterRef

from gallery.models import Image, ImageQuerySet
from gallery.pictures import Picture
from gallery.signals import image_incomplete
from search.engines import own_engines
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


def store_features(
    image: Image, picture: Picture, engines: Iterable[Engine] | None = None, again: bool = False
) -> list[str]:
    """Extract and store what is missing, or everything ``again``. An image in the trash, or purged, gets nothing.

    Returns a sentence for each engine that failed; the others are stored, and an old feature stays.
    """
    features, errors = [], []
    there = set() if again else set(image.features.values_list("engine", "version"))
    for engine in engines or own_engines().values():
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


def renew_damaged(engine: Engine, image_id: int, data: bytes, error: Exception) -> None:
    """Remove a feature that its engine cannot read, and have it made again from the picture.

    Many processes may find the same one; only the first sends for it, and none if it was replaced meanwhile.
    """
    logger.error("The feature of %s of image %s is damaged and will be made again: %s", engine.name, image_id, error)
    with transaction.atomic():
        removed, _ = Feature.objects.of(engine).filter(image_id=image_id, data=data).delete()
        image = Image.objects.filter(pk=image_id).first() if removed else None
    if image:  # after the commit: who listens takes locks of their own
        image_incomplete.send(Image, image=image)


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

"""Collections to test with: rows of pictures without files, and what engines know of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gallery.models import Image, User
from search.datasets import keeping, wishes, works
from search.engines.color import ENGINE as COLOR
from search.engines.phash import BYTES
from search.engines.phash import ENGINE as PHASH
from search.models import Collection, CollectionItem, CollectionWork, Feature
from tests.gallery.made import rows


def collection_of(owner: User, images: list[int], name: str = "Cars", **values: Any) -> Collection:
    found = keeping.make(owner, name, **values)
    CollectionItem.objects.bulk_create(CollectionItem(collection=found, image_id=pk, via="cars") for pk in images)
    return found


def inside(found: Collection, reader: User | None = None) -> list[int]:
    """Ids of what is in it, in the order in which it came."""
    items = CollectionItem.objects.inside().filter(collection=found) if reader is None else found.items_for(reader)
    return list(items.order_by("pk").values_list("image", flat=True))


def hashes(images: list[int], seed: int = 0) -> np.ndarray:
    """Unrelated ones: (n, 72) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (len(images), BYTES), np.uint8)


def hashed(images: list[int], bits: np.ndarray, detail: int = 255) -> None:
    write_features(PHASH, images, [row.tobytes() + bytes([detail]) for row in bits])


def coloured(images: list[int], vectors: np.ndarray) -> None:
    """(n, 512) uint8."""
    write_features(COLOR, images, [row.astype(np.uint8).tobytes() for row in vectors])


def write_features(engine: Any, images: list[int], made: list[bytes]) -> None:
    Feature.objects.bulk_create(
        Feature(image_id=pk, engine=engine.name, version=engine.version, data=data)
        for pk, data in zip(images, made, strict=True)
    )


def done(work: CollectionWork) -> CollectionWork:
    """After a worker has been at it."""
    while works.work_on(30):
        pass
    work.refresh_from_db()
    return work


def some(count: int) -> list[int]:
    return sorted(rows(count))


def private(image: int, *owners: User) -> None:
    Image.objects.filter(pk=image).update(private=True)
    Image.objects.get(pk=image).owners.set(owners)


__all__ = ["collection_of", "coloured", "done", "hashed", "hashes", "inside", "private", "some", "wishes"]

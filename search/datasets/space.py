"""The stored features of the pictures of a collection as vectors, to compare them with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from search.current import current_engines
from search.datasets.errors import CollectionError
from search.engines._base import Engine
from search.engines._embedding import EmbeddingEngine, as_vectors
from search.models import Collection, Feature, FeatureQuerySet

PREFERRED = ("clip", "global_features", "color")
"""What is meant by alike and different: what is seen first, and the colours where no network is there."""
_ENOUGH = 0.5
_AT_ONCE = 5_000


@dataclass(frozen=True)
class Space:
    """``ids``: rising; ``rows``: (n, d) float32 of length 1, one for each."""

    engine: Engine
    ids: np.ndarray
    rows: np.ndarray


def space_of(collection: Collection, reader: AbstractBaseUser | AnonymousUser, engine: str = "") -> Space:
    """By the engine of this name, or the first of PREFERRED that knows half of the pictures.

    CollectionError if there is none. A picture without a feature is left out: it is being prepared still.
    """
    engines = current_engines()
    if engine and engine not in engines:
        raise CollectionError(f"The engine “{engine[:40]}” is off here: choose {', '.join(engines)}.")
    total = collection.items_for(reader).count()
    for name in [engine] if engine else PREFERRED:
        if name in engines and (engine or _known(collection, reader, engines[name]) >= _ENOUGH * total):
            return _read(collection, reader, engines[name])
    raise CollectionError("The pictures are being prepared still: try again in a few minutes.", "preparing", 409)


def _features(collection: Collection, reader: AbstractBaseUser | AnonymousUser, engine: Engine) -> FeatureQuerySet:
    return Feature.objects.of(engine).filter(image__in=collection.images_for(reader).values("pk"))


def _known(collection: Collection, reader: AbstractBaseUser | AnonymousUser, engine: Engine) -> int:
    return int(_features(collection, reader, engine).count())


def stored(collection: Collection, reader: AbstractBaseUser | AnonymousUser, engine: Engine) -> list[tuple[int, bytes]]:
    """[(image, feature), ...] by rising ids."""
    rows = _features(collection, reader, engine).order_by("image").values_list("image", "data")
    return [(pk, bytes(data)) for pk, data in rows.iterator(chunk_size=_AT_ONCE)]


def _read(collection: Collection, reader: AbstractBaseUser | AnonymousUser, engine: Engine) -> Space:
    ids: list[int] = []
    parts: list[np.ndarray] = []
    found = stored(collection, reader, engine)
    for start in range(0, len(found), _AT_ONCE):
        readable = _readable(engine, found[start : start + _AT_ONCE])
        if readable:
            ids += [pk for pk, _ in readable]
            parts.append(as_unit(engine, [data for _, data in readable]))
    if not parts:
        raise CollectionError("The pictures are being prepared still: try again in a few minutes.", "preparing", 409)
    return Space(engine, np.array(ids, np.int64), np.concatenate(parts))


def _readable(engine: Engine, found: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Without damaged ones: searching finds and renews those."""
    try:
        engine.rows([data for _, data in found])
    except ValueError:
        return [each for each in found if _is_readable(engine, each[1])]
    return found


def _is_readable(engine: Engine, data: bytes) -> bool:
    try:
        engine.rows([data])
    except ValueError:
        return False
    return True


def as_unit(engine: Engine, features: list[bytes]) -> np.ndarray:
    """(n, d) float32 of length 1. Roots of histograms are compared by their cosine too (Bhattacharyya)."""
    rows = engine.rows(features)
    vectors = as_vectors(rows) if isinstance(engine, EmbeddingEngine) else rows.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)

"""Accepted pictures and candidates as rows, of kinds that look different; no files, no decoding."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np

from gallery.models import Image
from ingestion.embedding import as_bytes, as_vector, current_embedding, described
from ingestion.mixture import Mixture, fit
from ingestion.models import Candidate, NoveltyModel, Source
from search.engines import color, local_features
from search.keypoints import Keypoints, pack
from search.models import Feature


def features(kind: int, seed: int) -> tuple[bytes, bytes]:
    """Of local_features and color: pictures of a kind have keypoints, gradients and colours in common."""
    rng, common = np.random.default_rng([seed, kind]), np.random.default_rng(kind)
    looks = common.integers(0, 160, 128) + rng.normal(0, 12, (6, 128))
    grey = 120 + 60 * np.sin(np.add.outer(np.arange(16) * kind, np.arange(16)) / 3) + rng.normal(0, 8, (16, 16))
    places = rng.uniform(0, 200, (6, 4)).astype(np.float32)
    keypoints = Keypoints(256, 256, places, looks.clip(0, 255).astype(np.uint8), grey.clip(0, 255).astype(np.uint8))
    colours = np.zeros(512)
    colours[common.integers(0, 512, 5)] = rng.uniform(0.5, 1, 5)
    return pack(keypoints), (np.sqrt(colours / colours.sum()) * 255).round().astype(np.uint8).tobytes()


def accepted(count: int, kind: int = 1, first: int = 0) -> list[Image]:
    """So many images of a kind, with their features; ``first``: the seed of the first one."""
    images = []
    for seed in range(first, first + count):
        sha256 = hashlib.sha256(f"{kind} {seed}".encode()).hexdigest()
        named = {"sha256": sha256, "name": f"{kind}-{seed}.jpg", "format": "JPEG", "bytes": 9, "width": 9, "height": 9}
        images.append(Image(state=Image.State.READY, **named))
    made: list[Any] = Image.objects.bulk_create(images)
    rows = []
    for image, seed in zip(made, range(first, first + count), strict=True):
        for engine, data in zip((local_features.ENGINE, color.ENGINE), features(kind, seed), strict=True):
            rows.append(Feature(image=image, engine=engine.name, version=engine.version, data=data))
    Feature.objects.bulk_create(rows)
    return made


def vector(kind: int, seed: int) -> np.ndarray:
    """As Candidate.embedding gives it back."""
    return as_vector(as_bytes(described(*features(kind, seed))))


def candidate(kind: int, seed: int, **values: Any) -> Candidate:
    """One that waits, embedded."""
    data = as_bytes(described(*features(kind, seed)))
    said = {"state": Candidate.State.WAITING, "embedding": data, "embedded_by": current_embedding().name} | values
    source = said.pop("source", None) or Source.objects.get_or_create(name="a-source", kind="feed")[0]
    return Candidate.objects.create(source=source, key=f"{kind} {seed}", **said)


@cache
def mixture(kind: int = 1, count: int = 60) -> Mixture:
    """Learned from the vectors of ``accepted(count, kind)``."""
    return fit(np.stack([vector(kind, seed) for seed in range(count)]), components=(1, 2)).mixture


def model(kind: int = 1, state: str = "current", **values: Any) -> NoveltyModel:
    """One that was trained before."""
    said = {"components": 1, "fitted_on": 60, "curve": [[1, 120.0, 110.0], [2, 130.0, 105.0]], "scored_at": None}
    said |= {"embedded_by": current_embedding().name, "parameters": mixture(kind).pack()}
    return NoveltyModel.objects.create(state=state, **(said | values))

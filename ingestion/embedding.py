"""A picture as one vector, for what has to know which pictures are alike: novelty, and whatever comes to ask for it.

By CLIP while its generation answers, else by the global features, else by what every gallery has from its first picture
on: what the keypoints look like, how gradients are laid out, and the colours. Vectors of two embeddings are never
compared: each has a name that says what made it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.db.models import OuterRef, Subquery

from gallery.models import Image
from gallery.pictures import Picture
from ingestion.models import Candidate
from search.current import current_engines
from search.engines import color, local_features
from search.engines._embedding import EmbeddingEngine
from search.engines._embedding import finite as _finite
from search.errors import EngineError, WeightsMissing
from search.keypoints import DIMENSIONS, unpack
from search.models import Feature

ENGINES = ("clip", "global_features")
"""The best one first."""
MOST = 5_000
"""Accepted pictures that are looked at, the newest ones: tastes drift, and 5,000 x 768 numbers are learned from in 20
seconds of a processor."""
_AT_ONCE = 200
"""Rows of a server-side cursor: keypoints have 37 KB."""
_FORM = 1
"""Raise it when ``described`` makes other vectors."""
_CELLS, _TURNS, _GREY = 4, 8, 64
_SHARES = (2.0, 2.0, 1.0, 0.5)
"""Lengths of the four parts of a description. Of 300 photographs, dogs are told from the rest with an AUC of 0.76, by
the keypoints alone 0.75, by colours alone 0.63; colours still count in a gallery that is chosen by them."""


def embed(picture: Picture) -> tuple[np.ndarray, str] | None:
    """((dimension,) float32 of length 1, name of what made it); None if that cannot look at pictures now."""
    embedding = current_embedding()
    try:
        return _unit(embedding.of(picture)[None])[0], embedding.name
    except (EngineError, WeightsMissing):
        return None


def accepted_embeddings(name: str, limit: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """Of images of the gallery, the newest first: ids (n,) int64, falling, and (n, dimension) float32 of length 1.

    ``name``: as ``embed`` says it; empty if nothing makes such embeddings (any more).
    """
    found = next((each for each in _embeddings() if each.name == name), None)
    return _gathered(found.stored(limit)) if found else _gathered(())


def candidate_embeddings(name: str, states: Sequence[str], limit: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """The same of candidates in one of ``states``, those decided last first."""
    rows = Candidate.objects.filter(embedded_by=name, state__in=states).exclude(embedding=b"")
    rows = rows.order_by("-decided_at", "-id")
    found = rows.values_list("id", "embedding")[:limit].iterator(chunk_size=_AT_ONCE)
    return _gathered((pk, as_vector(data)) for pk, data in found)


def as_bytes(vector: np.ndarray) -> bytes:
    """As Candidate.embedding keeps it."""
    return vector.astype("<f2").tobytes()


def as_vector(data: bytes) -> np.ndarray:
    """The way back: (dimension,) float32 of length 1."""
    return _unit(np.frombuffer(data[: len(data) // 2 * 2], "<f2").astype(np.float32)[None])[0]


class Embedding(ABC):
    name: str
    label: str
    """For people."""

    @abstractmethod
    def of(self, picture: Picture) -> np.ndarray:
        """(dimension,) floats. EngineError or WeightsMissing."""

    @abstractmethod
    def stored(self, limit: int) -> Iterator[tuple[int, np.ndarray]]:
        """(image id, (dimension,) floats) of images that are in the gallery, the newest first."""

    @abstractmethod
    def count(self) -> int:
        """Of images that have one."""


class ByEngine(Embedding):
    """The stored vectors of a network (or of VLAD), as they are: what is learned of a collection to make a better index
    of them is learned again now and then."""

    def __init__(self, engine: EmbeddingEngine) -> None:
        self.engine = engine
        # Of what is learned of a collection before anything is made, each generation has its own.
        of = f"{engine.made_by[:12]} {engine.version if engine.learns_first else ''}".strip()
        self.name = f"{engine.name} {engine.network.name[:140]} {of}"
        self.label = engine.network.label

    def is_there(self) -> bool:
        """Its weights are, and they are those that it was made with."""
        try:
            self.engine.network.look()
            return not self.engine.made_by or self.engine.fingerprint(self.engine.network) == self.engine.made_by
        except WeightsMissing:
            return False

    def of(self, picture: Picture) -> np.ndarray:
        return _finite(np.frombuffer(self.engine.extract(picture), "<f2").astype(np.float32))

    def stored(self, limit: int) -> Iterator[tuple[int, np.ndarray]]:
        width = 2 * self.engine.stored_dimension
        for pk, data in _features(self.engine).values_list("image_id", "data")[:limit].iterator(chunk_size=_AT_ONCE):
            if len(data) == width:  # a damaged one is made again by the index that meets it
                yield pk, np.frombuffer(data, "<f2").astype(np.float32)

    def count(self) -> int:
        return _features(self.engine).count()


class Described(Embedding):
    """Without any network, and without anything learned: the same picture has the same vector in every gallery."""

    def __init__(self) -> None:
        versions = f"keypoints {local_features.ENGINE.version}, colours {color.ENGINE.version}"
        self.name = f"description {_FORM} ({versions})"
        self.label = "keypoints, gradients and colours (no network)"

    def of(self, picture: Picture) -> np.ndarray:
        return described(local_features.ENGINE.extract(picture), color.ENGINE.extract(picture))

    def stored(self, limit: int) -> Iterator[tuple[int, np.ndarray]]:
        colours = Feature.objects.of(color.ENGINE).filter(image=OuterRef("image"))
        rows = _features(local_features.ENGINE).annotate(colours=Subquery(colours.values("data")[:1]))
        rows = rows.filter(colours__isnull=False).values_list("image_id", "data", "colours")[:limit]
        for pk, keypoints, histogram in rows.iterator(chunk_size=_AT_ONCE):
            try:
                yield pk, described(bytes(keypoints), bytes(histogram))
            except ValueError:
                continue  # damaged: made again by the index that meets it

    def count(self) -> int:
        return _features(local_features.ENGINE).count()


def described(keypoints: bytes, colours: bytes) -> np.ndarray:
    """(448,) float32, from features of local_features and color: mean and spread of the descriptors, gradients in 4 x 4
    cells and 8 orientations, 4 x 4 x 4 colours. ValueError if one of them is damaged."""
    found = unpack(keypoints)
    looks = found.descriptors.astype(np.float32) if len(found) else np.zeros((1, DIMENSIONS), np.float32)
    parts = looks.mean(0), looks.std(0), _gradients(found.grey), _coarse(color.ENGINE.rows([colours])[0])
    return np.concatenate([share * _unit(part[None])[0] for share, part in zip(_SHARES, parts, strict=True)])


def current_embedding() -> Embedding:
    """What ``embed`` uses now."""
    return next(_embeddings())


def _embeddings() -> Iterator[Embedding]:
    """Those that can be made now, the best one first; the last one always can."""
    engines = current_engines()
    for name in ENGINES:
        engine: Any = engines.get(name)
        if engine is not None and (made := ByEngine(engine)).is_there():
            yield made
    yield Described()


def _features(engine: Any) -> Any:
    ready = Feature.objects.of(engine).filter(image__state=Image.State.READY, image__trashed_at__isnull=True)
    ready = ready.filter(image__private=False)
    return ready.order_by("-image_id")


def _gathered(rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Without what is damaged: one vector of another length, or of what is no number, would spoil all of them."""
    pairs = [(pk, vector) for pk, vector in rows if np.isfinite(vector).all()]
    if not pairs:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    usual = Counter(len(vector) for _, vector in pairs).most_common(1)[0][0]
    pairs = [pair for pair in pairs if len(pair[1]) == usual]
    ids = np.array([pk for pk, _ in pairs], np.int64)
    return ids, _unit(np.stack([vector for _, vector in pairs]))


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Nothing stays nothing."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)


def _gradients(grey: np.ndarray) -> np.ndarray:
    """(128,): how strong gradients are, by place and orientation, as square roots."""
    from PIL import Image as PillowImage

    square = PillowImage.fromarray(grey).resize((_GREY, _GREY), PillowImage.Resampling.BILINEAR)
    down, across = np.gradient(np.asarray(square, np.float32))
    turn = (np.arctan2(down, across) % np.pi) / np.pi * _TURNS
    strength, share, low = np.hypot(down, across), turn - np.floor(turn), np.floor(turn).astype(int) % _TURNS
    rows, columns = np.indices(square.size) * _CELLS // _GREY
    cells = np.zeros((_CELLS, _CELLS, _TURNS), np.float32)
    np.add.at(cells, (rows, columns, low), strength * (1 - share))
    np.add.at(cells, (rows, columns, (low + 1) % _TURNS), strength * share)
    return np.sqrt(cells.ravel())


def _coarse(roots: np.ndarray) -> np.ndarray:
    """(64,): of 512 roots of shares, as square roots of the shares of 4 x 4 x 4 colours."""
    shares = (roots.astype(np.float32) ** 2).reshape(4, 2, 4, 2, 4, 2).sum((1, 3, 5))
    return np.sqrt(shares.ravel())

"""A kind of network for tests that really computes: the mean colours of a picture's tiles, weighted by a file.

Its weights are one file of numbers; it tells cut and altered ones by a checksum at their end, as real formats do.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from gallery.pictures import Picture
from search import encoders
from search.encoders._base import Encoder, WeightFile
from search.engines import all_engines
from search.engines._base import Grade, Hit, Probe
from search.engines._embedding import EmbeddingEngine, as_rows
from search.errors import WeightsMissing
from search.indexes.embedding_index import cosines

KIND = "tiles"
SIZE = 4
COUNT = 3 * SIZE * SIZE
START = b"\x80\x02"
"""As torch's old files begin, of which nobody can tell damage but who reads them whole: see search/encoders/weights."""


def checkpoint(seed: int = 0, extra: int = 0) -> bytes:
    """A good file of weights. ``extra``: bytes of nothing, to make it large."""
    numbers = np.random.default_rng(seed).uniform(0.5, 1.5, COUNT).astype("<f4").tobytes()
    body = START + numbers + np.random.default_rng(seed).bytes(extra)
    return body + hashlib.sha256(body).digest()


class Tiles(Encoder):
    side = 32

    def __init__(self, model: str, folder: Path) -> None:
        self.name, self.label, self.folder = f"{KIND}:{model}", f"Tiles {model}", folder
        self.url, self.sha256, self.bytes = "", "", 0
        self.dimension = COUNT
        self.asked: list[int] = []
        """Pictures of each batch."""
        self._weights: np.ndarray | None = None
        self.poison: set[tuple[int, int]] = set()
        """Sizes of pictures that it fails on."""
        self.deadly: set[tuple[int, int]] = set()
        """Sizes of pictures that kill the process."""

    @property
    def files(self) -> Sequence[WeightFile]:  # type: ignore[override]
        model = self.name.partition(":")[2]
        return [WeightFile(f"{KIND}/{model}/{KIND}.bin", self.url, self.sha256, self.bytes)]

    @property
    def file(self) -> Path:
        return self.folder / self.files[0].path

    def _read(self) -> bytes:
        try:
            data = self.file.read_bytes()
        except OSError:
            raise WeightsMissing(f"{self.label} cannot be used: {self.file} is not there.") from None
        if len(data) < len(START) + 4 * COUNT + 32 or hashlib.sha256(data[:-32]).digest() != data[-32:]:
            raise WeightsMissing(f"{self.label} cannot be used: {self.file} is damaged.")
        return data

    def look(self) -> None:
        self._read()

    def fingerprint(self) -> str:
        return hashlib.sha256(self._read()).hexdigest()

    def load(self) -> None:
        self._weights = np.frombuffer(self._read(), "<f4", COUNT, len(START))

    @property
    def is_loaded(self) -> bool:
        return self._weights is not None

    @property
    def memory(self) -> int:
        return self._weights.nbytes if self._weights is not None else 0

    def rest(self) -> None:
        self._weights = None

    def encode(self, pictures: Sequence[Picture]) -> np.ndarray:
        self.load()
        assert self._weights is not None
        self.asked.append(len(pictures))
        sizes = {(picture.width, picture.height) for picture in pictures}
        if sizes & self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if sizes & self.poison:
            raise ArithmeticError("this picture is too much for it")
        rows = np.stack([_tiles(picture) for picture in pictures]) * self._weights
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True))[:, : self.dimension]


def _tiles(picture: Picture) -> np.ndarray:
    small = PillowImage.fromarray(picture.pixels).resize((SIZE, SIZE), PillowImage.Resampling.BOX)
    return np.asarray(small, np.float32).ravel() + 1


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch, settings, tmp_path: Path):
    """tiles(model) -> the network of this process; the settings have an empty folder of weights."""
    settings.WEIGHTS = tmp_path / "weights"
    made: dict[str, Tiles] = {}
    ordinary_kinds, ordinary = encoders.kinds, encoders.get_network

    def get(name: str, folder: Path):
        kind, _, model = name.partition(":")
        if kind != KIND:
            return ordinary(name, folder)
        return made.setdefault(name, Tiles(model, folder))

    for module in ("search.encoders", "search.weights", "search.generations", "search.current", "search.networks"):
        monkeypatch.setattr(f"{module}.get_network", get)
    monkeypatch.setattr("search.networks.kinds", lambda: [*ordinary_kinds(), KIND])
    monkeypatch.setattr("search.networks._counted", {})
    monkeypatch.setattr("search.networks.loaded", lambda: [each for each in made.values() if each.is_loaded])

    def network(model: str = "a", seed: int | None = None) -> Tiles:
        """With weights, if a seed is given."""
        found = get(f"{KIND}:{model}", settings.WEIGHTS)
        if seed is not None:
            found.file.parent.mkdir(parents=True, exist_ok=True)
            found.file.write_bytes(checkpoint(seed))
        return found

    return network


class TilesEngine(EmbeddingEngine):
    """Looks like by tiles: the smallest engine of a network."""

    name, label, batch = KIND, "Same tiles", 4

    def probe(self, picture: Picture) -> Probe:
        return Probe(as_rows(self.encoded([picture])), ("",))

    def probe_stored(self, feature: bytes) -> Probe:
        return Probe(self.rows([feature]), ("",))

    def search(self, probe: Probe, index: Any, k: int, among: np.ndarray | None = None) -> list[Hit]:
        ids, distances = index.search(probe.vectors, k, among)
        scores = cosines(distances[0])
        pairs = zip(ids[0].tolist(), scores.tolist(), strict=True)
        return [Hit(pk, max(0.0, score), Grade.LOOKS_LIKE) for pk, score in pairs if pk >= 0]

    def explain(self, evidence: dict[str, Any]) -> str:
        return "alike"


class Whitened(TilesEngine):
    """One that learns the mean of what was made, before it answers."""

    learns_after = True

    def learn(self, sample: Sequence[bytes]) -> bytes:
        return np.mean([np.frombuffer(data, "<f2") for data in sample], axis=0).astype("<f4").tobytes()

    def projected(self, vectors: np.ndarray) -> np.ndarray:
        moved = vectors - np.frombuffer(self.learned, "<f4")
        return moved / np.maximum(1e-6, np.linalg.norm(moved, axis=1, keepdims=True))


class Learner(TilesEngine):
    """One that must have seen some pictures before it makes anything."""

    learns_first = 3

    def learn(self, sample: Sequence[Picture]) -> bytes:
        return np.mean([_tiles(picture) for picture in sample], axis=0).astype("<f4").tobytes()


@pytest.fixture
def engine(tiles, monkeypatch: pytest.MonkeyPatch, settings):
    """engine(an engine) -> it is the one role of networks, and the settings name the network "tiles:a" for it."""
    settings.NETWORKS = {KIND: [f"{KIND}:a"]}

    def use(engine: TilesEngine) -> TilesEngine:
        for name in [name for name, each in all_engines().items() if each.of_network and name != KIND]:
            monkeypatch.delitem(all_engines(), name)
        monkeypatch.setitem(all_engines(), KIND, engine)
        return engine

    use(TilesEngine())
    monkeypatch.setattr("search.roles.providers", [])
    return use

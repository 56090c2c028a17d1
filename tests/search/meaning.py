"""A gallery of drawn scenes that a small CLIP has looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from gallery.models import Image
from gallery.pictures import Picture
from search.encoders import get_network
from search.engines._embedding import as_rows
from search.engines.clip import ENGINE, Clip
from search.filling import fill_one
from search.generations import begin
from search.indexes.embedding_index import EmbeddingIndex
from tests.networks.made import made
from tests.networks.scenes import ALL, Scene, draw
from tests.networks.small_clip import NAME


def weights() -> Path:
    """The folder of weights with the small CLIP."""
    return made("small_clip")


def use(settings: Any) -> None:
    """The small CLIP, and no other network."""
    settings.WEIGHTS = weights()
    settings.NETWORKS = {role: [] for role in settings.NETWORKS} | {"clip": [NAME]}


def bound(folder: Path) -> Clip:
    engine = ENGINE.bound(1, get_network(NAME, folder))
    engine.network.load()
    return engine


def picture(image: PillowImage.Image) -> Picture:
    return Picture(np.asarray(image.convert("RGB")), *image.size, "PNG", {})


def index_of(engine: Clip, vectors: np.ndarray, scenes: Iterable[Scene]) -> EmbeddingIndex:
    """Of some scenes: the id of a scene is its place in ALL, plus 1."""
    at = np.array(sorted(ALL.index(scene) for scene in scenes))
    index = engine.new_index()
    index.add(at + 1, as_rows(vectors[at]))
    return index


def fill(add: Callable, scenes: Iterable[Scene], seed: int = 9) -> dict[Scene, Image]:
    """Bring scenes into the gallery, and let the network look at them."""
    images = {scene: add(draw(scene, seed, 96), name=f"{scene}.png") for scene in scenes}
    look()
    return images


def look() -> None:
    """The network makes what it has not made yet, and is in memory, so that no answer waits for it."""
    from search.current import current_engine
    from search.models import Generation

    generation = Generation.objects.current("clip") or begin("clip", NAME)
    while fill_one(generation):
        pass
    engine = current_engine("clip")
    assert isinstance(engine, Clip)
    engine.read_words()

"""Networks small enough to be read: they look at the mean colour of a picture, and at nothing else.

Where a test is about what becomes of the answers of a network, and not about a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from django.conf import settings
from PIL import Image as PillowImage

import search.encoders
from gallery.models import Image
from gallery.pictures import Picture
from ingestion.models import ThresholdChange
from ingestion.word_tasks import follow_lines
from search.encoders._base import Captioner, Classifier, Network, TextEncoder
from search.filling import fill_one
from search.generations import begin
from search.models import Generation
from tests.ingestion.scene import bring_image, data

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 170, 60),
    "blue": (40, 70, 230),
    "yellow": (245, 220, 40),
    "grey": (128, 128, 128),
    "black": (5, 5, 5),
}


class ColourNetwork(Network):
    files = ()
    is_loaded = True
    memory = 0

    def __init__(self, name: str, seen: float = 1.0) -> None:
        self.name = self.label = name
        self.seen, self.asked = seen, 0

    def look(self) -> None: ...

    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.name} {self.seen}".encode()).hexdigest()

    def load(self) -> None: ...

    def rest(self) -> None: ...

    def likeness(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(n, colours): shares of how near the mean of each picture is to each colour."""
        self.asked += len(pictures)
        means = np.array([np.asarray(p.pil().convert("RGB"), float).reshape(-1, 3).mean(0) for p in pictures])
        near = np.exp(-np.linalg.norm(means[:, None] - np.array(list(COLOURS.values())), axis=2) / (25 / self.seen))
        return near / near.sum(1, keepdims=True)


class ColourCaptioner(ColourNetwork, Captioner):
    def caption(self, pictures: Sequence[Picture]) -> list[tuple[str, float]]:
        names = list(COLOURS)
        return [(f"a picture that is {names[row.argmax()]}", float(row.max())) for row in self.likeness(pictures)]


class ColourClassifier(ColourNetwork, Classifier):
    names = list(COLOURS)

    def classify(self, pictures: Sequence[Picture]) -> np.ndarray:
        return self.likeness(pictures).astype(np.float32)


class ColourClip(ColourNetwork, TextEncoder):
    dimension, side = len(COLOURS), 8

    def encode(self, pictures: Sequence[Picture]) -> np.ndarray:
        return _normal(self.likeness(pictures))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return _normal(np.array([[0.02 + (colour in text) for colour in COLOURS] for text in texts]))


def _normal(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def known(network: ColourNetwork) -> ColourNetwork:
    """The gallery finds it by its name, as those of search/encoders."""
    search.encoders._networks[network.name, settings.WEIGHTS] = network
    return network


def image_of(colour: str, size: tuple[int, int] = (64, 64)) -> Image:
    """A visible image of one colour; each size is another picture."""
    image = bring_image(data(PillowImage.new("RGB", size, COLOURS[colour]), "PNG"))
    return made_visible(image)


def made_visible(image: Image) -> Image:
    from ingestion.pipeline import complete

    assert complete(image) == []
    image.jobs.all().delete()
    image.refresh_from_db()
    return image


def followed() -> None:
    """A worker lets what is shown follow the network that answers now."""
    while ThresholdChange.objects.filter(finished_at__isnull=True).exists():
        follow_lines.call_local()


def fill(role: str, network: Network) -> Generation:
    """Begin a generation and let it get through all pictures; it answers in the end, and its words are shown."""
    generation = begin(role, network.name)
    while fill_one(generation):
        pass
    followed()
    generation.refresh_from_db()
    return generation

"""Watermarks: how surely something was laid over a picture after it was taken, to say whose it is.

Nobody offers such weights under a free licence: they are made by `manage.py train_watermark`, from clean pictures with
marks drawn on them (ingestion/watermarks/drawing.py). Three networks can learn it: a small one of our own, timm's
EfficientNetV2-B0 (Tan and Le, "EfficientNetV2: smaller models and faster training", ICML 2021), and what CLIP says of
the four quarters of a picture.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gallery.pictures import Picture
from search.encoders import _batches, pytorch, weights
from search.encoders._base import Encoder, Network, WeightFile
from search.encoders._halves import halve
from search.encoders._pixels import Preparation
from search.encoders._resting import RestingNetwork
from search.encoders._timm import Backbone
from search.errors import WeightsMissing

KIND, FILE = "watermark", "model.safetensors"
SHIPPED = Path(__file__).with_name("watermark_small.safetensors")
"""Used until there are weights of one's own for the small network; need not be there."""
_VERSION = 1
"""Of what is here: counts up when the same weights answer otherwise."""
_CLIP, _QUARTERS, _HIDDEN = "clip", 4, 256
_PART = "seen"


@dataclass(frozen=True)
class Architecture:
    """One that sees pixels. Pictures are squashed into its square: what is cut away might be the mark."""

    label: str
    preparation: Preparation
    build: Callable[[], Any]
    """A module of torch with weights at random: (n, 3, side, side) -> (n,) logits."""


def _small() -> Any:
    return import_module("search.encoders._watermark_small").Small()


def _efficientnet() -> Any:
    torch = pytorch.torch()  # first, or torchvision, which timm imports, may fail
    network = import_module("timm").create_model("tf_efficientnetv2_b0", pretrained=False, num_classes=1)
    return torch.nn.Sequential(network, torch.nn.Flatten(0))


_EVEN = (0.5, 0.5, 0.5)
ARCHITECTURES = {
    "small": Architecture("small", Preparation(384, _EVEN, (0.25, 0.25, 0.25), mode="squash"), _small),
    "efficientnet": Architecture(
        "EfficientNetV2-B0",
        Preparation(512, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), mode="squash"),
        _efficientnet,
    ),
}


def network(model: str, folder: Path) -> Watermark:
    """``model``: "small", "efficientnet", or "clip/ViT-B-16/openai" with the name of a network of the kind clip. Its
    weights lie in a folder of that name under watermark/ in ``folder``."""
    model = model or "small"
    if model in ARCHITECTURES:
        return Pixels(model, folder)
    kind, _, clip = model.partition("/")
    if kind == _CLIP and clip:
        return Quarters(clip, folder)
    raise WeightsMissing(f"There is no “{model}” that sees watermarks. There are: {', '.join(ARCHITECTURES)}, clip/….")


class Watermark(RestingNetwork, Network):
    def __init__(self, model: str, folder: Path) -> None:
        super().__init__()
        self.model, self.name, self.folder = model, f"{KIND}:{model}", folder / KIND / model

    @property
    def own(self) -> Path:
        """The weights that somebody has trained here, or brought."""
        return self.folder / FILE

    @property
    def file(self) -> Path:
        return self.own

    @property
    def files(self) -> Sequence[WeightFile]:  # type: ignore[override]
        return [] if self.file != self.own else [WeightFile(f"{KIND}/{self.model}/{FILE}")]

    @abstractmethod
    def built(self) -> Any:
        """The module that is trained, with weights at random. torch's generator decides which."""

    @abstractmethod
    def prepared(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(n, ...) float32: what the module is given of each."""

    def score(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(n,) float32 0..1: high for a watermark. WeightsMissing without the weights, or if they are damaged."""
        if not pictures:
            return np.empty(0, np.float32)
        logits = self.ask(_PART, lambda part: self._logits(part, pictures))
        if not np.isfinite(logits).all():
            raise WeightsMissing(f"{self.label}'s answers are no numbers: its weights are damaged.")
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float32)

    @abstractmethod
    def _logits(self, part: Backbone, pictures: Sequence[Picture]) -> np.ndarray: ...

    @abstractmethod
    def _looks_so(self) -> object:
        """What else the answers depend on, for JSON."""

    def look(self) -> None:
        with self._says_what_to_do():
            weights.look_at(self.file)

    def fingerprint(self) -> str:
        with self._says_what_to_do():
            rest = json.dumps([_VERSION, self.model, self._looks_so()], sort_keys=True)
            return hashlib.sha256(f"{weights.fingerprint(self.file)} {rest}".encode()).hexdigest()

    def used(self) -> Sequence[Path]:
        return [self.own, self.file]

    def load(self) -> None:
        self.ask(_PART, bool)

    def read_part(self, name: str) -> Backbone:
        with self._says_what_to_do():
            weights.look_at(self.file)
            device = pytorch.device()
            module = weights.fill(self.built().float(), self.file)
            return Backbone(halve(module.to(device), device), device)

    def _says_what_to_do(self) -> Any:
        train = f"manage.py train_watermark DIR --network {self.model}"
        return weights.says(
            f"{self.label} cannot be used",
            f"To mend it, train it with a folder of clean pictures: {train}; or copy {FILE} to {self.folder}.",
        )


class Pixels(Watermark):
    """A network that sees the whole picture."""

    def __init__(self, model: str, folder: Path) -> None:
        super().__init__(model, folder)
        self.architecture = ARCHITECTURES[model]
        self.label = f"Watermarks {self.architecture.label}"

    @property
    def file(self) -> Path:
        is_shipped = self.model == "small" and not self.own.exists() and SHIPPED.exists()
        return SHIPPED if is_shipped else self.own

    def built(self) -> Any:
        return self.architecture.build()

    def prepared(self, pictures: Sequence[Picture]) -> np.ndarray:
        return np.stack([self.architecture.preparation(picture) for picture in pictures])

    def _logits(self, part: Backbone, pictures: Sequence[Picture]) -> np.ndarray:
        return _batches.outputs(pictures, self.architecture.preparation, part.see, part.device)

    def _looks_so(self) -> object:
        return asdict(self.architecture.preparation)


class Quarters(Watermark):
    """CLIP sees the picture in four quarters, a small network what it says of them, one after the other."""

    def __init__(self, clip: str, folder: Path) -> None:
        super().__init__(f"{_CLIP}/{clip}", folder)
        self.label, self._clip, self._folder = f"Watermarks CLIP {clip}", f"clip:{clip}", folder

    @property
    def clip(self) -> Encoder:
        """The one of this process, which others ask too. WeightsMissing if no such model is known."""
        found = import_module("search.encoders").get_network(self._clip, self._folder)
        assert isinstance(found, Encoder)
        return found

    def look(self) -> None:
        super().look()
        with self._says_what_to_do():
            self.clip.look()

    def load(self) -> None:
        self.clip.load_pictures()
        super().load()

    def built(self) -> Any:
        nn = pytorch.torch().nn
        width = _QUARTERS * self.clip.dimension
        return nn.Sequential(
            nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Dropout(0.2), nn.Linear(_HIDDEN, 1), nn.Flatten(0)
        )

    def prepared(self, pictures: Sequence[Picture]) -> np.ndarray:
        side = self.clip.side
        seen = self.clip.encode([quarter for picture in pictures for quarter in _quarters(picture, side)])
        return seen.reshape(len(pictures), -1) * np.float32(self.clip.dimension**0.5)  # as wide as a layer wants it

    def _logits(self, part: Backbone, pictures: Sequence[Picture]) -> np.ndarray:
        return _batches.outputs(list(self.prepared(pictures)), lambda row: row, part.see, part.device)

    def _looks_so(self) -> object:
        return self.clip.fingerprint()


def _quarters(picture: Picture, side: int) -> list[Picture]:
    """(side, side) each, of the picture squashed to twice that."""
    whole = np.asarray(picture.pil().resize((2 * side, 2 * side), Image.Resampling.BICUBIC))
    corners = [(top, left) for top in (0, side) for left in (0, side)]
    return [
        Picture(np.ascontiguousarray(whole[top : top + side, left : left + side]), side, side, picture.format)
        for top, left in corners
    ]

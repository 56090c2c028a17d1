"""Places365: which of 365 kinds of places a picture shows, whether it is outdoors, and 102 attributes of scenes.

Zhou, Lapedriza, Khosla, Oliva and Torralba, "Places: a 10 million image database for scene recognition", PAMI 2017.
Categories and the vote are those of run_placesCNN_unified.py of its authors. They publish the matrix that tells
attributes for one network only, a ResNet-18 with a wider last map; that one is asked for the attributes if it is there,
whichever network tells the categories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gallery.pictures import Picture
from search.encoders import _batches, pytorch, weights
from search.encoders._base import Classifier, WeightFile
from search.encoders._halves import halve
from search.encoders._pixels import Preparation
from search.encoders._resting import RestingNetwork
from search.encoders._timm import Backbone
from search.errors import WeightsMissing

KIND = "places"
DEFAULT = "resnet50"
_WIDE, _WIDE_FEATURES = "wideresnet18", 512
_BUILT = {"resnet18": "resnet18", "resnet50": "resnet50", "resnet152": "resnet152", _WIDE: "resnet18"}
"""{network of its authors: of timm, with the same names of weights}."""
_MEGABYTES = {"resnet18": 46, "resnet50": 97, "resnet152": 234, _WIDE: 46}
_CATEGORIES, _INDOORS = "categories_places365.txt", "IO_places365.txt"
_ATTRIBUTES, _MATRIX = "labels_sunattribute.txt", f"W_sceneattribute_{_WIDE}.npy"
_NETWORKS_AT = "http://places2.csail.mit.edu/models_places365"
_LISTS_AT = "https://raw.githubusercontent.com/csailvision/places365/master"
_VOTERS = 10
"""So many of the likeliest categories say whether it is outdoors."""
_PREPARATION = Preparation(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", resized=256)
_VERSION = 1
"""Of what is here: counts up when the same weights answer otherwise."""


@dataclass(frozen=True)
class Seen:
    """Of one picture."""

    confidences: np.ndarray
    """(365,) float32, in the order of ``Places.names``; their sum is 1."""
    outdoors: float
    """Share of the likeliest 10 categories that are outdoors; below 0.5 it counts as indoors."""
    attributes: list[tuple[str, float]]
    """The likeliest first; empty without the files for them. The score is the logistic function of what a linear
    classifier answers: above 0.5 it says yes, but it was never calibrated."""


def network(model: str, folder: Path) -> Places:
    """``model``: "resnet50", "resnet18", "resnet152" or "wideresnet18", whose files lie in places/ in ``folder``."""
    model = model or DEFAULT
    if model not in _BUILT:
        raise WeightsMissing(f"There is no “{model}” of Places365. There are: {', '.join(_BUILT)}.")
    return Places(model, folder)


class Places(RestingNetwork, Classifier):
    def __init__(self, model: str, folder: Path) -> None:
        super().__init__()
        self.model, self.folder = model, folder / KIND
        self.name, self.label = f"{KIND}:{model}", f"Places365 {model}"

    @property
    def files(self) -> Sequence[WeightFile]:  # type: ignore[override]
        lists = [(name, f"{_LISTS_AT}/{name}", 0) for name in (_CATEGORIES, _INDOORS, _ATTRIBUTES)]
        matrix = (_MATRIX, f"{_NETWORKS_AT}/{_MATRIX}", 0)
        networks = [
            (_file(name), f"{_NETWORKS_AT}/{_file(name)}", _MEGABYTES[name] * 1_000_000)
            for name in dict.fromkeys([self.model, _WIDE])
        ]
        return [WeightFile(f"{KIND}/{name}", url, bytes=size) for name, url, size in [*networks, *lists, matrix]]

    @property
    def names(self) -> Sequence[str]:  # type: ignore[override]
        """ "airplane cabin", "church indoor"."""
        with self._says_what_to_do():
            return [category.strip("/")[2:].replace("/", " ").replace("_", " ") for category in self._categories()]

    @property
    def attribute_names(self) -> Sequence[str]:
        """Empty without the files for them."""
        with self._says_what_to_do():
            return self._attributes()[0]

    def look(self) -> None:
        with self._says_what_to_do():
            self._outdoors()
            weights.look_at(self.folder / _file(self.model))
            if self._attributes()[0]:
                weights.look_at(self.folder / _file(_WIDE))

    def fingerprint(self) -> str:
        self.look()
        with self._says_what_to_do():
            used = [_file(self.model), _CATEGORIES, _INDOORS]
            if self._attributes()[0]:
                used += [_file(_WIDE), _ATTRIBUTES, _MATRIX]
            of_files = " ".join(weights.fingerprint(self.folder / name) for name in used)
        return hashlib.sha256(f"{_VERSION} {self.model} {of_files}".encode()).hexdigest()

    def used(self) -> Sequence[Path]:
        networks = dict.fromkeys([_file(self.model), _file(_WIDE)])
        return [self.folder / name for name in (*networks, _CATEGORIES, _INDOORS, _ATTRIBUTES, _MATRIX)]

    def load(self) -> None:
        self.look()
        self.ask(self.model, bool)

    def classify(self, pictures: Sequence[Picture]) -> np.ndarray:
        return np.stack([_softmax(row) for row in self._answers(self.model, pictures)[0]]) if pictures else self._none()

    def see(self, pictures: Sequence[Picture]) -> list[Seen]:
        """All that is known of each."""
        with self._says_what_to_do():
            outdoors, (names, matrix) = self._outdoors(), self._attributes()
        if not pictures:
            return []
        logits, features = self._answers(self.model, pictures)
        if names and self.model != _WIDE:
            features = self._answers(_WIDE, pictures)[1]
        said = [_likeliest(names, matrix @ row) if names else [] for row in features]
        rows = [_softmax(row) for row in logits]
        return [Seen(row, _vote(row, outdoors), attributes) for row, attributes in zip(rows, said, strict=True)]

    def _none(self) -> np.ndarray:
        return np.empty((0, len(self.names)), np.float32)

    def _answers(self, architecture: str, pictures: Sequence[Picture]) -> tuple[np.ndarray, np.ndarray]:
        """(n, categories) logits and (n, features) of what they are calculated from."""
        kinds = len(self.names)

        def answers(part: Part) -> np.ndarray:
            return _batches.outputs(pictures, _PREPARATION, part.see, part.device)

        rows = self.ask(architecture, answers)
        if not np.isfinite(rows).all():
            raise WeightsMissing(f"{self.label}'s answers are no numbers: its weights are damaged.")
        return rows[:, :kinds], rows[:, kinds:]

    def read_part(self, name: str) -> Part:
        with self._says_what_to_do():
            weights.look_at(self.folder / _file(name))
            network, device = _built(name, len(self._categories())), pytorch.device()
            weights.fill(network, self.folder / _file(name))
            return Part(halve(network.float().to(device), device), device)

    def _categories(self) -> list[str]:
        """As in the list: "/a/airplane_cabin"."""
        rows = _table(self.folder / _CATEGORIES)
        if [number for _, number in rows] != list(range(len(rows))):
            raise WeightsMissing(f"{self.folder / _CATEGORIES} is no list of categories, counted from 0.")
        return [name for name, _ in rows]

    def _outdoors(self) -> np.ndarray:
        """(categories,) bool."""
        flags = dict(_table(self.folder / _INDOORS))
        if set(flags) != set(self._categories()) or not set(flags.values()) <= {1, 2}:
            raise WeightsMissing(f"{self.folder / _INDOORS} does not say 1 (indoors) or 2 (outdoors) of each category.")
        return np.array([flags[name] == 2 for name in self._categories()])

    def _attributes(self) -> tuple[list[str], np.ndarray]:
        """Names, and (names, features) float32; no names unless all files for them are there."""
        wanted = [self.folder / name for name in (_file(_WIDE), _ATTRIBUTES, _MATRIX)]
        if not all(file.exists() for file in wanted):
            return [], np.empty((0, 0), np.float32)
        names, matrix = _lines(wanted[1]), _matrix(wanted[2])
        if matrix.shape != (len(names), _WIDE_FEATURES):
            raise WeightsMissing(f"{wanted[2]} is no matrix of {len(names)} attributes x {_WIDE_FEATURES} features.")
        return names, matrix

    def _says_what_to_do(self) -> Any:
        bring = f"copy the files of {_NETWORKS_AT} and {_LISTS_AT} to {self.folder}"
        return weights.says(
            f"{self.label} cannot be used", f"To mend it, {bring}, or run: manage.py weights fetch places."
        )


class Part(Backbone):
    def see(self, pixels: Any) -> Any:
        """(n, categories + features): logits, and the last features before them."""
        features = self.network.forward_head(self.network.forward_features(pixels), pre_logits=True)
        return pytorch.torch().cat([self.network.get_classifier()(features), features], dim=1)


def _file(architecture: str) -> str:
    return f"{architecture}_places365.pth.tar"


def _built(architecture: str, kinds: int) -> Any:
    pytorch.torch()  # first, or torchvision, which timm imports, may fail
    network = import_module("timm").create_model(_BUILT[architecture], pretrained=False, num_classes=kinds)
    if architecture == _WIDE:
        network.maxpool = pytorch.torch().nn.Identity()  # what makes its last map 14 x 14
    return network


def _softmax(logits: np.ndarray) -> np.ndarray:
    grown = np.exp(logits - logits.max())
    return np.asarray(grown / grown.sum(), np.float32)


def _vote(confidences: np.ndarray, outdoors: np.ndarray) -> float:
    return float(outdoors[np.argsort(-confidences, kind="stable")[:_VOTERS]].mean())


def _likeliest(names: Sequence[str], responses: np.ndarray) -> list[tuple[str, float]]:
    scores = 1 / (1 + np.exp(-np.clip(responses, -50, 50)))
    return [(names[i], float(scores[i])) for i in np.argsort(-responses, kind="stable")]


def _table(file: Path) -> list[tuple[str, int]]:
    """Of lines like "/a/airfield 0"."""
    try:
        rows = [line.split() for line in _lines(file)]
        return [(name, int(number)) for name, number in rows]
    except ValueError as error:
        raise WeightsMissing(f"{file} is no list of categories with a number each.") from error


def _lines(file: Path) -> list[str]:
    try:
        return list(_read(file, file.stat().st_mtime_ns))
    except FileNotFoundError:
        raise WeightsMissing(f"{file} is not there.") from None
    except OSError as error:
        raise WeightsMissing(f"{file} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise WeightsMissing(f"{file} is no text.") from error


@lru_cache(maxsize=16)
def _read(file: Path, changed: int) -> tuple[str, ...]:
    lines = tuple(line.strip() for line in file.read_text().splitlines() if line.strip())
    if not lines:
        raise WeightsMissing(f"{file} is empty.")
    return lines


def _matrix(file: Path) -> np.ndarray:
    try:
        matrix = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WeightsMissing(f"{file} is damaged, or holds no matrix.") from error
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind != "f" or not np.isfinite(matrix).all():
        raise WeightsMissing(f"{file} is damaged, or holds no matrix of numbers.")
    return matrix.astype(np.float32)

"""Backbones of timm: what they see before they would name it, as one vector."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gallery.pictures import Picture
from search.encoders import _batches, _timm_asked, pytorch, weights
from search.encoders._base import Encoder, WeightFile, called
from search.encoders._halves import bytes_of, halve
from search.encoders._pixels import Preparation
from search.encoders._resting import RestingNetwork
from search.encoders._timm_asked import Said, built
from search.errors import WeightsMissing

FILE = "model.safetensors"
_VERSION = 1
"""Of what is here: counts up when the same weights answer otherwise."""
_SEEN, _MODE = "seen", {"center": "shortest", "squash": "squash", "border": "longest"}


class TimmEncoder(RestingNetwork, Encoder):
    """``known``: what timm would say of the model (see _timm_asked), so that nobody has to ask it."""

    def __init__(self, kind: str, model: str, backbone: str, folder: Path, known: Said | None = None) -> None:
        super().__init__()
        self.kind, self.model, self.backbone, self.known = kind, model, backbone, known
        self.folder = folder / kind / model
        self.name, self.label = f"{kind}:{model}", f"timm {called(backbone)}"

    @property
    def file(self) -> Path:
        return self.folder / FILE

    @property
    def files(self) -> Sequence[WeightFile]:  # type: ignore[override]
        url = f"https://huggingface.co/timm/{self.backbone}/resolve/main/{FILE}"
        return [WeightFile(f"{self.kind}/{self.model}/{FILE}", url, bytes=(self.known or {}).get("bytes", 0))]

    def _said(self) -> Said:
        return self.known or _timm_asked.said(self.backbone, self.folder)

    def _preparation(self) -> Preparation:
        said = self._said()
        _, height, width = said["input_size"]
        mode = _MODE.get(said.get("crop_mode") or "center")
        if height != width or mode is None:
            raise WeightsMissing(f"{self.backbone} does not see squares; only such backbones are understood.")
        mean = tuple(said["mean"])
        return Preparation(
            height,
            mean=mean,
            std=tuple(said["std"]),
            interpolation=said["interpolation"],
            mode=mode,
            resized=math.floor(height / (said.get("crop_pct") or 0.875)),
            fill=tuple(round(255 * part) for part in mean),
        )

    @property
    def dimension(self) -> int:  # type: ignore[override]
        return int(self._said()["dimension"])

    @property
    def side(self) -> int:  # type: ignore[override]
        preparation = self._preparation()
        return preparation.resized or preparation.side

    def look(self) -> None:
        with self._says_what_to_do():
            found, said = weights.shapes(self.file), self.known or _timm_asked.told(self.backbone, self.folder)
            if found is not None and said and "shapes" in said:
                weights.check(self.file, found, said["shapes"], _is_other(said["classifier"]))

    def fingerprint(self) -> str:
        with self._says_what_to_do():
            rest = json.dumps([_VERSION, self.backbone, asdict(self._preparation())], sort_keys=True)
            return hashlib.sha256(f"{weights.fingerprint(self.file)} {rest}".encode()).hexdigest()

    def used(self) -> Sequence[Path]:
        return [self.file]

    def load(self) -> None:
        self.ask(_SEEN, bool)

    def encode(self, pictures: Sequence[Picture]) -> np.ndarray:
        with self._says_what_to_do():
            prepare, dimension = self._preparation(), self.dimension
        return self.ask(_SEEN, lambda part: _batches.vectors(pictures, prepare, part.see, part.device, dimension))

    def read_part(self, name: str) -> Backbone:
        with self._says_what_to_do():
            weights.look_at(self.file)
            device, network = pytorch.device(), built(self.backbone)
            expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
            tensors = weights.take(self.file, expected, lambda name: True, _is_other(_timm_asked.classifier(network)))
            network.load_state_dict(dict(tensors), strict=True, assign=True)
            return Backbone(halve(network.eval().requires_grad_(False).float().to(device), device), device)

    def _says_what_to_do(self) -> Any:
        bring = f"copy {FILE} of the model timm/{self.backbone} on Hugging Face to {self.folder}"
        return weights.says(
            f"{self.label} cannot be used", f"To mend it, {bring}, or run: manage.py weights fetch global_features."
        )


class Backbone:
    """In memory, on a device."""

    def __init__(self, network: Any, device: Any) -> None:
        self.network, self.device = network, device

    @property
    def bytes(self) -> int:
        return bytes_of(self.network)

    def see(self, pixels: Any) -> Any:
        return self.network(pixels)


def _is_other(heads: Sequence[str]) -> Any:
    """What may lie beside: what names things is not needed, and old files hold what is calculated now."""
    beginnings = tuple(f"{head}." for head in heads)
    return lambda name: name.startswith(beginnings) or name.endswith("relative_position_index")

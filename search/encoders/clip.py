"""CLIP: pictures and words as vectors of one space. open_clip's models, and own ones in its format.

An ordinary model is calculated by search/encoders/_clip_towers.py, one of its relatives by open_clip itself. A process
that only has words to understand reads only the tower that reads words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gallery.pictures import Picture
from search.encoders import _batches, pytorch, weights
from search.encoders._base import TextEncoder, WeightFile, called
from search.encoders._clip_towers import Loaded, Tower, towers
from search.encoders._clip_words import open_clip_folder, tokens
from search.encoders._open_clip_tags import DEFAULTS, pretrained
from search.encoders._pixels import Preparation
from search.encoders._resting import RestingNetwork
from search.errors import WeightsMissing

KIND = "clip"
CONFIG = "open_clip_config.json"
FILE = "open_clip_model.safetensors"
_FILES = (FILE, "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pt")
_PICTURES, _WORDS = "pictures", "words"
_VERSION = 1
"""Of what is here: counts up when the same weights answer otherwise."""
_BYTES = {"ViT-B-16/openai": 598_600_000, "ViT-B-32/openai": 605_200_000, "ViT-L-14/openai": 1_710_600_000}


def network(model: str, folder: Path) -> Clip:
    """``model``: "ViT-B-16/openai", an open_clip model and pretrained tag, whose weights lie in a folder of that name
    under clip/ in ``folder``; or a folder, there or anywhere, with one's own model and its open_clip_config.json."""
    clip = Clip(model, folder)
    if not clip.is_own and _described(clip.architecture) is None:
        raise WeightsMissing(
            f"open_clip knows no model “{clip.architecture}”. Name one of its models and a pretrained tag, as in "
            f"“ViT-B-16/openai”, or put a model of your own with its {CONFIG} into {clip.folder}."
        )
    return clip


@dataclass(frozen=True)
class Description:
    """Of a model: what open_clip calls model_cfg, and how pictures are prepared."""

    model: dict[str, Any]
    preparation: Preparation

    def towers(self) -> tuple[Tower, Tower] | None:
        return towers(self.model)


class Clip(RestingNetwork, TextEncoder):
    def __init__(self, model: str, folder: Path) -> None:
        super().__init__()
        self.model, self.folder = model, folder / KIND / model  # an absolute one stays as it is
        self.name, self.label = f"{KIND}:{model}", f"CLIP {called(model)}"
        self.architecture, _, self.tag = model.rpartition("/")

    @property
    def is_own(self) -> bool:
        return Path(self.model).is_absolute() or (self.folder / CONFIG).is_file()

    @property
    def file(self) -> Path:
        """The weights: of several the best to read, of none the one to bring."""
        return next((self.folder / name for name in _FILES if (self.folder / name).exists()), self.folder / FILE)

    @property
    def files(self) -> Sequence[WeightFile]:  # type: ignore[override]
        if Path(self.model).is_absolute():
            return []
        return [WeightFile(f"{KIND}/{self.model}/{self._hub_file[1]}", self._url, bytes=_BYTES.get(self.model, 0))]

    @property
    def _tag(self) -> dict[str, Any]:
        """What open_clip knows of the pretrained tag; nothing of one's own model."""
        return {} if self.is_own else pretrained(self.architecture, self.tag)

    @property
    def _hub_file(self) -> tuple[str, str]:
        """The repository on Hugging Face, "" if there is none, and the file in it."""
        repository, _, file = self._tag.get("hf_hub", "").rpartition("/")
        return repository, file or FILE

    @property
    def _url(self) -> str:
        repository, file = self._hub_file
        return f"https://huggingface.co/{repository}/resolve/main/{file}" if repository else ""

    def _described(self) -> Description:
        if self.is_own:
            return _own(self.folder / CONFIG)
        model = _described(self.architecture)
        if model is None:
            raise WeightsMissing(f"open_clip knows no model “{self.architecture}”.")
        tag = self._tag
        return _description({**model, "quick_gelu": tag.get("quick_gelu", False)}, tag, self.folder)

    @property
    def dimension(self) -> int:  # type: ignore[override]
        return int(self._described().model["embed_dim"])

    @property
    def side(self) -> int:  # type: ignore[override]
        return self._described().preparation.side

    def look(self) -> None:
        with self._says_what_to_do():
            ordinary, shapes = self._described().towers(), weights.shapes(self.file)
            if ordinary and shapes is not None:
                weights.check(self.file, shapes, _expected(ordinary), _is_other)

    def fingerprint(self) -> str:
        with self._says_what_to_do():
            described = self._described()
            rest = json.dumps([_VERSION, described.model, asdict(described.preparation)], sort_keys=True)
            return hashlib.sha256(f"{weights.fingerprint(self.file)} {rest}".encode()).hexdigest()

    def load(self) -> None:
        self.load_pictures()
        self.load_words()

    def load_pictures(self) -> None:
        self.ask(_PICTURES, bool)

    def load_words(self) -> None:
        self.ask(_WORDS, bool)

    @property
    def has_pictures(self) -> bool:
        return self.has(_PICTURES)

    @property
    def has_words(self) -> bool:
        return self.has(_WORDS)

    def used(self) -> Sequence[Path]:
        return [self.file, self.folder / CONFIG]

    def encode(self, pictures: Sequence[Picture]) -> np.ndarray:
        with self._says_what_to_do():
            prepare, dimension = self._described().preparation, self.dimension
        return self.ask(
            _PICTURES, lambda tower: _batches.vectors(pictures, prepare, tower.see, tower.device, dimension)
        )

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        with self._says_what_to_do():
            dimension = self.dimension
        return self.ask(
            _WORDS, lambda tower: _batches.vectors(texts, tower.tokens, tower.read, tower.device, dimension)
        )

    def read_part(self, name: str) -> Any:
        with self._says_what_to_do():
            described, device = self._described(), pytorch.device()
            ordinary = described.towers()
            if ordinary is None:
                from search.encoders._open_clip import read_tower

                return read_tower(self, described.model, is_words=name == _WORDS, device=device)
            tower = ordinary[name == _WORDS]
            wanted = tower.shapes()
            tensors = weights.take(self.file, _expected(ordinary), wanted.__contains__, _is_other)
            return OrdinaryTower(tower, device).fill(tensors)

    def _says_what_to_do(self) -> Any:
        try:
            repository = self._hub_file[0]
        except WeightsMissing:
            repository = ""  # an unknown tag: that is what will be said
        where = f"the model {repository}" if repository else "this model"
        bring = f"copy {FILE} of {where} on Hugging Face to {self.folder}, or run: manage.py weights fetch {KIND}"
        if self.is_own:
            bring = f"copy {CONFIG} and {FILE} of the model to {self.folder}"
        return weights.says(f"{self.label} cannot be used", f"To mend it, {bring}.")


class OrdinaryTower(Loaded):
    def tokens(self, text: str) -> np.ndarray:
        return tokens(text, self.tower.length)


def _expected(ordinary: tuple[Tower, Tower]) -> dict[str, tuple[int, ...]]:
    pictures, words = ordinary
    return pictures.shapes() | words.shapes()


def _is_other(name: str) -> bool:
    """What may lie beside the weights of an ordinary model: it is for training, or said elsewhere."""
    return name in ("logit_scale", "logit_bias", "attn_mask", "input_resolution", "context_length", "vocab_size")


def _described(architecture: str) -> dict[str, Any] | None:
    """open_clip's model_cfg, without importing it."""
    file = open_clip_folder() / "model_configs" / f"{architecture}.json"
    return _json(file, file.stat().st_mtime_ns) if architecture and file.is_file() else None


def _own(file: Path) -> Description:
    try:
        config = _json(file, file.stat().st_mtime_ns)
        return _description(config["model_cfg"], config.get("preprocess_cfg") or {}, file)
    except OSError as error:
        raise WeightsMissing(f"{file} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsMissing(f"{file} does not describe a model of open_clip.") from error


@lru_cache(maxsize=32)
def _json(file: Path, changed: int) -> Any:
    return json.loads(file.read_text())


def _description(model: dict[str, Any], said: dict[str, Any], file: Path) -> Description:
    side = model["vision_cfg"].get("image_size", 224)
    if type(side) is not int or not isinstance(model["embed_dim"], int):
        raise WeightsMissing(f"The model of {file} does not see squares; only such are understood.")
    towers(model)  # or it makes no sense
    return Description(
        model,
        Preparation(
            side,
            mean=tuple(said.get("mean") or DEFAULTS["mean"]),
            std=tuple(said.get("std") or DEFAULTS["std"]),
            interpolation="bilinear" if said.get("interpolation") == "bilinear" else "bicubic",
            mode=said.get("resize_mode") or "shortest",
            fill=(said.get("fill_color") or 0,) * 3,
        ),
    )

"""The relatives of CLIP (SigLIP, CoCa, residual networks, towers of timm): calculated by open_clip itself."""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from search.encoders import weights
from search.encoders._halves import bytes_of, halve
from search.encoders.pytorch import torch
from search.errors import WeightsMissing

if TYPE_CHECKING:
    from search.encoders.clip import Clip


class Relative:
    def __init__(self, network: Any, tokenizer: Any, device: Any) -> None:
        self.network, self.device = network, device
        self._tokenizer = tokenizer

    @property
    def bytes(self) -> int:
        return bytes_of(self.network)

    def see(self, pixels: Any) -> Any:
        return self.network.encode_image(pixels)

    def read(self, tokens: Any) -> Any:
        return self.network.encode_text(tokens)

    def tokens(self, text: str) -> np.ndarray:
        numbers: np.ndarray = self._tokenizer([text.encode("utf-8", "replace").decode()])[0].numpy()
        return numbers


def read_tower(clip: Clip, model: dict[str, Any], is_words: bool, device: Any) -> Relative:
    """WeightsMissing if it cannot be."""
    weights.look_at(clip.file)
    torch()
    factory = import_module("open_clip.factory")
    try:
        with tempfile.TemporaryDirectory() as folder:
            name = _described_in(Path(folder), model)
            with _unsaid():
                network = factory.create_model(name, load_weights=False, pretrained_text=False)
            tokenizer = factory.get_tokenizer(name) if is_words else None
    except Exception as error:  # whatever a description makes its builder stumble over
        raise WeightsMissing(f"open_clip cannot build {clip.model}: {str(error)[:200]}.") from error
    try:
        factory.load_checkpoint(network, str(clip.file), weights_only=True)
    except (RuntimeError, KeyError, AttributeError) as error:
        raise WeightsMissing(f"{clip.file} holds the weights of another network.") from error
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise WeightsMissing(f"{clip.file} is damaged, or holds more than weights.") from error
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise WeightsMissing(f"{clip.file} is damaged: some of its numbers are no numbers.")
    _forget_other_tower(network, is_words)
    return Relative(halve(network.eval().requires_grad_(False).to(device), device), tokenizer, device)


@contextmanager
def _unsaid() -> Iterator[None]:
    """It warns, on the root logger, of a network without weights: they are read next."""
    root = logging.getLogger()

    def is_of_others(record: logging.LogRecord) -> bool:
        return "open_clip" not in record.pathname

    root.addFilter(is_of_others)
    try:
        yield
    finally:
        root.removeFilter(is_of_others)


def _described_in(folder: Path, model: dict[str, Any]) -> str:
    """open_clip's name of a model that is described in this folder, and nowhere else."""
    import json

    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": copy.deepcopy(model)}))
    return f"local-dir:{folder}"


def _forget_other_tower(network: Any, is_words: bool) -> None:
    if is_words:
        network.visual = None
        return
    for name in ("text", "transformer", "token_embedding", "text_decoder"):
        if isinstance(getattr(network, name, None), torch().nn.Module):
            setattr(network, name, None)

"""BLIP: a sentence about each picture. Or another network of transformers that writes about pictures without being told
what to write, as GIT: one that its AutoModelForImageTextToText knows and that needs no words to begin with.

Li, Li, Xiong and Hoi, "BLIP: bootstrapping language-image pre-training", ICML 2022.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gallery.pictures import Picture
from search.encoders import _batches, pytorch, weights
from search.encoders._base import Captioner, WeightFile, called
from search.encoders._halves import bytes_of, halve
from search.encoders._resting import RestingNetwork
from search.errors import WeightsMissing

logger = logging.getLogger(__name__)

KIND = "blip"
DEFAULT = "Salesforce/blip-image-captioning-base"
BEAMS = 3
MOST_WORDS = 20
"""Both as its authors caption COCO (configs/caption_coco.yaml in their repository)."""

_CONFIG, _PIXELS, _WORDS, _HOW = "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_ALSO = ("vocab.txt", "vocab.json", "merges.txt", "special_tokens_map.json", "generation_config.json")
"""Read if they are there."""
_BYTES = {DEFAULT: 990_000_000, "Salesforce/blip-image-captioning-large": 1_880_000_000}
_CAPTIONS = "captions"
_VERSION = 1
"""Of what is here: counts up when the same weights answer otherwise."""


def network(model: str, folder: Path) -> Blip:
    """``model``: a name on Hugging Face, whose files lie in a folder of that name under blip/ in ``folder``."""
    return Blip(model or DEFAULT, folder)


class Blip(RestingNetwork, Captioner):
    beams = BEAMS
    """So many sentences are followed up word by word, and the most probable one is taken. 1: the fastest."""
    most_words = MOST_WORDS
    """Pieces of words; a longer sentence ends there."""

    def __init__(self, model: str, folder: Path) -> None:
        super().__init__()
        self.model, self.folder = model, folder / KIND / model  # an absolute one stays as it is
        self.name, self.label = f"{KIND}:{model}", f"Captions by {called(model)}"

    @property
    def file(self) -> Path:
        """The weights: of several the best to read, of none the one to bring."""
        return next(
            (self.folder / name for name in _WEIGHTS if (self.folder / name).exists()), self.folder / _WEIGHTS[0]
        )

    @property
    def files(self) -> Sequence[WeightFile]:  # type: ignore[override]
        if Path(self.model).is_absolute():
            return []
        sizes = {self.file.name: _BYTES.get(self.model, 0)}
        return [
            WeightFile(
                f"{KIND}/{self.model}/{name}",
                f"https://huggingface.co/{self.model}/resolve/main/{name}",
                bytes=sizes.get(name, 0),
            )
            for name in (self.file.name, _CONFIG, _PIXELS, _WORDS, _HOW)
        ]

    def look(self) -> None:
        with self._says_what_to_do():
            weights.look_at(self.file)
            config, *_ = [self._described(name) for name in (_CONFIG, _PIXELS, _WORDS, _HOW)]
            found = weights.shapes(self.file)
            if found is not None and config.get("model_type") == "blip":
                weights.check(self.file, found, _begins_with(config), lambda name: True)

    def fingerprint(self) -> str:
        self.look()
        with self._says_what_to_do():
            there = [name for name in _ALSO if (self.folder / name).is_file()]
            files = [self.file, *(self.folder / name for name in (_CONFIG, _PIXELS, _WORDS, _HOW, *there))]
            of_files = " ".join(weights.fingerprint(file) for file in files)
        return hashlib.sha256(f"{_VERSION} {self.beams} {self.most_words} {of_files}".encode()).hexdigest()

    def used(self) -> Sequence[Path]:
        return [self.file, *(self.folder / name for name in (_CONFIG, _PIXELS, _WORDS, _HOW, *_ALSO))]

    def load(self) -> None:
        self.ask(_CAPTIONS, bool)

    def caption(self, pictures: Sequence[Picture]) -> list[tuple[str, float]]:
        """As promised in _base. ("", 0.0), and a warning in the log, of a picture about which it writes nothing."""
        if not pictures:
            return []
        return self.ask(_CAPTIONS, lambda part: part.write(pictures, self.beams, self.most_words, self.name))

    def read_part(self, name: str) -> Part:
        self.look()
        with self._says_what_to_do():
            device, network = pytorch.device(), self._network()
            return Part(halve(network.to(device), device), *self._processors(), device)

    def _network(self) -> Any:
        try:
            network, told = _transformers().AutoModelForImageTextToText.from_pretrained(
                self.folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=self.file.suffix == ".safetensors",
                weights_only=True,
                dtype=pytorch.torch().float32,
                output_loading_info=True,
            )
        except Exception as error:  # a damaged or foreign file makes transformers raise nearly anything
            raise WeightsMissing(f"{self.file} cannot be loaded: {_first_line(error)}.") from error
        if told["missing_keys"] or told["mismatched_keys"]:  # they would be filled with random numbers
            raise WeightsMissing(f"{self.file} holds the weights of another network.")
        if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
            raise WeightsMissing(f"{self.file} is damaged: some of its numbers are no numbers.")
        return network.eval().requires_grad_(False)

    def _processors(self) -> tuple[Any, Any]:
        """What prepares pictures, with Pillow as in training, and what turns numbers into words."""
        library, local = _transformers(), {"local_files_only": True, "trust_remote_code": False}
        try:
            pixels = library.AutoImageProcessor.from_pretrained(self.folder, backend="pil", **local)
            return pixels, library.AutoTokenizer.from_pretrained(self.folder, **local)
        except Exception as error:  # as above
            raise WeightsMissing(f"The model in {self.folder} cannot be read: {_first_line(error)}.") from error

    def _described(self, name: str) -> dict[str, Any]:
        file = self.folder / name
        try:
            described = json.loads(file.read_text())
        except FileNotFoundError:
            raise WeightsMissing(f"{file} is not there.") from None
        except OSError as error:
            raise WeightsMissing(f"{file} cannot be read: {error.strerror or error}.") from error
        except (ValueError, RecursionError) as error:
            raise WeightsMissing(f"{file} is damaged.") from error
        if not isinstance(described, dict):
            raise WeightsMissing(f"{file} does not describe a model.")
        if "auto_map" in described:
            raise WeightsMissing(f"{file} asks for a program of the model's own; programs are not run.")
        return described

    def _says_what_to_do(self) -> Any:
        bring = f"copy the files of the model {self.model} on Hugging Face to {self.folder}"
        return weights.says(
            f"{self.label} cannot be had", f"To mend it, {bring}, or run: manage.py weights fetch caption."
        )


class Part:
    """In memory, on a device."""

    def __init__(self, network: Any, pixels: Any, tokenizer: Any, device: Any) -> None:
        self.network, self.pixels, self.tokenizer, self.device = network, pixels, tokenizer, device
        self._ends = sorted({*tokenizer.all_special_ids})

    @property
    def bytes(self) -> int:
        return bytes_of(self.network)

    def write(self, pictures: Sequence[Picture], beams: int, most: int, name: str) -> list[tuple[str, float]]:
        def calculate(pixels: Any) -> Any:
            return self._written(pixels, beams, most)

        rows = _batches.outputs(pictures, self._prepared, calculate, self.device)
        sentences = self.tokenizer.batch_decode(rows[:, 1:].astype(np.int64), skip_special_tokens=True)
        said = [" ".join(sentence.split()) for sentence in sentences]
        if "" in said:
            logger.warning("%s wrote nothing about %d of %d pictures.", name, said.count(""), len(said))
        return [(words, min(1.0, float(row[0])) if words else 0.0) for words, row in zip(said, rows, strict=True)]

    def _prepared(self, picture: Picture) -> np.ndarray:
        pixels: np.ndarray = np.asarray(self.pixels(images=picture.pil(), return_tensors="np")["pixel_values"][0])
        return pixels

    def _written(self, pixels: Any, beams: int, most: int) -> Any:
        """(n, 1 + most): the confidence, and the numbers of the words, filled up with an end."""
        told = self.network.generate(
            pixel_values=pixels,
            num_beams=beams,
            do_sample=False,
            min_new_tokens=1,
            max_new_tokens=most,
            output_logits=True,
            return_dict_in_generate=True,
        )
        beam = {"beam_indices": told.beam_indices} if beams > 1 else {}
        logs = self.network.compute_transition_scores(told.sequences, told.logits, normalize_logits=True, **beam)
        tokens = told.sequences[:, -logs.shape[1] :]
        torch, fill = pytorch.torch(), self._ends[0]
        is_end = torch.isin(tokens, torch.tensor(self._ends, device=tokens.device))
        after = is_end.cumsum(1) - is_end.long() > 0
        counted = (~after).sum(1)
        confidence = (logs.float().masked_fill(after, 0).sum(1) / counted).exp()
        words = torch.full((len(tokens), most), fill, device=tokens.device)
        words[:, : tokens.shape[1]] = tokens.masked_fill(after, fill)
        return torch.cat([confidence[:, None], words.float()], dim=1)


def _begins_with(config: dict[str, Any]) -> weights.Shapes:
    """How a BLIP sees; the names of what it writes with depend on who has saved it."""
    said = config.get("vision_config")
    vision = {"hidden_size": 768, "patch_size": 16} | (said if isinstance(said, dict) else {})
    width, patch = vision["hidden_size"], vision["patch_size"]
    embeddings = "vision_model.embeddings."
    return {
        f"{embeddings}class_embedding": (1, 1, width),
        f"{embeddings}patch_embedding.weight": (width, 3, patch, patch),
    }


def _transformers() -> Any:
    pytorch.torch()  # first, or torchvision, which transformers imports, may fail
    library = import_module("transformers")
    library.utils.logging.disable_progress_bar()  # it would draw over what a command shows
    return library


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")

"""What an encoder is: one that describes keypoints, or a network with weights that looks at whole pictures.

A file of this folder with a function ``network(model, folder)`` is a kind of network; its name is the file's. To add
one, copy the most similar: nothing else has to change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gallery.pictures import Picture


class KeypointEncoder(ABC):
    """Says in 128 bytes what is seen around a keypoint, so that Euclidean distance between the bytes is likeness."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Of the features: no other encoder may have the same, since their descriptors cannot be compared."""

    @abstractmethod
    def describe(self, grey: np.ndarray, found: list[Any]) -> tuple[list[Any], np.ndarray]:
        """Descriptors of places in (h, w) uint8 grey levels. ``found``: cv2.KeyPoint as SIFT's detector gives them.

        Returns those of them that could be described, m in number, and (m, 128) uint8.
        """

    mirrors: ClassVar[bool] = False
    """Whether ``mirror`` can be asked."""

    def mirror(self, descriptors: np.ndarray) -> np.ndarray:
        """Those of the same places in the mirrored picture, told without the picture."""
        raise NotImplementedError


@dataclass(frozen=True)
class WeightFile:
    """One file that a network needs."""

    path: str
    """Under the folder of weights: "clip/ViT-B-16/openai/open_clip_model.safetensors"."""
    url: str = ""
    """Where its makers offer it; "" if it can only be brought by hand."""
    sha256: str = ""
    """As its makers publish it; "" if they do not."""
    bytes: int = 0
    """Roughly, to say beforehand what a fetch means; 0 if unknown."""


class Network(ABC):
    """A network with weights. Nothing is read before it is needed, torch least of all.

    Any method may be called from several threads: the first one that needs the network loads it, the others wait.
    """

    name: str
    """ "clip:ViT-B-16/openai": the kind, which is the name of its file, and the model. It is written down beside
    whatever the network makes."""
    label: str
    """For people: "CLIP ViT-B/16 (OpenAI)"."""
    files: Sequence[WeightFile] = ()

    @abstractmethod
    def look(self) -> None:
        """WeightsMissing, with what to do about it, if the weights are not there, damaged or another network's.

        Without torch, and quick: only as far as that can be told so.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """sha256, in hex, of the weights and of all else that its answers depend on. WeightsMissing as in look."""

    def loaded_fingerprint(self) -> str:
        """``fingerprint`` of what answers now from memory.

        "" if nothing is in memory, or no longer what the files hold: the next question reads them.
        """
        return self.fingerprint()

    @abstractmethod
    def load(self) -> None:
        """Be ready to answer; by itself the first question does it. WeightsMissing if that cannot be."""

    @property
    @abstractmethod
    def is_loaded(self) -> bool: ...

    @property
    @abstractmethod
    def memory(self) -> int:
        """Bytes of the weights in memory now."""

    @abstractmethod
    def rest(self) -> None:
        """Give the memory back; the next question loads again. By itself after LOOKALIKE_IDLE_MINUTES."""


def called(model: str) -> str:
    """A model for people: of one's own, which is given by its place in the machine, only the name of its folder."""
    return Path(model).name if Path(model).is_absolute() else model


class Encoder(Network):
    """A network that turns a picture into one vector: likeness is the inner product."""

    dimension: int
    side: int
    """Pixels of the square that it looks at: a picture with a shorter side of this length shows it all there is."""

    @abstractmethod
    def encode(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(n, dimension) float32 of length 1. Deterministic, whatever else is in the batch, up to rounding.

        Numbers that are none, where the network answers with such: they are the caller's to refuse.
        """

    def load_pictures(self) -> None:
        """Only what ``encode`` needs."""
        self.load()

    @property
    def has_pictures(self) -> bool:
        """Whether ``load_pictures`` has nothing to do."""
        return self.is_loaded


class TextEncoder(Encoder):
    """One that turns words into vectors of the same space."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dimension) float32 of length 1. Texts that are too long for the network are cut at its length."""

    def load_words(self) -> None:
        """Only what ``encode_texts`` needs."""
        self.load()

    @property
    def has_words(self) -> bool:
        """Whether ``load_words`` has nothing to do."""
        return self.is_loaded


class Captioner(Network):
    """A network that writes a sentence about a picture."""

    @abstractmethod
    def caption(self, pictures: Sequence[Picture]) -> list[tuple[str, float]]:
        """(sentence, confidence 0..1) of each: the geometric mean of the probabilities of its words."""


class Classifier(Network):
    """A network that knows a fixed list of names."""

    names: Sequence[str]
    """Known without torch. WeightsMissing where the list lies beside the weights and is not there."""

    @abstractmethod
    def classify(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(n, len(names)) float32 confidences 0..1."""


class Seen(NamedTuple):
    """A word as a Reader has seen it."""

    text: str
    confidence: float
    """0..1"""
    x: int
    y: int
    width: int
    height: int
    """Pixels of what it was given, from the upper left corner."""
    line: tuple[int, ...]
    """The same for the words of one line."""


class Reader(Network):
    """A program that reads the words in pictures."""

    side: int
    """Pixels: it wants to see so much of the longest side, and more does not help."""
    is_program = True
    """It is installed with the system; there is nothing to fetch."""

    @abstractmethod
    def read(self, grey: np.ndarray, scattered: bool) -> list[Seen]:
        """All that may be a word in (h, w) uint8 grey levels, in reading order.

        ``scattered``: words anywhere, as on signs; else pages of lines and columns. RuntimeError, with a sentence, if
        the program died over this picture or did not end in time; WeightsMissing if it is not there any more.
        """

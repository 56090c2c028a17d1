"""VLAD: it stands in for a network where there is none, and is made of keypoints (search/vlad.py)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from search.encoders._base import Network
from search.encoders.sift import RootSift
from search.errors import WeightsMissing

_FEWEST, _MOST = 2, 256
_FORM = 1
"""Raise it when search/vlad.py makes other vectors of the same pictures."""


class Vlad(Network):
    """Nothing has to be loaded: all that it knows is learned of the collection, and is stored with what it made."""

    def __init__(self, model: str) -> None:
        self.name = f"vlad:{model}"
        self.label = "VLAD (layout and texture, not meaning)"
        self._model = model

    @property
    def words(self) -> int:
        """WeightsMissing if the name does not say how many."""
        if not (self._model.isascii() and self._model.isdecimal() and _FEWEST <= int(self._model) <= _MOST):
            raise WeightsMissing(f"“{self.name}” must say how many visual words it has: vlad:64, at most vlad:{_MOST}.")
        return int(self._model)

    def look(self) -> None:
        _ = self.words

    def fingerprint(self) -> str:
        return hashlib.sha256(f"vlad {_FORM} sift {RootSift.version} {self.words}".encode()).hexdigest()

    def load(self) -> None:
        self.look()

    @property
    def is_loaded(self) -> bool:
        return False

    @property
    def memory(self) -> int:
        return 0

    def rest(self) -> None:
        """There is nothing to give back."""


def network(model: str, folder: Path) -> Vlad:
    """``model``: how many visual words, "64"."""
    return Vlad(model or "64")

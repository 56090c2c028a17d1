"""What an engine is. To add one, copy the file of the most similar engine: nothing else has to change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np

from gallery.pictures import Picture
from search.errors import EngineError
from search.indexes._base import Index
from search.meaning import Meaning


class Grade(IntEnum):
    """What a match claims, best first. A better grade outranks every score of a worse one."""

    SAME = 1
    CONTAINS = 2
    LOOKS_LIKE = 3
    SAME_COLOURS = 4

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Grade.SAME: "same picture",
    Grade.CONTAINS: "contains / part of",
    Grade.LOOKS_LIKE: "looks like",
    Grade.SAME_COLOURS: "same colours",
}


@dataclass(frozen=True)
class Hit:
    """One engine's answer about one image."""

    image_id: int
    score: float
    """0..1, calibrated: 0.5 is where an unrelated picture of a large collection would begin to appear."""
    grade: Grade
    certain: bool = False
    """Proof that it is the same picture (or a part of it)."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """What the engine saw, JSON-safe: Engine.explain puts it into words."""


@dataclass(frozen=True)
class Probe:
    """What an engine asks of its index for one query."""

    vectors: np.ndarray
    """(m, width): one row for each way to read the query (as it is, mirrored, borders cut away ...)."""
    names: tuple[str, ...]
    """How each row was made, in the reader's words; "" for the query as it is."""
    may_be_certain: bool = True
    """False where the query holds too little structure for this engine to prove anything."""
    besides: int | None = None
    """The image that the query is itself: an engine need not find it."""
    more: Callable[[], Any] | None = field(default=None, compare=False)
    """Further looks at the query, for the same engine: worth their time only when the first is not enough."""


class Engine(ABC):
    """Answers queries from one kind of feature.

    An engine has no state and touches neither database nor disk: features come and go as bytes, and the index is
    handed in. ``extract`` and the two probes must be deterministic, so that a feature can be made twice.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    """For people: "Same colours"."""
    version: ClassVar[int]
    """Raise it when ``extract`` changes: features of the new version are built beside the old ones."""
    kept: ClassVar[frozenset[int]] = frozenset()
    """Other versions whose features stay: a setting chooses between them, and may choose again."""
    weight: ClassVar[float] = 1.0
    """Share in the fusion, set by measurement."""
    cutoff: ClassVar[float] = 0.5
    """Hits with a lower score are weak: counted, and shown on demand only."""
    answers_text: ClassVar[bool] = False
    of_network: ClassVar[bool] = False
    """Its features are made by a network, in batches of their own (search/filling.py), not while a picture comes
    in; see search/engines/_embedding.py."""
    looks_at_few: ClassVar[bool] = False
    """It compares only so many pictures closely: what is not to be answered takes the places of others."""
    seconds: ClassVar[float] = 3.0
    """Time budget of one search, from its beginning; an engine that needs longer becomes a notice."""

    @abstractmethod
    def extract(self, picture: Picture) -> bytes:
        """The feature to store of one image."""

    @abstractmethod
    def rows(self, features: list[bytes]) -> np.ndarray:
        """(n, width) array of index vectors of n stored features; ValueError if one has the wrong length."""

    @abstractmethod
    def new_index(self) -> Index:
        """An empty index that takes these rows."""

    @abstractmethod
    def probe(self, picture: Picture) -> Probe:
        """What to ask for a picture that is not in the gallery."""

    @abstractmethod
    def probe_stored(self, feature: bytes) -> Probe:
        """What to ask for an image of the gallery, from its feature alone."""

    def probe_colours(self, colours: Sequence[tuple[int, int, int]]) -> Probe | None:
        """What to ask for pictures that hold these RGB colours; None if the engine knows no colours."""
        return None

    def probe_meaning(
        self, meaning: Meaning, picture: Picture | None = None, feature: bytes | None = None, weight: float = 0.5
    ) -> Probe:
        """What to ask for words, alone or beside a picture (or the feature of a stored one). ``weight``: of the words,
        0..1. EngineError if the engine cannot answer them now."""
        raise EngineError(f"{self.label}: this engine does not know words.")

    @abstractmethod
    def search(self, probe: Probe, index: Any, k: int, among: np.ndarray | None = None) -> list[Hit]:
        """At most k hits, best first, each image once. ``index``: of the kind that ``new_index`` makes. ``among``:
        sorted int64 ids that may be answered."""

    @abstractmethod
    def explain(self, evidence: dict[str, Any]) -> str:
        """The evidence of a hit as a short phrase: "34 of 576 bits differ, mirrored"."""

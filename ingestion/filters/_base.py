"""What a filter is. To add one, copy the file of the most similar filter: nothing else has to change.

A filter measures. Where the line of a score is drawn (ingestion.models.CutOff, ``Score.cut_off`` until somebody draws
it) and what follows is decided in ingestion/judgement.py, so that a line can be moved over everything that was seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gallery.pictures import Picture
from ingestion.sources._base import Found

LONGEST = 1600
"""Pixels of the longest side of the picture that filters see."""


class Outcome(StrEnum):
    """In the order of severity."""

    PASS = "pass"  # noqa: S105 - not a password
    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True)
class Score:
    """A number that a filter gives to every picture."""

    name: str
    """In Candidate.scores and Image.scores: score.<name> in the query language."""
    label: str
    about: str
    """One sentence for people: what it measures, and what high means."""
    good: str
    """ "high" or "low": on which side of the line a picture passes."""
    cut_off: float | None = None
    """The line until somebody draws another one; None: it only informs."""
    low: float = 0.0
    high: float = 1.0
    """What a histogram shows; values outside are counted at its ends."""


@dataclass(frozen=True)
class Finding:
    """What one filter says of one picture."""

    scores: dict[str, float] = field(default_factory=dict)
    sentence: str = ""
    """For people: what it saw. "" where nothing is worth saying."""
    outcome: Outcome = Outcome.PASS
    """What follows from facts, whatever the lines of the scores."""
    facts: dict[str, Any] = field(default_factory=dict)
    """JSON for the page: boxes, neighbours, what was declared."""


@dataclass
class Screened:
    """A picture under judgement."""

    picture: Picture
    """Decoded, longest side LONGEST; its width, height and format are those of the file."""
    path: Path
    """The file as it came."""
    sha256: str
    size: int
    """Bytes of the file."""
    found: Found
    embed: Callable[[Picture], tuple[np.ndarray, str] | None] = field(default=lambda picture: None)
    """(vector, name of what made it), or None if no network and no index can say it now."""

    @cached_property
    def embedded(self) -> tuple[np.ndarray, str] | None:
        """((dimension,) float32 of length 1, as Candidate.embedded_by)."""
        return self.embed(self.picture)

    @cached_property
    def phash(self) -> bytes:
        """A feature of the engine phash."""
        from search.engines.phash import ENGINE

        return ENGINE.extract(self.picture)


class Filter(ABC):
    name: ClassVar[str]
    """The name of its file."""
    label: ClassVar[str]
    order: ClassVar[int]
    """Cheap ones first."""
    version: ClassVar[int] = 1
    """Raise it when the same picture gets other scores."""
    scores: ClassVar[tuple[Score, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    """Its options: {name: value}. A source may have others (Source.rules)."""
    words: ClassVar[dict[str, tuple[str, str]]] = {}
    """How a form asks for them: {name: (label, help)}."""

    def missing(self) -> str:
        """Why it cannot judge now, in a sentence with what to do; "": it can. Then it is passed over, and said so."""
        return ""

    def foresee(self, found: Found, options: dict[str, Any]) -> str:
        """Why a picture need not even be fetched, from what its source says of it; "": fetch it."""
        return ""

    @abstractmethod
    def judge(self, screened: Screened, options: dict[str, Any]) -> Finding:
        """Whatever it raises becomes a verdict that holds the picture for a person, never one that drops it."""


@dataclass(frozen=True)
class Verdict:
    """A finding with the lines applied: an element of Candidate.verdicts, as JSON."""

    filter: str
    outcome: Outcome
    sentence: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    own: str = "pass"
    """The outcome and the words of the filter itself, before any line: what stays when a line moves."""
    said: str = ""

"""What the gallery answers about candidates, decisions, sources and filters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Verdict:
    filter: str
    outcome: str = ""
    """pass, hold or reject."""
    sentence: str = ""
    scores: dict[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Likeness:
    """A picture of the gallery that is proven to show the same."""

    image: int
    grade: str = ""
    relation: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class Candidate:
    """A picture that a source has brought. Verdicts, likenesses and the large picture are told of one, not in lists."""

    id: int
    token: str
    state: str
    source: str = ""
    title: str = ""
    author: str = ""
    licence: str = ""
    url: str = ""
    page: str = ""
    name: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    bytes: int = 0
    found_at: datetime | None = None
    published_at: datetime | None = None
    screened_at: datetime | None = None
    scores: dict[str, float | None] = field(default_factory=dict, hash=False)
    advice: str = ""
    """pass, hold or reject; empty before it was judged."""
    reason: str = ""
    skips: int = 0
    decided_by: str | None = None
    decided_at: datetime | None = None
    image: int | None = None
    """What it has become in the gallery."""
    thumbnail: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    alike: tuple[Likeness, ...] = ()
    picture: str | None = None


@dataclass(frozen=True)
class Decision:
    """One act on one or many candidates."""

    id: int
    action: str
    by: str | None = None
    reason: str = ""
    note: str = ""
    at: datetime | None = None
    candidates: int = 0
    undone_at: datetime | None = None
    undone_by: str | None = None
    may_undo: bool = False


@dataclass(frozen=True)
class Decided:
    decision: Decision | None = None
    done: int = 0
    left_alone: int = 0
    """Gone, or changed since."""


@dataclass(frozen=True)
class Undone:
    decision: Decision
    notices: tuple[str, ...] = ()
    """What stays as it is, and why."""


@dataclass(frozen=True)
class Crawl:
    id: int
    state: str
    pages: int = 0
    found: int = 0
    known: int = 0
    left: int = 0
    new: int = 0
    error: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Source:
    """Where pictures are looked for. ``missing`` and ``crawls`` are told of one, not in lists."""

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    rules: dict[str, Any] = field(default_factory=dict, hash=False)
    active: bool = True
    paused_because: str = ""
    publishes: bool = False
    every: int = 0
    """Minutes."""
    budget: int = 0
    next_at: datetime | None = None
    created_at: datetime | None = None
    removed_at: datetime | None = None
    crawling: Crawl | None = None
    yields: dict[str, float | None] = field(default_factory=dict, hash=False)
    """What it has brought, over all crawls."""
    missing: str = ""
    """Why it cannot be crawled now; empty: it can."""
    crawls: tuple[Crawl, ...] = ()


@dataclass(frozen=True)
class SourceOption:
    name: str
    label: str = ""
    about: str = ""
    required: bool = False
    type: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceKind:
    kind: str
    label: str = ""
    about: str = ""
    missing: str = ""
    options: tuple[SourceOption, ...] = ()


@dataclass(frozen=True)
class Trial:
    """What would become of one thing that a source offers; with an empty url, why it brings no more."""

    url: str = ""
    title: str = ""
    error: str = ""
    left: str = ""
    advice: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    bytes: int = 0
    scores: dict[str, float] = field(default_factory=dict, hash=False)
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Problem:
    detail: str
    code: str = ""


@dataclass(frozen=True)
class Judged:
    """What the filters say of one picture of a batch."""

    index: int
    name: str = ""
    outcome: str | None = None
    """The worst of the verdicts; None: it cannot be judged, and ``error`` says why."""
    scores: dict[str, float] = field(default_factory=dict, hash=False)
    verdicts: tuple[Verdict, ...] = ()
    error: Problem | None = None


@dataclass(frozen=True)
class Batch:
    good: tuple[int, ...]
    """Indexes of what passes."""
    pictures: tuple[Judged, ...] = ()


@dataclass(frozen=True)
class Score:
    """A number that a filter gives, and where its line is."""

    name: str
    label: str = ""
    about: str = ""
    filter: str = ""
    good: str = ""
    """high or low: on which side of the line a picture passes."""
    low: float = 0.0
    high: float = 1.0
    usual: float | None = None
    line: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Side:
    passing: int = 0
    beyond: int = 0


@dataclass(frozen=True)
class Line:
    """What a line through a score would mean."""

    score: str
    line: float
    source: str = ""
    waiting: Side = Side()
    accepted: Side = Side()
    rejected: Side = Side()
    precision: float | None = None
    """Of those that pass, the share that people have accepted."""
    recall: float | None = None
    """Of those that people have accepted, the share that passes."""
    low: float = 0.0
    high: float = 1.0
    histogram: dict[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    """{waiting, accepted, rejected: in equal parts, low to high}"""

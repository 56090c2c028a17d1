"""What the gallery answers. A newer gallery may say more; that is passed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Tag:
    name: str
    category: str = ""
    pictures: int = 0
    """How many have it; 0 on an image, where it is not counted."""
    id: int | None = None


@dataclass(frozen=True)
class TagDetail:
    id: int
    name: str
    category: str = ""
    pictures: int = 0
    aliases: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    implied_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edit:
    """What somebody did to a picture."""

    id: int
    at: datetime
    sentence: str
    by: str | None = None
    """None: an account that is removed."""


@dataclass(frozen=True)
class Rendition:
    url: str
    width: int
    height: int


@dataclass(frozen=True)
class Origin:
    """Where a picture comes from, and what may be done with it."""

    kind: str
    address: str = ""
    title: str = ""
    author: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Image:
    """A picture of the gallery. Pixels as they are shown, turned upright; addresses are absolute."""

    id: int
    name: str
    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    added_at: datetime
    taken_at: datetime | None = None
    caption: str = ""
    tags: tuple[Tag, ...] = ()
    palette: tuple[tuple[str, float], ...] = ()
    """Colours as hex, each with its share 0..1, largest first."""
    private: bool = False
    page: str = ""
    original: str = ""
    thumbnail: str = ""
    renditions: tuple[Rendition, ...] = ()
    """Smallest first."""
    sources: tuple[Origin, ...] = ()

    @property
    def tag_names(self) -> tuple[str, ...]:
        return tuple(tag.name for tag in self.tags)


@dataclass(frozen=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next: str | None = None
    """The cursor of the page after it."""


@dataclass(frozen=True)
class Match:
    """An image that was found. ``score`` 0..1; ``certain``: it is proven to be the same picture."""

    image: Image
    score: float
    grade: str = ""
    certain: bool = False
    evidence: str = ""
    """Why, in a sentence."""
    weak: bool = False
    """Probably nothing."""
    hits: dict[str, dict[str, Any]] = field(default_factory=dict, hash=False)
    """What each engine saw, with ``explain``."""


@dataclass(frozen=True)
class Answer:
    matches: tuple[Match, ...]
    """Best first."""
    weak_count: int = 0
    """So many more look alike a little, and were left out: ``weak=True`` brings them."""
    notices: tuple[str, ...] = ()
    """What could not be done, in sentences."""
    seconds: float = 0.0
    next: str | None = None
    query: dict[str, Any] = field(default_factory=dict, hash=False)
    """What was understood."""


@dataclass(frozen=True)
class Alike:
    """A picture of the gallery, and how a new one is proven to be like it."""

    id: int
    grade: str
    """same or contains."""
    name: str = ""
    page: str = ""
    width: int = 0
    height: int = 0
    bytes: int = 0
    relation: str = ""
    evidence: str = ""
    sentence: str = ""
    mirrored: bool = False
    covers: float = 0.0
    """Share of the one here that the new one shows."""
    covered: float = 0.0
    may_replace: bool = False


@dataclass(frozen=True)
class Question:
    """A picture that is safe but not in the gallery: somebody says what shall become of it."""

    token: str
    state: str
    name: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    bytes: int = 0
    created_at: datetime | None = None
    picture: str = ""
    alike: tuple[Alike, ...] = ()
    advice: str = ""
    """keep, replace or drop."""
    reason: str = ""
    may_undo: bool = False
    undo_until: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Upload:
    """What became of a picture. ``state``: stored, here_already, asked (it is like one that is here: see
    ``question``), keeping, not_stored (as was wished), or failed."""

    state: str
    job: str | None = None
    """None: nothing is left to do."""
    ready: bool = False
    """It is shown, and can be found."""
    image: Image | None = None
    question: Question | None = None
    alike: tuple[Alike, ...] = ()
    notice: str = ""
    """A sentence; often empty."""
    path: str = ""
    """Of the file, where a folder was sent."""


@dataclass(frozen=True)
class Job:
    """Work on one picture: its thumbnails, what engines compare, what is said of it."""

    id: int
    image: int
    state: str
    """queued, running, done, failed or quarantined."""
    attempts: int = 0
    error: str = ""
    created_at: datetime | None = None
    not_before: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Retried:
    retried: int


@dataclass(frozen=True)
class Me:
    """Who asks. Without an id: a visitor."""

    role: str
    """visitor, member, moderator or admin."""
    id: int | None = None
    name: str = ""
    may_upload: bool = False


@dataclass(frozen=True)
class Health:
    state: str
    engines: dict[str, str] = field(default_factory=dict, hash=False)
    """Engines that are off, and why."""


@dataclass(frozen=True)
class About:
    """What this gallery is, and what who asks may do."""

    title: str
    version: str
    """Of its API."""
    access: str
    """public, members or invite."""
    you: Me
    scopes: dict[str, str] = field(default_factory=dict, hash=False)
    documentation: str = ""
    document: str = ""


@dataclass(frozen=True)
class Engine:
    name: str
    label: str = ""
    version: str = ""
    state: str = ""
    """ready, or off."""
    network: str = ""
    """What has made its features; empty for engines that need none."""
    answers: tuple[str, ...] = ()
    """Of picture, colours, text."""


@dataclass(frozen=True)
class Saved:
    """A search with a name."""

    token: str
    name: str
    address: str = ""
    """Path and query of the page that answers it."""
    page: str = ""
    feed: str | None = None
    mine: bool = False
    shared: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True)
class Collection:
    token: str
    name: str
    note: str = ""
    shared: bool = False
    mine: bool = False
    owner: str = ""
    count: int = 0
    """Pictures in it that you may see."""
    created_at: datetime | None = None
    page: str = ""


@dataclass(frozen=True)
class Collected:
    """A picture of a collection."""

    image: Image
    via: str = ""
    """The search that found it."""
    score: float | None = None
    """Of a model of yours."""
    added_at: datetime | None = None


@dataclass(frozen=True)
class Work:
    """What is done to a collection. ``state``: waiting, working, done, failed, undone or stopped."""

    token: str
    collection: str
    kind: str
    state: str
    total: int = 0
    done: int = 0
    problem: str = ""
    dry_run: bool = False
    can_be_undone: bool = False
    outcome: dict[str, Any] = field(default_factory=dict, hash=False)
    """What it did: how many were added, would be removed, were chosen …"""
    at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "working")


@dataclass(frozen=True)
class Unmatched:
    line: int
    picture: str
    why: str


@dataclass(frozen=True)
class Scores:
    matched: int
    unmatched: int = 0
    lines: tuple[Unmatched, ...] = ()
    """The first that match no picture."""

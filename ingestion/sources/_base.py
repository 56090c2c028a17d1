"""What a source is. To add one, copy the file of the most similar source: nothing else has to change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

if TYPE_CHECKING:
    from gallery.originals import Incoming
    from ingestion.download import Answer, Web


ARCHIVE_SECONDS = 240.0
"""An archive may take so long; whoever fetches it is taken for dead after 300."""


class What(StrEnum):
    PICTURE = "picture"
    ARCHIVE = "archive"
    """It holds pictures: each of them becomes a candidate of its own when it has come."""
    VIDEO = "video"
    REMOVED = "removed"
    """By its author or by moderators: what lies at the address is a placeholder at best."""


@dataclass(frozen=True)
class Found:
    """One thing that a source offers. Words are those of strangers: shown, never trusted."""

    url: str
    """The best size of it. Decoded, once: "an ä.jpg", never "an%20%C3%A4.jpg"; ingestion.download encodes it."""
    page: str = ""
    """Where people look at it."""
    name: str = ""
    title: str = ""
    author: str = ""
    licence: str = ""
    width: int = 0
    """Pixels, if the source says so; 0: it does not."""
    height: int = 0
    published: datetime | None = None
    what: What = What.PICTURE
    over_18: bool = False
    others: tuple[str, ...] = ()
    """Further addresses of the same picture, the best first, if the first one fails."""
    key: str = ""
    """What its source calls it for ever; "": its address."""
    more: dict[str, Any] = field(default_factory=dict)
    """JSON that is worth keeping: votes, tags, a path inside an archive."""

    def written(self) -> dict[str, Any]:
        """For JSON; ``Found.read`` is the way back."""
        return asdict(self) | {"published": self.published.isoformat() if self.published else None}

    @classmethod
    def read(cls, written: dict[str, Any]) -> Found:
        published = written.get("published")
        changes = {
            "published": datetime.fromisoformat(published) if published else None,
            "what": What(written.get("what", "picture")),
            "others": tuple(written.get("others", ())),
        }
        return cls(**(written | changes))


@dataclass(frozen=True)
class Page:
    """What one request to a source has brought, and where to go on after it."""

    found: list[Found]
    since: dict[str, Any]
    """Handed to ``crawl`` to go on behind this page: after a crash, or the next time. JSON, a few hundred bytes."""


class SourceError(Exception):
    """Why a source cannot be crawled, in a sentence.

    ``again_after``: seconds; ``pauses``: it is no use to ask again by itself, because somebody has to do something
    (the markup is another one, the account was refused).
    """

    def __init__(self, sentence: str, *, again_after: float | None = None, pauses: bool = False) -> None:
        super().__init__(sentence)
        self.again_after, self.pauses = again_after, pauses


class Options(forms.Form):
    """What a source asks of whoever adds it. ``cleaned_data`` becomes Source.options: JSON only."""


class Crawler(ABC):
    """One kind of source. It has no state: what it must know the next time it says in Page.since."""

    kind: ClassVar[str]
    """The name of its file."""
    label: ClassVar[str]
    """For people: "Reddit"."""
    about: ClassVar[str]
    """One sentence: what it brings, and what it needs."""
    options: ClassVar[type[Options]]

    def missing(self) -> str:
        """What is not set yet and must be before it can be crawled, in a sentence; "": nothing."""
        return ""

    @abstractmethod
    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        """Page by page what is new, newest or first things first; {}: from the beginning.

        Ends by itself when nothing more is offered; whoever iterates stops when the budget is spent. What was offered
        before may be offered again: whoever iterates knows. SourceError says why it cannot go on; an answer that is not
        understood is one of these, never an end without pictures. DownloadError may pass through.
        """

    def fetch(self, found: Found, options: dict[str, Any], web: Web, into: Incoming) -> Answer | None:
        """Stream the file of ``found`` into ``into`` (and finish it): by default from its address, then from the
        others. None if it lies unchanged where it was fetched from before. DownloadError, PictureError."""
        from gallery.pictures import PictureError
        from ingestion.download import DownloadError, Seconds

        seconds = Seconds(total=ARCHIVE_SECONDS) if found.what == What.ARCHIVE else None
        for url in (found.url, *found.others)[:-1]:
            try:
                return web.file(url, into, referer=found.page, seconds=seconds)
            except DownloadError as error:
                if not error.is_final:
                    raise
            except PictureError as error:
                if error.code != "too_large":  # a smaller size may do
                    raise
            into.restart()
        return web.file((found.url, *found.others)[-1], into, referer=found.page, seconds=seconds)

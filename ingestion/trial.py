"""What a source would bring: the first of it with every score. Nothing is stored, not even the source has to be."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError

from gallery.originals import Incoming
from gallery.pictures import DecoderBusy, PictureError
from ingestion.archives import ArchiveError
from ingestion.crawling import IDLE_PAGES, crawler_of, foreseen
from ingestion.cut_offs import lines
from ingestion.download import DownloadError, Web
from ingestion.fetching import incoming_of
from ingestion.filters._base import Outcome, Verdict
from ingestion.judgement import Lines, worst
from ingestion.members import is_to_be_unpacked
from ingestion.models import Source
from ingestion.offers import name_of
from ingestion.screening import judge_all, scores_of, screened, thumbnail, verdicts
from ingestion.sources._base import Crawler, Found, SourceError
from ingestion.unpacking import archived

logger = logging.getLogger(__name__)

HOW_MANY = 20
AT_ONCE = 2
"""Trials in this process: each keeps a thread of the web server, and most of the time waits with it."""


class Busy(Exception):
    """Others are trying sources just now."""

    def __init__(self) -> None:
        super().__init__("Other sources are being tested just now. Try again in a minute.")


@dataclass
class TrialResult:
    """What would become of one thing that a source offers; or, without ``found``, why the source brings no more."""

    found: Found | None
    error: str = ""
    """Why it cannot be had, in a sentence."""
    is_final: bool = True
    """If not, it may be had the next time."""
    left: str = ""
    """Why it would not even be fetched."""
    thumbnail: bytes = b""
    """A WebP of at most 320 pixels."""
    width: int = 0
    height: int = 0
    format: str = ""
    bytes: int = 0
    sha256: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    path: Path | None = None
    """The file, as long as nobody asks for the next result."""

    @property
    def advice(self) -> str:
        """The worst outcome of the verdicts: "pass", "hold", "reject"; "" if it was not looked at."""
        return worst(verdict.outcome for verdict in self.verdicts).value if self.verdicts else ""

    @property
    def passes(self) -> bool:
        return self.advice == Outcome.PASS


def trial(source: Source | str, n: int = HOW_MANY, options: dict[str, Any] | None = None) -> Iterator[TrialResult]:
    """The first ``n`` that a source offers, from its beginning, each as soon as it is judged. Busy.

    ``source``: one that is saved or not, or a kind with ``options``.
    """
    if isinstance(source, str):
        source = Source(name=source, kind=source, options=options or {})
    with _turn(), Web() as web:
        yield from _first(source, web, n)


def _first(source: Source, web: Web, n: int) -> Iterator[TrialResult]:
    try:
        look = Look(source, web)
        for found in look.offers():
            for result in look.at(found):
                yield result
                n -= 1
                if n <= 0:
                    return
    except (SourceError, DownloadError) as error:
        yield TrialResult(None, str(error))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # whoever tests wants to see what is wrong, whatever it is
        logger.exception("A trial of %s failed", source)
        yield TrialResult(None, f"It could not be crawled: {type(error).__name__}: {error}. The log says more.")


class Look:
    """Looks at what a source offers, by its rules and lines, without a row for it."""

    def __init__(self, source: Source, web: Web) -> None:
        self.source, self.web = source, web
        self.crawler: Crawler = crawler_of(source)
        self.lines: Lines = lines(source if source.pk else None)

    def offers(self) -> Iterator[Found]:
        """Until so many pages hold nothing that nobody would wait for more. SourceError, DownloadError."""
        empty = 0
        for page in self.crawler.crawl(self.source.options, {}, self.web):
            yield from page.found
            empty = 0 if page.found else empty + 1
            if empty >= IDLE_PAGES:
                return

    def at(self, found: Found) -> Iterator[TrialResult]:
        """One result for a picture, or one for each picture of an archive.

        SourceError if it is of no use to go on, DownloadError if the server wants a pause first.
        """
        if reason := foreseen(found, self.source.rules):
            yield TrialResult(found, left=reason)
            return
        try:
            yield from self._fetched(found)
        except SourceError as error:
            if error.pauses:
                raise
            yield TrialResult(found, str(error), is_final=False)
        except DownloadError as error:
            if error.code == "rate_limited":
                raise
            yield TrialResult(found, str(error), is_final=error.is_final)
        except (PictureError, ArchiveError) as error:
            yield TrialResult(found, str(error))
        except DecoderBusy as error:
            yield TrialResult(found, str(error), is_final=False)
        except OSError as error:
            yield TrialResult(found, f"It cannot be kept for a moment: {error.strerror or error}.", is_final=False)

    def _fetched(self, found: Found) -> Iterator[TrialResult]:
        with incoming_of(found) as incoming:
            answer = self.crawler.fetch(found, self.source.options, self.web, incoming)
            if answer is None:
                yield TrialResult(found, "It lies unchanged where it was fetched from before.")
                return
            incoming.finish()
            if is_to_be_unpacked(found, incoming.path):
                yield from self._members(found, incoming)
            else:
                yield self._judged(found, incoming)

    def _members(self, found: Found, archive: Incoming) -> Iterator[TrialResult]:
        for inner, member in archived(found, archive.path):
            with Incoming(name_of(inner)) as incoming:
                try:
                    yield self._judged(inner, incoming.fill(member.open()))
                except PictureError as error:
                    yield TrialResult(inner, str(error))

    def _judged(self, found: Found, incoming: Incoming) -> TrialResult:
        """PictureError, DecoderBusy."""
        picture = screened(incoming.path, found, incoming.sha256, incoming.bytes)
        said = verdicts(judge_all(picture, self.source.rules), self.lines)
        seen = picture.picture
        return TrialResult(
            found,
            thumbnail=thumbnail(seen),
            width=seen.width,
            height=seen.height,
            format=seen.format,
            bytes=incoming.bytes,
            sha256=incoming.sha256,
            scores=scores_of(said),
            verdicts=said,
            path=incoming.path,
        )


_turns = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _turns.release()

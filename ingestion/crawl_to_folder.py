"""A crawl without a gallery: what the filters let through becomes files in a folder, each with a sidecar of JSON.

The sidecar is one that ``manage.py import`` reads. A log in the folder remembers what was met: a second crawl into the
same folder goes on where the first one was, and fetches nothing twice. Each file is whole before its name is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from gallery.disk import flush_folder
from gallery.formats import EXTENSION
from ingestion.crawling import IDLE_PAGES
from ingestion.download import DownloadError
from ingestion.filters._base import Outcome
from ingestion.models import Source
from ingestion.offers import key_of, name_of, storable
from ingestion.sources._base import Found
from ingestion.trial import Look, TrialResult

LOG = ".lookalike-crawl.jsonl"
LONGEST_WAIT = 120.0
"""Seconds: for a longer one nobody wants to sit before the terminal."""
LONGEST_STEM = 80
HERE = {"duplicate_of", "twin"}
"""Facts of a verdict that name an image or a candidate of the gallery."""
HELD = "held"
"""The folder in the folder for what a person should look at, if somebody wants it."""


class FolderError(Exception):
    """Why nothing can be written there, in a sentence."""


@dataclass
class Brought:
    """What became of one thing on offer."""

    result: TrialResult | None
    """None: it was met before."""
    outcome: str
    """known, left, failed, twice, here, rejected, held, written"""
    file: str = ""


@dataclass
class Folder:
    path: Path
    of: str
    """The source, as far as its log is concerned."""
    met: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)
    """sha256 of all that was written, of any source."""
    since: dict[str, Any] = field(default_factory=dict)
    log: IO[str] | None = None

    def note(self, **line: Any) -> None:
        assert self.log
        self.log.write(json.dumps({"of": self.of} | line) + "\n")
        self.log.flush()
        os.fsync(self.log.fileno())

    def write(self, source: Source, result: TrialResult, held: bool) -> str:
        """The sidecar first: whoever sees the picture finds it. Named by what it is, so a second try is no second file.

        Returns its path in the folder.
        """
        assert result.found
        assert result.path
        folder = self.path / HELD if held else self.path
        folder.mkdir(exist_ok=True)
        stem = Path(name_of(result.found)).stem.lstrip(".")[:LONGEST_STEM] or "untitled"
        file = folder / f"{stem}-{key_of(result.found)[:8]}.{EXTENSION[result.format]}"
        text = json.dumps(sidecar(source, result, file.name), ensure_ascii=False, indent=1)
        _put(file.with_name(f"{file.name}.json"), lambda part: part.write_text(text))
        path = result.path
        _put(file, lambda part: shutil.copyfile(path, part))
        self.contents.add(result.sha256)
        return str(file.relative_to(self.path))


def sidecar(source: Source, result: TrialResult, file: str) -> dict[str, Any]:
    found = result.found
    assert found
    return storable(
        {
            "file": file,
            "source": found.page or found.url,
            "crawled": {"source": source.name, "kind": source.kind, "key": found.key},
            "url": found.url,
            "page": found.page,
            "title": found.title,
            "author": found.author,
            "licence": found.licence,
            "published": found.published.isoformat() if found.published else None,
            "sha256": result.sha256,
            "format": result.format,
            "bytes": result.bytes,
            "width": result.width,
            "height": result.height,
            "advice": result.advice,
            "scores": result.scores,
            "verdicts": [asdict(verdict) for verdict in result.verdicts],
            "more": found.more,
        }
    )


@contextmanager
def opened(path: Path, source: Source) -> Iterator[Folder]:
    """For one crawl at a time. FolderError."""
    of = hashlib.sha256(json.dumps([source.kind, source.options], sort_keys=True).encode()).hexdigest()[:16]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with open(path / LOG, "a+") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderError(f"Another crawl is writing to {path}.") from None
            folder = Folder(path, of, log=log)
            _read(folder)
            yield folder
    except OSError as error:
        raise FolderError(f"{path} cannot be written to: {error.strerror or error}.") from error


def _read(folder: Folder) -> None:
    assert folder.log
    folder.log.seek(0)
    last = ""
    for last in folder.log:
        try:
            line = json.loads(last)
        except ValueError:
            continue  # a crash has cut it off: what it was about is done again
        if "sha256" in line:
            folder.contents.add(line["sha256"])
        if line.get("of") == folder.of:
            folder.met.add(line.get("key", ""))
            folder.since = line.get("since", folder.since)
    if last and not last.endswith("\n"):
        folder.log.write("\n")


def _put(target: Path, write: Any) -> None:
    """Whole or not at all."""
    part = target.with_name(f".{target.name[-200:]}.part")
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
        flush_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)


def bring(look: Look, folder: Folder, limit: int, held: bool = False) -> Iterator[Brought]:
    """Everything that is on offer and was not met before, until ``limit`` pictures are written.

    SourceError; DownloadError; FolderError: what was brought is there.
    """
    written, idle, whole = 0, 0, True
    for page in look.crawler.crawl(look.source.options, folder.since, look.web):
        news = 0
        for found in page.found:
            key = key_of(found)
            if key in folder.met:
                yield Brought(None, "known")
                continue
            news += 1
            done = True
            for brought in _looked_at(look, folder, found, held):
                done = done and (brought.result is None or brought.result.is_final)
                written += brought.outcome == "written"
                yield brought
            if done:
                folder.met.add(key)
                folder.note(key=key)
            whole = whole and done
            if written >= limit:
                return
        if whole:  # else this page is asked for again the next time
            folder.note(since=page.since)
        idle = 0 if news else idle + 1
        if idle >= IDLE_PAGES:
            return


def _looked_at(look: Look, folder: Folder, found: Found, held: bool) -> Iterator[Brought]:
    for result in _patiently(look, found):
        outcome = _outcome(result, folder, held)
        file = ""
        if outcome == "written":
            file = folder.write(look.source, result, held=result.advice != Outcome.PASS)
            folder.note(file=file, sha256=result.sha256)
        yield Brought(result, outcome, file)


def _outcome(result: TrialResult, folder: Folder, held: bool) -> str:
    if result.left or result.error:
        return "left" if result.left else "failed"
    if result.sha256 in folder.contents:
        return "twice"
    if any(verdict.outcome == Outcome.REJECT and HERE & set(verdict.facts) for verdict in result.verdicts):
        return "here"
    if result.passes or (held and result.advice == Outcome.HOLD):
        return "written"
    return {"hold": "held", "reject": "rejected"}[result.advice]


def _patiently(look: Look, found: Found) -> Iterator[TrialResult]:
    """A server that wants a pause of a minute or two gets it."""
    while True:
        try:
            yield from look.at(found)
            return
        except DownloadError as error:
            if error.again_after is None or error.again_after > LONGEST_WAIT:
                raise
            time.sleep(error.again_after)

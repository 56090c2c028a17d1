"""Pictures in a folder of this machine: imported on demand, or watched."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models.functions import Now

from gallery import originals
from gallery.models import ImageSource
from gallery.pictures import EXTENSION, PictureError
from ingestion.models import KnownFile, WatchedFolder
from ingestion.pipeline import Origin, Outcome, Result, import_blocks

EXTENSIONS = {f".{extension}" for extension in (*EXTENSION.values(), "jpeg", "tiff", "jfif", "heic", "heif")}
SETTLED = 5
"""Seconds: a younger file in a watched folder may still be written to."""
CHUNK = 500


@dataclass(frozen=True)
class Entry:
    """A file as it was found."""

    path: str
    bytes: int
    modified_ns: int

    @property
    def stamp(self) -> tuple[int, int]:
        return self.bytes, self.modified_ns


def find(folder: Path) -> Iterator[Entry]:
    """All pictures below a folder by their extension, in the order of their names; hidden ones are left out.

    OSError if the folder itself cannot be read; what cannot be read inside is passed over. Links to files are
    followed, links to folders are not: they may lead in circles.
    """
    os.listdir(folder)
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                entry = _entry(os.path.join(parent, name))
                if entry:
                    yield entry


def _entry(path: str) -> Entry | None:
    try:
        found = os.stat(path)
    except OSError:
        return None  # gone, or a link to nowhere
    return Entry(path, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def new_entries(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Those that were not imported or refused before, as far as size and date tell."""
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == CHUNK:
            yield from _unknown(batch)
            batch = []
    yield from _unknown(batch)


def _unknown(batch: list[Entry]) -> list[Entry]:
    names = {_text(entry.path): entry for entry in batch}
    known = KnownFile.objects.filter(path__in=names).values_list("path", "bytes", "modified_ns")
    stamps = {path: (size, modified) for path, size, modified in known}
    return [entry for path, entry in names.items() if stamps.get(path) != entry.stamp]


def import_entry(entry: Entry) -> Outcome:
    """Import one file and remember it, so that an interrupted import goes on where it was."""
    origin = Origin(ImageSource.Kind.FOLDER, _text(entry.path))
    try:
        outcome = import_blocks(_blocks(entry.path), os.path.basename(entry.path), origin)
    except OSError as error:
        # Not remembered: the file may be readable the next time, or the disk have room again.
        reason = PictureError("corrupt", f"This file cannot be imported now: {error.strerror or error}.")
        return Outcome(os.path.basename(_text(entry.path)), Result.REFUSED, error=reason)
    KnownFile.remember(
        _text(entry.path), entry.stamp, result=str(outcome.result), reason=outcome.reason, image=outcome.image
    )
    return outcome


def _blocks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(originals.BLOCK):
            yield block


def _text(path: str) -> str:
    """File names are bytes; PostgreSQL wants UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()


def import_folder(
    folder: Path, report: Callable[[Entry, Outcome], None] = lambda entry, outcome: None
) -> Counter[str]:
    """Import what is new below a folder; {result: files}. OSError if the folder cannot be read."""
    counts: Counter[str] = Counter()
    for entry in new_entries(find(folder)):
        outcome = import_entry(entry)
        counts[str(outcome.result)] += 1
        report(entry, outcome)
    return counts


def watch_all() -> None:
    """Look through every watched folder: those of LOOKALIKE_WATCH and those named in the admin."""
    for path in settings.WATCH:
        WatchedFolder.objects.get_or_create(path=path)
    for watched in WatchedFolder.objects.filter(active=True):
        look_through(watched)


def look_through(watched: WatchedFolder) -> None:
    """Import what is new and settled. A folder that is away is told, and never makes anything disappear."""
    counts: Counter[str] = Counter()
    try:
        for entry in new_entries(find(Path(watched.path))):
            if time.time() - entry.modified_ns / 1e9 > SETTLED:
                counts[str(import_entry(entry).result)] += 1
        watched.result = ", ".join(f"{n} {result}" for result, n in counts.items()) or "nothing new"
    except OSError as error:
        watched.result = f"This folder cannot be read: {error.strerror}."
    WatchedFolder.objects.filter(pk=watched.pk).update(result=watched.result, last_scan=Now())

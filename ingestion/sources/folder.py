"""Pictures in a folder of this machine: imported on demand, or watched."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection
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
MAX_SECONDS_A_LOOK = 50
"""Then the thread is given back: a first look through a large folder must not keep the jobs waiting for hours."""
WATCH_LOCK = 7345


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
    followed, links to folders are not: they may lead in circles. The files of galleries are left out: each thumbnail
    would be a new picture with new thumbnails.
    """
    os.listdir(folder)
    own = _own_folder(folder)
    for parent, folders, files in os.walk(folder):
        if {".incoming", "renditions"} <= set(folders):  # the media of another gallery
            folders.clear()
        folders[:] = sorted(f for f in folders if not f.startswith(".") and os.path.join(parent, f) != own)
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                entry = _entry(os.path.join(parent, name))
                if entry:
                    yield entry


def _own_folder(folder: Path) -> str | None:
    """The path under which a walk through the folder would meet the media of the gallery."""
    media, real = settings.MEDIA_ROOT.resolve(), folder.resolve()
    return os.path.join(folder, media.relative_to(real)) if media.is_relative_to(real) else None


def _entry(path: str) -> Entry | None:
    try:
        found = os.stat(path)
    except OSError:
        return None  # gone, or a link to nowhere
    return Entry(path, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def new_entries(entries: Iterable[Entry], again: bool = False) -> Iterator[Entry]:
    """Those that were not imported or refused before, as far as size and date tell.

    ``again``: also those that are known, but not in the gallery: refused, when there were other limits, or purged.
    """
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == CHUNK:
            yield from _unknown(batch, again)
            batch = []
    yield from _unknown(batch, again)


def _unknown(batch: list[Entry], again: bool) -> list[Entry]:
    names = {_text(entry.path): entry for entry in batch}
    known = KnownFile.objects.filter(path__in=names)
    if again:
        known = known.filter(image__isnull=False)
    stamps = {path: (size, modified) for path, size, modified in known.values_list("path", "bytes", "modified_ns")}
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


def import_folder(folder: Path, report: Callable[[Entry, Outcome], None] = lambda entry, outcome: None) -> Counter[str]:
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
    """Import what is new and settled. A folder that is away is told, and never makes anything disappear.

    Does nothing while another worker looks through the same folder: the first time can take hours.
    """
    with _alone(watched) as alone:
        if alone:
            watched.result = _look(Path(watched.path))
            WatchedFolder.objects.filter(pk=watched.pk).update(result=watched.result, last_scan=Now())


def _look(folder: Path) -> str:
    """What came of it, in words."""
    counts: Counter[str] = Counter()
    ends = None
    try:
        for entry in new_entries(find(folder)):
            if not _is_settled(entry):
                continue
            # The clock starts with the first picture: however long the way to it was, each look brings one.
            ends = ends or time.monotonic() + MAX_SECONDS_A_LOOK
            counts[str(import_entry(entry).result)] += 1
            if time.monotonic() > ends:
                return f"{_summary(counts)}, more to come"
    except OSError as error:
        return f"This folder cannot be read: {error.strerror}."
    return _summary(counts)


def _is_settled(entry: Entry) -> bool:
    """Not touched a moment ago. A date in the future comes from a camera whose clock is wrong."""
    return abs(time.time() - entry.modified_ns / 1e9) > SETTLED


def _summary(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {result}" for result, n in counts.items()) or "nothing new"


@contextmanager
def _alone(watched: WatchedFolder) -> Iterator[bool]:
    """A lock that is gone with its connection, so that nobody is locked out by a worker that was killed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [WATCH_LOCK, watched.pk])
        (alone,) = cursor.fetchone()
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [WATCH_LOCK, watched.pk])

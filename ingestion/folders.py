"""Pictures in a folder of this machine: imported on demand, or watched."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from gallery import originals
from gallery.models import ImageSource
from gallery.pictures import EXTENSION, DecoderBusy, PictureError
from ingestion.models import Edits, KnownFile, WatchedFolder
from ingestion.pipeline import Origin, Outcome, Result, import_blocks
from ingestion.sidecar_words import key, stored_path, take
from ingestion.sidecars import READ, names_beside

logger = logging.getLogger(__name__)

EXTENSIONS = {f".{extension}" for extension in (*EXTENSION.values(), "jpeg", "tiff", "jfif", "heic", "heif")}
SETTLED = 5
"""Seconds: a younger file in a watched folder may still be written to."""
CHUNK = 500
MAX_SECONDS_A_LOOK = 30
"""For all folders together. Then the thread is given back: the jobs need it for the other half of each minute."""
SAID = {Result.LATER: "to look at again, because the search did not answer"}
BROKEN_OFF = "This look broke off: see the log."
WARNED = 5
"""Sidecars that could not be read, and that the result of a look names."""
MADE = {"renditions", "private", "queries", "held", ".incoming"}
"""Folders in the media of a gallery whose pictures nobody brought."""


@dataclass(frozen=True)
class Entry:
    """A file as it was found."""

    path: str
    bytes: int
    modified_ns: int
    sidecars: tuple[Entry, ...] = ()
    """Files beside it that say what is in the picture."""

    @property
    def stamp(self) -> tuple[int, int]:
        return self.bytes, self.modified_ns


def find(folder: Path) -> Iterator[Entry]:
    """All pictures below a folder by their extension, in the order of their names; hidden ones are left out.

    OSError if the folder itself cannot be read; what cannot be read inside is passed over. Links to files are
    followed, links to folders are not: they may lead in circles. The files of galleries are left out: each thumbnail
    would be a new picture with new thumbnails. Only their originals can be imported, by naming that folder.
    """
    os.listdir(folder)
    if is_made_by_a_gallery(folder):
        raise OSError(errno.EPERM, "A gallery keeps what it makes itself in this folder", str(folder))
    own = _own_folder(folder)
    for parent, folders, files in os.walk(folder):
        if {".incoming", "renditions"} <= set(folders):  # the media of another gallery
            folders.clear()
        folders[:] = sorted(f for f in folders if not f.startswith(".") and os.path.join(parent, f) != own)
        beside = {name.lower(): name for name in files if os.path.splitext(name)[1].lower() in READ}
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                entry = _entry(os.path.join(parent, name))
                if entry:
                    sidecars = [_entry(os.path.join(parent, one)) for one in names_beside(name, beside)]
                    yield replace(entry, sidecars=tuple(one for one in sidecars if one))


def is_made_by_a_gallery(folder: Path) -> bool:
    """It lies in the renditions, the queries or the unfinished uploads of this gallery or of another one."""
    real = folder.resolve()
    return any(place.name in MADE and _is_media(place.parent) for place in (real, *real.parents))


def _is_media(folder: Path) -> bool:
    ours = folder == settings.MEDIA_ROOT.resolve()
    return ours or ((folder / ".incoming").is_dir() and (folder / "renditions").is_dir())


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
    """Those that were not looked at before, or whose sidecars were not, as far as size and date tell.

    ``again``: also those that are known, but not in the gallery: refused, when there were other limits, skipped, held
    or purged.
    """
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == CHUNK:
            yield from _unknown(batch, again)
            batch = []
    yield from _unknown(batch, again)


def _unknown(batch: list[Entry], again: bool) -> list[Entry]:
    names = {stored_path(entry.path): entry for entry in batch}
    known = KnownFile.objects.filter(path__in=names)
    if again:
        known = known.filter(image__isnull=False)
    stamps = {path: (size, modified) for path, size, modified in known.values_list("path", "bytes", "modified_ns")}
    seen = {path: entry for path, entry in names.items() if stamps.get(path) == entry.stamp}
    changed = _with_new_sidecars(seen)
    return [entry for path, entry in names.items() if path not in seen or path in changed]


def _with_new_sidecars(seen: dict[str, Entry]) -> set[str]:
    """Of files whose picture is in the gallery; those of a picture that was thrown away do not bring it back."""
    stamps = {key(path, each.path): (path, each.stamp) for path, entry in seen.items() for each in entry.sidecars}
    if not stamps:
        return set()
    known = KnownFile.objects.filter(path__in=stamps).values_list("path", "bytes", "modified_ns")
    read = {path: (size, modified) for path, size, modified in known}
    changed = {path for name, (path, stamp) in stamps.items() if read.get(name) != stamp}
    return set(_here().filter(path__in=changed).values_list("path", flat=True)) if changed else set()


def _here() -> QuerySet[KnownFile]:
    return KnownFile.objects.filter(image__isnull=False, image__trashed_at__isnull=True)


def import_entry(entry: Entry, may_restore: bool = False, edits: str | None = None) -> Outcome:
    """Import one file and what is beside it, and remember both, so that an interrupted import goes on where it was.

    ``edits``: see Origin.
    """
    address = stored_path(entry.path)
    size, modified = entry.stamp
    known = _here().filter(path=address, bytes=size, modified_ns=modified).select_related("image").first()
    if known and entry.sidecars:
        outcome = Outcome(os.path.basename(address), Result.KNOWN, known.image)
    else:
        outcome = _import_picture(entry, address, may_restore, edits)
    if outcome.image is None or outcome.is_trashed or not entry.sidecars:
        return outcome
    return replace(outcome, warnings=take(outcome.image, address, entry.sidecars))


def _import_picture(entry: Entry, address: str, may_restore: bool, edits: str | None) -> Outcome:
    origin = Origin(ImageSource.Kind.FOLDER, address, may_restore=may_restore, edits=edits, may_wait=True)
    try:
        outcome = import_blocks(_blocks(entry.path), os.path.basename(entry.path), origin)
    except OSError as error:
        # Not remembered: the file may be readable the next time, or the disk have room again.
        reason = f"This file cannot be imported now: {error.strerror or error}."
        return Outcome(os.path.basename(address), Result.REFUSED, error=PictureError("corrupt", reason))
    except DecoderBusy as error:
        return Outcome(os.path.basename(address), Result.REFUSED, error=PictureError("busy", str(error)))
    if outcome.result == Result.LATER:
        return outcome  # not remembered: the next look meets it again
    # Without the image that lies in the trash: who names the folder again, on purpose, means this file too.
    image = None if outcome.is_trashed else outcome.image
    KnownFile.remember(address, entry.stamp, result=str(outcome.result), reason=outcome.reason, image=image)
    return outcome


def _blocks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(originals.BLOCK):
            yield block


class Clock:
    """Runs for all folders of a look, from the first picture on: however long the way to it was, a look brings one."""

    ends: float | None = None

    def start(self) -> None:
        if self.ends is None:
            self.ends = time.monotonic() + MAX_SECONDS_A_LOOK

    @property
    def is_over(self) -> bool:
        return self.ends is not None and time.monotonic() > self.ends


def watch_all() -> None:
    """Look through every watched folder: those of LOOKALIKE_WATCH and those named in the admin."""
    for path in settings.WATCH:
        WatchedFolder.objects.get_or_create(path=path)
    # Whoever has waited longest comes first: a folder that is never done does not starve the others.
    look_through(WatchedFolder.objects.filter(active=True).order_by(F("last_scan").asc(nulls_first=True), "pk"))


def look_through(folders: Iterable[WatchedFolder]) -> None:
    """Import what is new and settled. A folder that is away is told, and never makes anything disappear.

    Does nothing while another look is going on: it can take hours, and the other threads have jobs to do.
    """
    with _alone() as alone:
        clock = Clock()
        for watched in folders if alone else ():
            if clock.is_over:
                break
            watched.result = BROKEN_OFF
            try:
                watched.result = _look(watched, clock)
            finally:  # whatever it was: the other folders have waited longer from now on
                WatchedFolder.objects.filter(pk=watched.pk).update(result=watched.result, last_scan=Now())


def _look(watched: WatchedFolder, clock: Clock) -> str:
    """What came of it, in words."""
    counts: Counter[Result] = Counter()
    warnings: list[str] = []
    # Nobody is told of those that are kept, so nobody looks for them: the page of duplicates has them later.
    edits = None if watched.edits == Edits.KEEP else watched.edits
    try:
        for entry in new_entries(_settled(find(Path(watched.path)))):
            clock.start()
            outcome = _import_or_tell(entry, edits)
            counts[outcome.result] += 1
            warnings += outcome.warnings
            if clock.is_over:
                return f"{_summary(counts, warnings)}, more to come"
    except OSError as error:
        return f"This folder cannot be read: {error.strerror}."
    return _summary(counts, warnings)


def _import_or_tell(entry: Entry, edits: str | None) -> Outcome:
    """One file must not stop all that come after it, and the folders that come after its folder."""
    try:
        return import_entry(entry, edits=edits)
    except Exception as error:
        if not connection.is_usable():
            raise
        logger.exception("%s was not imported", stored_path(entry.path))
        name = stored_path(os.path.basename(entry.path))
        reason = f"{name} was not imported: {type(error).__name__}, see the log."
        return Outcome(name, Result.REFUSED, error=PictureError("corrupt", reason), warnings=[reason])


def _settled(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Those that nobody is writing; a sidecar that somebody is writing comes with the next look."""
    for entry in entries:
        if _is_settled(entry):
            yield replace(entry, sidecars=tuple(one for one in entry.sidecars if _is_settled(one)))


def _is_settled(entry: Entry) -> bool:
    """Not touched a moment ago. A date in the future comes from a camera whose clock is wrong."""
    return abs(time.time() - entry.modified_ns / 1e9) > SETTLED


def _summary(counts: Counter[Result], warnings: list[str]) -> str:
    """With the first of the warnings: there is room for some lines."""
    said = ", ".join(f"{n} {SAID.get(result, result)}" for result, n in counts.items()) or "nothing new"
    more = [f"And {len(warnings) - WARNED} more."] if len(warnings) > WARNED else []
    return ". ".join([said, " ".join([*warnings[:WARNED], *more])]) if warnings else said


@contextmanager
def _alone() -> Iterator[bool]:
    """A lock that the kernel drops with its process, so that nobody is locked out by a worker that was killed."""
    settings.VAR.mkdir(parents=True, exist_ok=True)
    with open(settings.VAR / "watch.lock", "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True

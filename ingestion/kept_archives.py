"""Archives that sources name: each is fetched once, and kept beside the uploads that come in for as long as it is used.

The sweep of unfinished uploads takes what nobody has touched for a day; then it is fetched again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from ingestion.archive_formats import MAX_UNPACKED, Budget
from ingestion.archives import IncomingArchive, kind_of
from ingestion.download import DownloadError, Seconds, Web
from ingestion.models import Source, WatchedFolder
from ingestion.tars import packing_of, tar_blocks

PREFIX = "archive-"
FOR_AN_ARCHIVE = Seconds(read=15.0, total=1800.0)


@dataclass(frozen=True)
class Kept:
    path: Path
    stamp: str
    """Another one means that there is something else at its address."""

    def forget(self) -> None:
        """So that the next one who asks gets it from its address again."""
        if self.path.name.startswith(PREFIX) and self.path.parent == _folder():
            self.path.unlink(missing_ok=True)


def is_url(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))


def keep(address: str, web: Web, *, news: bool = False) -> Kept | None:
    """The archive at a URL, or at a path of this machine under a folder that may be read.

    ``news``: what is kept is not enough; None if nothing has changed since it was fetched. DownloadError, PictureError
    ("too_large"), ArchiveError.
    """
    return _fetched(address, web, news) if is_url(address) else _of_this_machine(address)


def _fetched(url: str, web: Web, news: bool) -> Kept | None:
    there = _kept(url)
    if there and not news:
        return there
    with IncomingArchive(urlsplit(url).path) as incoming:
        if web.file(url, incoming, known=news, seconds=FOR_AN_ARCHIVE) is None:
            return there
        return _store(incoming.finish().path, url, incoming.sha256[:16])


def _of_this_machine(address: str) -> Kept:
    path = Path(address)
    if why_not := refused_path(address):
        raise DownloadError("forbidden", why_not)
    try:
        found = path.stat()
        stamp = f"{found.st_size}-{found.st_mtime_ns}"
        with open(path, "rb") as file:
            packed = packing_of(file.read(8))
        if not packed or kind_of(path) != "tar":
            return Kept(path, stamp)
    except OSError as error:
        raise DownloadError("gone", f"The archive cannot be read: {error.strerror}.") from error
    there = _kept(address)
    return there if there and there.stamp == stamp else _store(path, address, stamp)


def _store(path: Path, address: str, stamp: str) -> Kept:
    """A tar without its packing: any member of it is found without unpacking all that lie before it."""
    target = _folder() / f"{_prefix(address)}{stamp}"
    with open(path, "rb") as file:
        packed = packing_of(file.read(8))
    if packed and kind_of(path) == "tar":
        with IncomingArchive(path.name, MAX_UNPACKED) as tar:
            tar.fill(tar_blocks(path, Budget(path.stat().st_size)))
            os.replace(tar.path, target)
    else:
        os.replace(path, target)
    for older in _folder().glob(f"{_prefix(address)}*"):
        if older != target:
            older.unlink(missing_ok=True)
    return Kept(target, stamp)


def _kept(address: str) -> Kept | None:
    for path in _folder().glob(f"{_prefix(address)}*"):
        with suppress(FileNotFoundError):
            os.utime(path)
            return Kept(path, path.name.removeprefix(_prefix(address)))
    return None


def _prefix(address: str) -> str:
    return f"{PREFIX}{hashlib.sha256(address.encode('utf-8', 'replace')).hexdigest()[:32]}-"


def _folder() -> Path:
    folder = Path(settings.MEDIA_ROOT) / ".incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# --- what may be read of this machine
def refused_path(address: str) -> str:
    """Why an archive of this machine is not read, in a sentence; "": it may be."""
    if not os.path.isabs(address):
        return "Write the whole path, from the root: /home/me/Pictures/holiday.zip."
    real = os.path.realpath(address)
    if Path(real).is_relative_to(Path(settings.MEDIA_ROOT).resolve()):
        return "The gallery keeps its own files in this folder."
    if not any(Path(real).is_relative_to(folder) for folder in _allowed()):
        return (
            "It lies in no folder that the gallery may read: name one in LOOKALIKE_WATCH, watch it from the Import "
            "page, or add it as a source of its own."
        )
    return ""


def _allowed() -> Iterator[str]:
    """Real paths."""
    watched: Iterable[str] = WatchedFolder.objects.values_list("path", flat=True)
    sources = Source.objects.filter(kind="folder").values_list("options__folder", flat=True)
    for folder in (*settings.WATCH, *watched, *sources):
        if isinstance(folder, str) and os.path.isabs(folder):
            yield os.path.realpath(folder)

"""Archives of pictures: zip, tar (packed or not) and rar, told by their content.

Nothing is ever unpacked to a place that an archive names: members are read as streams, and each goes where a picture
that comes in goes. What climbs out of its folder, links, devices and what needs a password is passed over, and named.
"""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from gallery.names import printable, safe_name
from gallery.originals import Incoming
from gallery.pictures import PictureError
from ingestion.archive_formats import ArchiveError, Blocks, Budget, Entry, rar_entries, zip_entries
from ingestion.folders import EXTENSIONS
from ingestion.tars import is_tar, tar_entries

__all__ = ["ArchiveError", "IncomingArchive", "Member", "PassedOver", "is_archive", "is_archive_name", "members"]

MAX_PACKED = 512 * 2**20
"""Bytes of one archive."""
DEPTH = 1
"""Archives in an archive are opened, those inside them are not."""
MAX_PATH = 600
"""Characters of a path that is shown."""
NAMED, SHORT = 5, 80
"""Members that were passed over, and that a sentence names, and characters of each."""
SIGNS = {b"PK\3\4": "zip", b"PK\5\6": "zip", b"Rar!\x1a\x07": "rar", b"7z\xbc\xaf'\x1c": "7z"}
READERS: dict[str, Callable[[Path, Budget], Iterator[Entry]]] = {
    "zip": zip_entries,
    "rar": rar_entries,
    "tar": tar_entries,
}
_NAME = re.compile(r"\.(?:zip|cbz|rar|cbr|7z|cb7|tar|tgz|tbz2?|txz|tzst|tar\.(?:gz|bz2|xz|zst))$", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True)
class Member:
    """A picture in an archive, or what was passed over (``error``)."""

    path: str
    """For people, and the name of it for ever: "sub/a.png", "inner.zip/a.png". Never a path to be opened."""
    name: str
    """The last part of it."""
    bytes: int
    """As declared: it may lie."""
    place: tuple[int, ...]
    """Where it lies: several may have the same name."""
    error: ArchiveError | None = None
    _open: Blocks = field(default=lambda: iter(()), repr=False, compare=False)

    def open(self) -> Iterator[builtins.bytes]:
        """Its bytes in blocks, once, and only until the next member is asked for. ArchiveError."""
        if self.error:
            raise self.error
        return self._open()


@dataclass
class PassedOver:
    """Members that were not taken, for a sentence."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def note(self, member: Member, why: Exception | None = None) -> None:
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(f"{member.path[-SHORT:]}: {why or member.error}")

    @property
    def sentence(self) -> str:
        """ "": nothing was passed over."""
        more = f" And {self.count - len(self.first)} more." if self.count > len(self.first) else ""
        return f"Passed over: {' '.join(self.first)}{more}" if self.first else ""


class IncomingArchive(Incoming):
    """An archive on its way in may be larger than a picture."""

    kind = "archive"

    def __init__(self, name: str, most: int | None = None) -> None:
        super().__init__(name, MAX_PACKED if most is None else most)


def is_archive(path: Path) -> bool:
    """By its content; also one that cannot be read here, which ``members`` then says."""
    return bool(kind_of(path))


def is_archive_name(name: str) -> bool:
    """By its name, where there is nothing else yet."""
    return bool(_NAME.search(name))


def kind_of(path: Path) -> str:
    """zip, tar, rar or 7z; "": none of them."""
    with open(path, "rb") as file:
        head = file.read(8)
    kind = next((kind for sign, kind in SIGNS.items() if head.startswith(sign)), "")
    return kind or ("tar" if is_tar(path) else "")


def members(path: Path, wanted: Iterable[int] = ()) -> Iterator[Member]:
    """The pictures in an archive and in archives directly in it, and what was passed over; in their order.

    ``wanted``: the place of one member; only it comes. Memory and disk stay bounded whatever the archive says.
    ArchiveError if nothing in it can be taken, or as soon as it is known not to be safe or whole: what came before is
    good. A member that is damaged says so when it is read, and the rest goes on.
    """
    found, refused = 0, None
    budget = Budget(os.path.getsize(path))
    with closing(_walk(path, budget, (), tuple(wanted))) as all_members:
        for member in all_members:
            found += member.error is None
            refused = refused or (member if member.error else None)
            yield member
    if not found and not wanted:
        raise _nothing(refused)


def _nothing(refused: Member | None) -> ArchiveError:
    """``refused``: the first member that was passed over."""
    if refused is None or refused.error is None:
        return ArchiveError("corrupt", "There is no picture in this archive.")
    why = f"{refused.path[-SHORT:]}: {refused.error}"
    return ArchiveError(refused.error.code, f"Nothing in this archive can be taken. {why}")


def _walk(
    path: Path, budget: Budget, inside: tuple[int, ...], wanted: tuple[int, ...], prefix: str = ""
) -> Generator[Member, None, None]:
    for number, entry in enumerate(_entries(path, budget)):
        budget.member()
        place = (*inside, number)
        if wanted and place != wanted[: len(place)]:
            continue
        shown = prefix + _shown(entry.path)
        error = entry.error or _outside(entry.path)
        if error is None and _is_hidden(entry.path):
            continue
        nested = error is None and is_archive_name(shown)
        error = error or (None if nested else _no_picture(shown))
        if error is None:
            budget.declare(entry.bytes)
        if nested:
            yield from _nested(entry, budget, place, wanted, shown)
        else:
            yield Member(shown, safe_name(shown), entry.bytes, place, error, entry.blocks)


def _entries(path: Path, budget: Budget) -> Iterator[Entry]:
    kind = kind_of(path)
    if kind in READERS:
        return READERS[kind](path, budget)
    if kind:
        raise ArchiveError("unsupported", "Archives of the kind 7z are not read here: zip, tar and rar are.")
    raise ArchiveError("corrupt", "This is no archive that can be read here, or it is damaged.")


def _nested(
    entry: Entry, budget: Budget, place: tuple[int, ...], wanted: tuple[int, ...], shown: str
) -> Iterator[Member]:
    """The members of an archive in an archive. What is wrong with it is no reason to leave its neighbours."""
    if len(place) > DEPTH:
        error = ArchiveError("unsafe_archive", "It is an archive in an archive in an archive.")
        yield Member(shown, safe_name(shown), entry.bytes, place, error)
        return
    try:
        with IncomingArchive(shown) as inner:
            inner.fill(entry.blocks())
            yield from _walk(inner.path, budget, place, wanted, f"{shown}/")
    except PictureError as error:
        raise ArchiveError("unsafe_archive", str(error)) from error
    except ArchiveError as error:
        if error.code == "unsafe_archive":
            raise
        yield Member(shown, safe_name(shown), entry.bytes, place, error)


def _shown(path: str) -> str:
    parts = [printable(part) for part in re.split(r"[/\\]", path)]
    path = "/".join(part for part in parts if part not in ("", ".")) or "untitled"
    half = MAX_PATH // 2
    return path if len(path) <= MAX_PATH else f"{path[: half - 1]}…{path[-half:]}"


def _outside(path: str) -> ArchiveError | None:
    parts = re.split(r"[/\\]", path)
    if not parts[0] or _DRIVE.match(path) or ".." in parts:
        return ArchiveError("unsafe_archive", "Its name leads out of the archive.")
    return None


def _is_hidden(path: str) -> bool:
    """What programs leave beside pictures: "__MACOSX/._a.png" is no picture in spite of its name."""
    return any(part == "__MACOSX" or (part.startswith(".") and part != ".") for part in re.split(r"[/\\]", path))


def _no_picture(shown: str) -> ArchiveError | None:
    if os.path.splitext(shown)[1].lower() in EXTENSIONS:
        return None
    return ArchiveError("unsupported", "Its name is not that of a picture.")

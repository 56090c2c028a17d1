"""Indexes on disk: indexes/<engine>-<version>/<log position>/ with the files of the index and a header.

A snapshot is written beside the others under a temporary name, flushed, and renamed: it is there as a whole or not at
all. It is only ever a cache, so that every doubt about one is answered by building the index again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from gallery.originals import flush_folder
from search.engines._base import Engine
from search.indexes._base import Index, IndexDamaged

KEEP = 2
MAGIC = "lookalike index 1"


@dataclass(frozen=True)
class Header:
    magic: str
    engine: str
    version: int
    width: int
    count: int
    position: int
    files: dict[str, str]
    """{file name: sha256}"""


def folder_of(engine: Engine, root: Path) -> Path:
    return root / f"{engine.name}-{engine.version}"


def positions(folder: Path) -> list[int]:
    """Log positions of the finished snapshots, newest first."""
    if not folder.is_dir():
        return []
    return sorted((int(p.name) for p in folder.iterdir() if p.name.isdecimal()), reverse=True)


def write(engine: Engine, index: Index, position: int, root: Path) -> Path:
    """Write a snapshot that holds everything up to ``position``; older ones than the last KEEP are removed.

    OSError when the disk is full or read-only; nothing is left behind then.
    """
    folder = folder_of(engine, root)
    part, target = folder / f".{position}.{os.getpid()}.part", folder / str(position)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        index.write(part)
        header = Header(MAGIC, engine.name, engine.version, index.width, len(index), position, _checksums(part))
        _write_flushed(part / "header.json", json.dumps(asdict(header), indent=1))
        if not target.exists():
            part.rename(target)
            flush_folder(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in positions(folder)[KEEP:]:
        shutil.rmtree(folder / str(old), ignore_errors=True)
    return target


def read_newest(engine: Engine, index: Index, root: Path, at_most: int) -> int | None:
    """Fill the index from the newest good snapshot that is not ahead of the log. Returns its position, or None.

    One that is ahead of the log (``at_most``) belongs to another database or to a later state of this one. Bad ones
    are removed.
    """
    folder = folder_of(engine, root)
    for position in positions(folder):
        snapshot = folder / str(position)
        try:
            _check(engine, snapshot, position, at_most)
            index.read(snapshot)
            return position
        except (IndexDamaged, OSError, ValueError, TypeError, KeyError):
            shutil.rmtree(snapshot, ignore_errors=True)
    return None


def _check(engine: Engine, snapshot: Path, position: int, at_most: int) -> None:
    header = Header(**json.loads((snapshot / "header.json").read_text()))
    wanted = (MAGIC, engine.name, engine.version, engine.new_index().width, position)
    if (header.magic, header.engine, header.version, header.width, header.position) != wanted:
        raise IndexDamaged("The header speaks of another index.")
    if position > at_most:
        raise IndexDamaged("The snapshot is newer than the database.")
    if header.files != _checksums(snapshot):
        raise IndexDamaged("The files are not those that were written.")


def _checksums(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name != "header.json":
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _write_flushed(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())

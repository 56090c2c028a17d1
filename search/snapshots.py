"""Indexes on disk: indexes/<engine>-<version>/<log position>/ with the files of the index and a header.

A snapshot is written beside the others under a temporary name, flushed, and renamed: it is there as a whole or not at
all. It is only ever a cache, so that every doubt about one is answered by building the index again.

A log position alone does not say whose log: a database that was restored from a backup counts on from there. So each
snapshot has an id, the caller keeps the ids in the database (search.models.Snapshot), and only those are read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from gallery.disk import flush_folder
from search.engines._base import Engine
from search.indexes._base import Index, IndexDamaged

logger = logging.getLogger(__name__)

KEEP = 2
MAGIC = "lookalike index 2"


@dataclass(frozen=True)
class Header:
    magic: str
    id: str
    engine: str
    version: int
    width: int
    count: int
    position: int
    files: dict[str, str]
    """{file name: sha256}"""


def folder_of(engine: Engine, root: Path) -> Path:
    return root / f"{engine.name}-{engine.version}"


def remove_all(name: str, version: int, root: Path) -> None:
    """Those of a version of an engine that nobody asks any more."""
    shutil.rmtree(root / f"{name}-{version}", ignore_errors=True)


def positions(folder: Path) -> list[int]:
    """Log positions of the finished snapshots, newest first."""
    if not folder.is_dir():
        return []
    return sorted((int(p.name) for p in folder.iterdir() if p.name.isdecimal()), reverse=True)


def write(engine: Engine, index: Index, position: int, root: Path, id: str) -> Path:
    """Write a snapshot that holds everything up to ``position``; older ones than the last KEEP are removed.

    The database must know the ``id`` already. One writer at a time. Returns its folder, which may be there already.
    OSError when the disk is full or read-only; nothing is left behind then.
    """
    folder = folder_of(engine, root)
    part, target = folder / f".{position}.{os.getpid()}.part", folder / str(position)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        index.write(part)
        header = Header(MAGIC, id, engine.name, engine.version, index.width, len(index), position, _checksums(part))
        _write_flushed(part / "header.json", json.dumps(asdict(header), indent=1))
        if not target.exists():
            part.rename(target)
            flush_folder(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in positions(folder)[KEEP:]:
        shutil.rmtree(folder / str(old), ignore_errors=True)
    return target


def read_newest(engine: Engine, index: Index, root: Path, known: dict[int, str]) -> int | None:
    """Fill the index from the newest good snapshot that is ``known`` ({position: id}). Returns its position, or None.

    Damaged ones are removed. Unknown ones, and those that cannot be read just now, are passed over.
    """
    folder = folder_of(engine, root)
    for position in positions(folder):
        snapshot = folder / str(position)
        try:
            if position in known and _check(engine, snapshot, position).id == known[position]:
                index.read(snapshot)
                return position
        except (IndexDamaged, OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("The snapshot %s cannot be used: %s", snapshot, error)
            if _is_damage(error):
                shutil.rmtree(snapshot, ignore_errors=True)
    return None


def _is_damage(error: Exception) -> bool:
    """Too many open files, or a disk that does not answer, say nothing about the snapshot."""
    cause = error.__cause__ or error
    return not isinstance(cause, OSError) or isinstance(cause, (FileNotFoundError, NotADirectoryError))


def remove_foreign(engine: Engine, root: Path, known: dict[int, str]) -> None:
    """Remove the snapshots that are not ``known``. Only while nobody can be writing one."""
    folder = folder_of(engine, root)
    for position in positions(folder):
        if _id_of(folder / str(position)) != known.get(position):
            shutil.rmtree(folder / str(position), ignore_errors=True)


def _id_of(snapshot: Path) -> str:
    """ "" if it has none that can be read; OSError if it cannot be read just now."""
    try:
        return str(json.loads((snapshot / "header.json").read_text())["id"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return ""


def _check(engine: Engine, snapshot: Path, position: int) -> Header:
    header = Header(**json.loads((snapshot / "header.json").read_text()))
    wanted = (MAGIC, engine.name, engine.version, engine.new_index().width, position)
    if (header.magic, header.engine, header.version, header.width, header.position) != wanted:
        raise IndexDamaged("The header speaks of another index.")
    if header.files != _checksums(snapshot):
        raise IndexDamaged("The files are not those that were written.")
    return header


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

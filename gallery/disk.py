"""What a file needs to outlive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def flush_folder(folder: Path) -> None:
    """A rename is only safe from a power cut when its folder has been flushed too. OSError if it cannot be."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folders(folder: Path) -> None:
    """mkdir -p that also flushes each parent in which a folder is new. OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for new in missing:
        flush_folder(new.parent)

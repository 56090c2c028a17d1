"""A gallery in a temporary folder, for benchmarks: ``with own_gallery(): import django models``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "photos"


@contextmanager
def own_gallery() -> Iterator[Path]:
    """Settings, database and media of a gallery in this process; the folder is yielded. It is fresh, and removed at
    the end, unless BENCH_FOLDER says which to make or to take again."""
    kept = os.environ.get("BENCH_FOLDER")
    if kept:
        Path(kept).mkdir(exist_ok=True)
    folder = Path(kept or tempfile.mkdtemp(prefix="lookalike-bench-"))
    folder.chmod(0o755)  # as root, the database server runs as another user
    os.environ |= {"LOOKALIKE_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "gallery.settings"}
    import django

    django.setup()
    from django.db import connection

    from gallery.commands import migrate

    migrate()
    try:
        yield folder
    finally:
        connection.close()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)

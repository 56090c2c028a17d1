"""DATABASE_URL: the gallery on a PostgreSQL that is not its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from gallery.database.cluster import Cluster
from tests.pictures import encode, photo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="lookalike-url-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The address of an empty database in a server that the gallery knows nothing of."""
    cluster = Cluster(folder / "server")
    cluster.attach()
    with psycopg.connect(host=str(cluster.socket), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE pictures")
    yield f"postgres://postgres@{quote(str(cluster.socket), safe='')}/pictures"
    cluster.detach()


def manage(folder: Path, url: str, *arguments: object) -> str:
    run = subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "LOOKALIKE_VAR": str(folder / "var")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_it_works(folder: Path, url: str) -> None:
    (folder / "inbox").mkdir()
    for seed in (1, 2):
        (folder / "inbox" / f"{seed}.jpg").write_bytes(encode(photo(seed)))
    assert "2 stored" in manage(folder, url, "import", folder / "inbox", "--wait")
    (found, *_) = json.loads(manage(folder, url, "search", "--image", folder / "inbox" / "2.jpg", "--json"))
    assert (found["file"], found["certain"]) == ("2.jpg", True)
    assert not (folder / "var" / "postgresql").exists()

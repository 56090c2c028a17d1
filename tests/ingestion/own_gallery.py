"""A gallery in a folder of its own, used by real processes that the test may kill."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from gallery.database.cluster import PORT, USER, Cluster

ROOT = Path(__file__).resolve().parents[2]


class OwnGallery:
    def __init__(self, var: Path) -> None:
        self.var = var
        self.cluster = Cluster(var / "postgresql")
        self._started: list[subprocess.Popen] = []

    def start(self, *command: object, program: tuple[str, ...] = ("manage.py",), **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *program, *map(str, command)],
            cwd=ROOT,
            env=os.environ | {"LOOKALIKE_VAR": str(self.var), "LOOKALIKE_LOG_LEVEL": "ERROR"} | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def run(self, *command: object) -> str:
        """What it says. It must end well."""
        process = self.start(*command)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        return out

    def sql(self, statement: str) -> list[tuple]:
        """Starts the server if it does not run, and keeps it until the end of the test."""
        with self._database("lookalike") as database:
            cursor = database.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _database(self, name: str) -> psycopg.Connection:
        self.cluster.start()
        return psycopg.connect(host=str(self.cluster.socket), port=PORT, user=USER, dbname=name, autocommit=True)

    def keep_as_it_is(self) -> None:
        """For begin_again(): the database. There are no pictures yet."""
        with self._database("postgres") as database:
            database.execute("CREATE DATABASE as_it_was TEMPLATE lookalike")

    def begin_again(self) -> None:
        """Without what another test has brought. Another gallery would need a server and processes of its own."""
        with self._database("postgres") as database:
            database.execute("DROP DATABASE lookalike WITH (FORCE)")
            database.execute("CREATE DATABASE lookalike TEMPLATE as_it_was")
        for folder in ("media", "indexes"):
            shutil.rmtree(self.var / folder, ignore_errors=True)

    def wait_for_files(self, folder: str, process: subprocess.Popen) -> None:
        self.wait_for(lambda: any(path.is_file() for path in (self.var / folder).rglob("*")), process)

    def wait_for(self, condition: Callable[[], bool], process: subprocess.Popen) -> None:
        ends = time.monotonic() + 240
        while not condition():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends
            time.sleep(0.01)

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()
        self.cluster.attach()  # the last one out stops the server
        self.cluster.detach()


@contextmanager
def own_gallery(begin: Path | None = None) -> Iterator[OwnGallery]:
    """One with its own database server, for tests with real processes to kill: a copy of ``begin``, or not yet made."""
    with tempfile.TemporaryDirectory(prefix="lookalike-own-") as folder:
        Path(folder).chmod(0o755)  # as root, the database server runs as another user and must get in
        gallery = OwnGallery(Path(folder) / "var")
        if begin:
            subprocess.run(["cp", "-a", begin, gallery.var], check=True)  # with the owners of its files
        try:
            yield gallery
        finally:
            gallery.end()

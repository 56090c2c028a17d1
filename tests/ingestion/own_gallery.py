"""A gallery in a folder of its own, used by real processes that the test may kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
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
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        return out

    def sql(self, statement: str) -> list[tuple]:
        """Starts the server if it does not run, and keeps it until the end of the test."""
        self.cluster.start()
        host = str(self.cluster.socket)
        with psycopg.connect(host=host, port=PORT, user=USER, dbname="lookalike", autocommit=True) as database:
            cursor = database.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def wait_for_files(self, folder: str, process: subprocess.Popen) -> None:
        self.wait_for(lambda: any(path.is_file() for path in (self.var / folder).rglob("*")), process)

    def wait_for(self, condition: Callable[[], bool], process: subprocess.Popen) -> None:
        ends = time.monotonic() + 60
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

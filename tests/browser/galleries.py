"""Whole galleries, each started as its users start it. What they begin with is made once in a run and copied."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image as Picture

from tests.pictures import encode, photo
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
COUNT = 70
"""Pictures in the gallery: more than two pages."""
SHAPES = [(480, 360), (360, 480), (640, 300), (400, 400)]
PATIENCE = 300
"""Seconds that a busy machine may take to start a gallery."""

SHELL = """
import contextlib, io, json, sys, traceback
from django.core.management import call_command
from django.db import close_old_connections
for line in sys.stdin:
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(json.loads(line), {"call_command": call_command})
        except Exception:
            error = traceback.format_exc()
    close_old_connections()
    print(json.dumps({"printed": printed.getvalue(), "error": error}), flush=True)
"""
"""Runs what it reads, a string of JSON in each line, and answers with a line."""

EMPTY = """
from django.db import connection
from gallery.commands import migrate
migrate()
call_command("collectstatic", verbosity=0, interactive=False)
with connection.cursor() as cursor:
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        cursor.execute(f"ALTER SYSTEM SET {setting} = off")
"""
"""The tables of a gallery, on a server that has to survive no power cut."""


@dataclass
class Site:
    url: str
    folder: Path
    environment: dict[str, str]
    welcome: str = ""
    """The link to the first account."""
    shell: subprocess.Popen[str] | None = None

    def manage(self, *arguments: str) -> str:
        """What the command prints."""
        return self.run(f"call_command(*{arguments!r})")

    def run(self, code: str) -> str:
        """What Python code prints in this gallery. One process for all: each takes seconds to start."""
        if self.shell is None:
            self.shell = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "--no-imports", "-c", SHELL],
                cwd=ROOT,
                env=self.environment | {"LOOKALIKE_WORKERS": "1"},  # pictures come in the order of their names
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.shell.stdin
        assert self.shell.stdout
        self.shell.stdin.write(json.dumps(code) + "\n")
        self.shell.stdin.flush()
        answer = json.loads(self.shell.stdout.readline())
        assert not answer["error"], answer["error"]
        return str(answer["printed"])

    def bring(self, name: str, files: dict[str, bytes], *options: str) -> None:
        """Imports them from a folder of this name; they can be found then."""
        inbox = self.folder / name
        inbox.mkdir()
        for file, content in files.items():
            (inbox / file).write_bytes(content)
        self.manage("import", str(inbox), *options, "--wait")

    def close(self) -> None:
        if self.shell:
            self.shell.communicate()
            self.shell = None


@contextmanager
def a_gallery(begin: Path, **settings: str) -> Iterator[Site]:
    """`manage.py run` in a copy of the folder ``begin``, which is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lookalike-browser-"))
    copy(begin, folder)
    port = free_port()
    site = Site(f"http://localhost:{port}", folder, environment_of(folder) | settings)
    with (folder / "printed").open("w") as printed:
        command = [sys.executable, "manage.py", "run", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=site.environment, stdout=printed)
    try:
        site.welcome = read_welcome(folder / "printed")
        yield site
    finally:
        site.close()
        process.send_signal(signal.SIGINT)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


class Beginnings:
    """Folders of galleries that are at rest, shared by all processes of a run; the last one out removes them."""

    def __init__(self, run: str) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"lookalike-beginnings-{run}"
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self._share = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._share, fcntl.LOCK_SH)

    def close(self) -> None:
        with suppress(BlockingIOError):  # somebody else may want another one
            fcntl.flock(self._share, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(self.folder)
        os.close(self._share)

    def empty(self) -> Path:
        """A gallery with no picture and no account."""
        return self._once("empty", lambda site: site.run(EMPTY))

    def filled(self) -> Path:
        """One with COUNT pictures that can all be found, and no account."""
        return self._once("filled", fill, self.empty)

    def _once(self, name: str, make: Callable[[Site], object], begin: Callable[[], Path] | None = None) -> Path:
        made, part = self.folder / name, self.folder / f"{name}.part"
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                part.chmod(0o755)
                if begin:
                    copy(begin(), part)
                site = Site("", part, environment_of(part))
                try:
                    make(site)
                finally:
                    site.close()  # which stops the database: nobody else uses it
                part.rename(made)
        return made


def fill(site: Site) -> None:
    site.bring("inbox", {f"{seed:03}.jpg": encode(picture(seed)) for seed in range(COUNT)})


def picture(seed: int) -> Picture:
    """What the gallery has under this number."""
    return photo(seed, *SHAPES[seed % 4])


def copy(begin: Path, folder: Path) -> None:
    """With owners: the database may belong to another account."""
    subprocess.run(["cp", "-a", f"{begin}/.", str(folder)], check=True)
    folder.chmod(0o755)


def environment_of(folder: Path) -> dict[str, str]:
    return os.environ | {"LOOKALIKE_VAR": str(folder)}


def read_welcome(log: Path) -> str:
    end = time.monotonic() + PATIENCE
    while "Ctrl-C" not in log.read_text():
        assert time.monotonic() < end, f"the gallery did not start: {log.read_text()}"
        time.sleep(0.1)
    (link,) = re.findall(r"http\S+/welcome/\S+", log.read_text())
    return link

"""``manage.py run``: one command starts everything, one Ctrl-C stops it, and what dies in between comes back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.pictures import encode, photo
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240
"""Seconds, for a loaded machine; nothing here waits longer than it must."""


class Gallery:
    """A gallery of its own in a folder under /tmp, where PostgreSQL may live even if we are root."""

    def __init__(self) -> None:
        self.var = Path(tempfile.mkdtemp(prefix="lookalike-run-", dir="/tmp"))
        self.var.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOOKALIKE_", "DATABASE_"))}
        self.environment = {**kept, "LOOKALIKE_VAR": str(self.var)}
        self.environment |= {"LOOKALIKE_WEB_PROCESSES": "1", "LOOKALIKE_WEB_THREADS": "2"}

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**self.environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # as in a terminal
        )

    def manage(self, *command: str) -> str:
        said, _ = self.start(*command).communicate(timeout=PATIENCE)
        return said

    def processes(self, *words: str) -> list[psutil.Process]:
        """Those of this gallery, PostgreSQL included, whose command has all the words."""
        return [p for p in psutil.process_iter() if self._is_ours(p) and set(words) <= set(_command(p).split())]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get("LOOKALIKE_VAR") == str(self.var) or process.cwd().startswith(str(self.var))
        except psutil.Error:
            return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def gallery() -> Iterator[Gallery]:
    gallery = Gallery()
    try:
        yield gallery
    finally:
        for process in gallery.processes():
            end(process)
        shutil.rmtree(gallery.var, ignore_errors=True)


def children(supervisor: subprocess.Popen[str], word: str) -> list[psutil.Process]:
    """Those that the supervisor has started: one that they start is for a moment called like them."""
    living = (p for p in psutil.Process(supervisor.pid).children() if word in _command(p).split())
    return [process for process in living if process.is_running()]


def listening(web: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in web.children():
        with suppress(psutil.Error):  # it has ended meanwhile
            found += [process] if process.net_connections("tcp") else []
    return found


def end(process: psutil.Process) -> None:
    try:
        process.terminate()
        process.wait(10)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.Error:
        pass


def until(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
    return found


@contextmanager
def running(gallery: Gallery, **settings: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """(address, what was printed at the start, the supervisor)"""
    port = free_port()
    supervisor = gallery.start("run", "--port", str(port), **settings)
    patience = threading.Timer(PATIENCE, supervisor.kill)
    patience.start()
    try:
        said = ""
        while "Ctrl-C stops it." not in said:
            line = supervisor.stdout.readline()
            assert line, f"It ended: {said}"
            said += line
        patience.cancel()
        yield f"http://127.0.0.1:{port}", said, supervisor
    finally:
        patience.cancel()
        if supervisor.poll() is None:
            supervisor.send_signal(signal.SIGINT)
            try:
                supervisor.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                supervisor.kill()
                supervisor.communicate()


def get(address: str) -> tuple[int, str, dict[str, str]]:
    """(status, text, headers); status 0 when nobody listens."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode(errors="replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace"), dict(error.headers)
    except OSError:
        return 0, "", {}


def test_it_works(gallery: Gallery, tmp_path: Path):
    for seed in range(2):
        (tmp_path / f"{seed}.jpg").write_bytes(encode(photo(seed)))
    with running(gallery) as (address, said, supervisor):
        # it says where it is, and how to get in
        assert f"Lookalike runs at http://localhost:{address[-5:].strip(':')}" in said
        (link,) = re.findall(r"http://localhost:\d+(/welcome/\S+)", said)
        assert "Make its first account" in get(address + link)[1]
        assert get(f"{address}/health/live")[0] == 200
        assert get(f"{address}/health/ready")[0] == 200

        # what another process brings appears when the worker has prepared it
        assert "2 stored" in gallery.manage("import", str(tmp_path))
        until(lambda: get(address)[1].count('class="tile') == 2)
        (rendition, *_) = re.findall(r'src="(/r/[^"]+\.webp)"', get(address)[1])
        status, _, headers = get(address + rendition)
        assert (status, headers["content-type"]) == (200, "image/webp")
        assert "max-age=31536000" in headers["cache-control"]
        assert "x-frame-options" not in {name.lower() for name in headers}  # Django was not asked
        for path in (
            "/r/../secret_key",
            "/r/..%2f..%2fsecret_key",
            "/r/%2e%2e/%2e%2e/secret_key",
            "/r//etc/passwd",
            "/r/",
        ):
            assert get(address + path)[0] in (400, 404)

        # and Ctrl-C ends all of it, PostgreSQL too
        assert len(gallery.processes()) > 5
        supervisor.send_signal(signal.SIGINT)
        rest, _ = supervisor.communicate(timeout=PATIENCE)
        assert "Stopped." in rest
        assert "Traceback" not in rest
        assert supervisor.returncode == 0
        until(lambda: not gallery.processes())  # what was killed last may still be on its way out
        assert get(address)[0] == 0


def test_what_is_killed_comes_back(gallery: Gallery):
    with running(gallery) as (address, _, supervisor):
        (worker,) = children(supervisor, "run_huey")
        worker.kill()
        until(lambda: [p for p in children(supervisor, "run_huey") if p != worker])

        postmaster = int((gallery.var / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        met = set()
        until(lambda: met.add(get(f"{address}/health/ready")[0]) or get(address)[0] == 200)
        until(lambda: get(f"{address}/health/ready")[0] == 200)
        assert met <= {200, 503}

        (web,) = children(supervisor, "granian")
        (its_worker,) = web.children()
        web.kill()
        until(lambda: [p for p in children(supervisor, "granian") if p != web])
        until(lambda: its_worker not in gallery.processes())  # or it would answer beside the new one
        until(lambda: get(f"{address}/health/ready")[0] == 200)


def test_one_of_two_web_processes_dies_and_the_other_goes_on(gallery: Gallery):
    with running(gallery, LOOKALIKE_WEB_PROCESSES="2") as (address, _, supervisor):
        (web,) = children(supervisor, "granian")
        until(lambda: len(listening(web)) == 2)  # the other one may have begun later
        killed, *answering = listening(web)
        killed.kill()
        until(lambda: len([p for p in listening(web) if p != killed]) == 2)
        assert set(answering) < set(web.children())
        assert {get(f"{address}/health/ready")[0] for _ in range(20)} == {200}


def test_a_killed_supervisor_leaves_no_web_server_and_no_worker(gallery: Gallery):
    with running(gallery) as (address, _, supervisor):
        supervisor.kill()
        until(lambda: not gallery.processes("granian") and not gallery.processes("run_huey"))
        assert get(address)[0] == 0
    gallery.manage("jobs")  # the next one out stops the database
    until(lambda: not gallery.processes())


def test_it_starts_behind_a_proxy_that_speaks_https(gallery: Gallery):
    with running(gallery, LOOKALIKE_HTTPS="True") as (address, _, _):
        assert get(f"{address}/health/live")[0] == 200


def test_a_port_that_is_taken_is_said_in_one_sentence(gallery: Gallery):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = gallery.manage("run", "--port", str(port))
    assert (
        f"CommandError: Port {port} on 127.0.0.1 cannot be used (Address already in use). Try --port {port + 1}."
        in said
    )
    assert said.count("\n") == 1
    until(lambda: not gallery.processes())


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none_is_said_in_one_sentence(gallery: Gallery, port: str):
    said = gallery.manage("run", f"--port={port}")
    assert "CommandError: Port" in said
    assert "Traceback" not in said


def test_a_web_server_that_never_answers_is_not_waited_for(monkeypatch):
    from gallery.management.commands import run

    monkeypatch.setattr(run, "START_SECONDS", 0.2)
    with pytest.raises(run.CommandError, match="could not start"):
        run.Command()._announce("127.0.0.1", free_port(), [])


def test_a_gallery_on_the_network_answers_under_the_names_of_the_machine(settings):
    from gallery.management.commands.run import _names

    assert {"localhost", "127.0.0.1", socket.gethostname().lower()} <= set(_names("0.0.0.0"))
    assert "192.168.7.7" in _names("192.168.7.7")
    settings.HOSTS_ARE_NAMED = True
    assert "192.168.7.7" not in _names("192.168.7.7")

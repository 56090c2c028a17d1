"""Everything under one supervisor: the database starts with the first connection, then worker and web server."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from gallery import renditions
from gallery.admission import threads_needed
from gallery.commands import GalleryCommand
from gallery.welcome import gallery_is_claimed, welcome_path

STOP_SECONDS = 15
RESTART_SECONDS = 2
START_SECONDS = 300
"""A web process that cannot start is started again and again; a busy machine may take a minute for the first."""


@dataclass
class Child:
    name: str
    command: list[str]
    stop_signal: signal.Signals
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    started: float = 0.0

    def start(self) -> None:
        self._end_group()
        # A session of its own: Ctrl-C reaches the supervisor alone, and it stops the others in order.
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            self.command,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            env=os.environ | self.environment,
        )
        self.started = time.monotonic()

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def ask_to_stop(self) -> None:
        if self.process is not None and not self.has_ended():
            self.process.send_signal(self.stop_signal)

    def stop(self, seconds: float) -> None:
        """Give it the time to finish what it is doing, then end it."""
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            self._end_group()
            self.process.wait()

    def _end_group(self) -> None:
        """A web server that was killed leaves its own worker behind, which answers beside the next one for ever."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


def stop(children: list[Child]) -> None:
    """All are asked at once, so that together they take no longer than the slowest."""
    end = time.monotonic() + STOP_SECONDS
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.stop(max(0.0, end - time.monotonic()))


def _die_with_parent() -> None:
    """A supervisor that is killed must not leave a web server behind (Linux only; elsewhere it may)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class Command(GalleryCommand):
    help = "Start the gallery: database, worker and web server. Ctrl-C stops all three."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 opens the gallery to your network.")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        _require_free(host, port)
        self._prepare()
        children = [_worker(), _web(host, port)]
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGINT, _interrupt)  # also where a shell had it ignored, as for a job in the background
        try:
            for child in children:
                child.start()
            self._announce(host, port, children)
            self._supervise(children)
        except KeyboardInterrupt:
            self._say("\nStopping …")
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave anything running
            stop(children)
            connection.close()
            self._say("Stopped.")

    def _prepare(self) -> None:
        self._say(f"The gallery is kept in {settings.VAR}.")
        call_command("collectstatic", verbosity=0, interactive=False)
        renditions.root().mkdir(parents=True, exist_ok=True)
        connection.close()  # the supervisor only waits; the embedded server counts this process by a lock, not by this

    def _announce(self, host: str, port: int, children: list[Child]) -> None:
        address = f"http://{_spoken(host)}:{port}"
        end = time.monotonic() + START_SECONDS
        while not _answers(f"http://{_reachable(host)}:{port}/health/live"):
            if any(child.has_ended() for child in children) or time.monotonic() > end:
                raise CommandError("The gallery could not start; the reason stands above.")
            time.sleep(0.1)
        self._say(f"\n  Lookalike runs at {self.style.SUCCESS(address + '/')}\n")
        if not gallery_is_claimed():
            self._say(f"  Make your account (link for one use):\n  {address}{welcome_path()}\n")
        connection.close()
        self._say("  Ctrl-C stops it.")

    def _supervise(self, children: list[Child]) -> None:
        while True:
            time.sleep(0.5)
            for child in children:
                if child.has_ended() and time.monotonic() - child.started > RESTART_SECONDS:
                    self._say(f"The {child.name} ended by itself and is started again.")
                    child.start()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _worker() -> Child:
    return Child("worker", [sys.executable, sys.argv[0], "run_huey", "--skip-checks", "--quiet"], signal.SIGINT)


def _web(host: str, port: int) -> Child:
    command = [sys.executable, "-m", "granian", "gallery.wsgi:application", "--interface", "wsgi"]
    command += ["--host", host, "--port", str(port), "--no-ws", "--log-level", "error"]
    command += ["--workers", str(settings.WEB_PROCESSES), "--respawn-failed-workers", "--respawn-interval", "0.5"]
    command += ["--blocking-threads", str(threads_needed()), "--working-dir", str(settings.BASE_DIR)]
    command += _mount()
    return Child("web server", command, signal.SIGTERM, {"LOOKALIKE_HOSTS": ",".join(_names(host))})


def _mount() -> list[str]:
    """Thumbnails past Django, where everybody may look; else each of them is asked for (gallery.views.rendition)."""
    if settings.ACCESS != "public":
        return []
    mount = ["--static-path-route", settings.RENDITION_URL.rstrip("/"), "--static-path-mount", str(renditions.root())]
    return [*mount, "--static-path-expires", "31536000"]


def _names(host: str) -> list[str]:
    """Under which names the gallery answers: those of the settings, else also those that others reach it by."""
    if settings.HOSTS_ARE_NAMED:
        return settings.ALLOWED_HOSTS
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        return [*settings.ALLOWED_HOSTS, _reachable(host)]
    addresses = [a for addresses in psutil.net_if_addrs().values() for a in addresses]
    ours = [a.address for a in addresses if a.family == socket.AF_INET]
    ours += [f"[{a.address}]" for a in addresses if a.family == socket.AF_INET6 and "%" not in a.address]
    return [*settings.ALLOWED_HOSTS, socket.gethostname().lower(), *ours]


def _require_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CommandError(f"Port {port} on {host} cannot be used ({reason}). Try --port {port + 1}.") from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
            return True
    except urllib.error.HTTPError:
        return True  # it answers, even if only to say that this host name is not allowed
    except OSError:
        return False


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


def _spoken(host: str) -> str:
    return {"127.0.0.1": "localhost", "0.0.0.0": socket.gethostname()}.get(host, _reachable(host))  # noqa: S104


def _interrupt(*args: object) -> None:
    raise KeyboardInterrupt

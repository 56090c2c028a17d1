"""The pace that is kept with each host: one request after the other, and silence when it asks for it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

from django.db import transaction
from django.db.models import DateTimeField, Func

from ingestion.download_errors import DownloadError
from ingestion.models import Server

PAUSE = 1.0
"""Seconds between two requests to the same host, if nobody has set others."""
PATIENCE = 5.0
"""Seconds: so long a wait is slept; for a longer one the caller has other work."""
BACKOFF = 2.0
"""Seconds after the first failure; twice as long after each further one."""
ASKED_TOO_MUCH = 8
"""Times as long, when the host says that we are too fast (429)."""
MOST = 24 * 3600.0


class DatabaseClock(Func):
    """Of this moment; Now() is that at which the transaction began."""

    function = "clock_timestamp"
    output_field = DateTimeField()


def backoff(failures: int, error: DownloadError) -> float:
    """Seconds of silence after so many failures in a row."""
    alone = BACKOFF * 2.0 ** min(failures - 1, 20) * (ASKED_TOO_MUCH if error.status == 429 else 1)
    return min(MOST, max(alone if alone < 3600 else 3600.0, error.again_after or 0.0))


class Pace(ABC):
    def wait(self, host: str, pause: float = PAUSE, patience: float = PATIENCE) -> None:
        """Until it is our turn. ``pause``: of a host that is asked for the first time.

        DownloadError ("rate_limited") if that would take longer than ``patience``; then no turn is taken.
        """
        time.sleep(self._turn(host, pause, patience))

    @abstractmethod
    def _turn(self, host: str, pause: float, patience: float = PATIENCE) -> float:
        """Take the next turn. Seconds until it comes."""

    @abstractmethod
    def slow_down(self, host: str, pause: float) -> None:
        """At least so many seconds between two requests, from now on."""

    @abstractmethod
    def failed(self, host: str, error: DownloadError) -> float:
        """It is in trouble, or we are. Returns the seconds for which it is left alone."""

    @abstractmethod
    def succeeded(self, host: str) -> None: ...


class SharedPace(Pace):
    """Over all processes, by the rows of Server and the clock of the database."""

    def _turn(self, host: str, pause: float, patience: float = PATIENCE) -> float:
        Server.objects.get_or_create(host=host, defaults={"pause": pause})
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            with transaction.atomic():
                # Somebody may hold the row in a long transaction: no reason to hang as long as that.
                server = (
                    Server.objects.select_for_update(skip_locked=True).filter(host=host).annotate(now=DatabaseClock())
                )
                if row := server.first():
                    wait = max(0.0, (row.free_at - row.now).total_seconds())
                    if wait > patience:
                        raise _later(host, wait, row.error)
                    free_at = max(row.free_at, row.now) + timedelta(seconds=row.pause)
                    Server.objects.filter(pk=row.pk).update(free_at=free_at)
                    return wait
            time.sleep(0.02)
        raise _later(host, PATIENCE, "")

    def slow_down(self, host: str, pause: float) -> None:
        if not Server.objects.get_or_create(host=host, defaults={"pause": pause})[1]:
            Server.objects.filter(host=host, pause__lt=pause).update(pause=pause)

    def failed(self, host: str, error: DownloadError) -> float:
        with transaction.atomic():
            row = Server.objects.select_for_update().annotate(now=DatabaseClock()).get(host=host)
            seconds = backoff(row.failures + 1, error)
            free_at = max(row.free_at, row.now + timedelta(seconds=seconds))
            Server.objects.filter(pk=row.pk).update(free_at=free_at, failures=row.failures + 1, error=str(error)[:1000])
        return seconds

    def succeeded(self, host: str) -> None:
        Server.objects.filter(host=host, failures__gt=0).update(failures=0, error="")


@dataclass
class _Known:
    free_at: float = 0.0
    pause: float = 0.0
    failures: int = 0
    error: str = ""


class OwnPace(Pace):
    """Of this process alone, for whoever has no database."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hosts: defaultdict[str, _Known] = defaultdict(_Known)

    def _turn(self, host: str, pause: float, patience: float = PATIENCE) -> float:
        with self._lock:
            known, now = self._hosts[host], time.monotonic()
            wait = max(0.0, known.free_at - now)
            if wait > patience:
                raise _later(host, wait, known.error)
            known.free_at = max(known.free_at, now) + max(pause, known.pause)
        return wait

    def slow_down(self, host: str, pause: float) -> None:
        with self._lock:
            self._hosts[host].pause = max(self._hosts[host].pause, pause)

    def failed(self, host: str, error: DownloadError) -> float:
        with self._lock:
            known = self._hosts[host]
            known.failures, known.error = known.failures + 1, str(error)
            seconds = backoff(known.failures, error)
            known.free_at = max(known.free_at, time.monotonic() + seconds)
        return seconds

    def succeeded(self, host: str) -> None:
        with self._lock:
            self._hosts[host].failures = 0


def _later(host: str, seconds: float, error: str) -> DownloadError:
    why = f" ({error})" if error else ""
    return DownloadError(
        "rate_limited", f"{host} is left alone for another {_told(seconds)}{why}.", again_after=seconds
    )


def _told(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"

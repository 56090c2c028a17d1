"""How much is taken on at once: so many requests run, so many wait, and all others are told at once to come back.

Without it every request of a flood would wait its turn, all answers would come too late for those who asked, and a few
slow readers of large files would hold all threads. The web server has a thread for each request that runs, waits or
streams (THREADS); Django runs in the few threads of its lane, which keep their connections to the database.
"""

from __future__ import annotations

import io
import logging
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections

from gallery.busy import Refusals
from gallery.limits import address_of

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
Start = Callable[..., Any]
Headers = list[tuple[str, str]]

WAITING = 128
"""Requests that may wait in a lane, over all processes. They are answered within a second or two where 100 are a
second."""
PATIENCE = 5.0
"""Seconds that one may have to wait, as far as can be foreseen; after twice as many it is given up."""
LATELY = 0.1
"""Weight of the last request in the time that one takes."""
STREAMS = 32
"""Large files that are sent at once, each for as long as its reader takes."""
SMALL = 2**18
"""Bytes of an answer that is handed over whole, and of a form that does not make anybody wait for its sender."""
SENDING, OF_ONE = 32, 16
"""Small forms that are received at once, and of these from one address."""
SPARE = 32
"""Threads for what is refused, and for what needs no place."""
TOLD_EVERY = 10.0
"""Seconds between lines of the log about refusals."""


class Full(Exception):
    """Too many run and wait already, or this one has waited for too long."""


class Lane:
    """Threads for one kind of requests."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self.name, self.threads, self.waiting = name, threads, waiting
        self._lock = threading.Lock()
        self._inside = 0
        self._takes = 0.0
        """Seconds for one, as lately."""

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix=self.name)

    def run(self, call: Callable[[], list[bytes] | Iterator[bytes]]) -> list[bytes] | Iterator[bytes]:
        """Full if there is no place, or none of the threads was free in time; then nothing was done."""
        with self._lock:
            if not self._has_room():
                raise Full
            self._inside += 1
        try:
            return _in_time(self._pool.submit(self._timed, call))
        finally:
            with self._lock:
                self._inside -= 1

    def _has_room(self) -> bool:
        """Who would wait in vain is told so now."""
        waiting = self._inside - self.threads
        if waiting >= self.waiting:
            return False
        return waiting < 2 * self.threads or waiting * self._takes < PATIENCE * self.threads

    def _timed(self, call: Callable[[], list[bytes] | Iterator[bytes]]) -> list[bytes] | Iterator[bytes]:
        started = time.monotonic()
        try:
            return call()
        finally:
            took = time.monotonic() - started
            # One that took very long says little of the next ones, and must not turn them away.
            self._takes += LATELY * (min(took, 4 * (self._takes or took)) - self._takes)


def _in_time(future: Future) -> Any:
    try:
        return future.result(2 * PATIENCE)
    except FutureTimeout:
        if future.cancel():
            raise Full from None
        return future.result()  # it has begun, or has raised this itself


def lanes() -> dict[str, Lane]:
    """Of this process. Searches cannot take the threads of pages. Forms with files mostly wait for who sends them."""
    threads, waiting = settings.WEB_THREADS, -(-WAITING // settings.WEB_PROCESSES)
    return {
        "page": Lane("page", threads, waiting),
        "search": Lane("search", threads, waiting),
        "form": Lane("form", 4 * threads, waiting=4 * threads),
        "health": Lane("health", 1, waiting=8),
    }


def threads_needed() -> int:
    """Of each process of the web server."""
    return sum(lane.threads + lane.waiting for lane in lanes().values()) + STREAMS + SENDING + SPARE


class Admission:
    """The WSGI application around Django."""

    def __init__(self, application: WSGIHandler) -> None:
        self.application, self.lanes, self.refusals = application, lanes(), Refusals()
        self.streams, self.sending = threading.BoundedSemaphore(STREAMS), threading.BoundedSemaphore(SENDING)
        free = [re.escape(settings.STATIC_URL), "/health/live$"]
        # Where members only may look, the database is asked for each thumbnail, and its connections are few.
        free += [re.escape(settings.RENDITION_URL)] if settings.ACCESS == "public" else []
        self._senders: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.at_once = re.compile("|".join(free))
        self.costly = re.compile(settings.COSTLY)
        self._refused, self._told = 0, 0.0

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        def answer() -> list[bytes] | Iterator[bytes]:
            return self._answer(environ, start)

        lane = self.lane_of(environ)
        try:
            self._receive(environ, lane)
            return lane.run(answer) if lane else answer()
        except Full:
            return self._refuse(environ, start)

    def lane_of(self, environ: Environ) -> Lane | None:
        """None: it needs no place, for it costs next to nothing."""
        path = environ["PATH_INFO"]
        if self.at_once.match(path):
            return None
        if path.startswith("/health/") or path == "/api/health":
            return self.lanes["health"]
        if environ.get("HTTP_TRANSFER_ENCODING") or _length(environ.get("CONTENT_LENGTH")) > SMALL:
            return self.lanes["form"]
        return self.lanes["search" if self.costly.match(path) else "page"]

    def _receive(self, environ: Environ, lane: Lane | None) -> None:
        """A small form is here before it takes a place: some are sent on purpose byte by byte."""
        length = _length(environ.get("CONTENT_LENGTH"))
        if not length or lane is self.lanes["form"]:
            return
        with self._place_to_send(address_of(environ)):
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))

    @contextmanager
    def _place_to_send(self, sender: str) -> Iterator[None]:
        with self._lock:
            if self._senders[sender] >= OF_ONE or not self.sending.acquire(blocking=False):
                raise Full
            self._senders[sender] += 1
        try:
            yield
        finally:
            with self._lock:
                self.sending.release()
                self._senders[sender] -= 1
                self._senders += Counter()  # who has none is forgotten

    def _answer(self, environ: Environ, start: Start) -> list[bytes] | Iterator[bytes]:
        response: Any = self.application(environ, start)
        if not getattr(response, "streaming", False):
            return _whole(response)
        if environ["REQUEST_METHOD"] == "HEAD" or 0 < _length(response.get("Content-Length")) <= SMALL:
            return _whole(response)
        if not self.streams.acquire(blocking=False):
            response.close()
            raise Full
        return self._stream(response)

    def _stream(self, response: Any) -> Iterator[bytes]:
        """In a thread of the web server, at the pace of the reader."""
        return _Stream(response, self.streams.release)

    def _refuse(self, environ: Environ, start: Start) -> list[bytes]:
        self._refused += 1
        now = time.monotonic()
        if now - self._told > TOLD_EVERY:
            refused, self._refused, self._told = self._refused, 0, now  # before it is told, which takes its time
            logger.warning("Too much comes at once: %d requests were refused.", refused)
        status, headers, body = self.refusals.of(environ)
        start(status, [*headers, ("Retry-After", str(random.randint(1, 5)))])
        return [body]


def _length(header: str | None) -> int:
    return int(header) if header and header.isdecimal() else 0


def _whole(response: Any) -> list[bytes]:
    try:
        return [b"".join(response)]
    finally:
        response.close()


class _Stream:
    """What is left of a response. Whoever lets go of it, whole or not, gives its place back."""

    def __init__(self, response: Any, release: Callable[[], None]) -> None:
        self._response, self._parts, self._release = response, iter(response), release

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        release, self._release = self._release, _nothing
        if release is not _nothing:
            try:
                self._response.close()
                connections.close_all()  # this thread was lent: it may have asked the database while it streamed
            finally:
                release()

    def __del__(self) -> None:
        self.close()


def _nothing() -> None:
    """Its place is given back already."""

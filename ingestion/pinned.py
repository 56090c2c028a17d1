"""Connections to public addresses only, and never longer than the clock allows.

A name is resolved once for each connection, all its addresses are looked at, and the connection goes to one of exactly
those: what the name says a moment later does not matter. Host and the name in TLS stay what they were.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore2
from django.conf import settings

from ingestion.addresses import is_public
from ingestion.download_errors import DownloadError


@dataclass(frozen=True)
class Seconds:
    """How long to wait for a connection, for each next byte, and for everything together."""

    connect: float = 3.0
    read: float = 5.0
    total: float = 15.0


class Clock:
    """Of one download over all its redirects."""

    def __init__(self, seconds: Seconds) -> None:
        self.seconds = seconds
        self.ends = time.monotonic() + seconds.total

    def left(self, at_most: float | None = None) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout
        return left if at_most is None else min(left, at_most)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While we wait of our own will."""
        since = time.monotonic()
        yield
        self.ends += time.monotonic() - since


_clock: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def within(clock: Clock) -> Iterator[None]:
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)


def is_own_network(host: str, port: int) -> bool:
    """Whoever runs the gallery has named it as a host that may be fetched from."""
    bracketed = f"[{host}]" if ":" in host else host
    named = {entry.strip().lower() for entry in settings.FETCH_HOSTS}
    return not named.isdisjoint({host, bracketed, f"{bracketed}:{port}"})


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """All its addresses. A resolver keeps to no clock, so it has a thread of its own."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append([entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise httpcore2.ConnectTimeout
    if not isinstance(found[0], list):
        raise DownloadError("unreachable", f"{host} has no address.") from found[0]
    return list(dict.fromkeys(found[0]))


def checked(host: str, port: int, seconds: float) -> list[str]:
    """Where a connection may go. One address that is not public forbids them all."""
    addresses = resolve(host, port, seconds)
    if not is_own_network(host, port) and not all(map(is_public, addresses)):
        raise DownloadError("forbidden_address", f"{host} is not on the public internet.")
    return addresses


class PinnedBackend(httpcore2.NetworkBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        ends = time.monotonic() + _left(timeout)
        error: Exception = httpcore2.ConnectError("no address")
        for address in checked(host, port, _left(timeout)):
            left = ends - time.monotonic()
            if left <= 0:
                raise httpcore2.ConnectTimeout
            try:
                return Stream(httpcore2.SyncBackend().connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                error = failed
        raise error


class Stream(httpcore2.NetworkStream):
    """A connection that looks at the clock before each step, not only at the silence since the last byte."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(at_most: float | None) -> float:
    clock = _clock.get()
    return clock.left(at_most) if clock else at_most or Seconds().read


@cache
def certificates() -> ssl.SSLContext:
    """Read once: it takes a tenth of a second."""
    return httpcore2.default_ssl_context()


def pool() -> httpcore2.ConnectionPool:
    """It knows no proxy: what the environment says about one does not count."""
    return httpcore2.ConnectionPool(
        ssl_context=certificates(),
        max_connections=None,
        max_keepalive_connections=8,
        keepalive_expiry=4.0,
        network_backend=PinnedBackend(),
    )

"""A web site on loopback, for crawlers: answers what a test has laid out, and writes down what it was asked.

site.put("/a.jpg", data, "image/jpeg")
site.put("/old", status=301, headers={"Location": "/a.jpg"})
site.answer("/api/posts", lambda asked: Reply(json={"after": None}))
site.next("/a.jpg", Reply(status=429, headers={"Retry-After": "2"}))     once, before the rest
"""

from __future__ import annotations

import json as jsons
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass
class Asked:
    method: str
    path: str
    """Decoded, without the query."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""
    raw: str = ""
    """The path as it came over the line."""
    at: float = field(default_factory=time.monotonic)


@dataclass
class Reply:
    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    wait: float = 0.0
    """Seconds before the first byte."""
    drip: float = 0.0
    """Seconds after each block of 1 KB."""
    cut_after: int | None = None
    """Bytes, then the line breaks without a word."""
    length: bool = True
    """Says its Content-Length."""

    @property
    def bytes(self) -> bytes:
        return self.body if self.json is None else jsons.dumps(self.json).encode()

    @property
    def type(self) -> str:
        return self.kind if self.json is None else "application/json; charset=utf-8"


class Site:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[str, Callable[[Asked], Reply]] = {}
        self._next: dict[str, deque[Reply]] = defaultdict(deque)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.over = threading.Event()  # nobody waits for an answer any more
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def put(self, path: str, body: bytes | str = b"", kind: str = "text/html; charset=utf-8", **options: Any) -> str:
        """Always the same. Returns its address."""
        reply = Reply(body.encode() if isinstance(body, str) else body, kind, **options)
        return self.answer(path, lambda asked: reply)

    def answer(self, path: str, with_: Callable[[Asked], Reply]) -> str:
        """``path``: decoded; one that ends in * answers all that begin so and have no answer of their own."""
        self._answers[path] = with_
        return self.url + path

    def next(self, path: str, *replies: Reply) -> None:
        self._next[path] += replies

    def times(self, path: str) -> int:
        return sum(asked.path == path for asked in self.asked)

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def _reply(self, asked: Asked) -> Reply:
        if self._next[asked.path]:
            return self._next[asked.path].popleft()
        if asked.path in self._answers:
            return self._answers[asked.path](asked)
        wild = [path for path in self._answers if path.endswith("*") and asked.path.startswith(path[:-1])]
        return self._answers[max(wild, key=len)](asked) if wild else Reply(b"Not found", "text/plain", 404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args: object) -> None:
                pass

            def _do(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, unquote(parts.path), query, headers, body, self.path)
                site.asked.append(asked)
                with suppress(BrokenPipeError, ConnectionResetError):
                    self._say(site._reply(asked))

            do_GET = do_POST = do_HEAD = _do

            def _say(self, reply: Reply) -> None:
                site.over.wait(reply.wait)
                self.send_response(reply.status)
                said = {"Content-Type": reply.type}
                if reply.length:
                    said["Content-Length"] = str(len(reply.bytes))
                else:
                    self.close_connection = True
                    said["Connection"] = "close"
                for name, value in (said | reply.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD" and reply.status not in (204, 304):
                    self._send(reply)

            def _send(self, reply: Reply) -> None:
                whole = reply.bytes if reply.cut_after is None else reply.bytes[: reply.cut_after]
                step = 1024 if reply.drip else max(1, len(whole))
                for start in range(0, len(whole), step):
                    self.wfile.write(whole[start : start + step])
                    self.wfile.flush()
                    site.over.wait(reply.drip)
                if reply.cut_after is not None:
                    self.close_connection = True
                    self.connection.close()

        return Handler


@contextmanager
def a_site() -> Iterator[Site]:
    site = Site()
    try:
        yield site
    finally:
        site.close()

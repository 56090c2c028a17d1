"""A server on loopback that answers as a hub of weights does: a redirect with the checksum, and a store of bytes."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """``files``: {path of the address: bytes}. What is asked next can be made to go wrong."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    linked: bool = True
    """It says sha256 and size, and sends on to its store; else it is a plain server."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """(path, headers) of each request."""
    cut_after: list[int] = field(default_factory=list)
    """The next answers end after so many bytes, without a word."""
    status: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """The next answers are these instead."""
    send_to: str = ""
    """Where it redirects to instead of its store."""
    says_sum: str = ""
    says_size: str = ""
    with_tag: bool = True
    knows_ranges: bool = True
    wrong_range: bool = False
    block: int = 2**16
    pause: float = 0.0
    """After each block."""
    silence: float = 0.0
    """Before the first one."""
    hurry: threading.Event = field(default_factory=threading.Event)
    """Ends every pause and silence."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ranges(self) -> list[str]:
        """Of the requests to the store."""
        return [headers.get("Range", "") for path, headers in self.asked if "/store/" in path or not self.linked]


def start(hub: Hub) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            hub.asked.append((self.path, dict(self.headers)))
            if hub.linked and not self.path.startswith("/store"):
                return self._redirect()
            return self._store(self.path.removeprefix("/store"))

        def _say(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _redirect(self) -> None:
            data = hub.files.get(self.path)
            if hub.status and hub.status[0][0] != 416:
                return self._say(*hub.status.pop(0))
            if data is None:
                return self._say(404, {})
            linked = {
                "X-Linked-ETag": f'"{hub.says_sum or hashlib.sha256(data).hexdigest()}"',
                "X-Linked-Size": hub.says_size or str(len(data)),
                "Location": hub.send_to or f"{hub.url}/store{self.path}",
            }
            return self._say(302, linked)

        def _store(self, path: str) -> None:
            if hub.status:
                status, headers = hub.status.pop(0)
                return self._say(status, headers, b"<html>" if "html" in headers.get("Content-Type", "") else b"")
            data = hub.files.get(path)
            if data is None:
                return self._say(404, {})
            tag = f'"{hashlib.md5(data).hexdigest()}"'
            headers = {"ETag": tag} if hub.with_tag else {}
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range") in (None, tag)
            start, status = 0, 200
            if asked and same and hub.knows_ranges:
                start, status = int(asked[1]), 206
                if start >= len(data):
                    return self._say(416, {"Content-Range": f"bytes */{len(data)}"})
                start -= hub.wrong_range
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return self._send(status, headers, data[start:])

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            hub.hurry.wait(hub.silence)
            end = hub.cut_after.pop(0) if hub.cut_after else len(body)
            try:
                for at in range(0, min(end, len(body)), hub.block):
                    self.wfile.write(body[at : min(end, at + hub.block)])
                    hub.hurry.wait(hub.pause)
            except OSError:
                pass  # whoever asked has gone
            self.close_connection = end < len(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server

"""A call as a request of httpx2, and its answer as a reply: what Gallery and AsyncGallery share."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Any, TypeVar

import httpx2

from .calls import Call, Reply
from .errors import GalleryError, Unreachable, mistake, refusal
from .retries import Attempts, seconds_of

T = TypeVar("T")
CONNECT = 10.0
"""Seconds; the timeout that is given is for each wait after that."""
UNTRIED = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.ProxyError)
"""Would be the same again."""
UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Wire:
    """Where a gallery is, and in whose name it is asked."""

    def __init__(self, url: str, token: str | None, timeout: float, retries: int) -> None:
        self.url = url.strip().rstrip("/")
        self.host = _parsed(self.url)
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise mistake("A token consists of letters, digits and dashes only.")
        self.token, self.retries = token, retries
        self.timeout = httpx2.Timeout(timeout, connect=min(CONNECT, timeout))

    def attempts(self, call: Call[Any]) -> Attempts:
        return Attempts(self.retries, call.may_repeat)

    def request(self, call: Call[Any], opened: ExitStack) -> dict[str, Any]:
        """Arguments for ``build_request``. Files are open as long as ``opened`` is."""
        url, ours = self._address(call)
        headers = {"Accept": "application/json, image/*, */*;q=0.5", "User-Agent": "lookalike-client"}
        if ours and self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        files = {field: (file.name, opened.enter_context(file.open())) for field, file in call.files.items()}
        return {
            "method": call.method,
            "url": url,
            "headers": headers,
            "params": {name: _written(value) for name, value in call.query.items()} or None,
            "json": call.json,
            "data": {name: _written(value) for name, value in call.form.items()} if call.form else None,
            "files": files or None,
        }

    def _address(self, call: Call[Any]) -> tuple[str, bool]:
        """(where to, whether that is the gallery itself): nobody else is shown the token.

        An address that the gallery wrote may say http behind a proxy that speaks https: it is asked for as we came in.
        """
        if call.path.startswith("/"):
            return self.url + call.address, True
        url = _parsed(call.path)
        if (url.host, url.port or None) in {(self.host.host, self.host.port or None), (self.host.host, None)}:
            return str(url.copy_with(scheme=self.host.scheme, port=self.host.port)), True
        return str(url), False

    def finished(self, call: Call[T], response: httpx2.Response, body: bytes) -> T:
        """What the answer says, or the refusal that it is."""
        if response.status_code >= 400:
            raise refusal(response.status_code, body, retry_after(response))
        if response.status_code >= 300:
            where = response.headers.get("Location", "somewhere else")
            raise GalleryError(
                response.status_code, "moved", f"The gallery sends us to {where}: use the address it has now."
            )
        return call.read(Reply(response.status_code, body))

    def unreachable(self, error: httpx2.TransportError) -> Unreachable:
        if isinstance(error, UNSENT + UNTRIED):
            said = re.sub(r"\[Errno -?\d+\] ", "", str(error)).strip(". ") or "no answer"
            return Unreachable(0, "unreachable", f"{self.url} cannot be reached: {said}.")
        if isinstance(error, httpx2.TimeoutException):
            return Unreachable(0, "timeout", f"{self.url} did not answer in time.")
        return Unreachable(0, "broken", f"The line to {self.url} broke before the answer was there.")


def after_broken(attempts: Attempts, error: httpx2.TransportError) -> float | None:
    return None if isinstance(error, UNTRIED) else attempts.after_broken(not isinstance(error, UNSENT))


def retry_after(response: httpx2.Response) -> float | None:
    return seconds_of(response.headers.get("Retry-After"))


def _parsed(url: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise mistake(f"{url[:200]!r} is no address: {error}.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise mistake(f"{url[:200]!r} is no address of a gallery: it begins with http:// or https://.")
    return parsed


def _written(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return [_written(each) for each in value]
    return str(value)

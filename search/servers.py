"""What servers answer who are asked for weights: followed where that is safe, or said in a sentence why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit


class FetchError(Exception):
    """A sentence: why the file is not here."""

    def __init__(self, sentence: str, again_after: float | None = None) -> None:
        super().__init__(sentence)
        self.again_after = again_after
        """Seconds until it is worth another try; None: somebody has to do something first."""


class Cut(Exception):
    """The line broke, or the server could not just now."""

    def __init__(self, sentence: str, wait: float = 0.0) -> None:
        super().__init__(sentence)
        self.wait = wait


@contextmanager
def followed(
    client: Any, url: str, headers: dict[str, str], token: str, is_checked: bool, heed: Callable[[Any], None]
) -> Iterator[Any]:
    """The answer after all redirects, its body not read yet. ``heed`` gets the headers of the first answer.

    The token goes to where we began, and nowhere else. ``is_checked``: the checksum of the file is known beforehand.
    """
    origin = urlsplit(url)[:2]
    for hop in range(6):
        _require_safe(url, is_checked)
        is_ours = token and urlsplit(url)[:2] == origin
        own = headers | ({"Authorization": f"Bearer {token}"} if is_ours else {})
        with client.stream("GET", url, headers=own) as answer:
            if hop == 0 and answer.status_code < 400:
                heed(answer.headers)
            if not answer.has_redirect_location:
                yield answer
                return
            url = urljoin(url, answer.headers["Location"])
    raise FetchError("the server sends us in circles.")


def _require_safe(url: str, is_checked: bool) -> None:
    """Encrypted, or http where it does not matter who alters it on the way: its checksum is part of this program."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and (is_checked or _is_loopback(parts.hostname or ""))):
        return
    raise FetchError(
        f"{parts.hostname or url} would send it without encryption, and its checksum is not known: anybody on the way"
        " could alter it. Bring it by hand."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_good(answer: Any, url: str) -> None:
    status, host = answer.status_code, answer.url.host
    if status in (200, 206):
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise FetchError(f"{host} answers with a page instead of the file: is there a sign-in in between?", 300)
        return
    if status in (401, 403):
        raise FetchError(
            f"{host} does not give it to everybody ({status}): accept its terms there and set HF_TOKEN, or bring it by"
            " hand."
        )
    if status in (404, 410):
        raise FetchError(f"{host} does not have it ({status}): {url}")
    if status == 429:
        raise Cut(f"{host} has had too many requests (429)", _retry_after(answer.headers) or 5.0)
    if status in (408, 425) or status >= 500:
        raise Cut(f"{host} cannot answer now ({status})", _retry_after(answer.headers))
    raise FetchError(f"{host} answers {status}, which no server should.")


def _retry_after(headers: Any) -> float:
    """Seconds; a date or nonsense counts as nothing said."""
    said = headers.get("Retry-After", "")
    return float(said) if re.fullmatch("[0-9]{1,6}", said) else 0.0


def validator(headers: Any) -> str:
    """What If-Range takes: weak tags are no proof that the bytes are the same."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "") if not tag else ""


def reason(error: Exception) -> str:
    return str(error) or error.__class__.__name__

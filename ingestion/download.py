"""The one HTTP client for addresses that strangers name: pictures, feeds, pages.

Public addresses only, checked after the name was resolved and pinned, at every redirect (ingestion/pinned.py); limits
on size, time and kind; one identity; a pace for each host, over all processes (ingestion/pace.py); what became of each
file is remembered (ingestion/known_urls.py).
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http.request import validate_host

from ingestion import known_urls
from ingestion.addresses import Address, decoded, parse
from ingestion.answers import blocks_of, headers_of, refusal, text_of
from ingestion.download_errors import DownloadError
from ingestion.pace import PATIENCE, PAUSE, OwnPace, Pace, SharedPace
from ingestion.pinned import Clock, Seconds, is_own_network, pool, within

if TYPE_CHECKING:
    import httpcore2

    from gallery.originals import Incoming

__all__ = ["Answer", "DownloadError", "Seconds", "Web", "decoded"]

VERSION = "0.1.0"
PORTS = {80, 443, 8080, 8443}
MAX_REDIRECTS = 3
FOR_A_PAGE = Seconds()
FOR_A_FILE = Seconds(total=120.0)
TRAVELS = {"accept", "accept-language", "if-none-match", "if-modified-since", "referer"}
"""Headers that another host gets too, after a redirect; the rest may be a secret of the first one."""
OURS = {"user-agent", "accept-encoding", "host", "connection"}
OF_THE_HOST = {"rate_limited", "server", "unreachable"}
"""Failures that say something about the host, not about one address on it."""


@dataclass(frozen=True)
class Answer:
    url: str
    """Where it came from in the end, after all redirects. Encoded."""
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    """Of a page; a file lies in its Incoming."""

    @property
    def text(self) -> str:
        return text_of(self.body, self.headers.get("content-type", ""))

    def json(self) -> Any:
        """DownloadError ("wrong_type") if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            host = parse(self.url).host  # the rest of the address may hold a key
            raise DownloadError(
                "wrong_type", f"JSON was expected, but {host} has sent something else.", status=self.status
            ) from error

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


Read = Callable[[Answer, Iterator[bytes]], Answer]
"""Takes the body in blocks."""


@dataclass(frozen=True)
class _Ask:
    address: Address
    headers: dict[str, str]
    clock: Clock
    patience: float = PATIENCE

    def sent_on(self, address: Address) -> _Ask:
        if address.origin == self.address.origin:
            return replace(self, address=address)
        return replace(self, address=address, headers={n: v for n, v in self.headers.items() if n in TRAVELS})


class Web:
    """Fetches. Safe from any thread; one for each crawl or worker, closed in the end (a context).

    ``remember=False``: without the tables of servers and addresses; the pace is kept within this object.
    ``known``: what is usual for ``file``.
    """

    def __init__(self, *, remember: bool = True, known: bool = False) -> None:
        self._pool = pool()
        self._remember, self._known = remember, known
        self._pace: Pace = SharedPace() if remember else OwnPace()

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    def page(
        self,
        url: str,
        *,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        max_bytes: int = 5 * 2**20,
        known: bool = False,
        seconds: Seconds | None = None,
        patience: float = PATIENCE,
    ) -> Answer | None:
        """A page, feed or JSON, in memory. ``known``: ask whether it has changed since the last time (conditional GET
        by the URL table); None if it has not. Also None if ``headers`` have asked that themselves. ``patience``:
        seconds that are slept until it is its turn; DownloadError ("rate_limited") if it takes longer."""

        def read(answer: Answer, blocks: Iterator[bytes]) -> Answer:
            _refuse_kinds(answer, "image/", "video/", "audio/", what="a page")
            body = bytearray()
            if _length(answer) > max_bytes:
                raise _page_too_large(max_bytes)
            for block in blocks:
                body += block
                if len(body) > max_bytes:
                    raise _page_too_large(max_bytes)
            return replace(answer, body=bytes(body))

        ask = _Ask(parse(url).with_params(params), headers or {}, Clock(seconds or FOR_A_PAGE), patience)
        return self._get(ask, read, known=known, noted=known)

    def file(
        self, url: str, into: Incoming, *, referer: str = "", known: bool | None = None, seconds: Seconds | None = None
    ) -> Answer | None:
        """Stream a file into ``into`` and finish it. PictureError ("too_large") beyond the limit.

        ``known``: as with a page; an address that was not there is not asked again too soon either. Whoever says so
        must still have what came the last time: it does not come twice.
        """

        def read(answer: Answer, blocks: Iterator[bytes]) -> Answer:
            _refuse_kinds(answer, "video/", "audio/", what="a picture")
            if _length(answer) > into.most:
                raise into.too_large()
            into.fill(_no_page(answer, blocks))
            return answer

        headers = {"referer": _referer(referer)} if referer else {}
        ask = _Ask(parse(url), headers, Clock(seconds or FOR_A_FILE))
        known = self._known if known is None else known
        return self._get(ask, read, known=known, noted=True, sha256=lambda: into.sha256)

    def slow_down(self, url: str, pause: float) -> None:
        """Its host wants at least so many seconds between two requests."""
        self._pace.slow_down(parse(url).authority, pause)

    def _get(
        self, ask: _Ask, read: Read, *, known: bool, noted: bool, sha256: Callable[[], str] = str
    ) -> Answer | None:
        noted, url = noted and self._remember, str(ask.address)
        headers = {name.lower(): value for name, value in ask.headers.items() if name.lower() not in OURS}
        if known and self._remember:
            headers |= known_urls.conditions(url)
        try:
            answer = self._follow(replace(ask, headers=headers), read)
        except DownloadError as error:
            if noted and not (error.code == "rate_limited" and not error.status):  # else it was not even asked
                known_urls.failed(url, error)
            raise
        if noted and answer:
            known_urls.fetched(url, answer, sha256())
        elif noted:
            known_urls.unchanged(url)
        return answer

    def _follow(self, ask: _Ask, read: Read) -> Answer | None:
        for _ in range(MAX_REDIRECTS + 1):
            with self._asked(ask) as response:
                if response.status == 304 and ask.headers.keys() & {"if-none-match", "if-modified-since"}:
                    return None
                answer = Answer(str(ask.address), response.status, headers_of(response))
                if not 300 <= response.status < 400:
                    return read(answer, blocks_of(response))
                ask = ask.sent_on(_redirect(ask.address, answer))
        raise DownloadError("redirects", f"It was redirected more than {MAX_REDIRECTS} times.")

    @contextmanager
    def _asked(self, ask: _Ask) -> Iterator[httpcore2.Response]:
        """Its answer, if it is one that says where to go on or has a body. Failures are noted on the host."""
        address = ask.address
        own = _check(address)
        with ask.clock.stopped():
            self._pace.wait(address.authority, 0.0 if own else PAUSE, ask.patience)
        try:
            with within(ask.clock), _plain_errors(address.host):
                response = self._pool.handle_request(_request(address, ask.headers, ask.clock.seconds))
                with closing(response):
                    if error := refusal(address.host, response):
                        raise error
                    yield response
        except DownloadError as error:
            if error.code in OF_THE_HOST:
                error.again_after = self._pace.failed(address.authority, error)
            raise
        self._pace.succeeded(address.authority)


def _check(address: Address) -> bool:
    """DownloadError if this may not be asked, whatever it resolves to. True: it is a host of the own network."""
    if is_own_network(address.host, address.port):
        return True
    if address.port not in PORTS:
        raise DownloadError("bad_url", f"Port {address.port} is not one that pictures are fetched from.")
    bracketed = f"[{address.host}]" if ":" in address.host else address.host
    if validate_host(bracketed, [name for name in settings.ALLOWED_HOSTS if name != "*"]):
        raise DownloadError("forbidden_address", f"{address.host} is this gallery itself.")
    return False


def _request(address: Address, headers: dict[str, str], seconds: Seconds) -> httpcore2.Request:
    import httpcore2

    contact = settings.CONTACT.encode("ascii", "ignore").decode()
    sent = {
        "host": address.authority,
        "user-agent": f"Lookalike/{VERSION}" + (f" (+{contact})" if contact else ""),
        "accept": "*/*",
        "accept-encoding": "identity",
        **headers,
    }
    timeout = {"connect": seconds.connect, "read": seconds.read, "write": seconds.read, "pool": seconds.connect}
    url = httpcore2.URL(
        scheme=address.scheme.encode(), host=address.host.encode(), port=address.port, target=address.target.encode()
    )
    try:
        lines = [(name.encode("ascii"), value.encode("latin-1")) for name, value in sent.items()]
    except UnicodeError as error:
        raise DownloadError("bad_url", "A header of this request cannot be written.") from error
    return httpcore2.Request("GET", url, headers=lines, extensions={"timeout": timeout})


@contextmanager
def _plain_errors(host: str) -> Iterator[None]:
    import httpcore2

    try:
        yield
    except httpcore2.TimeoutException as error:
        raise DownloadError("timeout", f"{host} is too slow: the answer did not come in time.") from error
    except httpcore2.ConnectError as error:
        cause = error.args[0] if error.args else None
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason
            raise DownloadError("tls", f"The encrypted line to {host} cannot be trusted ({why}).") from error
        raise DownloadError("unreachable", f"{host} cannot be reached.") from error
    except httpcore2.LocalProtocolError as error:
        raise DownloadError("bad_url", "A header of this request cannot be written.") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise DownloadError("cut", f"The line to {host} broke in the middle of its answer.") from error


def _redirect(address: Address, answer: Answer) -> Address:
    location = answer.headers.get("location", "")
    if not location or answer.status not in (301, 302, 303, 307, 308):
        raise DownloadError("redirects", f"{address.host} has sent on, but not said where to.", status=answer.status)
    then = address.joined(location)
    if address.scheme == "https" and then.scheme == "http":
        raise DownloadError("redirects", f"{address.host} has sent on to a line that is not encrypted.")
    return then


def _length(answer: Answer) -> int:
    length = answer.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _refuse_kinds(answer: Answer, *kinds: str, what: str) -> None:
    if answer.content_type.startswith(kinds):
        raise DownloadError(
            "wrong_type", f"It is not {what}: its server calls it {answer.content_type}.", status=answer.status
        )


def _no_page(answer: Answer, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The content decides, not its header; but a page in the place of a picture is said at once."""
    blocks = iter(blocks)
    first = next(blocks, b"")
    start = first[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")) or (
        start[:1] in (b"<", b"{", b"[") and answer.content_type in ("text/html", "application/json")
    ):
        raise DownloadError("wrong_type", "There is a page where a picture should be.", status=answer.status)
    return chain([first], blocks)


def _referer(page: str) -> str:
    try:
        return str(parse(page))
    except DownloadError:
        return ""


def _page_too_large(max_bytes: int) -> DownloadError:
    return DownloadError("too_large", f"This page is larger than {max_bytes / 2**20:g} MiB.")

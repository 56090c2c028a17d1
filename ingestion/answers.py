"""What an answer of HTTP means: refused, wait, or a body, which is unpacked within bounds."""

from __future__ import annotations

import codecs
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ingestion.download_errors import DownloadError

if TYPE_CHECKING:
    import httpcore2

BLOCK = 2**18
SLOW_CHARSETS = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}
"""Python reads them too, but no page is written in them, and the first takes the square of the length."""
_META = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
MEANINGS = {
    401: ("forbidden", "wants to know who we are"),
    403: ("forbidden", "does not want us to have this"),
    404: ("not_found", "has nothing there"),
    408: ("timeout", "has waited too long for us"),
    410: ("gone", "says that it is gone for good"),
    429: ("rate_limited", "wants to be asked less often"),
    451: ("forbidden", "may not give this out, for legal reasons"),
}


def headers_of(response: httpcore2.Response) -> dict[str, str]:
    """The last one of each name, in lower case."""
    return {name.decode("latin-1").lower(): _text(value) for name, value in response.headers}


def charset_of(name: str) -> str:
    """As Python calls it; "" for one that does not exist, or that nobody writes pages in."""
    try:
        found = codecs.lookup(name.strip(" \"'"))
    except (LookupError, ValueError):
        return ""
    is_text = getattr(found, "_is_text_encoding", True)  # the others turn bytes into bytes
    return found.name if is_text and found.name.replace("-", "_") not in SLOW_CHARSETS else ""


def text_of(body: bytes, content_type: str) -> str:
    """By the charset of the header, else by that at its own beginning, else UTF-8; what cannot be read is replaced."""
    told = content_type.lower().partition("charset=")[2].partition(";")[0]
    meta = _META.search(body[:2048])
    charset = charset_of(told) or (charset_of(meta[1].decode("ascii", "ignore")) if meta else "")
    return body.decode("utf-8-sig" if charset in ("", "utf-8") else charset, "replace")


def refusal(host: str, response: httpcore2.Response) -> DownloadError | None:
    """None: it has a body, sends us on, or says that nothing has changed."""
    status = response.status
    if status in (200, 203) or 300 <= status < 400:
        return None
    code, what = MEANINGS.get(status, ("refused", "refuses this"))
    if status >= 500:
        code, what = "server", "has a fault of its own"
    again_after = retry_after(headers_of(response).get("retry-after", "")) if status >= 429 else None
    return DownloadError(code, f"{host} {what} ({status}).", status=status, again_after=again_after)


def retry_after(header: str, now: float | None = None) -> float | None:
    """Seconds from now. It is written as a number of them, or as a date."""
    header = header.strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - (time.time() if now is None else now))
    except (ValueError, TypeError, OverflowError):
        return None


def blocks_of(response: httpcore2.Response) -> Iterator[bytes]:
    """The body in blocks of bounded size. It was asked for as it is; some servers pack it all the same."""
    assert isinstance(response.stream, Iterable)
    packing = headers_of(response).get("content-encoding", "identity").strip().lower()
    if packing in ("", "identity"):
        return iter(response.stream)
    if packing in ("gzip", "x-gzip", "deflate"):
        return _unpacked(response.stream)
    raise DownloadError("wrong_type", f"It is packed in a way that was not asked for ({packing[:20]}).")


def _unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for block in blocks:
            while block:
                yield unpacking.decompress(block, BLOCK)
                block = unpacking.unconsumed_tail
            if unpacking.eof:  # what follows would be kept in memory, and copied with each block
                return
        yield unpacking.flush()
    except zlib.error as error:
        raise DownloadError("cut", "It is packed, and cannot be unpacked.") from error
    if not unpacking.eof:
        raise DownloadError("cut", "It is packed, and its end is missing.")


def _text(value: bytes) -> str:
    """Locations are often written in UTF-8, though the rules know nothing beyond Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")

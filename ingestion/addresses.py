"""Addresses that strangers name: which of them are public, and how they are written for people and for the line.

For people, and in every row, a URL is decoded once: "https://h/an ä.jpg". For the line it is encoded. Where decoding
would change what is meant, the escape stays: "100%25.jpg" is not "100%.jpg" followed by something, "a%2Fb" is one name.
So ``encoded(decoded(url))`` means what ``url`` meant, both may be said twice, and an escape is never escaped again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import idna

from ingestion.download_errors import DownloadError

GLOBAL6 = ip_network("2000::/3")
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 8_000
"""Characters, encoded."""
SAFE_IN_PATH = "/!$&'()*+,;=:@~"
SAFE_IN_QUERY = SAFE_IN_PATH + "?"
# Characters whose escape means something else than they do: a server may read "+" as a space, and "%2F" is no folder.
KEPT_IN_PATH = frozenset("/?#\\%+&=;")
KEPT_IN_QUERY = KEPT_IN_PATH | frozenset("!$'()*,:@")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]|%00")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


def is_public(address: str) -> bool:
    """Whether an address from getaddrinfo may be connected to."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        return ip in GLOBAL6 and ip.is_global and not ip.sixtofour and not ip.teredo
    return ip.is_global and not ip.is_multicast


@dataclass(frozen=True)
class Address:
    """A URL that may be asked for, as far as its text tells. ``str()``: encoded, without a fragment."""

    scheme: str
    host: str
    """As DNS knows it, in lower case; of IPv6 without brackets."""
    port: int
    path: str
    """Encoded, like ``query``."""
    query: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def with_params(self, params: dict[str, Any] | None) -> Address:
        """None is left out."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        added = urlencode(given, doseq=True, quote_via=quote)
        return replace(self, query="&".join(filter(None, (self.query, added))))

    def joined(self, location: str) -> Address:
        """Where a redirect from here leads."""
        if _CONTROLS.search(location):
            raise _bad("it contains control characters")
        return parse(urljoin(str(self), location.strip()))


def parse(url: str) -> Address:
    """DownloadError ("bad_url") if it is no http or https address that can be meant honestly."""
    url = url.strip(" ")
    if _CONTROLS.search(url):  # before urlsplit, which drops some of them without a word
        raise _bad("it contains control characters")
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in DEFAULT_PORTS:
        raise _bad("it does not begin with http:// or https://")
    if re.search(r"[@\\]", rest.partition("/")[0]):
        raise _bad("it names a user, or hides its host behind one")
    if "%" in re.split(r"[/?#]", rest)[0]:
        raise _bad("its host is not a name")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        path = _encoded(parts.path or "/", SAFE_IN_PATH)
        query = _encoded(parts.query, SAFE_IN_QUERY)
    except ValueError as error:  # ports and brackets, and characters that are none
        raise _bad("it is not written as one") from error
    if port == 0 or parts.netloc.endswith(":0"):
        raise _bad("it names port 0")
    address = Address(scheme.lower(), _host(host, parts.netloc), port or DEFAULT_PORTS[scheme.lower()], path, query)
    if len(str(address)) > MAX_URL:
        raise _bad(f"it is longer than {MAX_URL:,} characters")
    return address


def encoded(url: str) -> str:
    """For the line. What is encoded already stays as it is."""
    return str(parse(url))


def decoded(url: str) -> str:
    """For people and rows. What would mean something else stays as it is. A URL that is none comes back unchanged."""
    try:
        address = parse(url)
    except DownloadError:
        return url
    try:
        host = idna.decode(address.authority) if "xn--" in address.host and address.port in (80, 443) else ""
    except idna.IDNAError:
        host = ""
    query = f"?{_decoded(address.query, KEPT_IN_QUERY)}" if address.query else ""
    url = f"{address.scheme}://{host or address.authority}{_decoded(address.path, KEPT_IN_PATH)}{query}"
    spaces = len(url) - len(url.rstrip(" "))  # at its end nobody would see them, and parse() takes them away
    return url.rstrip(" ") + spaces * "%20"


def _encoded(part: str, safe: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", part), safe=safe + "%")


def _decoded(part: str, kept: frozenset[str]) -> str:
    def read(escapes: re.Match[str]) -> str:
        raw = bytes.fromhex(escapes[0].replace("%", ""))
        try:
            text = raw.decode()
        except UnicodeDecodeError:  # another charset: only its server knows which
            return escapes[0]
        return "".join(quote(c, safe="") if c in kept or not (c == " " or c.isprintable()) else c for c in text)

    return _ESCAPES.sub(read, part)


def _host(host: str, netloc: str) -> str:
    if netloc.startswith("["):
        try:
            return str(IPv6Address(host))
        except ValueError as error:
            raise _bad("its host is not an address") from error
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError as error:
            raise _bad("its host is not a name") from error
    host = host.lower().removesuffix(".")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise _bad("its host is not a name")
    return host


def _bad(why: str) -> DownloadError:
    return DownloadError("bad_url", f"This is not an address that can be fetched: {why}.")

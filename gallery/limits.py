"""How much somebody may ask for, kept in PostgreSQL so that it holds over all processes.

The generic cell rate algorithm (ITU-T I.371): one moment a key says all. Each unit that is taken moves the moment at
which everything is free again by ``seconds / most``; what would move it further than ``seconds`` from now is refused.
So ``most`` can be taken at once, and after that as fast as they come back.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from gallery.models import Allowance, Role, role_of

TAKE = """
INSERT INTO gallery_allowance AS allowance (key, free_at)
SELECT %(key)s, now() + %(cost)s * interval '1 second' WHERE %(cost)s <= %(seconds)s
ON CONFLICT (key) DO UPDATE SET free_at = greatest(allowance.free_at, now()) + %(cost)s * interval '1 second'
WHERE greatest(allowance.free_at, now()) + %(cost)s * interval '1 second' <= now() + %(seconds)s * interval '1 second'
RETURNING 1
"""
LEFT = """
SELECT extract(epoch FROM greatest(free_at, now()) - now()) FROM gallery_allowance WHERE key = %s
"""
PORT = re.compile(r"^(?:\[([^]]*)\]|([0-9.]+))(?::[0-9]+)?$")
"""Some proxies add the port that the client has asked from."""

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Limit:
    """``most`` in ``seconds``; most 0 means that nothing is counted."""

    name: str
    most: int
    seconds: int


class TooMany(Exception):
    """Somebody has had enough for now. ``seconds`` until it is worth asking again."""

    def __init__(self, seconds: float, sentence: str = "") -> None:
        self.seconds = max(1, math.ceil(seconds))
        spoken = f"That was too much in a short time. Try again in {_spoken(self.seconds)}."
        super().__init__(sentence or spoken)


def take(limit: Limit, who: str, units: int = 1) -> None:
    """TooMany if it is not allowed; then nothing is taken."""
    if not limit.most or units <= 0:
        return
    if units > limit.most:
        raise TooMany(
            limit.seconds, f"That is more than anybody may have in {_spoken(limit.seconds)} without an account."
        )
    # Rounded down to what a moment of the database can hold, or the last one of many would be a breath too late.
    cost = units * limit.seconds * 1_000_000 // limit.most / 1_000_000
    key = f"{limit.name}:{who}"[:150]
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"key": key, "cost": cost, "seconds": float(limit.seconds)})
        if cursor.fetchone():
            return
        cursor.execute(LEFT, [key])
        row = cursor.fetchone()
    raise TooMany((float(row[0]) if row else 0.0) + cost - limit.seconds)


def forget_rested() -> int:
    """Of whom everything is free again nothing has to be known. Returns how many."""
    return Allowance.objects.filter(free_at__lt=Now()).delete()[0]


def client_of(request: HttpRequest) -> str:
    return address_of(request.META)


def address_of(environ: Mapping[str, Any]) -> str:
    """The address that asks: of IPv6 the network of 64 bits, which one visitor has for himself.

    X-Forwarded-For is believed as far as PROXIES says: each proxy of ours has added one address at its end.
    """
    said = environ.get("REMOTE_ADDR", "")
    if settings.PROXIES:
        forwarded = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        said = forwarded[-settings.PROXIES] if len(forwarded) >= settings.PROXIES else said
    with_port = PORT.match(said)
    try:
        address = ipaddress.ip_address(with_port[1] or with_port[2] if with_port else said)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def search_limit() -> Limit:
    return Limit("search", settings.SEARCHES_PER_MINUTE, 60)


def look_limit() -> Limit:
    """What pages ask for beside searches: pictures are looked at faster than anybody searches."""
    return Limit("look", 4 * settings.SEARCHES_PER_MINUTE, 60)


def upload_limit() -> Limit:
    return Limit("upload", settings.UPLOADS_PER_HOUR, 3600)


def byte_limit() -> Limit:
    """What is sent in, in units of a kilobyte."""
    return Limit("bytes", settings.MEGABYTES_PER_HOUR * 1000, 3600)


def take_what_is_sent(request: HttpRequest) -> None:
    """Of a visitor, by what the request announces: asked before anything of its body is read."""
    length = request.META.get("CONTENT_LENGTH") or ""
    take_as_visitor(request, byte_limit(), -(-int(length) // 1000) if length.isdecimal() else 0)


def take_as_visitor(request: HttpRequest, limit: Limit, units: int = 1) -> None:
    """Visitors without an account are limited; members are not, for an admin can ask them to stop."""
    if role_of(request.user) == Role.ANONYMOUS:
        take(limit, client_of(request), units)


def limited(limit: Callable[[], Limit]) -> Callable[[View], View]:
    """A page that takes one of ``limit`` from visitors; gallery/middleware.py answers those who had enough."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            take_as_visitor(request, limit())
            return view(request, *args, **kwargs)

        return guarded

    return guard


def _spoken(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} seconds" if seconds != 1 else "a second"
    if seconds == 3600:
        return "an hour"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{math.ceil(minutes / 60)} hours"

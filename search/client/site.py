"""The gallery itself."""

from __future__ import annotations

from .answers import About, Health, Me
from .calls import Call, one


def about() -> Call[About]:
    """What this gallery is."""
    return Call("GET", "/api/", one(About))


def me() -> Call[Me]:
    """Who you are to it."""
    return Call("GET", "/api/me", one(Me))


def health() -> Call[Health]:
    """Whether it is well. Unavailable if not."""
    return Call("GET", "/api/health", one(Health))

"""Candidates that wait for a decision, as rows; with a drawn thumbnail, and a file where one is wanted."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Any

from gallery.models import User
from gallery.renditions import webp
from ingestion.models import Candidate, Source
from tests.pictures import encode, photo


def person(name: str, **facts: Any) -> User:
    """Without a password, which takes a while to make: force_login needs none."""
    return User.objects.create(username=name, **facts)


def staff(name: str = "bob") -> User:
    return person(name, is_staff=True, is_superuser=True)


def a_source(name: str = "lakes", **facts: Any) -> Source:
    return Source.objects.get_or_create(name=name, defaults={"kind": "page", "active": False} | facts)[0]


@cache
def drawn(seed: int) -> tuple[bytes, bytes]:
    """(file, thumbnail)"""
    picture = photo(seed, 320, 240)
    return encode(picture), webp(picture.resize((64, 48)))


def wait(seed: int, file: bool = True, **facts: Any) -> Candidate:
    """One that waits. ``file``: with its file where candidates have it."""
    data, thumbnail = drawn(seed)
    usual = {
        "source": facts.pop("source", None) or a_source(),
        "key": f"{seed}",
        "url": f"https://example.org/{seed}.jpg",
        "name": f"{seed}.jpg",
        "title": f"Lake {seed}",
        "sha256": sha256(data).hexdigest(),
        "format": "JPEG",
        "width": 320,
        "height": 240,
        "bytes": len(data),
        "thumbnail": thumbnail,
        "state": "waiting",
    }
    candidate = Candidate.objects.create(**(usual | facts))
    if file:
        candidate.path.parent.mkdir(parents=True, exist_ok=True)
        candidate.path.write_bytes(data)
    return candidate


def some(*candidates: Candidate) -> Any:
    return Candidate.objects.filter(pk__in=[candidate.pk for candidate in candidates])


def states(*candidates: Candidate) -> list[str]:
    return [Candidate.objects.get(pk=candidate.pk).state for candidate in candidates]

"""Rejected pictures stay out: the same bytes, and whatever certainly shows the same (re-encoded, turned, mirrored)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingestion.hashes import Hashes, distance, is_telling
from ingestion.models import Ban, Candidate
from search.engines.phash import CERTAIN


def ban(candidates: Iterable[Candidate], by: Any, reason: str) -> None:
    """Keep these pictures out from now on. The same again changes who and why."""
    facts = {"by": by, "reason": reason[:500]}
    bans = [Ban(candidate=one, sha256=one.sha256, phash=bytes(one.phash), **facts) for one in candidates]
    changes = ["sha256", "phash", "by", "reason"]
    Ban.objects.bulk_create(bans, update_conflicts=True, unique_fields=["candidate"], update_fields=changes)


def lift(candidates: Iterable[Candidate]) -> int:
    """They may come again. Returns how many bans that were."""
    return Ban.objects.filter(candidate__in=[one.pk for one in candidates]).delete()[0]


def banned(sha256: str, phash: bytes = b"") -> Ban | None:
    """The ban that keeps a picture out. ``phash``: a feature of the engine phash; of a plain picture it proves nothing,
    and only its bytes count."""
    same = Ban.objects.filter(sha256=sha256).order_by("id").first() if sha256 else None
    return same or _alike(bytes(phash))


def _alike(phash: bytes) -> Ban | None:
    for pk, _ in _hashes.near(phash):
        found = Ban.objects.filter(pk=pk).first()
        if found and is_telling(bytes(found.phash)) and distance(phash, bytes(found.phash)) <= CERTAIN:
            return found
    return None


_hashes = Hashes(Ban.objects.all)

"""An archive that a source has offered, as what it holds: each picture in it is a thing found by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ingestion.archives import Member, PassedOver, members
from ingestion.sources._base import Found, What


def archived(found: Found, path: Path, passed_over: PassedOver | None = None) -> Iterator[tuple[Found, Member]]:
    """The pictures in the archive ``found``, whose file lies at ``path``, with what is said of the archive.

    ``passed_over`` is told what was left out and why. ArchiveError: see ``members``; and from ``Member.open``: then it
    is that member alone, unless its code is unsafe_archive.
    """
    times: dict[str, int] = {}
    for member in members(path):
        if member.error:
            if passed_over is not None:
                passed_over.note(member)
            continue
        times[member.path] = times.get(member.path, 0) + 1
        yield found_in(found, member, times[member.path]), member


def found_in(archive: Found, member: Member, time: int = 1) -> Found:
    """``time``: so often this name came in the archive, with this one."""
    key = f"{archive.key or archive.url}#{member.path}" + (f"#{time}" if time > 1 else "")
    of_archive = hashlib.sha256((archive.key or archive.url).encode()).hexdigest()
    more = archive.more | {"archive": of_archive, "member": member.path, "place": list(member.place)}
    return replace(archive, name=member.name, what=What.PICTURE, key=key, others=(), width=0, height=0, more=more)

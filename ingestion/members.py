"""An archive that a source has offered: each picture in it becomes a candidate of its own, with its file."""

from __future__ import annotations

from pathlib import Path

from django.db.models.functions import Now

from gallery.originals import Incoming, StorageError
from gallery.pictures import PictureError
from ingestion.archives import ArchiveError, Member, PassedOver, is_archive
from ingestion.candidate_files import keep
from ingestion.models import Candidate
from ingestion.models.candidates import CANDIDATE_LEASE
from ingestion.offers import candidate_of
from ingestion.sources._base import Found
from ingestion.unpacking import archived

State = Candidate.State
LOST = (State.FOUND, State.FAILED)
"""A member in one of these has no file any more: it gets it again."""


def is_to_be_unpacked(found: Found, path: Path) -> bool:
    """An archive; but not one that came out of an archive under the name of a picture: these could hold each other
    without end."""
    return "archive" not in found.more and is_archive(path)


def unpack(candidate: Candidate) -> None:
    """Can be broken off anywhere and begun again. ArchiveError; OSError."""
    passed_over, count = PassedOver(), 0
    for found, member in archived(Found.read(candidate.offered), candidate.path, passed_over):
        try:
            news = _bring(candidate, found, member)
            count += 1
        except StorageError:
            raise
        except ArchiveError as error:
            if error.code == "unsafe_archive":
                raise
            passed_over.note(member, error)
            continue
        except PictureError as error:  # too large; a damaged one is found out when it is screened
            passed_over.note(member, error)
            continue
        if not _goes_on(candidate, news):
            return  # somebody else goes on with it
    reason = f"It is an archive. Candidates of their own: {count}. {passed_over.sentence}".strip()
    if candidate.advance(State.KNOWN, reason=reason[:1000], screened_at=Now()):
        candidate.path.unlink(missing_ok=True)


def _goes_on(archive: Candidate, news: bool) -> bool:
    """``news``: it is getting on, so a worker that ends now is no attempt of its fault."""
    attempts = 1 if news else archive.attempts
    held = bool(archive.mine().update(lease_until=Now() + CANDIDATE_LEASE, attempts=attempts))
    archive.attempts = attempts
    return held


def archive_of(candidate: Candidate) -> Candidate | None:
    """The candidate that it came out of."""
    key = candidate.offered.get("more", {}).get("archive")
    return Candidate.objects.filter(source=candidate.source, key=key).first() if key else None


def ask_again(archive: Candidate) -> None:
    """For members whose files are lost."""
    same = Candidate.objects.filter(pk=archive.pk, state__in=(State.KNOWN, State.FAILED, State.LEFT))
    same.update(state=State.FOUND, attempts=0, lease_until=None, not_before=Now(), reason="")


def _bring(archive: Candidate, found: Found, member: Member) -> bool:
    """It is a candidate afterwards; False if it was one. File first, row second. PictureError, ArchiveError."""
    row = candidate_of(archive.source, found, archive.crawl, state=State.FETCHED)
    there = Candidate.objects.filter(source=archive.source, key=row.key)
    lost = there.filter(state__in=LOST).first()
    if there.exists() and lost is None:
        return False
    row = lost or row
    with Incoming(row.name) as incoming:
        incoming.fill(member.open())
        row.sha256, row.bytes = incoming.sha256, incoming.bytes
        keep(row, incoming)
    if lost:
        again = {"sha256": row.sha256, "bytes": row.bytes, "attempts": 0, "lease_until": None, "reason": ""}
        there.filter(state=lost.state).update(state=State.FETCHED, not_before=Now(), **again)
    else:
        Candidate.objects.bulk_create([row], ignore_conflicts=True)
    return True

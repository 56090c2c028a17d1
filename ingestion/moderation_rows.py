"""What deciding and taking back have in common: the rows, their locks, and why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models.functions import Now

from ingestion.known_urls import key_of
from ingestion.models import Candidate, CandidateQuerySet, Decision, KnownUrl

State, Action = Candidate.State, Decision.Action

SLICE = 500
FREE = {"attempts": 0, "lease_until": None, "worker": "", "not_before": Now()}
"""Of a candidate that no worker holds: whoever had it finds that it is not theirs any more."""


class ModerationError(Exception):
    """Why a decision cannot be made or undone. ``code``: decided, gone, lost, undone, forbidden."""

    def __init__(self, code: str, sentence: str, status: int = 409) -> None:
        super().__init__(sentence)
        self.code, self.status = code, status


def locked(pks: Iterable[int]) -> CandidateQuerySet:
    """In the order of their ids, so that two who decide about the same ones wait in line."""
    return Candidate.objects.filter(pk__in=list(pks)).select_for_update(no_key=True, of=("self",)).order_by("pk")


def update(rows: Iterable[Candidate], **changes: object) -> None:
    Candidate.objects.filter(pk__in=[row.pk for row in rows]).update(**changes)


def fetch_anew(rows: Sequence[Candidate]) -> None:
    """From their addresses, as if they had never been asked: "unchanged" would be no answer without the file."""
    if not rows:
        return
    update(rows, state=State.FOUND, image=None, reason="", decided_by=None, decided_at=None, **FREE)
    keys = [key_of(address) for row in rows for address in (row.url, *row.offered.get("others", ()))]
    known = KnownUrl.objects.filter(key__in=keys)
    known.update(etag="", last_modified="", outcome="", failures=0, again_at=None)


def ring() -> None:
    """There is something to fetch, to judge or to publish."""
    from ingestion.mining_tasks import ring as ring_workers  # the queue is not needed by those who only decide

    transaction.on_commit(ring_workers, robust=True)


_BECAME = {
    State.FOUND: "it is being fetched",
    State.FETCHED: "it is being judged",
    State.ACCEPTED: "it is accepted",
    State.PUBLISHED: "it is published",
    State.REJECTED: "it is rejected",
    State.KNOWN: "it is here already",
    State.LEFT: "it was left out",
    State.FAILED: "it has failed",
}


def decided_already(pks: Sequence[int]) -> ModerationError:
    """What has become of them meanwhile, and by whom."""
    rows = list(Candidate.objects.select_related("decided_by").filter(pk__in=pks[:2]))
    if not rows:
        return ModerationError("gone", "There is nothing to decide about: nothing was chosen, or it is gone.", 410)
    if len(pks) > 1:
        return ModerationError("decided", "Somebody was faster: these are all decided already.")
    (row,) = rows
    if row.state == State.WAITING:
        return ModerationError("decided", "It waits for a decision again. Look at it once more.")
    if row.state == State.REJECTED and not row.has_file:
        return ModerationError("lost", "It is rejected, and its file is deleted by now. Fetch it again first.")
    who = f"{row.decided_by} has decided already" if row.decided_by else "This is decided already"
    return ModerationError("decided", f"{who}: {_BECAME[State(row.state)]}.")

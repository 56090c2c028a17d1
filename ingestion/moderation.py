"""What somebody decides about candidates: accept, reject, put off. One decision wins; the second one gets a sentence.

A decision is one act on one candidate or on thousands. It is carried out in slices, each a transaction of its own: a
crash in between leaves a shorter decision, which is undone as a whole like any other, and the rest waits. A candidate
is decided as what it was when it was chosen; whoever comes second finds it changed and leaves it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least, Now

from gallery.models import User
from ingestion import bans
from ingestion.deadlocks import tried_again
from ingestion.models import Candidate, CandidateQuerySet, Decision, DecisionStep
from ingestion.moderation_rows import (
    FREE,
    SLICE,
    Action,
    ModerationError,
    State,
    decided_already,
    fetch_anew,
    locked,
    ring,
    update,
)
from ingestion.moderation_undo import UNDOABLE, last_undoable, may_undo, undo

__all__ = [
    "UNDOABLE",
    "ModerationError",
    "accept",
    "decided_already",
    "is_stuck",
    "last_undoable",
    "may_undo",
    "reject",
    "skip",
    "try_again",
    "undo",
]

Change = Callable[[list[Candidate], Decision], None]
MOST_SKIPS = 30_000
OPEN_TO: dict[str, tuple[str, ...]] = {
    Action.ACCEPT: (State.WAITING, State.REJECTED),
    Action.REJECT: (State.WAITING, State.ACCEPTED),
    Action.SKIP: (State.WAITING,),
}
"""The states from which each action leads on."""


def accept(candidates: CandidateQuerySet, by: User | None, note: str = "") -> Decision:
    """Let them in: what waits or was rejected becomes work for whoever publishes. ``by``: None for the rules.

    ModerationError if there is none of them left to decide about.
    """
    return _decide(candidates, _accepted, Decision(action=Action.ACCEPT, by=by, note=note[:500]))


def reject(candidates: CandidateQuerySet, by: User | None, reason: str, note: str = "") -> Decision:
    """Keep them out, and what shows the same as well. ModerationError as ``accept``."""
    made = Decision(action=Action.REJECT, by=by, reason=reason[:500], note=note[:500])
    return _decide(candidates, _rejected, made)


def skip(candidates: CandidateQuerySet, by: User | None, note: str = "") -> Decision:
    """They wait behind the others. ModerationError as ``accept``."""
    return _decide(candidates, _put_off, Decision(action=Action.SKIP, by=by, note=note[:500]))


def _decide(candidates: CandidateQuerySet, change: Change, act: Decision) -> Decision:
    """``act``: what is to be written, once there is something that it is about."""
    chosen = sorted(candidates.values_list("pk", "state"))
    made: int | None = None
    for start in range(0, len(chosen), SLICE):
        made = tried_again(partial(_decide_slice, dict(chosen[start : start + SLICE]), change, act, made))
    if made is None:
        raise decided_already([pk for pk, _ in chosen])
    if act.action == Action.ACCEPT:
        ring()
    return Decision.objects.get(pk=made)


def _decide_slice(chosen: dict[int, str], change: Change, act: Decision, made: int | None) -> int | None:
    """The id of the decision, if there is one by now. ``chosen``: {candidate: the state in which it was chosen}."""
    with transaction.atomic():
        rows = [row for row in locked(chosen) if row.state == chosen[row.pk] and _is_open_to(act.action, row)]
        if not rows:
            return made
        if made is None:
            facts = {"by": act.by, "reason": act.reason, "note": act.note}
            made = Decision.objects.create(action=act.action, **facts).pk
        DecisionStep.objects.bulk_create(
            DecisionStep(decision_id=made, candidate=row, before=row.state, skips=row.skips, scores=row.scores)
            for row in rows
        )
        change(rows, act)
    return made


def _is_open_to(action: str, row: Candidate) -> bool:
    """What was rejected long ago has no file any more that could be published."""
    if row.state not in OPEN_TO[action]:
        return False
    return action != Action.ACCEPT or row.state != State.REJECTED or row.has_file


def _accepted(rows: list[Candidate], act: Decision) -> None:
    update(rows, state=State.ACCEPTED, reason="", decided_by=act.by, decided_at=Now(), **FREE)
    bans.lift(row for row in rows if row.state == State.REJECTED)


def _rejected(rows: list[Candidate], act: Decision) -> None:
    update(rows, state=State.REJECTED, reason=act.reason, decided_by=act.by, decided_at=Now(), **FREE)
    bans.ban(rows, act.by, act.reason)


def _put_off(rows: list[Candidate], act: Decision) -> None:
    update(rows, skips=Least(F("skips") + 1, MOST_SKIPS))


def try_again(candidates: CandidateQuerySet) -> int:
    """Those that failed, were left out, or have lost their file: from the step that they can be taken up at.

    Returns how many.
    """
    stuck = candidates.filter(state__in=(State.FAILED, State.LEFT, State.REJECTED, State.WAITING))
    count = sum(_try_one_again(pk) for pk in sorted(stuck.values_list("pk", flat=True)))
    if count:
        ring()
    return count


def _try_one_again(pk: int) -> bool:
    with transaction.atomic():
        row = locked([pk]).first()
        if row is None or not is_stuck(row):
            return False
        if row.state == State.REJECTED:
            bans.lift([row])
        if row.has_file and row.sha256:  # it was accepted, and could not be published; or could not be judged
            state = State.ACCEPTED if row.decided_at else State.FETCHED
            update([row], state=state, reason="", **FREE)
        else:
            fetch_anew([row])
    return True


def is_stuck(row: Candidate) -> bool:
    """It needs to be taken up again: it failed, was left out, or its file is gone."""
    return row.state in (State.FAILED, State.LEFT) or (
        row.state in (State.REJECTED, State.WAITING) and not row.has_file
    )

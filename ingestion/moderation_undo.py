"""Taking back what was decided about candidates: all of it that nobody has built upon since."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from gallery import originals
from gallery.models import Image, ImageSource, User
from ingestion import bans
from ingestion.deadlocks import tried_again
from ingestion.models import Candidate, Decision, DecisionStep
from ingestion.moderation_rows import (
    FREE,
    Action,
    ModerationError,
    State,
    fetch_anew,
    locked,
    ring,
    update,
)
from ingestion.pipeline import storable_address
from ingestion.screening import origin_of

UNDOABLE = 50
"""The last decisions of a person that the key for undoing goes through."""
AT_ONCE = 100
"""Candidates in a transaction: the pictures of published ones go to the trash one by one."""
_STAYS = {
    "decided": "{} {is} decided anew since, and {stays} as {it} {is}",
    "edited": "{} {is} in the gallery and {was} changed there since, so {it} {stays}",
    "known": "{} {was} here already, and {stays}",
}
"""{cause: sentence}; see _sentence."""


def last_undoable(by: User) -> Decision | None:
    """The newest of the last decisions of this person that stands."""
    recent = Decision.objects.filter(by=by).order_by("-id")[:UNDOABLE]
    return next((decision for decision in recent if not decision.undone_at), None)


def undo(decision: Decision, by: User) -> list[str]:
    """Everything is as it was before: what was published goes to the trash, what was rejected waits again.

    What has no file any more is fetched again. Returns a sentence for each kind of candidate that stays. It is written
    in slices, like the decision itself: nobody waits for the locks of thousands, and after a crash in between it can be
    undone once more. ModerationError if it is undone already, if ``by`` may not, or if nothing of it can be undone.
    """
    stays: Counter[str] = Counter()
    count = after = 0
    while steps := _steps(decision, after):
        stays += tried_again(partial(_undo_slice, decision.pk, steps, by))
        count, after = count + len(steps), max(steps)
    tried_again(partial(_finish, decision.pk, by, stays, count))
    decision.refresh_from_db()
    ring()
    return [_sentence(cause, count) for cause, count in sorted(stays.items())]


def may_undo(decision: Decision, by: Any) -> bool:
    """One's own; staff undo those of everybody."""
    return bool(by.is_staff or (decision.by_id is not None and decision.by_id == by.pk))


def _finish(pk: int, by: User, stays: Counter[str], count: int) -> None:
    with transaction.atomic():
        _standing(pk, by)
        if count and stays.total() == count:
            raise ModerationError("decided", " ".join(_sentence(*one) for one in sorted(stays.items())))
        Decision.objects.filter(pk=pk).update(undone_at=Now(), undone_by=by)


def _standing(pk: int, by: User) -> Decision:
    """Locked, so that two who undo it take turns."""
    decision = Decision.objects.select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
    if decision is None:
        raise ModerationError("gone", "This decision is not on record any more.", 410)
    if not may_undo(decision, by):
        raise ModerationError("forbidden", "Only staff, and whoever has decided, may undo this.", 403)
    if decision.undone_at:
        who = f"{decision.undone_by} has undone this" if decision.undone_by else "This is undone"
        raise ModerationError("undone", f"{who} already.")
    return decision


def _steps(decision: Decision, after: int) -> dict[int, DecisionStep]:
    """{candidate: step}, the next ones."""
    steps = decision.steps.order_by("candidate_id").filter(candidate__gt=after)[:AT_ONCE]
    return {step.candidate_id: step for step in steps}


def _undo_slice(pk: int, steps: dict[int, DecisionStep], by: User) -> Counter[str]:
    """{why it stays: how many}"""
    with transaction.atomic():
        decision = _standing(pk, by)
        rows = list(locked(list(steps)))
        if decision.action == Action.SKIP:
            return _undo_skips(rows, steps)
        return _undo_rows(rows, steps, decision, by)


def _undo_rows(rows: list[Candidate], steps: dict[int, DecisionStep], decision: Decision, by: User) -> Counter[str]:
    stays: Counter[str] = Counter()
    decided = _decided_since(steps)
    shown = _Shown(rows) if decision.action == Action.ACCEPT else None
    back: dict[str, list[Candidate]] = defaultdict(list)
    for row in rows:
        before = _before(steps[row.pk], decision)
        if row.state == before and row.pk not in decided:
            continue  # a crash has ended the undoing behind it
        cause = "decided" if row.pk in decided else _accept_stays(row, shown) if shown else _reject_stays(row)
        stays.update([cause] if cause else [])
        if not cause:
            back[before].append(row)
    for state, some in back.items():
        _as_before(some, state)
    for row in back.get(State.REJECTED, ()):
        _reject_again(row, steps[row.pk], by)
    return stays


def _before(step: DecisionStep, decision: Decision) -> str:
    return State.WAITING if decision.action == Action.ACCEPT and step.before != State.REJECTED else step.before


def _decided_since(steps: dict[int, DecisionStep]) -> set[int]:
    """Candidates about which a later decision stands. Steps are made under the lock of the candidate: their ids tell
    the order."""
    later = DecisionStep.objects.filter(candidate__in=steps, decision__undone_at=None)
    later = later.filter(pk__gt=min(step.pk for step in steps.values())).exclude(decision__action=Action.SKIP)
    return {candidate for candidate, pk in later.values_list("candidate", "pk") if pk > steps[candidate].pk}


def _undo_skips(rows: list[Candidate], steps: dict[int, DecisionStep]) -> Counter[str]:
    back: dict[int, list[Candidate]] = defaultdict(list)
    stays: Counter[str] = Counter()
    for row in rows:
        step = steps[row.pk]
        if row.state == State.WAITING and row.skips > step.skips:
            back[step.skips].append(row)
        else:
            stays["decided"] += 1
    for skips, some in back.items():
        update(some, skips=skips)
    return stays


def _accept_stays(row: Candidate, shown: _Shown) -> str:
    """Why it stays, as a key of _STAYS; "": what was published of it is in the trash."""
    if row.state == State.KNOWN:
        return "known"
    if row.state not in (State.ACCEPTED, State.PUBLISHED, State.FAILED):
        return "decided"
    image = shown.images.get(row.image_id or 0) if row.state == State.PUBLISHED else None
    if image and not image.trashed_at:
        if row.image_id in shown.touched:
            return "edited"
        image.trash()
    if image:
        _bring_file_back(row, image)
    return ""


def _reject_stays(row: Candidate) -> str:
    return "" if row.state == State.REJECTED else "decided"


def _as_before(rows: list[Candidate], state: str) -> None:
    """What waits, or is to be published, needs a file: without one it is fetched again, and judged again."""
    bans.lift(rows)
    there = [row for row in rows if state == State.REJECTED or row.has_file]
    update(there, state=state, image=None, reason="", decided_by=None, decided_at=None, **FREE)
    kept = {row.pk for row in there}
    fetch_anew([row for row in rows if row.pk not in kept])


def _reject_again(row: Candidate, step: DecisionStep, by: User) -> None:
    reason = _last_reason(step)
    update([row], reason=reason, decided_by=by, decided_at=Now())
    bans.ban([row], by, reason)


def _last_reason(step: DecisionStep) -> str:
    """Of the rejection that was overruled."""
    before = DecisionStep.objects.filter(candidate=step.candidate_id, pk__lt=step.pk, decision__action=Action.REJECT)
    return before.order_by("-pk").values_list("decision__reason", flat=True).first() or ""


class _Shown:
    """The images that have become of candidates, locked, and which of them somebody has built upon since."""

    def __init__(self, rows: list[Candidate]) -> None:
        pks = [row.image_id for row in rows if row.state == State.PUBLISHED and row.image_id]
        found = Image.objects.filter(pk__in=pks).select_for_update(no_key=True, of=("self",)).order_by("pk")
        self.images = {image.pk: image for image in found}
        self.touched = self._touched(list(self.images))

    def _touched(self, pks: list[int]) -> set[int]:
        """Another candidate has brought it too, or another source, or somebody has said or done anything to it."""
        here = Image.objects.filter(pk__in=pks)
        touched = set(here.filter(edits__isnull=False).values_list("pk", flat=True))
        touched |= set(here.filter(resolutions__isnull=False, resolutions__undone_at=None).values_list("pk", flat=True))
        published: Counter[int] = Counter()
        known: dict[int, set[str]] = defaultdict(set)
        for one in Candidate.objects.filter(image__in=pks).select_related("source", "decided_by"):
            published.update([one.image_id] if one.state == State.PUBLISHED else [])
            known[one.image_id].add(storable_address(origin_of(one).address))
        touched |= {pk for pk, count in published.items() if count > 1}
        addresses = ImageSource.objects.filter(image__in=pks).values_list("image", "address")
        return touched | {pk for pk, address in addresses if address not in known[pk]}


def _bring_file_back(row: Candidate, image: Image) -> None:
    """A candidate loses its file a day after the decision; the original of the image is the same one."""
    original = originals.path_of(image.sha256, image.format)
    if row.has_file or row.sha256 != image.sha256 or not original.exists():
        return
    row.path.parent.mkdir(parents=True, exist_ok=True)
    part = row.path.with_suffix(".part")
    shutil.copyfile(original, part)
    os.replace(part, row.path)


def _sentence(cause: str, count: int) -> str:
    """ "3 are decided anew since, and stay as they are." """
    one = {"is": "is", "was": "was", "it": "it", "stays": "stays"}
    many = {"is": "are", "was": "were", "it": "they", "stays": "stay"}
    return _STAYS[cause].format(f"{count:,}", **(one if count == 1 else many)) + "."

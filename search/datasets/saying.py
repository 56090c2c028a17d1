"""What a work does, has done, or would do, in words."""

from __future__ import annotations

from typing import Any

from search.models import CollectionWork

Kind, State = CollectionWork.Kind, CollectionWork.State


def sentence(work: CollectionWork) -> str:
    """Of a work that is over."""
    if work.state == State.FAILED:
        return work.problem
    told = work.outcome
    if work.kind == Kind.ADD:
        added, asked = told.get("added", 0), told.get("asked", work.total)
        rest = f"; the other {asked - added:,} were in it already, or are not there any more" if asked > added else ""
        return " ".join([f"{pictures(added)} added{rest}.", *_what_may_be_missing(told)])
    if work.kind == Kind.REMOVE:
        return f"{pictures(told.get('removed', 0))} taken out. They stay in the gallery."
    if work.kind == Kind.THIN:
        return _thinned(work)
    if work.kind == Kind.SAMPLE:
        return _sampled(work)
    return _packed(work)


def _what_may_be_missing(told: dict[str, Any]) -> list[str]:
    notices = told.get("notices", [])
    return ["There may be more, since not everything could be asked:", *notices] if notices else []


def _thinned(work: CollectionWork) -> str:
    told = work.outcome
    if work.is_preview:
        would = told.get("would_remove", 0)
        if not would:
            return f"There are no near-duplicates among {pictures(told.get('of', 0))}."
        return f"This would remove {would:,} of {pictures(told.get('of', 0))}. Nothing has been changed yet."
    return f"{pictures(told.get('removed', 0))} of {told.get('of', 0):,} taken out; the best of each stays."


def _sampled(work: CollectionWork) -> str:
    told = work.outcome
    parts = [f"{pictures(told.get('chosen', 0))} of {told.get('of', 0):,} chosen"]
    if "removed" in told:
        parts.append(f"the other {told['removed']:,} were taken out")
    if told.get("usual"):
        mean, most = (f"{told[name] / told['usual']:.0%}" for name in ("distance", "radius"))
        parts.append(
            f"on average a picture differs from the chosen one that is most like it by {mean} of what two pictures of "
            f"the collection usually differ by, at most by {most}: the less, the better the sample stands for all"
        )
    if told.get("unprepared"):
        parts.append(f"{told['unprepared']:,} are being prepared still and were not looked at")
    return "; ".join(parts) + "."


def _packed(work: CollectionWork) -> str:
    told = work.outcome
    left = f"; {told['left_out']:,} could not be read and were left out" if told.get("left_out") else ""
    return f"{pictures(told.get('packed', 0))} packed{left}."


def pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"

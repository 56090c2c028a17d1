"""Candidates that wait for a moderator, and the sources that bring them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from .answers import Page
from .calls import Call, given, many, nothing, one, page_of
from .moderated import Batch, Candidate, Decided, Decision, Line, Score, Source, SourceKind, Trial, Undone
from .pictures import Picture, file_of

PAGE = 100
SCORE = "/api/candidates/scores/{name}"
Tab: TypeAlias = Literal["waiting", "accepted", "rejected", "failed", "left", "known"]


# --- candidates
def candidates(
    state: Tab = "waiting", *, source: str = "", advice: Literal["", "pass", "hold", "reject"] = "", sort: str = ""
) -> Callable[[str], Call[Page[Candidate]]]:
    """What was brought, oldest first; ``sort``: newest, unsure, or a score with -low, -high or -unsure."""
    query = given(state=state, source=source, advice=advice, sort=sort, limit=PAGE)
    return lambda cursor: Call("GET", "/api/candidates", page_of(Candidate), query={**query, **given(cursor=cursor)})


def pending(*, source: str = "", sort: str = "") -> Callable[[str], Call[Page[Candidate]]]:
    """What waits for a moderator."""
    return candidates("waiting", source=source, sort=sort)


def candidate(token: str) -> Call[Candidate]:
    """One, with what each filter says and what was decided."""
    return Call("GET", "/api/candidates/{token}", one(Candidate), {"token": token})


def candidate_picture(token: str) -> Call[bytes]:
    """A large WebP of it."""
    return Call("GET", "/api/candidates/{token}/picture", lambda reply: reply.body, {"token": token})


def candidate_thumbnail(token: str) -> Call[bytes]:
    """A small WebP of it, which outlives its file."""
    return Call("GET", "/api/candidates/{token}/thumbnail", lambda reply: reply.body, {"token": token})


def accept(candidates: Sequence[Candidate | str], *, note: str = "") -> Call[Decided]:
    """Into the gallery, up to 1,000 at once. What somebody has decided meanwhile is left alone."""
    return _decide("accept", candidates, note=note)


def reject(candidates: Sequence[Candidate | str], reason: str = "", *, note: str = "") -> Call[Decided]:
    """Not into the gallery."""
    return _decide("reject", candidates, reason=reason, note=note)


def skip(candidates: Sequence[Candidate | str], *, note: str = "") -> Call[Decided]:
    """To the end of the queue."""
    return _decide("skip", candidates, note=note)


def decisions(*, mine: bool = False) -> Callable[[str], Call[Page[Decision]]]:
    """The log, newest first."""
    query = given(mine=mine or None)
    return lambda cursor: Call(
        "GET", "/api/candidates/decisions", page_of(Decision), query={**query, **given(cursor=cursor)}
    )


def undo_decision(decision: Decision | Decided | int | None = None) -> Call[Undone]:
    """As a whole; without one your last that stands."""
    if decision is None:
        return Call("POST", "/api/candidates/decisions/undo", one(Undone))
    which = decision.decision if isinstance(decision, Decided) else decision
    number = which.id if isinstance(which, Decision) else which
    return Call("POST", "/api/candidates/decisions/{id}/undo", one(Undone), {"id": number})


def _decide(action: str, candidates: Sequence[Candidate | str], **said: str) -> Call[Decided]:
    tokens = [each.token if isinstance(each, Candidate) else each for each in candidates]
    wish = {"action": action, "tokens": tokens, **given(**said)}
    return Call("POST", "/api/candidates/decide", one(Decided), json=wish)


# --- sources
def sources(*, removed: bool = False) -> Callable[[str], Call[Page[Source]]]:
    """Where pictures are looked for, by their names."""
    query = given(removed=removed or None)
    return lambda cursor: Call("GET", "/api/sources", page_of(Source), query={**query, **given(cursor=cursor)})


def source_kinds() -> Call[tuple[SourceKind, ...]]:
    """What each kind asks for."""
    return Call("GET", "/api/sources/kinds", many(SourceKind))


def source(name: str) -> Call[Source]:
    """One, and how its last crawls have ended."""
    return Call("GET", "/api/sources/{name}", one(Source), {"name": name})


def add_source(
    name: str, kind: str, options: dict[str, Any], *, rules: dict[str, Any] | None = None, **more: Any
) -> Call[Source]:
    """It is crawled at once: try it first. ``more``: every (minutes), budget (pictures), publishes."""
    wish = {"name": name, "kind": kind, "options": options, **given(rules=rules, **more)}
    return Call("POST", "/api/sources", one(Source), json=wish)


def try_source(kind: str, options: dict[str, Any], *, limit: int = 5) -> Call[tuple[Trial, ...]]:
    """The first pictures that it would bring, with every score. Nothing is stored."""
    wish = {"kind": kind, "options": options}
    return Call("POST", "/api/sources/test", many(Trial), json=wish, query={"limit": limit}, repeatable=True)


def change_source(name: str, **changes: Any) -> Call[Source]:
    """options, rules, every, budget, publishes; what is not given stays."""
    return Call("PATCH", "/api/sources/{name}", one(Source), {"name": name}, json=changes)


def crawl_source(name: str) -> Call[Source]:
    """Now, and not when its time has come."""
    return _to(name, "crawl")


def pause_source(name: str) -> Call[Source]:
    """What it has brought stays."""
    return _to(name, "pause")


def resume_source(name: str) -> Call[Source]:
    """Let it go on."""
    return _to(name, "resume")


def remove_source(name: str) -> Call[None]:
    """What it has brought stays, and it can be restored."""
    return Call("DELETE", "/api/sources/{name}", nothing, {"name": name})


def restore_source(name: str) -> Call[Source]:
    """As it was."""
    return _to(name, "restore")


# --- scores
def candidate_scores() -> Call[tuple[Score, ...]]:
    """Scores of candidates, and where their lines are."""
    return Call("GET", "/api/candidates/scores", many(Score))


def try_line(score: str, line: float | None = None, *, source: str = "") -> Call[Line]:
    """What a line would mean for what waits, beside what people have decided; without one: the present one."""
    where, query = {"name": score}, given(line=line, source=source)
    return Call("GET", SCORE, one(Line), where, query=query)


def draw_line(score: str, value: float, action: Literal["hold", "reject"] = "hold", *, source: str = "") -> Call[Score]:
    """From now on; for one ``source``, or for all. What waits is judged again."""
    said = {"value": value, "action": action, **given(source=source)}
    return Call("PUT", SCORE + "/line", one(Score), {"name": score}, json=said, repeatable=True)


def forget_line(score: str, *, source: str = "") -> Call[Score]:
    """The one for all counts again, or the usual one."""
    return Call("DELETE", SCORE + "/line", one(Score), {"name": score}, query=given(source=source), repeatable=True)


def apply_line(score: str, line: float, action: Literal["accept", "reject"], *, source: str = "") -> Call[Decided]:
    """Accept all that waits and passes the line, or reject all that waits beyond it; in one act that can be undone."""
    said = {"action": action, "line": line, **given(source=source)}
    return Call("POST", SCORE + "/apply", one(Decided), {"name": score}, json=said)


def _to(name: str, action: str) -> Call[Source]:
    return Call("POST", "/api/sources/{name}/" + action, one(Source), {"name": name})


# --- filters
def filter(
    pictures: Sequence[Picture],
    *,
    filters: Sequence[str] | None = None,
    rules: dict[str, Any] | None = None,
    lines: dict[str, Any] | None = None,
) -> Call[Batch]:
    """What the filters say of up to 32 pictures; nothing is stored. ``filters``: only these. ``rules``: {filter:
    {option: value}}. ``lines``: {score: number}, or {score: (number, "hold" or "reject")}."""
    options = given(filters=None if filters is None else list(filters), rules=rules, lines=lines)
    files = {f"picture{number}": file_of(picture) for number, picture in enumerate(pictures)}
    form = {"options": json.dumps(options)} if options else None
    return Call("POST", "/api/filter", one(Batch), form=form, files=files, repeatable=True)

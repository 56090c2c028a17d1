"""Candidates that wait for a moderator: look at them, decide about many at once, take it back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from pydantic import Field

from gallery.api_access import Access
from gallery.api_bodies import WEBP
from gallery.api_pages import (
    NO_NUL,
    REFUSALS,
    Cursor,
    Id,
    Limit,
    Page,
    Problem,
    Token,
    opened,
    page_by_id,
    reader_of,
    sealed,
)
from gallery.models import Scope, decode_limits
from gallery.pictures import PictureError, decode
from gallery.refusal import Refusal
from gallery.renditions import LONGEST, webp
from ingestion import moderation
from ingestion.candidates_schemas import (
    CandidateListed,
    CandidateOut,
    Decide,
    Decided,
    DecisionOut,
    SourceName,
    Undone,
    candidate_out,
    decisions_out,
    whole_candidate,
)
from ingestion.models import Candidate, Decision
from ingestion.moderation import ModerationError
from ingestion.moderation_queue import Sieve, page_of, sorts
from ingestion.scores_api import router

MODERATE = Access(Scope.MODERATE)
GONE = "Its file is not here any more."
Tab = Literal["waiting", "accepted", "rejected", "failed", "left", "known"]
Advice = Literal["", "pass", "hold", "reject"]
Sort = Annotated[
    str,
    Field(
        max_length=100,
        pattern=NO_NUL,
        description="oldest, newest, unsure (least certain first), or a score with -low, -high or -unsure: blur-high.",
    ),
]


# --- the queue
@router.get("", auth=MODERATE, response={200: Page[CandidateListed], REFUSALS: Problem}, summary="Candidates")
def list_candidates(
    request: HttpRequest,
    state: Tab = "waiting",
    source: SourceName = "",
    advice: Advice = "",
    sort: Sort = "oldest",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """accepted: also those that are published by now."""
    if sort not in sorts():
        raise Refusal(422, "invalid", f"sort: there is no order {sort[:60]!r}.")
    sieve = Sieve(state, source, advice, sort)
    mark = opened(cursor, "candidates", sieve.query)
    rows, onward = page_of(sieve, mark, limit)
    items = [candidate_out(row, request) for row in rows]
    return {"items": items, "next": sealed(onward, "candidates", sieve.query) if onward else None}


@router.post("/decide", auth=MODERATE, response={200: Decided, REFUSALS: Problem}, summary="Accept, reject, put off")
def decide(request: HttpRequest, said: Decide) -> dict[str, Any]:
    """One act on up to 1,000, undone as a whole. again: fetch or judge those anew that failed or lost their file."""
    named, user = len(set(said.tokens)) + len(set(said.ids)), reader_of(request)
    if not named:
        raise Refusal(422, "empty", "Name the candidates by their tokens or their ids.")
    chosen, decision = said.candidates, None
    try:
        if said.action == "accept":
            decision = moderation.accept(chosen, user, said.note)
        elif said.action == "reject":
            decision = moderation.reject(chosen, user, said.reason.strip(), said.note)
        elif said.action == "skip":
            decision = moderation.skip(chosen, user, said.note)
        done = decision.steps.count() if decision else moderation.try_again(chosen)
    except ModerationError as error:
        raise Refusal(error.status, error.code, str(error)) from error
    told = decisions_out([decision], user)[0] if decision else None
    return {"decision": told, "done": done, "left_alone": max(0, named - done)}


# --- the log
@router.get("/decisions", auth=MODERATE, response={200: Page[DecisionOut], REFUSALS: Problem}, summary="Decisions")
def list_decisions(
    request: HttpRequest,
    mine: Annotated[bool, Field(description="Only your own.")] = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """The newest first."""
    user = reader_of(request)
    rows = Decision.objects.select_related("by", "undone_by")
    found, onward = page_by_id(rows.filter(by=user) if mine else rows, limit, cursor, "decisions", mine)
    return {"items": decisions_out(found, user), "next": onward}


@router.post("/decisions/undo", auth=MODERATE, response={200: Undone, REFUSALS: Problem}, summary="Undo your last one")
def undo_last(request: HttpRequest) -> dict[str, Any]:
    """The newest of your own that stands."""
    last = moderation.last_undoable(reader_of(request))
    if last is None:
        sentence = f"There is nothing to undo: of your last {moderation.UNDOABLE} decisions none stands."
        raise Refusal(409, "undone", sentence)
    return _undone(last, request)


@router.post(
    "/decisions/{id}/undo", auth=MODERATE, response={200: Undone, REFUSALS: Problem}, summary="Undo a decision"
)
def undo_decision(request: HttpRequest, id: Id) -> dict[str, Any]:
    """As a whole; what somebody has built upon since stays, and a sentence says so."""
    found = Decision.objects.filter(pk=id).first()
    if found is None:
        raise Refusal(404, "not_found", f"There is no decision {id} on record.")
    return _undone(found, request)


def _undone(decision: Decision, request: HttpRequest) -> dict[str, Any]:
    user = reader_of(request)
    try:
        notices = moderation.undo(decision, user)
    except ModerationError as error:
        raise Refusal(error.status, error.code, str(error)) from error
    return {"decision": decisions_out([decision], user)[0], "notices": notices}


# --- one of them
@router.get("/{token}", auth=MODERATE, response={200: CandidateOut, REFUSALS: Problem}, summary="One candidate")
def read_candidate(request: HttpRequest, token: Token) -> dict[str, Any]:
    """With what each filter says, what it is like, and what was decided."""
    return whole_candidate(_find(token), request)


@router.get(
    "/{token}/thumbnail",
    auth=MODERATE,
    response={REFUSALS: Problem},
    url_name="candidate_thumbnail",
    summary="Its thumbnail",
    openapi_extra=WEBP,
)
def thumbnail(request: HttpRequest, token: Token) -> HttpResponse:
    """As it was made when it was screened; it outlives the file."""
    row = _find(token)
    if not row.thumbnail:
        raise Refusal(404, "not_found", "It has no thumbnail.")
    return _as_picture(bytes(row.thumbnail))


@router.get(
    "/{token}/picture",
    auth=MODERATE,
    response={REFUSALS: Problem},
    url_name="candidate_picture",
    summary="Its picture",
    openapi_extra=WEBP,
)
def picture(request: HttpRequest, token: Token) -> HttpResponse:
    """Large, decoded and encoded again without metadata: never the bytes of strangers."""
    row = _find(token)
    try:
        seen = decode(row.path, longest=LONGEST[-1], limits=decode_limits())
    except (OSError, PictureError) as error:
        raise Refusal(410, "lost", GONE) from error
    return _as_picture(webp(seen.pil()))


def _as_picture(content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="image/webp")
    response["Cache-Control"] = "no-store, private"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _find(token: str) -> Candidate:
    found = Candidate.objects.select_related("source", "image", "decided_by").filter(token=token).first()
    if found is None:
        raise Refusal(404, "not_found", "There is no such candidate.")
    return found

"""Scores and the lines through them: moderators look, admins draw."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from gallery.api_access import Access
from gallery.api_pages import REFUSALS, Problem, reader_of
from gallery.models import Scope
from gallery.refusal import Refusal
from ingestion.candidates_schemas import (
    Decided,
    LineApplied,
    LineDrawn,
    LineTried,
    Number,
    ScoreOut,
    SourceName,
    decisions_out,
    judged_out,
    score_out,
)
from ingestion.cut_offs import lines
from ingestion.filters import all_filters, all_scores
from ingestion.filters._base import Score
from ingestion.models import Candidate, CutOff, Source
from ingestion.moderation import ModerationError, accept, reject
from ingestion.score_lines import histogram, judged, passing, scored
from ingestion.score_tasks import ring_for_cut_offs
from ingestion.sources_schemas import Name

MODERATE, ADMIN = Access(Scope.MODERATE), Access(Scope.ADMIN)
NOTHING = "Nothing waits on that side of the line."

router = Router(tags=["candidates"])
"""ingestion/candidates_api.py adds to it: these come first, for "scores" is no token of a candidate."""


@router.get(
    "/scores", auth=MODERATE, response={200: list[ScoreOut], REFUSALS: Problem}, summary="Scores and their lines"
)
def list_scores(request: HttpRequest) -> list[dict[str, Any]]:
    """All that the filters give."""
    return _all()


def _all() -> list[dict[str, Any]]:
    drawn = list(CutOff.objects.select_related("source"))
    return [score_out(score, each.name, drawn) for each in all_filters().values() for score in each.scores]


@router.get(
    "/scores/{name}", auth=MODERATE, response={200: LineTried, REFUSALS: Problem}, summary="What a line would mean"
)
def try_line(request: HttpRequest, name: Name, line: Number | None = None, source: SourceName = "") -> dict[str, Any]:
    """Without ``line``: the one that holds."""
    score, of = _score(name), _source(source)
    now = lines(of).get(name)
    tried = line if line is not None else now[0] if now else (score.low + score.high) / 2
    said = {"score": name, "source": source, "line": tried, "low": score.low, "high": score.high}
    return said | judged_out(judged(score, tried, of)) | {"histogram": histogram(score, of)}


@router.put("/scores/{name}/line", auth=ADMIN, response={200: ScoreOut, REFUSALS: Problem}, summary="Draw a line")
def draw_line(request: HttpRequest, name: Name, said: LineDrawn) -> dict[str, Any]:
    """From now on it is here; what waits is judged again."""
    _score(name)
    source = _source(said.source)
    drawn = {"value": said.value, "action": said.action, "by": reader_of(request)}
    CutOff.objects.update_or_create(score=name, source=source, defaults=drawn)
    ring_for_cut_offs(source)
    return _now(name)


@router.delete("/scores/{name}/line", auth=ADMIN, response={200: ScoreOut, REFUSALS: Problem}, summary="Forget a line")
def forget_line(request: HttpRequest, name: Name, source: SourceName = "") -> dict[str, Any]:
    """The one for all counts again, or the one that the filter comes with."""
    _score(name)
    of = _source(source)
    CutOff.objects.filter(score=name, source=of).delete()
    ring_for_cut_offs(of)
    return _now(name)


@router.post("/scores/{name}/apply", auth=ADMIN, response={200: Decided, REFUSALS: Problem}, summary="Decide by a line")
def apply_line(request: HttpRequest, name: Name, said: LineApplied) -> dict[str, Any]:
    """On all that wait on one side of it, in one act that can be undone."""
    score, source, user = _score(name), _source(said.source), reader_of(request)
    waiting = scored(score, source).filter(state=Candidate.State.WAITING)
    is_in = passing(score, said.line)
    chosen = waiting.filter(is_in) if said.action == "accept" else waiting.exclude(is_in)
    plain = Candidate.objects.filter(pk__in=chosen.values("pk"))  # without the columns that were only to choose by
    side = "passing" if said.action == "accept" else "beyond"
    words = f"{score.label}: {side} {said.line:g}" + (f", {source.name}" if source else "")
    try:
        decision = accept(plain, user, words) if said.action == "accept" else reject(plain, user, words)
    except ModerationError as error:
        raise Refusal(409, "nothing", NOTHING) from error
    return {"decision": decisions_out([decision], user)[0], "done": decision.steps.count(), "left_alone": 0}


def _now(name: str) -> dict[str, Any]:
    return next(told for told in _all() if told["name"] == name)


def _score(name: str) -> Score:
    score = all_scores().get(name)
    if score is None:
        raise Refusal(404, "not_found", f"There is no score called {name}.")
    return score


def _source(name: str) -> Source | None:
    source = Source.objects.filter(name=name).first() if name else None
    if name and source is None:
        raise Refusal(404, "not_found", f"There is no source called {name[:80]}.")
    return source

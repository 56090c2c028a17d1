"""Candidates, decisions about them and the lines of their scores, as the API tells them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from ninja import Schema
from pydantic import ConfigDict, Field

from gallery.api_pages import MOST, NO_NUL, Id, Token, example, reader_of
from gallery.models import Image
from ingestion import moderation
from ingestion.filters._base import Score
from ingestion.models import Candidate, CandidateQuerySet, CutOff, Decision, DecisionStep
from ingestion.moderation_cards import history
from ingestion.score_lines import GROUPS, Judged, Side
from ingestion.sources_schemas import VerdictOut
from ingestion.unjudged import SENTENCE, is_unjudged

State = Literal["found", "fetched", "waiting", "accepted", "published", "rejected", "known", "left", "failed"]
Number = Annotated[float, Field(gt=-1e12, lt=1e12, allow_inf_nan=False)]
SourceName = Annotated[str, Field(max_length=80, pattern=NO_NUL, description="Of one source; empty: for all.")]


class Decide(Schema):
    """What is to be done, and with which: their tokens or their ids."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(action="reject", ids=[1, 2], reason="blurred"))
    action: Literal["accept", "reject", "skip", "again"]
    tokens: list[Token] = Field([], max_length=MOST)
    ids: list[Id] = Field([], max_length=MOST)
    state: State | None = Field(
        None, description="As you have seen them: others are left alone. Usually waiting; for again, any."
    )
    reason: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = Field("", description="Of a rejection.")
    note: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = Field("", description="For the log.")

    @property
    def candidates(self) -> CandidateQuerySet:
        chosen = Candidate.objects.filter(Q(token__in=self.tokens) | Q(pk__in=self.ids))
        state = self.state or ("" if self.action == "again" else "waiting")
        return chosen.filter(state=state) if state else chosen


class CandidateListed(Schema):
    id: int
    token: str
    source: str
    state: State
    title: str
    author: str
    licence: str
    url: str = Field(description="Where the file lies: an address, or a path of the server.")
    page: str = Field(description="Where people look at it.")
    name: str
    width: int
    height: int
    format: str
    bytes: int
    found_at: datetime
    published_at: datetime | None = Field(description="Where it was found, if its source says so.")
    screened_at: datetime | None
    scores: dict[str, float | None]
    advice: str = Field(description="pass, hold or reject; empty before it was judged.")
    reason: str = Field(description="Why it failed, was left out or rejected.")
    skips: int
    decided_by: str | None
    decided_at: datetime | None
    image: int | None = Field(description="What it has become in the gallery.")
    thumbnail: str | None


class LikenessOut(Schema):
    image: int
    grade: str
    relation: str
    evidence: str


class StepOut(Schema):
    decision: int
    action: str
    before: str = Field(description="Its state before.")
    by: str | None = Field(description="null: by the rules, or by an account that is removed.")
    reason: str
    at: datetime
    undone_at: datetime | None


class CandidateOut(CandidateListed):
    verdicts: list[VerdictOut]
    alike: list[LikenessOut] = Field(description="Pictures of the gallery that are proven to show the same.")
    decisions: list[StepOut] = Field(description="The newest first.")
    picture: str | None = Field(description="Large, while its file is kept.")


class DecisionOut(Schema):
    id: int
    action: str
    by: str | None
    reason: str
    note: str
    at: datetime
    candidates: int
    undone_at: datetime | None
    undone_by: str | None
    may_undo: bool


class Decided(Schema):
    decision: DecisionOut | None = Field(description="Of again there is none: nothing is decided.")
    done: int
    left_alone: int = Field(description="Of those that were named: gone, or changed since.")


class Undone(Schema):
    decision: DecisionOut
    notices: list[str] = Field(description="What stays as it is, and why.")


class LineOut(Schema):
    value: float
    action: str = Field(description="Beyond it: hold (ask a person) or reject.")


class OwnLineOut(LineOut):
    source: str


class ScoreOut(Schema):
    name: str
    label: str
    about: str
    filter: str
    good: str = Field(description="high or low: on which side of the line a picture passes.")
    low: float
    high: float
    usual: float | None = Field(description="Where its line is until somebody draws one; null: it only informs.")
    line: LineOut | None = Field(description="That was drawn for all sources.")
    own: list[OwnLineOut] = Field(description="That were drawn for one source.")


class SideOut(Schema):
    passing: int
    beyond: int


class LineTried(Schema):
    """What a line would mean for what waits, beside what people have decided."""

    score: str
    source: str
    line: float
    waiting: SideOut
    accepted: SideOut
    rejected: SideOut
    precision: float | None = Field(description="Of those that pass, the share that people have accepted.")
    recall: float | None = Field(description="Of those that people have accepted, the share that passes.")
    low: float
    high: float
    histogram: dict[str, list[int]] = Field(description="{waiting, accepted, rejected: in equal parts, low to high}.")


class LineDrawn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(value=0.6, action="hold"))
    value: Number
    action: CutOff.Action = CutOff.Action.HOLD
    source: SourceName = ""


class LineApplied(Schema):
    """accept: all that waits and passes the line. reject: all that waits beyond it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(action="accept", line=0.6))
    action: Literal["accept", "reject"]
    line: Number
    source: SourceName = ""


# --- told
def candidate_out(row: Candidate, request: HttpRequest) -> dict[str, Any]:
    left_out = {"id", "source", "decided_by", "image", "thumbnail"}
    facts = {name: getattr(row, name) for name in CandidateListed.model_fields if name not in left_out}
    drawn = getattr(row, "drawn", None)
    has_thumbnail = bool(row.thumbnail if drawn is None else drawn)
    return facts | {
        "id": row.pk,
        "source": row.source.name,
        "decided_by": row.decided_by.get_username() if row.decided_by else None,
        "image": row.image_id,
        "thumbnail": _at("candidate_thumbnail", row, request) if has_thumbnail else None,
    }


def whole_candidate(row: Candidate, request: HttpRequest) -> dict[str, Any]:
    seen = Image.objects.reachable_by(reader_of(request)).filter(pk__in=[one["image"] for one in row.likenesses])
    here = set(seen.values_list("pk", flat=True))
    return candidate_out(row, request) | {
        "verdicts": [verdict_out(verdict) for verdict in row.verdicts],
        "alike": [one for one in row.likenesses if one["image"] in here],
        "decisions": [_step_out(step) for step in history(row)],
        "picture": _at("candidate_picture", row, request) if row.has_file else None,
    }


def _at(name: str, row: Candidate, request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse(f"api:{name}", args=[row.token]))


def verdict_out(verdict: dict[str, Any]) -> dict[str, Any]:
    """Why a filter cannot judge is for who runs the gallery: it names folders of the machine."""
    words = SENTENCE if is_unjudged(verdict) else verdict.get("sentence", "")
    return {"filter": verdict.get("filter", ""), "outcome": verdict.get("outcome", "hold"), "sentence": words}


def _step_out(step: DecisionStep) -> dict[str, Any]:
    decision = step.decision
    facts = {name: getattr(decision, name) for name in ("action", "reason", "at", "undone_at")}
    return facts | {"decision": decision.pk, "before": step.before, "by": _name(decision.by)}


def decisions_out(decisions: Iterable[Decision], user: Any) -> list[dict[str, Any]]:
    rows = list(decisions)
    steps = DecisionStep.objects.filter(decision__in=rows).order_by().values_list("decision")
    counts = dict(steps.annotate(Count("id")))
    same = ("action", "reason", "note", "at", "undone_at")
    return [
        {name: getattr(row, name) for name in same}
        | {
            "id": row.pk,
            "by": _name(row.by),
            "undone_by": _name(row.undone_by),
            "candidates": counts.get(row.pk, 0),
            "may_undo": not row.undone_at and moderation.may_undo(row, user),
        }
        for row in rows
    ]


def _name(person: Any) -> str | None:
    return person.get_username() if person else None


def score_out(score: Score, filter_: str, drawn: Iterable[CutOff]) -> dict[str, Any]:
    mine = [one for one in drawn if one.score == score.name]
    of_all = next((one for one in mine if one.source_id is None), None)
    same = ("name", "label", "about", "good", "low", "high")
    return {name: getattr(score, name) for name in same} | {
        "filter": filter_,
        "usual": score.cut_off,
        "line": {"value": of_all.value, "action": of_all.action} if of_all else None,
        "own": [{"value": o.value, "action": o.action, "source": o.source.name} for o in mine if o.source],
    }


def judged_out(judged: Judged) -> dict[str, Any]:
    sides: dict[str, Side] = {group: getattr(judged, group) for group in GROUPS}
    told = {group: {"passing": side.passing, "beyond": side.beyond} for group, side in sides.items()}
    return told | {"precision": judged.precision, "recall": judged.recall}

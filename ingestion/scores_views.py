"""Scores: how they are spread, and a line through each that moves with the pointer."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from gallery.models import User
from gallery.pages import refuse, render_page
from gallery.staff import admin_only, staff_only
from ingestion.cut_offs import lines
from ingestion.filters import all_filters, all_scores
from ingestion.filters._base import Score
from ingestion.models import Candidate, CutOff, Source
from ingestion.moderation import ModerationError, accept, reject
from ingestion.score_lines import BINS, GROUPS, border, histogram, judged, passing, scored
from ingestion.score_tasks import ring_for_cut_offs

guarded = staff_only("Only moderators of this gallery look at its scores.")
for_admins = admin_only("Only admins of this gallery draw lines through scores.")
NO_LINE = "A line is a number."
STEPS = 200
"""Of the slider."""


@require_safe
@guarded
def scores(request: HttpRequest) -> HttpResponse:
    """All scores by their filters, with their lines."""
    drawn = {cut_off.score: cut_off for cut_off in CutOff.objects.filter(source=None)}
    own = CutOff.objects.exclude(source=None).select_related("source")
    groups = [
        {
            "filter": each,
            "missing": each.missing(),
            "scores": [
                {"score": score, "drawn": drawn.get(score.name), "own": [one for one in own if one.score == score.name]}
                for score in each.scores
            ],
        }
        for each in all_filters().values()
        if each.scores
    ]
    return render(request, "ingestion/scores.html", {"groups": groups})


@require_safe
@guarded
def score_page(request: HttpRequest, name: str) -> HttpResponse:
    """The histogram of one score, and what a line through it would mean; htmx asks again while it is dragged."""
    score, source = _score(name), _source(request.GET.get("source", ""))
    now = lines(source).get(name)
    middle = (score.low + score.high) / 2
    line = _number(request.GET.get("line"), now[0] if now else middle)
    if line is None:
        return refuse(request, NO_LINE)
    context = _preview(score, source, line) | {
        "now": now,
        "sources": Source.objects.here(),
        "drawn": CutOff.objects.filter(score=name, source=source).first(),
        "step": (score.high - score.low) / STEPS,
    }
    return render_page(request, "ingestion/score.html", "ingestion/_score_line.html", context)


def _preview(score: Score, source: Source | None, line: float) -> dict[str, Any]:
    bars = histogram(score, source)
    return {
        "score": score,
        "source": source,
        "line": line,
        "place": _place(score, line),
        "shapes": [(group, _outline(bars[group]), sum(bars[group])) for group in GROUPS],
        "judged": judged(score, line, source),
        "border": border(score, line, source),
        "address": _address(score, source),
    }


def _place(score: Score, value: float) -> float:
    """Where it is in the drawing, of BINS units; outside at its ends."""
    share = (value - score.low) / (score.high - score.low)
    return round(BINS * min(1.0, max(0.0, share)), 3)


def _outline(bars: list[int]) -> str:
    """The path of an SVG of BINS x 30 units; heights as square roots, so that few are seen beside many."""
    most = max(*bars, 1)
    path, is_up = "", False
    for place, count in enumerate([*bars, 0]):
        if count:
            height = round(30 - 29 * (count / most) ** 0.5, 2)
            path += f"{'' if is_up else f'M{place} 30'}V{height}H{place + 1}"
        elif is_up:
            path += "V30"
        is_up = count > 0
    return path


@require_POST
@for_admins
def draw_cut_off(request: HttpRequest, name: str) -> HttpResponse:
    """From now on the line is here; what waits is judged again."""
    score, source = _score(name), _source(request.POST.get("source", ""))
    line, action = _number(request.POST.get("line"), None), request.POST.get("action", CutOff.Action.HOLD)
    if line is None or action not in CutOff.Action.values:
        return refuse(request, NO_LINE)
    values = {"value": line, "action": action, "by": _person(request)}
    CutOff.objects.update_or_create(score=name, source=source, defaults=values)
    ring_for_cut_offs(source)
    for_whom = f"for {source.name}" if source else "for all sources"
    messages.success(request, f"The line through {score.label.lower()} is at {line:g} {for_whom} now.")
    return redirect(_address(score, source))


@require_POST
@for_admins
def usual_cut_off(request: HttpRequest, name: str) -> HttpResponse:
    """Forget the line that was drawn: the one for all counts again, or the one that the filter comes with."""
    score, source = _score(name), _source(request.POST.get("source", ""))
    CutOff.objects.filter(score=name, source=source).delete()
    ring_for_cut_offs(source)
    messages.success(request, f"The line through {score.label.lower()} is where it usually is again.")
    return redirect(_address(score, source))


@require_POST
@for_admins
def apply_cut_off(request: HttpRequest, name: str) -> HttpResponse:
    """Decide on all that wait on one side of a line, in one act that can be undone."""
    score, source = _score(name), _source(request.POST.get("source", ""))
    line, what = _number(request.POST.get("line"), None), request.POST.get("what")
    if line is None or what not in ("accept", "reject"):
        return refuse(request, NO_LINE)
    waiting = scored(score, source).filter(state=Candidate.State.WAITING)
    words = _words(score, line, what) + (f", {source.name}" if source else "")
    person = _person(request)
    try:
        if what == "accept":
            decision = accept(_plain(waiting.filter(passing(score, line))), person, words)
        else:
            decision = reject(_plain(waiting.exclude(passing(score, line))), person, words)
    except ModerationError:
        messages.error(request, "Nothing waits on that side of the line any more.")
        return redirect(_address(score, source))
    count, done = decision.steps.count(), "accepted" if what == "accept" else "rejected"
    messages.success(request, f"{count} {done}: {words}. It can be undone among the decisions.")
    return redirect("decision_log")


def _words(score: Score, line: float, what: str) -> str:
    """ "Blur over 0.3": a value on the line passes."""
    sides = ("from", "under") if score.good == "high" else ("up to", "over")
    return f"{score.label} {sides[what == 'reject']} {line:g}"


def _plain(candidates: Any) -> Any:
    """Without the columns that were only to choose by."""
    return Candidate.objects.filter(pk__in=candidates.values("pk"))


def _score(name: str) -> Score:
    score = all_scores().get(name)
    if score is None:
        raise Http404
    return score


def _source(name: str) -> Source | None:
    if not name:
        return None
    source = Source.objects.filter(name=name).first()
    if source is None:
        raise Http404
    return source


def _address(score: Score, source: Source | None) -> str:
    address = reverse("score", args=[score.name])
    return f"{address}?{urlencode({'source': source.name})}" if source else address


def _number(written: str | None, usual: float | None) -> float | None:
    if written is None:
        return usual
    try:
        number = float(written)
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None  # neither endless nor no number at all


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user

"""Replay: another line, or the novelty model that is proposed, over what was seen lately."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from gallery.pages import refuse
from gallery.staff import staff_only
from ingestion import novelty
from ingestion.cut_offs import lines_of
from ingestion.filters import all_scores
from ingestion.judgement import Lines
from ingestion.models import Candidate, NoveltyModel, Source
from ingestion.replay import Replayed, replay

guarded = staff_only("Only moderators of this gallery run lines over what was seen.")
DAYS = (7, 30, 90)


@require_safe
@guarded
def replay_page(request: HttpRequest) -> HttpResponse:
    """A form, and below it what would have come of it. Nothing is changed."""
    given = request.GET
    source = get_object_or_404(Source, name=given["source"]) if given.get("source") else None
    name, written = given.get("score", ""), given.get("line", "")
    if name and name not in all_scores():
        return refuse(request, "There is no such score.", 404)
    try:
        days = int(given.get("days") or 30)
        line = float(written) if written else None
    except ValueError:
        return refuse(request, "Days and lines are numbers.")
    if days not in DAYS or (line is not None and not abs(line) < 1e12):
        return refuse(request, "Choose one of the numbers of days, and a line that is a number.")
    context: dict[str, Any] = {"all_scores": all_scores().values(), "days_choices": DAYS, "models": _models()}
    context |= {"sources": Source.objects.here(), "source": source, "name": name, "line": written, "days": days}
    context["is_half"] = bool(name) != (line is not None)
    if "days" in given:
        try:
            model = novelty.read(int(given["model"])) if given.get("model") else None
        except (ValueError, NoveltyModel.DoesNotExist):
            return refuse(request, "There is no such novelty model.", 404)
        except novelty.DamagedModel as error:
            return refuse(request, str(error))
        replayed = replay(_lines(name, line), days, source, model)
        context |= {"replayed": replayed, "model": model, **_pictures(replayed)}
    return render(request, "ingestion/replay.html", context)


def _models() -> Any:
    choices = (NoveltyModel.State.CURRENT, NoveltyModel.State.PROPOSED, NoveltyModel.State.FORMER)
    return NoveltyModel.objects.filter(state__in=choices)[:10]


def _lines(name: str, line: float | None) -> dict[int, Lines]:
    """{source id: the lines of today, with the one that is tried}"""
    found = lines_of(Source.objects.values_list("pk", flat=True))
    if not name or line is None:
        return found
    return {pk: {**own, name: (line, own.get(name, (0, "hold"))[1])} for pk, own in found.items()}


def _pictures(replayed: Replayed) -> dict[str, list[Candidate]]:
    here = Candidate.objects.in_bulk(replayed.in_pictures + replayed.out_pictures)
    return {
        "let_in": [here[pk] for pk in replayed.in_pictures if pk in here],
        "kept_out": [here[pk] for pk in replayed.out_pictures if pk in here],
    }

"""One candidate: its page, its picture, what it is near to; and the log of all decisions. For staff only."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from gallery.models import decode_limits
from gallery.pages import refuse, render_page
from gallery.pictures import PictureError, decode
from gallery.renditions import LONGEST, webp
from ingestion import moderation
from ingestion.models import Candidate, Decision, DecisionStep
from ingestion.models.candidates import HEAVY
from ingestion.moderation_cards import REASONS, cards, history
from ingestion.moderation_queue import BIGINT, Sieve, beside
from ingestion.moderation_views import guarded
from ingestion.neighbours import nearest

EVENTS = 30
DRAWN = 6
"""Thumbnails beside a decision in the log."""
UNREAD = [f"candidate__{name}" for name in HEAVY]


@require_safe
@guarded
def candidate_page(request: HttpRequest, token: str) -> HttpResponse:
    candidate = _find(token)
    sieve = Sieve.read(request.GET)
    before, behind = beside(sieve, candidate)
    (card,) = cards([candidate])
    context: dict[str, Any] = {
        "card": card,
        "candidate": candidate,
        "sieve": sieve,
        "before": before,
        "behind": behind,
        "reasons": REASONS,
        "steps": history(candidate),
        "has_file": candidate.has_file,
    }
    return render(request, "ingestion/moderation_candidate.html", context)


@require_safe
@guarded
@cache_control(private=True, max_age=3600)
def candidate_thumbnail(request: HttpRequest, token: str) -> HttpResponse:
    """As it was made when it was screened; it outlives the file."""
    row = Candidate.objects.filter(token=token).values_list("thumbnail", flat=True).first()
    if not row:
        raise Http404("It has no thumbnail.")
    return _as_picture(bytes(row))


@require_safe
@guarded
@cache_control(no_store=True, private=True)
def candidate_picture(request: HttpRequest, token: str) -> HttpResponse:
    """Large, decoded and encoded again without metadata: never the bytes of strangers."""
    candidate = _find(token)
    try:
        picture = decode(candidate.path, longest=LONGEST[-1], limits=decode_limits())
    except (OSError, PictureError) as error:
        raise Http404("Its file is not here any more.") from error
    return _as_picture(webp(picture.pil()))


def _as_picture(data: bytes) -> HttpResponse:
    response = HttpResponse(data, content_type="image/webp")
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
@guarded
def candidate_neighbours(request: HttpRequest, token: str) -> HttpResponse:
    """What is nearest of the pictures that are here: asked for when somebody sees the card."""
    candidate = _find(token)
    found, sentence = nearest(candidate, request.user)
    return render(request, "ingestion/_moderation_neighbours.html", {"near": found, "sentence": sentence})


def _find(token: str) -> Candidate:
    return get_object_or_404(Candidate.objects.select_related("source", "crawl", "image", "decided_by"), token=token)


# --- the log
@require_safe
@guarded
def decision_log(request: HttpRequest) -> HttpResponse:
    """All decisions, the newest first."""
    after, mine = request.GET.get("after", ""), bool(request.GET.get("mine"))
    if after and not (after.isdecimal() and int(after[:20]) <= BIGINT):
        return refuse(request, "There is no such page.", 404)
    found = Decision.objects.select_related("by", "undone_by").order_by("-pk")
    found = found.filter(pk__lt=int(after)) if after else found
    found = found.filter(by=request.user) if mine else found  # type: ignore[misc] # guarded
    rows = list(found[: EVENTS + 1])
    context = {
        "events": _events(rows[:EVENTS], request),
        "mine": mine,
        "after": rows[EVENTS - 1].pk if len(rows) > EVENTS else None,
    }
    return render_page(request, "ingestion/moderation_log.html", "ingestion/_moderation_log.html", context)


def _events(decisions: list[Decision], request: HttpRequest) -> list[dict[str, Any]]:
    pks = [decision.pk for decision in decisions]
    counted = DecisionStep.objects.filter(decision__in=pks).order_by().values_list("decision").annotate(Count("id"))
    counts = dict(counted)
    return [
        {
            "decision": decision,
            "count": counts.get(decision.pk, 0),
            "steps": decision.steps.select_related("candidate").defer(*UNREAD).order_by("pk")[:DRAWN],
            "may_undo": not decision.undone_at and moderation.may_undo(decision, request.user),
        }
        for decision in decisions
    ]

"""Novelty: the model in use, the one that is proposed, and everything that can be done about them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery.models import User
from gallery.pages import refuse, render_page
from gallery.staff import admin_only
from ingestion.embedding import current_embedding
from ingestion.mixture import CRITERIA, FEWEST
from ingestion.models import Candidate, NoveltyModel
from ingestion.novelty_curve import plot
from ingestion.novelty_tasks import ring_for_novelty
from ingestion.novelty_training import LEAST_NEW, LEAST_REJECTED, begin, too_few

ONLY_ADMINS = "Only admins of this gallery decide what counts as new in it."
GONE = "This is not so any more: somebody else has changed it. Look at the page again."
State = NoveltyModel.State
guarded = admin_only(ONLY_ADMINS)


@require_safe
@guarded
def novelty(request: HttpRequest) -> HttpResponse:
    """htmx asks again for what moves, while something does."""
    return render_page(request, "ingestion/novelty.html", "ingestion/_novelty_now.html", _context())


def _context() -> dict[str, Any]:
    embedding, models = current_embedding(), NoveltyModel.objects.select_related("by")
    current, training = models.current(), models.being_made()
    accepted = embedding.count()
    return {
        "current": current and _shown(current),
        "proposed": (proposed := models.proposed()) and _shown(proposed),
        "former": models.former(),
        "declined": models.filter(state=State.DECLINED).order_by("-decided_at").first(),
        "training": training,
        "failed": None if training else models.filter(state=State.FAILED).first(),
        "scoring": bool(current and current.scored_at is None),
        "is_moving": bool(training or (current and current.scored_at is None)),
        "embedded_by": embedding.label,
        "is_other": bool(current and current.embedded_by != embedding.name),
        "accepted": accepted,
        "rejected": Candidate.objects.filter(state=Candidate.State.REJECTED, embedded_by=embedding.name).count(),
        "waiting": Candidate.objects.waiting().count(),
        "too_few": too_few(accepted) if accepted < FEWEST else "",
        "fewest": FEWEST,
        "least_new": LEAST_NEW,
        "least_rejected": LEAST_REJECTED,
    }


def _shown(model: NoveltyModel) -> dict[str, Any]:
    report = model.report
    return {
        "model": model,
        "report": report,
        "plot": plot(model.curve, model.criterion, model.components),
        "is_sure": "gain" in report and abs(report["gain"]) > 2 * report["error"],
        "size": abs(report.get("gain", 0.0)),
    }


@require_POST
@guarded
def train_novelty(request: HttpRequest) -> HttpResponse:
    criterion = request.POST.get("criterion", "bic")
    if criterion not in CRITERIA:
        return refuse(request, "The number of components is chosen by BIC or by AIC.")
    accepted = current_embedding().count()
    if accepted < FEWEST:
        return refuse(request, too_few(accepted), 409)
    begin(_person(request), criterion)
    ring_for_novelty()
    messages.success(request, "A novelty model is being trained.")
    return redirect("novelty")


@require_POST
@guarded
def use_novelty(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch to the one that is proposed, or roll back to one that was in use before."""
    model, before = _model(pk), NoveltyModel.objects.current()
    if model is None or not model.use():
        return refuse(request, GONE, 409)
    ring_for_novelty()
    undo = reverse("use_novelty", args=[before.pk]) if before else ""
    messages.success(request, "This model is in use now. Candidates that wait get their new scores.", extra_tags=undo)
    return redirect("novelty")


@require_POST
@guarded
def decline_novelty(request: HttpRequest, pk: int) -> HttpResponse:
    model = _model(pk)
    if model is None or not model.decline():
        return refuse(request, GONE, 409)
    messages.success(request, "The proposal was declined.", extra_tags=reverse("propose_novelty", args=[pk]))
    return redirect("novelty")


@require_POST
@guarded
def propose_novelty(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo a decline."""
    model = _model(pk)
    if model is None or not model.propose_again():
        return refuse(request, GONE, 409)
    messages.success(request, "The proposal waits for a decision again.")
    return redirect("novelty")


def _model(pk: int) -> NoveltyModel | None:
    return NoveltyModel.objects.filter(pk=pk).first() if pk < 2**63 else None


def _person(request: HttpRequest) -> User | None:
    return request.user if request.user.is_authenticated else None

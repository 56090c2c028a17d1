"""A selection of pictures: what would be done with it, doing it, undoing it; in its bar with htmx."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from gallery import bulk, revert
from gallery.history_views import sentences, tell
from gallery.models import Batch, Edit, Image
from gallery.pages import refuse, render_page
from gallery.paging import BIGINT
from gallery.word_views import by_whom
from gallery.words import WordError

SIGN_IN = "Sign in to change several pictures at once."
LOOKED_AT = 24
"""Pictures of a selection that the page of the preview shows."""


@require_POST
def select(request: HttpRequest) -> HttpResponse:
    """What would be done with the selected pictures."""
    if sentence := _forbidden(request):
        return refuse(request, sentence, 403)
    asked = _asked(request)
    try:
        plan = bulk.plan(asked["action"], asked["images"], asked["tags"], by_whom(request))
    except (bulk.SelectionError, WordError) as error:
        return _answer(request, asked | {"sentence": str(error)}, _status(error, 400))
    return _answer(request, asked | {"plan": plan, "images": plan.images})


@require_POST
def apply_selection(request: HttpRequest) -> HttpResponse:
    if sentence := _forbidden(request):
        return refuse(request, sentence, 403)
    asked = _asked(request)
    try:
        seen = request.POST.get("seen", "")
        done = bulk.apply(asked["action"], asked["images"], asked["tags"], seen, by_whom(request))
    except (bulk.SelectionError, WordError) as error:
        return _answer(request, asked | {"sentence": str(error)}, _status(error, 409))
    if request.headers.get("HX-Request"):
        return _answer(request, asked | {"done": done})
    undo = reverse("undo_batch", args=[done.batch.pk]) if done.batch else ""
    messages.success(request, done.sentence, extra_tags=undo)
    return redirect(asked["next"])


@require_POST
def undo_batch(request: HttpRequest, batch: int) -> HttpResponse:
    """By whoever did it, or the staff."""
    if batch > BIGINT:
        raise Http404("There is no such change.")
    done = get_object_or_404(Batch, pk=batch)
    if not _may_undo(request, done):
        return refuse(request, "Only who has done this, and the staff, may undo it.", 403)
    outcome = revert.revert_batch(done, by_whom(request))
    if request.headers.get("HX-Request"):
        return _answer(request, {"told": sentences(outcome), "next": _next(request)})
    tell(request, outcome)
    return redirect(_next(request))


def _may_undo(request: HttpRequest, batch: Batch) -> bool:
    """Who has done it, as far as the pictures are still theirs; and moderators what all see."""
    seen = batch.edits.visible_to(request.user)
    if request.user.is_staff and seen.exists():
        return True
    own = request.user.is_authenticated and batch.by_id == request.user.pk
    asked = seen.filter(kind__in=(Edit.Kind.TRASH, Edit.Kind.PRIVATE))
    return own and not asked.exclude(image__in=Image.objects.changeable_by(request.user).values("pk")).exists()


def _forbidden(request: HttpRequest) -> str:
    return "" if request.user.is_authenticated else SIGN_IN


def _status(error: Exception, usual: int) -> int:
    return getattr(error, "status", None) or usual


def _asked(request: HttpRequest) -> dict[str, Any]:
    """What the form says: its boxes, or with JavaScript one field with all numbers."""
    written = [*request.POST.getlist("image"), *request.POST.get("images", "").split(",")]
    numbers = [int(text) for text in written if text.isascii() and text.isdecimal() and len(text) < 19]
    return {
        "images": list(dict.fromkeys(numbers)),
        "action": request.POST.get("action", ""),
        "tags": request.POST.get("tags", ""),
        "next": _next(request),
    }


def _next(request: HttpRequest) -> str:
    """The page of the gallery where the selection was made."""
    address = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    return address if safe and address.startswith("/") else reverse("browse")


def _answer(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    if not request.headers.get("HX-Request"):
        found = Image.objects.visible_to(request.user).in_bulk(context["images"][:LOOKED_AT])
        context["shown"] = [found[pk] for pk in context["images"][:LOOKED_AT] if pk in found]
        context["further"] = len(context["images"]) - len(context["shown"])
    return render_page(request, "gallery/bulk.html", "gallery/_selection_says.html", context, status)

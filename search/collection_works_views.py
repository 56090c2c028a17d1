"""What is done to a collection: begin it, watch it, undo it, fetch the file."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery.models import Image
from gallery.pages import refuse, render_page
from gallery.refusal import Refusal
from search.collections_api import content_of, file_response
from search.collections_views import collection_page, members, own, person, selected, visible
from search.datasets import packing, saying, scoring, wishes, works
from search.datasets.errors import CollectionError
from search.datasets.scores import ScoresError, read_scores
from search.datasets.tasks import start
from search.models import Collection, CollectionWork

EXAMPLES = 12
"""Near-duplicates that a preview shows."""
UNMATCHED = 20
"""Lines of a CSV file that are named."""


@require_POST
@members
def remove_from_collection(request: HttpRequest, token: str) -> HttpResponse:
    found = own(request, token)
    try:
        work = wishes.remove(found, person(request), selected(request))
    except CollectionError as error:
        if request.headers.get("HX-Request"):
            return render(request, "gallery/_selection_says.html", {"sentence": str(error)}, status=error.status)
        return collection_page(request, found, error.status, sentence=str(error))
    start(work)
    if request.headers.get("HX-Request"):
        context = {"collection": found, "work": work, "over": True, "gone": work.options["images"]}
        context["said"] = saying.sentence(work)
        return render(request, "search/_collected.html", context)
    return _told(request, found, work)


@require_POST
@members
def thin_collection(request: HttpRequest, token: str) -> HttpResponse:
    """First only say what would go."""
    found = own(request, token)
    try:
        bits = _whole(request, "bits", "The bits that may differ") if request.POST.get("by_hash") else 0
        likeness = _share(request, "likeness", "The likeness") if request.POST.get("by_likeness") else 0.0
        if not bits and not likeness:
            raise CollectionError("Say what makes two pictures near-duplicates: the hash, the likeness, or both.")
        work = wishes.thin(found, person(request), bits, likeness, dry_run=True)
    except CollectionError as error:
        return collection_page(request, found, error.status, sentence=str(error), typed=request.POST, open="thin")
    start(work)
    return redirect("collection_work", token, work.token)


@require_POST
@members
def thin_as_seen(request: HttpRequest, token: str, work: str) -> HttpResponse:
    found = own(request, token)
    try:
        begun = wishes.thin_as_seen(_work(request, found, work), person(request))
    except CollectionError as error:
        return refuse(request, str(error), error.status)
    return _told(request, found, begun) if start(begun) else redirect("collection_work", token, begun.token)


@require_POST
@members
def sample_collection(request: HttpRequest, token: str) -> HttpResponse:
    """Scores, where a file with them comes along, are written down first."""
    found = own(request, token)
    how = request.POST.get("how", "")
    try:
        if "scores" in request.FILES:
            _note_scores(request, found)
        count = _whole(request, "count", "The number of pictures") if request.POST.get("count") else None
        seed = _whole(request, "seed", "The seed") if request.POST.get("seed") else 0
        low, high = _share(request, "low", "The band"), _share(request, "high", "The band")
        into = request.POST.get("into", "").strip() if request.POST.get("new") else ""
        if request.POST.get("new") and not into:
            raise CollectionError("Give the new collection a name.")
        work = wishes.sample(found, person(request), how, count, seed % 2**31, low, high, into)
    except (CollectionError, ScoresError) as error:
        context = {"sentence": str(error), "typed": request.POST, "open": "sample"}
        return collection_page(request, found, getattr(error, "status", 400), **context)
    start(work)
    return redirect("collection_work", token, work.token)


def _note_scores(request: HttpRequest, found: Collection) -> None:
    lines = read_scores(content_of(request.FILES["scores"]))
    matched, unmatched = scoring.note_scores(found, person(request), lines)
    messages.success(request, f"{saying.pictures(matched)} got a score.")
    if unmatched:
        named = "; ".join(
            f"line {each['line']}, “{each['picture'][:60]}”: {each['why']}" for each in unmatched[:UNMATCHED]
        )
        further = f" And {len(unmatched) - UNMATCHED:,} more." if len(unmatched) > UNMATCHED else ""
        number = f"{len(unmatched):,} line{'' if len(unmatched) == 1 else 's'} matched no picture"
        messages.warning(request, f"{number}: {named}{further}")


@require_POST
@members
def export_collection(request: HttpRequest, token: str) -> HttpResponse:
    found = visible(request, token)
    try:
        longest = _whole(request, "longest", "The longest side") if request.POST.get("longest") else 0
        options = {
            "index": request.POST.get("index", "jsonl"),
            "longest": longest,
            "metadata": request.POST.get("metadata") == "1",
        }
        work = wishes.export(found, person(request), options, request.build_absolute_uri("/").rstrip("/"))
    except CollectionError as error:
        return collection_page(request, found, error.status, sentence=str(error), typed=request.POST, open="export")
    start(work)
    return redirect("collection_work", token, work.token)


# --- one of them
@require_safe
@members
def collection_work(request: HttpRequest, token: str, work: str) -> HttpResponse:
    found = visible(request, token)
    shown = _work(request, found, work)
    context = {"collection": found, "work": shown, "mine": found.owner_id == request.user.pk, "sentence": ""}
    if not shown.is_unfinished:
        context |= {
            "said": saying.sentence(shown),
            "examples": _examples(shown, request),
            "made": _made(shown, request),
        }
        context |= {"file": shown.kind == CollectionWork.Kind.EXPORT and packing.file_of(shown).exists()}
    return render_page(request, "search/collection_work.html", "search/_collection_work.html", context)


def _examples(work: CollectionWork, request: HttpRequest) -> list[dict[str, Any]]:
    """Pictures that go, each beside the one that stays."""
    told = [each for each in work.outcome.get("examples", []) if each[1]][:EXAMPLES]
    images = Image.objects.visible_to(request.user).in_bulk({pk for each in told for pk in each[:2]})
    return [
        {"goes": images[goes], "stays": images[stays], "why": _why(why, near)}
        for goes, stays, why, near in told
        if goes in images and stays in images
    ]


def _why(why: str, near: float) -> str:
    if why == "phash":
        return f"{near:.0f} of 576 bits differ"
    return "known as the same picture" if why == "known" else f"{100 * near:.1f} % alike"


def _made(work: CollectionWork, request: HttpRequest) -> Collection | None:
    token = work.outcome.get("collection")
    return Collection.objects.visible_to(request.user).filter(token=token).first() if token else None


@require_POST
@members
def undo_collection_work(request: HttpRequest, token: str, work: str) -> HttpResponse:
    found = own(request, token)
    try:
        sentence = works.undo(_work(request, found, work))
    except CollectionError as error:
        return refuse(request, str(error), error.status)
    if request.headers.get("HX-Request"):
        return render(request, "gallery/_selection_says.html", {"told": [sentence]})
    messages.success(request, sentence)
    return redirect(found)


@require_POST
@members
def stop_collection_work(request: HttpRequest, token: str, work: str) -> HttpResponse:
    found = visible(request, token)
    works.stop(_work(request, found, work))
    return redirect("collection_work", token, work)


@require_safe
@members
def collection_file(request: HttpRequest, token: str, work: str) -> HttpResponseBase:
    """For whoever had it packed, for a day."""
    try:
        return file_response(_work(request, visible(request, token), work))
    except Refusal as refusal:
        return refuse(request, str(refusal), refusal.status_code)


def _told(request: HttpRequest, found: Collection, work: CollectionWork) -> HttpResponse:
    undo = reverse("undo_collection_work", args=[found.token, work.token]) if work.can_be_undone else ""
    messages.success(request, saying.sentence(work), extra_tags=undo)
    return redirect(found)


def _work(request: HttpRequest, found: Collection, token: str) -> CollectionWork:
    mine = CollectionWork.objects.visible_to(request.user).select_related("collection")
    return get_object_or_404(mine, collection=found, token=token)


def _whole(request: HttpRequest, name: str, called: str) -> int:
    written = request.POST.get(name, "").strip()
    if not (written.isascii() and written.isdecimal() and len(written) < 10):
        raise CollectionError(f"{called}: “{written[:40]}” is no whole number.")
    return int(written)


def _share(request: HttpRequest, name: str, called: str) -> float:
    written = request.POST.get(name, "").strip().replace(",", ".")
    try:
        number = float(written)
    except ValueError as error:
        raise CollectionError(f"{called}: “{written[:40]}” is no number.") from error
    if not 0 <= number <= 1:
        raise CollectionError(f"{called} is a number from 0 to 1.")
    return number

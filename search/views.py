"""Searching by picture and by colours: ask, see the grades, look at the weaker ones, forget the question."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.pages import refuse, render_page
from gallery.pictures import PictureError
from gallery.renditions import webp
from gallery.views import find_image
from search.engines._base import Grade
from search.errors import QueryError
from search.forms import PageForm, PictureForm
from search.models import QueryPicture
from search.query import Query, parse_colours
from search.retrieval import LIMIT, Answer, retrieve

GONE = "This query is over: its picture is gone."
STRIP = 12
STRIPS = {
    "same": Grade.SAME,
    "contains": Grade.CONTAINS,
    "like": Grade.LOOKS_LIKE,
    "colours": Grade.SAME_COLOURS,
}


@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    """Bring a picture; the answer gets an address of its own."""
    if request.method != "POST":
        return render(request, "search/search.html", {"hours": settings.QUERY_HOURS})
    form = PictureForm(request.POST, request.FILES)
    try:
        query = form.accept()
    except PictureError as error:
        return _refuse_upload(request, error)
    if wants_json(request):
        return JsonResponse({"address": query.get_absolute_url()}, status=201)
    return redirect(query)


def wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _refuse_upload(request: HttpRequest, error: PictureError) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"detail": str(error), "code": error.code}, status=error.status)
    context = {"sentence": str(error), "hours": settings.QUERY_HOURS}
    return render(request, "search/search.html", context, status=error.status)


@require_safe
def query(request: HttpRequest, token: str) -> HttpResponse:
    asked = get_object_or_404(QueryPicture.objects.alive(), token=token)
    try:
        picture = asked.picture()
    except FileNotFoundError as error:  # forgotten a moment ago, or media/ was restored without it
        raise Http404(GONE) from error
    except PictureError as error:
        return refuse(request, str(error), error.status)
    return _answer(request, Query(picture=picture), {"query": asked, "address": asked.get_absolute_url()})


@require_safe
def like(request: HttpRequest, pk: int) -> HttpResponse:
    """Search with a picture of the gallery."""
    image = find_image(request, pk)
    return _answer(request, Query(image_id=image.pk), {"image": image, "address": reverse("like", args=[pk])})


@require_safe
def colours(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("c", "")
    try:
        asked = parse_colours(text)
        if not asked:
            return render(request, "search/colours.html")
        codes = [f"{r:02x}{g:02x}{b:02x}" for r, g, b in asked]
        context = {"colours": codes, "address": f"{reverse('colours')}?c={','.join(codes)}"}
        return _answer(request, Query(colours=asked), context)
    except QueryError as error:
        return render(request, "search/colours.html", {"sentence": str(error), "text": text[:100]}, status=400)


def _answer(request: HttpRequest, query: Query, context: dict[str, Any]) -> HttpResponse:
    form = PageForm(request.GET)
    answer = retrieve(query, request.user)
    shown = answer.weak if form.weak else answer.found
    totals = Counter(found.match.grade for found in shown)
    size = settings.PAGE_SIZE
    page = shown[(form.page - 1) * size : form.page * size]
    context |= {
        "answer": answer,
        "groups": [(grade, found, totals[grade]) for grade, found in Answer(found=page).by_grade()],
        "copies": totals[Grade.SAME] + totals[Grade.CONTAINS],
        "weak_count": f"{len(answer.weak)}+" if len(answer.weak) >= LIMIT else len(answer.weak),
        "weak": form.weak,
        "page": form.page,
        "next_page": form.page + 1 if len(shown) > form.page * size else None,
    }
    return render_page(request, "search/answer.html", "search/_groups.html", context)


@require_safe
def strip(request: HttpRequest, pk: int, grade: str) -> HttpResponse:
    """A row of one grade under a picture; loaded after the page."""
    if grade not in STRIPS:
        raise Http404("There is no such strip.")
    image = find_image(request, pk)
    # More than are shown: better grades come first, and a strip shows one grade.
    answer = retrieve(Query(image_id=image.pk), request.user, limit=4 * STRIP)
    found = [f for f in answer.found if f.match.grade == STRIPS[grade]][:STRIP]
    context = {"image": image, "grade": STRIPS[grade], "found": found, "notices": answer.notices}
    return render_page(request, "search/strip.html", "search/_strip.html", context)


@require_safe
@cache_control(no_store=True)
def query_picture(request: HttpRequest, token: str) -> HttpResponse:
    """The asked picture, re-encoded without metadata."""
    asked = get_object_or_404(QueryPicture.objects.alive(), token=token)
    try:
        return HttpResponse(webp(asked.picture(longest=720).pil()), content_type="image/webp")
    except FileNotFoundError as error:
        raise Http404(GONE) from error
    except PictureError as error:
        raise Http404(str(error)) from error


@require_POST
def delete_query(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever has the address may forget it: that is what makes it private."""
    get_object_or_404(QueryPicture, token=token).forget()
    messages.success(request, "Your picture and its address are deleted.")
    return redirect("search")

"""Searching by picture and by colours: ask, see the grades, look at the weaker ones, forget the question."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.pages import render_page
from gallery.pictures import PictureError
from gallery.renditions import webp
from gallery.views import find_image
from search import cards
from search.asked import GONE, Asked
from search.engines._base import Grade
from search.errors import QueryError
from search.evidence_views import explained
from search.forms import PageForm, PictureForm
from search.models import QueryPicture
from search.query import Query, parse_colours
from search.retrieval import LIMIT, retrieve

STRIP = 12


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
@explained
def query(request: HttpRequest, token: str) -> HttpResponse:
    asked = Asked.brought(token)
    return _answer(request, asked.query, {"query": asked.kept, "address": asked.address}, asked)


@require_safe
def like(request: HttpRequest, pk: int) -> HttpResponse:
    """Search with a picture of the gallery."""
    asked = Asked.of_gallery(request, pk)
    return _answer(request, asked.query, {"image": asked.image, "address": asked.address}, asked)


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


def _answer(request: HttpRequest, query: Query, context: dict[str, Any], asked: Asked | None = None) -> HttpResponse:
    form = PageForm(request.GET)
    answer = retrieve(query, request.user)
    shown = answer.weak if form.weak else answer.found
    size = settings.PAGE_SIZE
    sections = cards.sections(shown[(form.page - 1) * size : form.page * size], shown)
    if asked and form.page == 1:  # further pages keep the outlines of the first one
        context["outlined"] = cards.outlined(_cards(sections), asked.width, asked.height)
    context |= {
        "answer": answer,
        "sections": sections,
        "proven": any(found.match.grade <= Grade.CONTAINS for found in shown),
        "weak_count": f"{len(answer.weak)}+" if len(answer.weak) >= LIMIT else len(answer.weak),
        "weak": form.weak,
        "page": form.page,
        "next_page": form.page + 1 if len(shown) > form.page * size else None,
    }
    return render_page(request, "search/answer.html", "search/_groups.html", context)


def _cards(sections: list[cards.Section]) -> list[cards.Card]:
    return [card for section in sections for card in section.cards]


@require_safe
def strips(request: HttpRequest, pk: int) -> HttpResponse:
    """What an image has in common with others, in rows under it; loaded after its page."""
    image = find_image(request, pk)
    # More than are shown: better grades come first, and each row shows some.
    answer = retrieve(Query(image_id=image.pk), request.user, limit=4 * STRIP)
    sections = cards.sections(answer.found, answer.found)
    parts = cards.outlined(_cards(sections), image.width, image.height, relations=("whole",))
    rows = {f"grade_{section.grade.value}": section for section in sections if section.grade > Grade.CONTAINS}
    context = {
        "image": image,
        "proven": [section for section in sections if section.grade <= Grade.CONTAINS],
        "outlined": parts,
        "most": STRIP,
        "notices": answer.notices,
        "address": reverse("like", args=[pk]),
    }
    return render_page(request, "search/strips.html", "search/_strips_loaded.html", context | rows)


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

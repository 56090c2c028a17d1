"""Searching by words, by picture and by colours: ask, see the grades, look at the weaker ones, forget the question."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
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
from search.filters import FORMATS, ORIENTATIONS
from search.forms import AnswerForm, PictureForm
from search.models import QueryPicture
from search.query import Query, parse_colours
from search.retrieval import Answer, limit_of, retrieve, why_no_words

STRIP = 12
NEAREST = 12
"""Weak results that are shown for words that nothing fits: people want to see how near it comes."""


@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    """Find by words; or bring a picture, whose answer gets an address of its own."""
    if request.method == "POST":
        return _bring(request)
    form = AnswerForm(request.GET, reverse("search"))
    if not form.meaning:
        return _search_page(request, {"form": form}, 400 if form.sentences else 200)
    try:
        return _answer(request, None, {"words": form.text, "address": form.path}, form)
    except QueryError as error:
        return _search_page(
            request, {"form": form, "no_words": str(error), "why": why_no_words() if request.user.is_staff else ""}, 503
        )


def _search_page(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    context |= {"hours": settings.QUERY_HOURS} | _filter_choices()
    if "no_words" in context and request.user.is_staff:
        context["models"] = _address_of_models()
    return render(request, "search/search.html", context, status=status)


def _address_of_models() -> str:
    try:
        return reverse("models")
    except NoReverseMatch:
        return ""


def _filter_choices() -> dict[str, Any]:
    return {"orientations": ORIENTATIONS, "formats": FORMATS}


def _bring(request: HttpRequest) -> HttpResponse:
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
    form = AnswerForm({}, reverse("search"))
    return _search_page(request, {"form": form, "sentence": str(error)}, error.status)


@require_safe
@explained
def query(request: HttpRequest, token: str) -> HttpResponse:
    asked = Asked.brought(token)
    return _answer_to(request, asked, {"query": asked.kept})


@require_safe
def like(request: HttpRequest, pk: int) -> HttpResponse:
    """Search with a picture of the gallery."""
    asked = Asked.of_gallery(request, pk)
    return _answer_to(request, asked, {"image": asked.image})


@require_safe
def colours(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("c", "")
    try:
        asked = parse_colours(text)
        if not asked:
            return render(request, "search/colours.html")
        codes = [f"{r:02x}{g:02x}{b:02x}" for r, g, b in asked]
        form = AnswerForm(request.GET, reverse("colours"), [("c", ",".join(codes))])
        return _answer(request, Query(colours=asked), {"colours": codes, "address": form.path}, form)
    except QueryError as error:
        return render(request, "search/colours.html", {"sentence": str(error), "text": text[:100]}, status=400)


def _answer_to(request: HttpRequest, asked: Asked, context: dict[str, Any]) -> HttpResponse:
    """What is like a picture; with words, what is as it and as they say."""
    form = AnswerForm(request.GET, asked.address)
    context |= {"address": asked.address, "outline": not form.meaning and asked}
    try:
        return _answer(request, asked.query, context, form)
    except QueryError as error:
        if not form.meaning:
            raise
        form.sentences.append(str(error))  # without the words there is an answer
        form.text = ""
        del form.meaning
        return _answer(request, asked.query, context, form, 503)


def _answer(
    request: HttpRequest, query: Query | None, context: dict[str, Any], form: AnswerForm, status: int = 0
) -> HttpResponse:
    query = form.asked(query, request.user)
    answer = retrieve(query, request.user)
    shown = form.ordered(answer.weak if form.weak else answer.found)
    size = settings.PAGE_SIZE
    sections = cards.sections(shown[(form.page - 1) * size : form.page * size], shown)
    asked = context.pop("outline", None)
    if asked and form.page == 1:  # further pages keep the outlines of the first one
        context["outlined"] = cards.outlined(_cards(sections), asked.width, asked.height)
    context |= _filter_choices() | {
        "answer": answer,
        "form": form,
        "passing": None if query.among is None else len(query.among),
        "sections": sections,
        "nearest": [] if shown or form.weak or form.page > 1 or not form.meaning else _nearest(answer),
        "proven": any(found.match.grade <= Grade.CONTAINS for found in shown),
        "weak_count": f"{len(answer.weak)}+" if len(answer.weak) >= limit_of(query) else len(answer.weak),
        "weak": form.weak,
        "page": form.page,
        "next_page": form.page + 1 if len(shown) > form.page * size else None,
    }
    status = status or (400 if form.sentences else 200)
    return render_page(request, "search/answer.html", "search/_groups.html", context, status)


def _nearest(answer: Answer) -> list[cards.Card]:
    return [cards.Card(found) for found in answer.weak[:NEAREST]]


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
        "networks": answer.networks,
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

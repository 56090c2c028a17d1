"""Searching by words, by picture and by colours: ask, see the grades, look at the weaker ones, forget the question."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.limits import limited, look_limit, search_limit, take_as_visitor
from gallery.models import Role, role_of
from gallery.pages import refuse, render_page
from gallery.paging import CursorError
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
from search.listed import listed_page, listing_of, reasons_of
from search.listing import Count
from search.models import QueryPicture
from search.query import Query, parse_colours
from search.reasons import Reason
from search.retrieval import Answer, WordsUnknown, limit_of, retrieve, why_no_words

STRIP = 12
NEAREST = 12
"""Weak results that are shown for words that nothing fits: people want to see how near it comes."""

EXAMPLES = {
    "sunset over the sea": "plain words: the best matches come first",
    '"black cat"': "in quotes: these words, side by side",
    "street ~people": "after a ~: what the pictures should not show",
    "winter && (forest || field)": "tags and words to the letter: both, and either of two",
    "autumn, -forest": "one, and not the other",
    "sea width>=1920": "pictures of the sea that are large enough",
    "ocr:security": "written inside the picture, misspelt words too",
    "has:caption sort:oldest": "all that have a caption, the oldest first",
}
"""For the page of searching: {query: what it asks}"""


@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    """Find by words; or bring a picture, whose answer gets an address of its own."""
    if request.method == "POST":
        return _bring(request)
    form = AnswerForm(request.GET, reverse("search"), alone=True)
    try:
        if form.is_letter:
            return _listed(request, form)
        if form.meaning:
            return _answer(request, None, {"words": form.written, "address": form.path}, form)
    except CursorError as error:
        return refuse(request, str(error))
    except WordsUnknown as error:
        return _search_page(request, {"form": form, "no_words": str(error)} | _missing(request), 400)
    except QueryError as error:
        form.sentences.append(str(error))
    return _search_page(request, {"form": form}, 400 if form.sentences or form.mistake else 200)


def _missing(request: HttpRequest) -> dict[str, str]:
    """What is missing to understand words: for who runs the gallery."""
    return {"why": why_no_words(), "models": _address_of_models()} if role_of(request.user) == Role.ADMIN else {}


def _listed(request: HttpRequest, form: AnswerForm) -> HttpResponse:
    take_as_visitor(request, search_limit())
    if form.sort == "random" and not request.GET.get("seed"):
        form.seed = secrets.randbelow(10**6)
        return redirect(form.here)  # the next page continues this shuffle
    context = listed_page(form, request.user) | _filter_choices()
    return render_page(request, "search/listed.html", "search/_listed.html", context, _status(form))


def _search_page(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    context |= {"hours": settings.QUERY_HOURS, "examples": EXAMPLES} | _filter_choices()
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
    except WordsUnknown as error:
        form.sentences.append(str(error))  # without the words there is an answer
        form.without_words()
        return _answer(request, asked.query, context, form, 503)


def _answer(
    request: HttpRequest, query: Query | None, context: dict[str, Any], form: AnswerForm, status: int = 0
) -> HttpResponse:
    take_as_visitor(request, search_limit())
    query = form.asked(query)
    answer = retrieve(query, request.user, among=_among(form, request))
    shown = form.ordered(answer.weak if form.weak else answer.found)
    size = settings.PAGE_SIZE
    sections = cards.sections(shown[(form.page - 1) * size : form.page * size], shown)
    asked = context.pop("outline", None)
    if asked and form.page == 1:  # further pages keep the outlines of the first one
        context["outlined"] = cards.outlined(_cards(sections), asked.width, asked.height)
    nearest = [] if shown or form.weak or form.page > 1 or not form.meaning else _nearest(answer)
    if query.words:
        cards.mark([*_cards(sections), *nearest], form.parsed)
    context |= _filter_choices() | {
        "answer": answer,
        "form": form,
        "passing": answer.passing,
        "sections": sections,
        "nearest": nearest,
        "proven": any(found.match.grade <= Grade.CONTAINS for found in shown),
        "weak_count": f"{len(answer.weak)}+" if len(answer.weak) >= limit_of(query) else len(answer.weak),
        "weak": form.weak,
        "page": form.page,
        "next_page": form.page + 1 if len(shown) > form.page * size else None,
        "reasons": _reasons(form, request) if query.words and not answer.found and form.page == 1 else [],
    }
    if answer.letter is not None and form.page == 1 and not form.weak:
        context |= _to_the_letter(request, form, answer)
    if answer.is_without_meaning:
        context |= _missing(request)
    return render_page(request, "search/answer.html", "search/_groups.html", context, status or _status(form))


def _status(form: AnswerForm) -> int:
    return 400 if form.sentences or form.mistake else 200


def _among(form: AnswerForm, request: HttpRequest) -> Q | None:
    """QueryError becomes a sentence, and all pictures may be answered."""
    try:
        return form.condition(request.user)
    except QueryError as error:
        form.sentences.append(str(error))
        return form.filters.condition if form.filters else None


def _to_the_letter(request: HttpRequest, form: AnswerForm, answer: Answer) -> dict[str, Any]:
    """The way to all pictures with the words, newest first."""
    assert answer.letter is not None
    address = form.letter_address(answer.letter)
    if not answer.is_cut:
        return {"letter": address, "letter_count": Count(answer.with_words)}
    return {"letter": address, "letter_count": listing_of(form.to_the_letter(answer.letter), request.user).count()}


def _reasons(form: AnswerForm, request: HttpRequest) -> list[tuple[Reason, str]]:
    """Where the rest of the query lets nothing through, that is said; where it does not, what words may be meant."""
    return [] if form.sentences else reasons_of(form, request.user)


def _nearest(answer: Answer) -> list[cards.Card]:
    return [cards.Card(found) for found in answer.weak[:NEAREST]]


def _cards(sections: list[cards.Section]) -> list[cards.Card]:
    return [card for section in sections for card in section.cards]


@require_safe
@limited(look_limit)
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
@limited(look_limit)
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

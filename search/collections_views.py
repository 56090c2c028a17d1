"""Collections: the list of them, the page of one, and the way into one from any answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.models import Role, User, role_of
from gallery.pages import refuse, render_page
from gallery.paging import CursorError
from gallery.staff import member_only
from search.by_name import PageAsked, shown
from search.collections_list import collections_of
from search.datasets import choosing, keeping, packing, saying, wishes
from search.datasets.answers import MOST, said
from search.datasets.errors import CollectionError
from search.datasets.index import FORMATS
from search.datasets.tasks import start
from search.models import Collection, CollectionWork
from search.models.collections import KEPT

SIGN_IN = "Sign in to put pictures into collections."
WORKS = 10
WAYS = 5
"""Searches that are named on the page of a collection, the most fruitful first."""
COLLECTED = 10_000
"""What is offered of a search that finds more."""

members = member_only(SIGN_IN)


@require_http_methods(["GET", "HEAD", "POST"])
def collections(request: HttpRequest) -> HttpResponseBase:
    """Those that one may see; or make one more."""
    if request.method == "POST":
        return _make(request)
    return _list(request)


def _list(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    asked = PageAsked.by(request.GET)
    try:
        context |= shown(asked, collections_of(request.user, asked))
    except CursorError as error:
        return refuse(request, str(error))
    context |= {"days": KEPT.days, "longest_name": keeping.LONGEST_NAME}
    return render(request, "search/collections.html", context, status=status)


@members
def _make(request: HttpRequest) -> HttpResponse:
    try:
        made = keeping.make(person(request), request.POST.get("name", ""))
    except CollectionError as error:
        return _list(request, error.status, sentence=str(error), typed=request.POST.get("name", "")[:200])
    return redirect(made)


@require_safe
def collection(request: HttpRequest, token: str) -> HttpResponse:
    return collection_page(request, visible(request, token))


def collection_page(request: HttpRequest, found: Collection, status: int = 200, **context: Any) -> HttpResponse:
    items, after = _page(request, found)
    mine = found.owner_id == request.user.pk
    works = CollectionWork.objects.visible_to(request.user).filter(collection=found)
    context |= {
        "collection": found,
        "items": items,
        "images": [item.image for item in items],
        "after": after,
        "mine": mine,
        "may_pack": role_of(request.user) >= Role.MEMBER,
        "count": found.items_for(request.user).count(),
        "scored": found.items_for(request.user).filter(score__isnull=False).count() if mine else 0,
        "ways": _ways(found, request) if found.tells_how(request.user) else [],
        "works": works[:WORKS],
        "longest_name": keeping.LONGEST_NAME,
        "samples": wishes.WAYS,
        "thinning": {
            "bits": choosing.DEFAULT_BITS,
            "most_bits": choosing.MOST_BITS,
            "likeness": choosing.DEFAULT_LIKENESS,
        },
        "band": (wishes.LOW, wishes.HIGH),
        "sizes": packing.SIZES,
        "indexes": FORMATS,
        "days": KEPT.days,
    }
    return render_page(request, "search/collection.html", "search/_collection_rows.html", context, status)


def _page(request: HttpRequest, found: Collection) -> tuple[list[Any], str]:
    """Newest first."""
    after = request.GET.get("after", "")
    items = found.items_for(request.user).select_related("image").order_by("-pk")
    if after:
        if not (after.isascii() and after.isdecimal() and len(after) < 19):
            raise BadRequest("This page address is broken. Start again from the first page.")
        items = items.filter(pk__lt=int(after))
    rows = list(items[: settings.PAGE_SIZE + 1])
    size = settings.PAGE_SIZE
    return rows[:size], str(rows[size - 1].pk) if len(rows) > size else ""


def _ways(found: Collection, request: HttpRequest) -> list[dict[str, Any]]:
    """How the pictures came in: [{via, number}, ...]"""
    vias = found.items_for(request.user).order_by().values("via").annotate(number=Count("pk"))
    return list(vias.order_by("-number", "via")[:WAYS])


# --- changing one
@require_POST
@members
def edit_collection(request: HttpRequest, token: str) -> HttpResponse:
    found = own(request, token)
    try:
        keeping.edit(found, request.POST.get("name"), request.POST.get("note"))
    except CollectionError as error:
        found.refresh_from_db()
        return collection_page(request, found, error.status, sentence=str(error), typed=request.POST)
    messages.success(request, f"Kept: “{found.name}”.")
    return redirect(found)


@require_POST
@members
def share_collection(request: HttpRequest, token: str) -> HttpResponse:
    found, share = own(request, token), request.POST.get("share") == "1"
    keeping.edit(found, shared=share)
    seen = "everybody who may look at the gallery sees it" if share else "it is yours alone again, at a new address"
    messages.success(request, f"“{found.name}”: {seen}.")
    return redirect(found)


@require_POST
@members
def delete_collection(request: HttpRequest, token: str) -> HttpResponse:
    found = own(request, token)
    keeping.delete(found)
    sentence = f"“{found.name}” is deleted. Its pictures stay in the gallery."
    messages.success(request, sentence, extra_tags=reverse("restore_collection", args=[token]))
    return redirect("collections")


@require_POST
@members
def restore_collection(request: HttpRequest, token: str) -> HttpResponse:
    found = get_object_or_404(keeping.deleted_of(request.user), token=token)
    try:
        keeping.restore(found)
    except CollectionError as error:
        return refuse(request, str(error), error.status)
    messages.success(request, f"“{found.name}” is back.")
    return redirect(found)


# --- from an answer into one
@require_http_methods(["GET", "HEAD", "POST"])
@members
def collect(request: HttpRequest) -> HttpResponse:
    """Into which collection: of a selection (POST), or of all that a search finds (its address in ``from``)."""
    try:
        asked = _asked(request)
    except CollectionError as error:
        return _chooser(request, {"sentence": str(error)}, error.status)
    return _chooser(request, asked)


def _asked(request: HttpRequest) -> dict[str, Any]:
    params = request.POST if request.method == "POST" else request.GET
    address = params.get("from") or params.get("next", "")
    images = selected(request)
    try:
        search = said(address)
    except CollectionError:
        if not images:
            raise
        search = ""
    return {
        "images": images,
        "address": address if search else "",
        "search": search,
        "most": COLLECTED,
        "limit_most": MOST,
    }


def selected(request: HttpRequest) -> list[int]:
    """Numbers of the ticked pictures: boxes, or with JavaScript one field with all of them."""
    written = [*request.POST.getlist("image"), *request.POST.get("images", "").split(",")]
    numbers = [int(text) for text in written if text.isascii() and text.isdecimal() and len(text) < 19]
    return list(dict.fromkeys(numbers))


def _chooser(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    mine = Collection.objects.alive().filter(owner=person(request)).order_by("-pk")
    context |= {"mine": mine, "longest_name": keeping.LONGEST_NAME, "back": _back(request, context.get("address", ""))}
    return render_page(request, "search/collect.html", "search/_collect.html", context, status)


@require_POST
@members
def collect_into(request: HttpRequest) -> HttpResponse:
    """The ticked pictures, or ``all`` of the search, into the collection ``into``, or a new one called ``name``."""
    try:
        asked = _asked(request)
        whole = request.POST.get("all") == "1" or not asked["images"]
        chosen = {"address": asked["address"], "limit": _limit(request)} if whole else {"images": asked["images"]}
        found = _into(request)
        work = wishes.add(found, person(request), **chosen)
    except CollectionError as error:
        again: dict[str, Any] = {"images": selected(request), "address": request.POST.get("from", "")}
        again |= {"sentence": str(error), "typed": request.POST}
        with suppress(CollectionError):
            again |= _asked(request)
        return _chooser(request, again, error.status)
    over = start(work)
    context = {"collection": found, "work": work, "over": over, "said": saying.sentence(work) if over else ""}
    if request.headers.get("HX-Request"):
        return render(request, "search/_collected.html", context)
    if not over:
        return redirect("collection_work", found.token, work.token)
    undo = reverse("undo_collection_work", args=[found.token, work.token])
    sentence = format_html('{} <a href="{}">{}</a>', saying.sentence(work), found.get_absolute_url(), found.name)
    messages.success(request, sentence, extra_tags=undo)
    return redirect(_back(request, asked["address"]))


def _limit(request: HttpRequest) -> int:
    written = request.POST.get("limit", "")
    if not (written.isascii() and written.isdecimal() and len(written) < 9 and 1 <= int(written) <= MOST):
        raise CollectionError(f"The number of pictures is from 1 to {MOST:,}.")
    return int(written)


def _into(request: HttpRequest) -> Collection:
    token = request.POST.get("into", "")
    if token:
        found = Collection.objects.alive().filter(owner=person(request), token=token).first()
        if found is None:
            raise CollectionError("This collection is not there any more: choose another one.", "not_found", 404)
        return found
    return keeping.make(person(request), request.POST.get("name", ""))


def _back(request: HttpRequest, address: str) -> str:
    written = request.POST.get("next") or address
    safe = url_has_allowed_host_and_scheme(written, {request.get_host()}, request.is_secure())
    return written if safe and written.startswith("/") else reverse("collections")


def visible(request: HttpRequest, token: str) -> Collection:
    return get_object_or_404(Collection.objects.visible_to(request.user).select_related("owner"), token=token)


def own(request: HttpRequest, token: str) -> Collection:
    """Http404 if it is somebody else's."""
    return get_object_or_404(Collection.objects.alive(), token=token, owner=request.user.pk or 0)


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user

"""Saved searches: name one, find it again, share it, rename it, throw it away and take that back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from gallery.models import User
from gallery.pages import refuse
from gallery.paging import CursorError
from search.by_name import PageAsked, Part, shown
from search.models import SavedSearch
from search.models.queries import new_token
from search.models.saved import KEPT
from search.saved_address import LONGEST_NAME, SaveError, storable, storable_name
from search.saved_list import saved_of

MOST = 1_000
HOURS = KEPT // timedelta(hours=1)
LONGEST_PLACE = 4_000
"""Letters of an address with two names in it, each as UTF-8 in hexadecimal digits."""
SIGN_IN = "Sign in to save searches."
TAKEN = "You have another search of this name. Choose another name."


@require_http_methods(["GET", "HEAD", "POST"])
def saved(request: HttpRequest) -> HttpResponse:
    """Those that one may see; or save one more."""
    if request.method == "POST":
        return _save(request)
    asked = PageAsked.by(request.GET)
    try:
        return _page(request, asked, saved_of(request.user, asked))
    except CursorError as error:
        return refuse(request, str(error))


def _page(
    request: HttpRequest, asked: PageAsked, parts: dict[str, Part], status: int = 200, **context: Any
) -> HttpResponse:
    context = shown(asked, parts) | {"place": asked.query, "longest_name": LONGEST_NAME, "hours": HOURS} | context
    return render(request, "search/saved.html", context, status=status)


def _place(request: HttpRequest) -> str:
    """The query of the page of the list from which a form was sent."""
    return PageAsked.by(QueryDict(request.POST.get("place", "")[:LONGEST_PLACE])).query


def _back(request: HttpRequest) -> HttpResponse:
    place = _place(request)
    return redirect(f"{reverse('saved_searches')}{'?' if place else ''}{place}")


def _save(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, User):
        return refuse(request, SIGN_IN, 403)
    try:
        address, name = storable(request.POST.get("address", "")), storable_name(request.POST.get("name", ""))
        there, saved = _named(request.user, name, address, request.POST.get("replace") == "1")
    except SaveError as error:
        return refuse(request, str(error))
    if not saved:
        context = {"there": there, "address": address, "name": name, "longest_name": LONGEST_NAME}
        return render(request, "search/saved_replace.html", context, status=409)
    said = 'Saved as “{}”. It is on the page <a href="{}">Saved searches</a>.'
    messages.success(request, format_html(said, name, reverse("saved_searches")))
    return redirect(address)


def _named(owner: User, name: str, address: str, replace: bool) -> tuple[SavedSearch, bool]:
    """(the search of this name, whether it is the one of this address now). SaveError."""
    SavedSearch.objects.expired().filter(owner=owner).delete()
    mine = SavedSearch.objects.alive().filter(owner=owner)
    if mine.count() >= MOST:
        raise SaveError(f"You have {MOST:,} saved searches: delete one first.")
    # Two windows that save the same name at once: one of them is asked.
    search, _ = SavedSearch.objects.get_or_create(
        owner=owner, name=name, deleted_at=None, defaults={"address": address}
    )
    if search.address != address and replace:
        mine.filter(pk=search.pk).update(address=address)
        return search, True
    return search, search.address == address


def _mine(request: HttpRequest, token: str) -> SavedSearch:
    """Http404 if it is somebody else's."""
    return get_object_or_404(SavedSearch.objects.alive(), token=token, owner=request.user.pk or 0)


@require_POST
def rename_saved(request: HttpRequest, token: str) -> HttpResponse:
    search = _mine(request, token)
    try:
        name = storable_name(request.POST.get("name", ""))
        with transaction.atomic():
            SavedSearch.objects.filter(pk=search.pk).update(name=name)
    except (SaveError, IntegrityError) as error:
        sentence, status = (str(error), 400) if isinstance(error, SaveError) else (TAKEN, 409)
        alone = {"mine": Part([search]), "others": Part(), "deleted": Part()}  # it may be on any page of the list
        said = {"wrong": token, "sentence": sentence, "typed": request.POST.get("name", "")[:200]}
        return _page(request, PageAsked("mine"), alone, status, place=_place(request), **said)
    messages.success(request, f"“{search.name}” is called “{name}” now.")
    return _back(request)


@require_POST
def share_saved(request: HttpRequest, token: str) -> HttpResponse:
    search = _mine(request, token)
    share = request.POST.get("share") == "1"
    # Whoever has seen it knows its token, by which it can be followed.
    changed = {} if share or not search.is_shared else {"token": new_token()}
    SavedSearch.objects.filter(pk=search.pk).update(is_shared=share, **changed)
    seen = "is yours alone again. Its feeds have new addresses"
    seen = "is shared: everybody who may look at the gallery sees it" if share else seen
    messages.success(request, f"“{search.name}” {seen}.")
    return _back(request)


@require_POST
def delete_saved(request: HttpRequest, token: str) -> HttpResponse:
    search = _mine(request, token)
    SavedSearch.objects.filter(pk=search.pk).update(deleted_at=Now())
    messages.success(request, f"“{search.name}” is deleted.", extra_tags=reverse("restore_saved", args=[token]))
    return _back(request)


@require_POST
def restore_saved(request: HttpRequest, token: str) -> HttpResponse:
    """Undo a deletion; what has got its name meanwhile keeps it."""
    search = get_object_or_404(SavedSearch.objects.kept(), token=token, owner=request.user.pk or 0)
    try:
        with transaction.atomic():
            SavedSearch.objects.filter(pk=search.pk).update(deleted_at=None)
    except IntegrityError:
        return refuse(request, f"Meanwhile another search is called “{search.name}”: rename that one first.", 409)
    messages.success(request, f"“{search.name}” is back.")
    return _back(request)

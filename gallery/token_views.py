"""Tokens: keys for programs. Each is shown once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from gallery.account_forms import TokenForm
from gallery.account_views import guarded, page, person_of
from gallery.models import ApiToken, Scope, User
from gallery.pages import refuse
from gallery.paging import BIGINT

MOST = 100
UNDO_FOR = timedelta(minutes=10)


@never_cache
@page
@guarded
def tokens(request: HttpRequest) -> HttpResponse:
    """All of one's own; a POST makes one and answers with its secret: that page cannot be asked for again."""
    person = person_of(request)
    form = TokenForm(person, request.POST if request.method == "POST" else None)
    if form.is_valid():
        if person.api_tokens.filter(revoked_at=None).count() >= MOST:
            return refuse(request, f"You have {MOST} tokens: revoke those that nothing uses any more.", 409)
        token, secret = form.issue()
        context = _context(person) | {"form": TokenForm(person), "fresh": token, "secret": secret}
        return render(request, "gallery/account_tokens.html", context, status=201)
    context = _context(person) | {"form": form}
    return render(request, "gallery/account_tokens.html", context, status=400 if form.errors else 200)


def _context(person: User) -> dict[str, Any]:
    here = list(person.api_tokens.filter(revoked_at=None))
    alive = set(person.api_tokens.alive().values_list("pk", flat=True))
    lines = [{"token": each, "scopes": _spoken(each), "is_over": each.pk not in alive} for each in here]
    return {"lines": lines}


def _spoken(token: ApiToken) -> list[str]:
    return [str(Scope(scope).label) for scope in token.scopes if scope in Scope.values]


@require_POST
@guarded
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    if _own(request, pk).filter(revoked_at=None).update(revoked_at=Now()):
        undo = reverse("bring_back_token", args=[pk])
        messages.success(request, "The token is revoked: nothing gets in with it any more.", extra_tags=undo)
    return redirect("tokens")


@require_POST
@guarded
def bring_back_token(request: HttpRequest, pk: int) -> HttpResponse:
    if not _own(request, pk).filter(Q(revoked_at__gt=Now() - UNDO_FOR)).update(revoked_at=None):
        return refuse(request, "It is too late to bring this token back. Make another one.", 409)
    messages.success(request, "The token works again.")
    return redirect("tokens")


def _own(request: HttpRequest, pk: int) -> Any:
    mine = ApiToken.objects.filter(user=request.user.pk, pk=min(pk, BIGINT))
    if not mine.exists():
        raise Http404("There is no such token.")
    return mine

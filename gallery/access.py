"""A gallery that is not public: nothing is open but the way in. And who is here is noted, to the hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers

from gallery.context import may_look
from gallery.middleware import database_away
from gallery.models import User
from gallery.pages import refuse

SEEN_EVERY = timedelta(hours=1)
CLOSED = "This gallery is for its members. Sign in first."


class AccessMiddleware(LoginRequiredMiddleware):
    """What a visitor may open says so itself: see ``login_not_required`` in gallery/urls.py."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """Before the protection against forged forms reads the files of a visitor to the disk."""
        if request.content_type != "multipart/form-data" or settings.ACCESS == "public":
            return None
        try:
            request.resolver_match = resolve(request.path_info)
        except Resolver404:
            return None  # nobody will read it
        return self._unless_invited(request)

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        return self._unless_invited(request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if settings.ACCESS != "public" and "public" in response.get("Cache-Control", "") and not _is_open(request):
            patch_cache_control(response, private=True)  # a proxy must not hand it on
        # Only where the page has asked who it is: thumbnails and the like must stay cacheable for all.
        if response.status_code < 500 and getattr(getattr(request, "session", None), "accessed", False):
            _note(request)
        return response

    def _unless_invited(self, request: HttpRequest) -> HttpResponseBase | None:
        if settings.ACCESS == "public" or _is_open(request) or _asks_by_itself(request):
            return None
        try:
            return None if may_look(request) else self._closed(request)
        except (OperationalError, InterfaceError) as error:
            return database_away(error)

    @staticmethod
    def _closed(request: HttpRequest) -> HttpResponseBase:
        if request.headers.get("Accept") == "application/json":
            response: HttpResponse = JsonResponse({"detail": CLOSED, "code": "unauthorized"}, status=401)
        elif request.headers.get("HX-Request") == "true":
            response = refuse(request, CLOSED, 401)
        else:
            response = redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else "/")
        patch_vary_headers(response, ["Accept", "HX-Request", "Cookie"])
        response["Cache-Control"] = "no-store"
        return response


def _is_open(request: HttpRequest) -> bool:
    match = request.resolver_match
    return bool(match and not getattr(match.func, "login_required", True))


def _asks_by_itself(request: HttpRequest) -> bool:
    """The API and the description of it, which also take tokens: see gallery/api_access.py."""
    match = request.resolver_match
    return bool(match and match.namespaces == ["api"])


def _note(request: HttpRequest) -> None:
    try:
        if isinstance(request.user, User):  # lazily: asked for by the page, so it costs nothing here
            seen = request.user.seen_at
            if seen is None or timezone.now() - seen > SEEN_EVERY:
                old = Q(seen_at=None) | Q(seen_at__lt=Now() - SEEN_EVERY)
                User.objects.filter(old, pk=request.user.pk).update(seen_at=Now())
    except (OperationalError, InterfaceError):
        return  # the page is made; who saw it can wait

"""Pages for moderators, and for admins: visitors get the sign-in, everybody else a sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from gallery.models import Role, role_of
from gallery.pages import refuse

View = Callable[..., HttpResponseBase]


def staff_only(sentence: str, home: str = "browse") -> Callable[[View], View]:
    """For moderators and admins. ``sentence``: for a member who asks; ``home``: the page to which a form that a visitor
    has sent leads after the sign-in."""
    return _only(Role.MODERATOR, sentence, home)


def admin_only(sentence: str) -> Callable[[View], View]:
    return _only(Role.ADMIN, sentence)


def member_only(sentence: str) -> Callable[[View], View]:
    """For everybody with an account; the sentence is for a partial of a page whose reader has signed out meanwhile."""
    return _only(Role.MEMBER, sentence)


def _only(least: Role, sentence: str, home: str = "browse") -> Callable[[View], View]:
    """A page that polls gets the sentence too, in place of a sign-in between its lines."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if role_of(request.user) >= least:
                return view(request, *args, **kwargs)
            if request.user.is_authenticated or request.headers.get("HX-Request") == "true":
                return refuse(request, sentence, 403)
            place = request.get_full_path() if request.method in ("GET", "HEAD") else reverse(home)
            return redirect_to_login(place)

        return guarded

    return guard

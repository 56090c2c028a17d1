from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from gallery.models import Role, User, role_of


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page may say: the gallery's name, and what this reader may do."""
    # A function, called only where a template asks: an error page must not ask the database who is signed in.
    return {
        "site_title": settings.TITLE,
        "may_upload": partial(may_upload, request),
        "may_look": partial(may_look, request),
        "people_waiting": partial(people_waiting, request),
        "signs_in_elsewhere": settings.OIDC_NAME if settings.OIDC_URL else "",
    }


def may_look(request: HttpRequest) -> bool:
    return settings.ACCESS == "public" or role_of(request.user) >= Role.MEMBER


def people_waiting(request: HttpRequest) -> int:
    """Who has signed up and waits for an admin, for the menu of admins: a look into a small index."""
    return User.objects.waiting().count() if role_of(request.user) == Role.ADMIN else 0


def may_upload(request: HttpRequest) -> bool:
    return settings.UPLOADS == "anyone" or request.user.is_authenticated

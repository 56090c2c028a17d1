from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page may say: the gallery's name, and whether this reader may add pictures."""
    # A function, called only where a template asks: an error page must not ask the database who is signed in.
    return {"site_title": settings.TITLE, "may_upload": partial(may_upload, request)}


def may_upload(request: HttpRequest) -> bool:
    return settings.UPLOADS == "anyone" or request.user.is_authenticated

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page may say: the gallery's name, and whether this reader may add pictures."""
    return {"site_title": settings.TITLE, "may_upload": may_upload(request)}


def may_upload(request: HttpRequest) -> bool:
    return settings.UPLOADS == "anyone" or request.user.is_authenticated

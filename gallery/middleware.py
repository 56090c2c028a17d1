"""What no view can be asked to do: refuse what no page can mean, and stand a database that goes away for seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """No address of ours holds a NUL, and PostgreSQL takes none in a text.

    Our own views look at their parameters themselves; Django's admin hands them on to the database.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        in_admin = request.path_info.startswith("/admin/")
        if "\x00" in request.path_info or (in_admin and "%00" in request.META.get("QUERY_STRING", "")):
            raise BadRequest("The address holds a NUL.")
        return get_response(request)

    return middleware


class DatabaseAwayMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        logger.error("The database did not answer: %s", error)
        # Without the request: who is signed in is a question to the database.
        response = HttpResponse(render_to_string("503.html", {"site_title": settings.TITLE}), status=503)
        response["Retry-After"] = "5"
        return response

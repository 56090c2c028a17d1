"""What no view can be asked to do: refuse what no page can mean, and say "in a moment" when something is away."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from gallery.context import may_upload
from gallery.formats import DecoderBusy
from gallery.limits import TooMany, look_limit, take_as_visitor, take_what_is_sent
from gallery.models import Role, role_of
from gallery.originals import too_large
from gallery.pages import refuse
from gallery.pictures import PictureError

logger = logging.getLogger(__name__)

ROOM_FOR_FIELDS = 2**20
"""Bytes of a form beside its one file."""
SCORES = re.compile("/collections/[^/]+/sample/")
"""Takes a table of scores."""


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """No address and no cookie of ours holds a NUL, and PostgreSQL takes none in a text.

    Our own views look at their parameters themselves; Django's admin hands them on to the database.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        in_admin = request.path_info.startswith("/admin/")
        if "\x00" in request.path_info or (in_admin and "%00" in request.META.get("QUERY_STRING", "")):
            raise BadRequest("The address holds a NUL.")
        if any("\x00" in value for value in request.COOKIES.values()):
            raise BadRequest("A cookie holds a NUL.")
        return get_response(request)

    return middleware


def limit_uploads(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Files are taken only where they belong: elsewhere anybody could fill the disk.

    The protection against forged forms reads a form before any view can ask who sent it. It does so after the
    middleware has run, so here the reader is known and nothing is read yet. A form that is refused never is.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.content_type == "multipart/form-data":
            try:
                files, most = _uploads_of(request)
            except (OperationalError, InterfaceError) as error:  # who asks is a question to the database
                return database_away(error)
            request.most_files = files  # type: ignore[attr-defined] # read by IncomingUploadHandler
            if most is not None and _length(request) > most:
                return _too_much(request, files)
            try:
                _count(request)
            except TooMany as error:
                return too_many(request, error)
        return get_response(request)

    return middleware


def _uploads_of(request: HttpRequest) -> tuple[int, int | None]:
    """How many files this form may bring, and how many bytes in all; None if each file is measured by itself."""
    if request.path_info == "/search/":
        return 1, settings.MAX_BYTES + ROOM_FOR_FIELDS
    if request.path_info == "/import/" and may_upload(request):
        return settings.DATA_UPLOAD_MAX_NUMBER_FILES, None
    if SCORES.fullmatch(request.path_info) and role_of(request.user) >= Role.MEMBER:
        return 1, settings.MAX_BYTES + ROOM_FOR_FIELDS
    if request.path_info.startswith("/api/"):  # asks who it is and measures it before it reads: gallery/api_access.py
        return 0, None
    return 0, settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _count(request: HttpRequest) -> None:
    """What a visitor brings to search with, or into the gallery; the API counts for itself (gallery/api_access.py)."""
    if request.path_info == "/search/":
        take_as_visitor(request, look_limit())
        take_what_is_sent(request)
    elif request.path_info == "/import/" and may_upload(request):
        take_what_is_sent(request)


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # then Django reads nothing either


def _too_much(request: HttpRequest, files: int) -> HttpResponse:
    if files:
        error, status = too_large(), 413
    elif request.path_info == "/import/":
        error, status = PictureError("forbidden", "Sign in to add pictures."), 403
    else:
        error, status = PictureError("too_large", "This address takes no files."), 413
    return _said(request, str(error), error.code, status)


def too_many(request: HttpRequest, error: TooMany) -> HttpResponse:
    response = _said(request, str(error), "too_many", 429)
    response["Retry-After"] = str(error.seconds)
    return response


def _said(request: HttpRequest, sentence: str, code: str, status: int) -> HttpResponse:
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"detail": sentence, "code": code}, status=status)
    return refuse(request, sentence, status)


class DatabaseAwayMiddleware:
    """503 with Retry-After while the database does not answer, or every picture decoder is busy; 429 for visitors who
    had enough for now."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, TooMany):
            return too_many(request, error)
        if isinstance(error, DecoderBusy):
            return _in_a_moment(str(error))
        if isinstance(error, (OperationalError, InterfaceError)):
            return database_away(error)
        return None


def database_away(error: Exception) -> HttpResponse:
    logger.error("The database did not answer: %s", error)
    return _in_a_moment("The database of the gallery does not answer just now.")


def _in_a_moment(sentence: str) -> HttpResponse:
    # Without the request: who is signed in is a question to the database.
    page = render_to_string("503.html", {"site_title": settings.TITLE, "sentence": sentence})
    response = HttpResponse(page, status=503)
    response["Retry-After"] = "5"
    return response

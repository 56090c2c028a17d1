"""What no view has foreseen: a page for people, and under /api/ what programs read. Django writes it to the log."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from gallery.api_problems import BROKEN

OURS = "That is a fault of this gallery, not of yours. Its log says what went wrong."


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_for_programs(request):
        return defaults.bad_request(request, exception)
    # Other exceptions say more than strangers need to know.
    return _problem(str(exception) if type(exception) is BadRequest else BROKEN, "broken", 400)


def server_error(request: HttpRequest) -> HttpResponse:
    return _problem(OURS, "error", 500) if _is_for_programs(request) else defaults.server_error(request)


def _is_for_programs(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/") and request.path_info != "/api/docs"


def _problem(sentence: str, code: str, status: int) -> HttpResponse:
    response = JsonResponse({"detail": sentence, "code": code}, status=status)
    response["Cache-Control"] = "no-store"
    return response

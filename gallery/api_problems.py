"""How the API refuses what raises: whatever a request brings becomes {"detail", "code"} with the right status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.core.exceptions import TooManyFieldsSent as TooManyFields
from django.db import InterfaceError, OperationalError
from django.db.utils import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.utils.cache import patch_vary_headers
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from gallery.bulk import SelectionError
from gallery.history import Overtaken
from gallery.limits import TooMany
from gallery.paging import CursorError
from gallery.pictures import DecoderBusy, PictureError
from gallery.words import WordError

logger = logging.getLogger(__name__)

IN_A_MOMENT = {"Retry-After": "5"}
BROKEN = "What was sent cannot be read: it was broken off, or is not what its Content-Type says."
AWAY = "The database of the gallery does not answer just now."

View = Callable[..., Any]


def problem(
    api: NinjaAPI, request: HttpRequest, detail: str, code: str, status: int, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Every refusal looks like this."""
    response = api.create_response(request, {"detail": detail, "code": code}, status=status)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def speak_for(api: NinjaAPI) -> None:
    """Teach the API its refusals."""

    def on(kind: type[Exception], told: Callable[[Any], tuple[Any, ...]]) -> None:
        api.add_exception_handler(kind, lambda request, error: problem(api, request, *told(error)))

    on(
        HttpError,
        lambda e: (str(e), getattr(e, "code", _CODES.get(e.status_code, "refused")), e.status_code, _headers(e)),
    )
    on(TooMany, lambda e: (str(e), "too_many", 429, {"Retry-After": str(e.seconds)}))
    on(ValidationError, lambda e: (_invalid(e), "invalid", 422))
    on(Http404, lambda e: ("There is nothing of that name here.", "not_found", 404))
    on(CursorError, lambda e: (str(e), "cursor", 400))
    on(WordError, lambda e: (str(e), "invalid", 422))
    on(SelectionError, lambda e: (str(e), "invalid", 422))
    on(Overtaken, lambda e: (str(e), "overtaken", 409))
    on(PictureError, lambda e: (str(e), e.code, e.status))
    on(DecoderBusy, lambda e: (str(e), "busy", 503, IN_A_MOMENT))
    on(RequestDataTooBig, lambda e: ("That is more than is taken at once.", "too_large", 413))
    on(TooManyFields, lambda e: ("That are too many fields.", "too_many_fields", 413))
    on(TooManyFilesSent, lambda e: ("That are too many files.", "too_many_files", 413))
    for kind in (UnreadablePostError, MultiPartParserError, SuspiciousOperation, BadRequest, UnicodeError):
        on(kind, lambda e: (BROKEN, "broken", 400))
    for away in (OperationalError, InterfaceError):
        on(away, _away)
    on(DataError, lambda e: ("Something that was sent cannot be asked of the database.", "invalid", 422))


_CODES = {400: "broken", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_large"}


def _headers(error: HttpError) -> dict[str, str]:
    return getattr(error, "headers", {})


def _invalid(error: ValidationError) -> str:
    said = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors]
    return "; ".join(said) or "This is not what was expected."


def _away(error: Exception) -> tuple[Any, ...]:
    logger.error("The database did not answer: %s", error)
    return AWAY, "database", 503, IN_A_MOMENT


def with_problems(api: NinjaAPI, view: View) -> View:
    """A view of the API whose "405" is a Problem too; HEAD is answered as GET, whose body the server leaves out."""

    @wraps(view)
    def whole(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "HEAD":
            request.method = "GET"
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["Authorization", "Cookie"])
        response.setdefault("Cache-Control", "no-store")
        if response.status_code != 405:
            return response
        allowed = response["Allow"]
        sentence = f"This address takes {allowed}, not {request.method}."
        return problem(api, request, sentence, "method", 405, {"Allow": allowed})

    return whole

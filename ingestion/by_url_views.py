"""Searching with the picture at an address: typed, pasted, dropped, or handed over by another program's link."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods

from gallery.limits import TooMany, search_limit, take_as_visitor
from gallery.pictures import DecoderBusy, PictureError
from ingestion.addresses import MAX_URL
from ingestion.by_url import SECONDS, Fetch, remembered
from search.own_address import answer_at
from search.views import wants_json

logger = logging.getLogger(__name__)

QUICK = 1.0
"""Seconds: what takes longer says what it waits for."""
MARK = "<!-- what has come -->"
BROKEN = "It could not be looked for; the log of the gallery says why."


@require_http_methods(["GET", "HEAD", "POST"])
def search_by_url(request: HttpRequest) -> HttpResponseBase:
    """POST ``url``: fetched, and on to the answer. GET only fills the form, from ``?url=``: whoever lures a reader
    here makes this gallery ask nobody."""
    if request.method != "POST":
        return _form(request, request.GET.get("url", ""))
    url = request.POST.get("url", "").strip()
    try:
        take_as_visitor(request, search_limit())
        if answer := answer_at(url, request):
            return _go(request, answer)
        if query := remembered(url):
            return _go(request, query.get_absolute_url())
        fetch = Fetch(url, request)
        if wants_json(request) or fetch.is_done(QUICK):
            return _go(request, fetch.query().get_absolute_url())
    except PictureError as error:
        return _refuse(request, url, str(error), error.code, error.status)
    except TooMany as error:
        response = _refuse(request, url, str(error), "too_many", 429)
        response["Retry-After"] = str(error.seconds)
        return response
    return _waiting(request, fetch, url)


def _form(request: HttpRequest, url: str, sentence: str = "", status: int = 200) -> HttpResponse:
    context = {"url": url[:MAX_URL], "sentence": sentence, "most": MAX_URL, "here": request.build_absolute_uri("?url=")}
    return render(request, "ingestion/by_url.html", context, status=status)


def _go(request: HttpRequest, address: str) -> HttpResponse:
    return JsonResponse({"address": address}, status=201) if wants_json(request) else redirect(address)


def _refuse(request: HttpRequest, url: str, sentence: str, code: str, status: int) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"detail": sentence, "code": code}, status=status)
    return _form(request, url, sentence, status)


def _waiting(request: HttpRequest, fetch: Fetch, url: str) -> StreamingHttpResponse:
    """A page that says so at once, and ends when the picture has come: its last line leads on."""
    context = {"url": url[:MAX_URL], "host": fetch.host, "mark": MARK, "most": MAX_URL, "seconds": SECONDS}
    before, after = render_to_string("ingestion/by_url_wait.html", context, request).split(MARK)

    def parts() -> Iterator[str]:
        yield before
        yield render_to_string("ingestion/_by_url_end.html", context | _end(fetch), request)
        yield after

    response = StreamingHttpResponse(parts())
    response["X-Accel-Buffering"] = "no"  # a proxy that waits for the end would say nothing meanwhile
    response["Cache-Control"] = "no-store"
    return response


def _end(fetch: Fetch) -> dict[str, str]:
    """The status is on its way already: from here on an error can only be said."""
    try:
        return {"answer": fetch.query().get_absolute_url()}
    except (PictureError, TooMany, DecoderBusy) as error:
        return {"sentence": str(error)}
    except Exception:  # the page must come to an end, whatever it was
        logger.exception("A picture that was fetched could not be looked for")
        return {"sentence": BROKEN}

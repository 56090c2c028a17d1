"""What is said when too much comes at once: made once, for then there is no time for templates."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.template.loader import render_to_string

SENTENCE = "Very many people ask this gallery for something just now."
STATUS = "503 Service Unavailable"

Refusal = tuple[str, list[tuple[str, str]], bytes]


class Refusals:
    """As a page, and as JSON for programs."""

    def of(self, environ: dict[str, Any]) -> Refusal:
        """(status, headers, body)"""
        wants_json = environ.get("HTTP_ACCEPT") == "application/json" or environ["PATH_INFO"].startswith("/api/")
        return self._json if wants_json else self._page

    @cached_property
    def _page(self) -> Refusal:
        return _made(render_to_string("503.html", {"site_title": settings.TITLE, "sentence": SENTENCE}), "text/html")

    @cached_property
    def _json(self) -> Refusal:
        said = {"detail": f"{SENTENCE} Try again in some seconds.", "code": "busy"}
        return _made(json.dumps(said), "application/json")


def _made(body: str, kind: str) -> Refusal:
    """With the headers that every other answer has."""
    response = HttpResponse(body, status=503, content_type=f"{kind}; charset=utf-8")
    for middleware in (XFrameOptionsMiddleware, CSPMiddleware, SecurityMiddleware):
        middleware(HttpResponse).process_response(HttpRequest(), response)
    response["Content-Length"] = str(len(response.content))
    response["Cache-Control"] = "no-store"
    return STATUS, list(response.items()), response.content

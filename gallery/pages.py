"""A page and its partial are one view and one address: htmx gets the partial, everyone else the page around it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def render_page(
    request: HttpRequest, page: str, partial: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render ``partial`` for htmx and ``page``, which includes it, for everyone else."""
    htmx = request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"
    response = render(request, partial if htmx else page, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def refuse(request: HttpRequest, sentence: str, status: int = 400) -> HttpResponse:
    """A page that says in one sentence why not."""
    return render_page(request, "gallery/refused.html", "gallery/_refused.html", {"sentence": sentence}, status)

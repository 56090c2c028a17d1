"""What a search box offers while somebody writes; and pictures that are similar by their tags."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from gallery.views import find_image
from search.complete import as_json, complete_tag
from search.complete import complete as completed
from search.half_written import LONGEST
from search.tag_likeness import similar_by_tags

PAGE = 120


@require_safe
def complete(request: HttpRequest) -> HttpResponse:
    """``q``: what is written; ``at``: where the cursor is, in characters; ``for=tags``: only names of tags. Who is
    signed in may give tags, and gets those that no picture has yet."""
    written = request.GET.get("q", "")[:LONGEST]
    at = request.GET.get("at", "")
    cursor = int(at) if at.isascii() and at.isdecimal() and len(at) < 7 else len(written)
    if request.GET.get("for") == "tags":
        found = complete_tag(written, used=not request.user.is_authenticated, user=request.user)
    else:
        found = completed(written, cursor, request.user)
    return JsonResponse({"suggestions": as_json(found)})


@require_safe
def like_by_tags(request: HttpRequest, pk: int) -> HttpResponse:
    image = find_image(request, pk)
    found = similar_by_tags(image, request.user, PAGE)
    return render(request, "search/like_by_tags.html", {"image": image, "found": found})

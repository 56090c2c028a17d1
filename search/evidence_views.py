"""The page that shows why two pictures were found to hold the same: points joined, one laid on the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe
from PIL import Image as PillowImage

from gallery.limits import limited, look_limit
from gallery.models import Image
from gallery.pages import refuse, render_page
from gallery.renditions import webp
from gallery.views import find_image
from search import overlay
from search.asked import Asked, middle, pixels_of
from search.drawing import LINES, frame, polygon, side_by_side, stacked
from search.engines import get_engine
from search.evidence import EvidenceError, in_turn, prove
from search.geometry import Alignment, where

MODES = [
    ("swipe", "Swipe"),
    ("difference", "Difference"),
    ("stronger", "Stronger"),
    ("blink", "Blink"),
]
HOUR = 3600
View = Callable[..., HttpResponse]


def explained(view: View) -> View:
    """What cannot be shown is said in a sentence."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except EvidenceError as error:
            response = refuse(request, str(error), error.status)
            if error.retry_after is not None:
                response["Retry-After"] = str(error.retry_after)
            return response
        except Http404:
            if request.headers.get("HX-Request") != "true":
                raise
            return refuse(request, "One of the two pictures is not here any more.", 404)  # no page inside of a page

    return answered


@require_safe
@limited(look_limit)
@explained
def query_match(request: HttpRequest, token: str, pk: int) -> HttpResponse:
    image = find_image(request, pk)
    return _page(request, Asked.brought(token), image, reverse("query_match", args=[token, pk]))


@require_safe
@limited(look_limit)
@explained
def like_match(request: HttpRequest, pk: int, other: int) -> HttpResponse:
    image = find_image(request, other)
    return _page(request, Asked.of_gallery(request, pk, closely=True), image, reverse("like_match", args=[pk, other]))


def _page(request: HttpRequest, asked: Asked, image: Image, address: str) -> HttpResponse:
    with in_turn():
        found = prove(asked.query, image)
    sizes = (asked.width, asked.height), (image.width, image.height)
    size = frame(image.width, image.height)
    context = {
        "asked": asked,
        "image": image,
        "image_picture": middle(image),
        "address": address,
        "found": found,
        "sentence": sentence(asked, image, found),
        "larger": larger(asked, image),
        "drawings": [side_by_side(found, *sizes), stacked(found, *sizes)],
        "few": LINES,
        "lines": len(found.pairs),
        "modes": MODES,
        "stronger": overlay.STRONGER,
        "frame": size,
        "covered": polygon(found.in_match, size),
    }
    return render_page(request, "search/match.html", "search/_match.html", context)


def sentence(asked: Asked, image: Image, found: Alignment) -> str:
    """What was proven: "Your picture is a part of beach.jpg, mirrored: it shows 31 % of it, upper left." """
    mine, share = asked.called, "{:.0%}".format
    mirrored = ", mirrored" if found.mirrored else ""
    said = {
        "same": f"{mine} and {image.name} show the same{mirrored}.",
        "part": f"{mine} is a part of {image.name}{mirrored}: it shows {share(found.covers)} of it"
        f"{_at(found.in_match)}.",
        "whole": f"{mine} contains {image.name}{mirrored}: it fills {share(found.covered)} of it{_at(found.in_query)}.",
        "overlap": f"{mine} and {image.name} share a part{mirrored}: {share(found.covers)} of {image.name}"
        f"{_at(found.in_match)}.",
    }
    return said[found.relation].replace("%", " %")


def _at(outline: Any) -> str:
    place = where(outline)
    return f", {place}" if place else ""


def larger(asked: Asked, image: Image) -> str:
    """Which of the two has more pixels."""
    mine, its = asked.width * asked.height, image.width * image.height
    if mine == its:
        return "Both have equally many pixels."
    name = image.name if its > mine else asked.called
    return f"{name} is the larger one: it has {max(mine, its) / min(mine, its):.1f} times as many pixels."


@require_safe
@cache_control(private=True, no_store=True)
@limited(look_limit)
@explained
def query_overlay(request: HttpRequest, token: str, pk: int) -> HttpResponse:
    image = find_image(request, pk)
    return _overlay(Asked.brought(token), image)


def _made_of(request: HttpRequest, pk: int, other: int) -> str:
    """The ETag: all that the overlay of two pictures of the gallery is made of. Http404 as the view has it."""
    both = "-".join(find_image(request, one).sha256 for one in (pk, other))
    return f'"{overlay.VERSION}-{get_engine("local_features").version}-{both}"'


@require_safe
@limited(look_limit)
@explained  # outside of the others: a refusal is not kept
@cache_control(private=True, max_age=HOUR)
@condition(etag_func=_made_of)
def like_overlay(request: HttpRequest, pk: int, other: int) -> HttpResponse:
    image = find_image(request, other)
    return _overlay(Asked.of_gallery(request, pk, closely=True), image)


def _overlay(asked: Asked, image: Image) -> HttpResponse:
    """The query as it lies on the match."""
    with in_turn():
        found = prove(asked.query, image)
        match = overlay.fit(pixels_of(image, overlay.LONGEST))
        drawn = overlay.lay(asked.pixels(), match, found.homography)
        return HttpResponse(webp(PillowImage.fromarray(drawn), quality=90), content_type="image/webp")

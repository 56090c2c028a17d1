"""What members decide about the words of a picture: each button works as a plain form, and in its place with htmx."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from gallery import opinions
from gallery.models import Image, Opinion, User
from gallery.opinions import Change, Overtaken, words_of
from gallery.pages import refuse
from gallery.views import find_image
from gallery.words import WordError

SIGN_IN = "Sign in to say what is to be seen in a picture."
_KEPT = "undo_words"

Decision = Callable[..., Change | None]


def decision(decide: Decision) -> Callable[..., HttpResponse]:
    """A view of a function that takes (request, image, ...), and gives back what was done, or None."""

    @require_POST
    @wraps(decide)
    def view(request: HttpRequest, pk: int, **which: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return refuse(request, SIGN_IN, 403)
        image = find_image(request, pk)
        try:
            change = decide(request, image, **which)
        except (Overtaken, WordError) as error:
            return _refused(request, image, str(error), 409 if isinstance(error, Overtaken) else 400)
        return _done(request, image, change)

    return view


def by_whom(request: HttpRequest) -> User:
    """Who is signed in: views ask for it only then."""
    return cast(User, request.user)


@decision
def add_tag(request: HttpRequest, image: Image) -> Change | None:
    return opinions.add_tag(image, request.POST.get("tag", ""), by_whom(request))


@decision
def accept_tag(request: HttpRequest, image: Image, tag: int) -> Change | None:
    return opinions.decide_tag(image, tag, Opinion.ACCEPTED, request.POST.get("seen", ""), by_whom(request))


@decision
def reject_tag(request: HttpRequest, image: Image, tag: int) -> Change | None:
    return opinions.decide_tag(image, tag, Opinion.REJECTED, request.POST.get("seen", ""), by_whom(request))


@decision
def write_caption(request: HttpRequest, image: Image) -> Change | None:
    instead_of = request.POST.get("instead_of", "")
    number = int(instead_of) if instead_of.isascii() and instead_of.isdecimal() and len(instead_of) < 19 else 0
    seen, instead_seen = request.POST.get("seen", ""), request.POST.get("instead_seen", "")
    return opinions.write_caption(image, request.POST.get("text", ""), seen, number, instead_seen, by_whom(request))


@decision
def accept_caption(request: HttpRequest, image: Image, caption: int) -> Change | None:
    return opinions.decide_caption(image, caption, Opinion.ACCEPTED, request.POST.get("seen", ""), by_whom(request))


@decision
def reject_caption(request: HttpRequest, image: Image, caption: int) -> Change | None:
    return opinions.decide_caption(image, caption, Opinion.REJECTED, request.POST.get("seen", ""), by_whom(request))


@decision
def accept_text(request: HttpRequest, image: Image, text: int) -> Change | None:
    return opinions.decide_text(image, text, Opinion.ACCEPTED, request.POST.get("seen", ""), by_whom(request))


@decision
def reject_text(request: HttpRequest, image: Image, text: int) -> Change | None:
    return opinions.decide_text(image, text, Opinion.REJECTED, request.POST.get("seen", ""), by_whom(request))


@decision
def undo(request: HttpRequest, image: Image) -> Change | None:
    kept = request.session.get(_KEPT, {})
    change = Change.read(request.POST.get("token") or kept.get(request.GET.get("of", ""), ""))
    opinions.undo(image, change, by_whom(request))
    return None


def _done(request: HttpRequest, image: Image, change: Change | None) -> HttpResponse:
    sentence = change.sentence if change else _nothing(request)
    token = change.token if change else ""
    if request.headers.get("HX-Request"):
        return _partial(request, image, {"done": sentence, "undo": token})
    messages.success(request, sentence, extra_tags=_kept(request, image, token) if token else "words")
    return redirect(f"{image.get_absolute_url()}#words")


def _kept(request: HttpRequest, image: Image, token: str) -> str:
    """The address that undoes it. A message has no room for a hidden field, so the session keeps the last token."""
    name = hashlib.sha256(token.encode()).hexdigest()[:12]
    request.session[_KEPT] = {name: token}
    return f"{reverse('undo_words', args=[image.pk])}?of={name}"


def _nothing(request: HttpRequest) -> str:
    return "That is undone." if request.resolver_match.url_name == "undo_words" else "It was so already."  # type: ignore[union-attr]


def _refused(request: HttpRequest, image: Image, sentence: str, status: int) -> HttpResponse:
    """Why not, beside the words as they are now; what was typed is still there."""
    typed = {"typed_tag": request.POST.get("tag", ""), "typed": request.POST.get("text", "")}
    context = {"sentence": sentence, "status": status, **typed}
    if request.headers.get("HX-Request"):
        return _partial(request, image, context, status)
    page = {"image": image, "page_of_words": True, **words_of(image), **context}
    return render(request, "gallery/words.html", page, status=status)


def _partial(request: HttpRequest, image: Image, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return render(request, "gallery/_words.html", {"image": image, **words_of(image), **context}, status=status)

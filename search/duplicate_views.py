"""Duplicates: groups to decide about one by one, side by side. Rules and history: search/duplicate_history_views.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery.models import Image, User
from gallery.pages import refuse, render_page
from gallery.paging import CursorError
from gallery.staff import staff_only
from search.asked import middle
from search.drawing import frame
from search.duplicate_facts import Comparison, compare, families, foresee_in
from search.duplicate_forms import AT_LEAST, GRADES, MEGAPIXELS, SORTS, MergeForm, Sieve
from search.duplicates import progress, undismiss
from search.engines._base import Grade
from search.evidence_views import MODES
from search.groups import GroupChanged
from search.merge import MergeError
from search.models import Dismissal, Group, Resolution, page_of_images, same_bytes

PAGE = 20
GONE = "This group is not there any more: somebody has decided about it, or its pictures are gone."
TABS = {"": "All", "same": "Same picture", "part": "Part of", "like": "Look-alike"}

guarded = staff_only("Only moderators of this gallery decide about duplicates.", home="duplicates")


def who(request: HttpRequest) -> User:
    """Behind ``guarded`` somebody is signed in."""
    assert isinstance(request.user, User)
    return request.user


# --- looking
@require_safe
@guarded
def duplicates(request: HttpRequest) -> HttpResponse:
    sieve = Sieve.of(request.GET)
    try:
        groups, after = sieve.page(request.GET.get("after", ""), PAGE)
    except CursorError as error:
        return refuse(request, str(error))
    context = {
        "sieve": sieve,
        "families": families(groups),
        "after": after,
        "place": request.GET.get("after", ""),
        "tabs": _tabs(sieve),
        "sorts": {name: label for name, (label, _) in SORTS.items()},
        "at_least": AT_LEAST,
        "megapixels": MEGAPIXELS,
        **_progress(),
        "decided": bool(groups) or Resolution.objects.exists() or Dismissal.objects.exists(),
    }
    return render_page(request, "search/duplicates.html", "search/_duplicate_families.html", context)


def _tabs(sieve: Sieve) -> list[dict[str, Any]]:
    counts = sieve.counts()
    counts[""] = sum(counts.values())
    return [
        {"name": name, "label": label, "count": counts[name], "query": sieve.in_grade(name)}
        for name, label in TABS.items()
    ]


@require_safe
@guarded
def duplicates_progress(request: HttpRequest) -> HttpResponse:
    """How far the examination is; the page asks again while there is something to examine."""
    page, partial = "search/duplicates_progress.html", "search/_duplicate_progress.html"
    return render_page(request, page, partial, _progress() | {"asked_again": True})


def _progress() -> dict[str, Any]:
    now = progress()
    return {"progress": now, "examined": f"{now.examined:,}", "all_pictures": f"{now.total:,}"}


@require_safe
@guarded
def duplicate_bytes(request: HttpRequest) -> HttpResponse:
    """Pictures whose bytes came in more than once: one picture each, with several sources."""
    try:
        images, after = page_of_images(same_bytes(), request.GET.get("after", ""), PAGE)
    except CursorError as error:
        return refuse(request, str(error))
    context = {"images": images, "after": after, "tabs": _tabs(Sieve()), "total": same_bytes().count()}
    return render_page(request, "search/duplicates_bytes.html", "search/_duplicate_bytes.html", context)


@require_safe
@guarded
def duplicate_row(request: HttpRequest, pk: int) -> HttpResponse:
    """A row of the list once more, with its pictures looked at: the list asks for it when the row comes into view."""
    if request.headers.get("HX-Request") != "true":
        return redirect("duplicate_group", pk)
    found = families(list(Group.objects.filter(pk=_id(pk)).with_shown()), look=True)
    if not found:
        return _gone(request)
    context = {"family": found[0], "sieve": Sieve.of(request.GET), "place": request.GET.get("after", "")}
    return render(request, "search/_duplicate_family.html", context)


@require_safe
@guarded
def duplicate_group(request: HttpRequest, pk: int) -> HttpResponse:
    group = Group.objects.filter(pk=_id(pk)).first()
    if group is None:
        return _gone(request)
    sieve = Sieve.of(request.GET)
    comparison = compare(group, every=request.GET.get("all") == "1")
    if len(comparison.looks) < 2:
        return _gone(request)
    previous, following = sieve.neighbours(group)
    keep, other = _chosen(comparison, request)
    context = {
        "group": group,
        "comparison": comparison,
        "sieve": sieve,
        "previous": previous,
        "next": following,
        "laid": _laid(comparison, keep, other),
        "grade": next(name for name, grade in GRADES.items() if grade == group.grade),
    }
    return render_page(request, "search/duplicates_group.html", "search/_duplicate_closer.html", context)


@require_safe
@guarded
def duplicate_outcome(request: HttpRequest, pk: int) -> HttpResponse:
    """What the choice of the reader would do, in words, while it is being made."""
    group = Group.objects.filter(pk=_id(pk)).first()
    if group is None:
        return _gone(request)
    if request.headers.get("HX-Request") != "true":
        return redirect("duplicate_group", pk)
    outcome = foresee_in(group, request.GET.get("keep", ""), request.GET.getlist("drop"))
    return render(request, "search/_duplicate_says.html", {"outcome": outcome})


def _id(pk: int) -> int:
    """Addresses may hold larger numbers than the database."""
    return pk if pk < 2**63 else 0


def _gone(request: HttpRequest) -> HttpResponse:
    return refuse(request, GONE, 410)


def _chosen(comparison: Comparison, request: HttpRequest) -> tuple[Image, Image]:
    """The two that are laid on each other: those that the address names, else the best two."""
    images = {str(look.image.pk): look.image for look in comparison.looks}
    under = images.get(request.GET.get("under", ""), comparison.looks[0].image)
    others = [image for image in images.values() if image != under]
    over = images.get(request.GET.get("over", ""), others[0])
    return under, over if over != under else others[0]


def _laid(comparison: Comparison, under: Image, over: Image) -> dict[str, Any]:
    """One picture over the other: as the geometry says if that is proven, else as it is."""
    sight = comparison.sight(over.pk, under.pk)
    proven = bool(sight and sight.alignment)
    return {
        "under": under,
        "over": over,
        "size": frame(under.width, under.height),
        "picture": middle(under),
        "words": sight.words if sight else "",
        "proven": proven,
        "ready": under.state == over.state == Image.State.READY,  # else they have no renditions yet
        "evidence": reverse("like_match", args=[over.pk, under.pk]),
        "laid": reverse("like_match", args=[over.pk, under.pk]) + "warped.webp" if proven else middle(over),
        "modes": MODES,
        "choices": _choices(comparison, under, over),
    }


def _choices(comparison: Comparison, under: Image, over: Image) -> dict[str, list[dict[str, Any]]]:
    """Other pictures to lay on each other."""
    every = {} if comparison.hidden else {"all": 1}
    images = [look.image for look in comparison.looks]

    def choice(image: Image, low: Image, high: Image) -> dict[str, Any]:
        query = urlencode({"under": low.pk, "over": high.pk} | every)
        return {"image": image, "query": query, "current": (low, high) == (under, over)}

    return {
        "Below": [choice(image, image, over if image != over else under) for image in images],
        "Above": [choice(image, under if image != under else over, image) for image in images],
    }


# --- deciding
@require_POST
@guarded
def merge_duplicates(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep one, put others into the trash; then on to the next group."""
    group = Group.objects.filter(pk=_id(pk)).first()
    if group is None:
        return _gone(request)
    onward = _onward(request, group)
    try:
        resolution = MergeForm(group, request.POST).merge(who(request))
    except MergeError as error:
        return refuse(request, str(error), 409)
    assert resolution.keep
    names = [one.name for one in resolution.dropped.all()]
    sentence = f"{resolution.keep.name} is kept, {_these(names)} in the trash for {settings.TRASH_DAYS} days."
    return _done(request, sentence, reverse("undo_merge", args=[resolution.pk]), onward())


def _these(names: list[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{len(names)} others are"


@require_POST
@guarded
def dismiss_duplicates(request: HttpRequest, pk: int) -> HttpResponse:
    group = Group.objects.filter(pk=_id(pk)).first()
    if group is None:
        return _gone(request)
    onward = _onward(request, group)
    try:
        batch = group.dismiss(who(request), request.POST.get("shown", ""))
    except GroupChanged as error:
        return refuse(request, str(error), 409)
    said = "are no duplicates" if group.grade == Grade.SAME else "all stay"
    sentence = f"These {group.size} pictures {said}: you will not be asked about them again."
    return _done(request, sentence, reverse("undo_dismissal", args=[batch]), onward())


def _onward(request: HttpRequest, group: Group) -> Callable[[], str]:
    """Where the reader goes after a decision: the same page of the list, or the next group side by side.

    Asked before the decision, which takes the group away, and answered after it, which may take the next one as well.
    """
    sieve = Sieve.of(request.GET)
    if request.GET.get("from") == "list":
        after = request.GET.get("after", "")
        place = f"{reverse('duplicates')}?{sieve.query}" + (f"&after={quote(after)}" if after else "")
        return lambda: place
    following = sieve.neighbours(group)[1]

    def there() -> str:
        here = following and Group.objects.filter(pk=following, size__gte=2).exists()
        place = reverse("duplicate_group", args=[following]) if here else reverse("duplicates")
        return f"{place}?{sieve.query}"

    return there


def _done(request: HttpRequest, sentence: str, undo: str, onward: str) -> HttpResponse:
    """In the list a line takes the place of the group; elsewhere the next page says it."""
    undo = f"{undo}?{Sieve.of(request.GET).query}"
    if request.headers.get("HX-Request") == "true":
        return render(request, "search/_duplicate_decided.html", {"sentence": sentence, "undo": undo})
    messages.success(request, sentence, extra_tags=undo)
    return redirect(onward)


@require_POST
@guarded
def undo_merge(request: HttpRequest, pk: int) -> HttpResponse:
    resolution = Resolution.objects.filter(pk=_id(pk)).first()
    if resolution is None:
        return refuse(request, "There is no such decision.", 404)
    try:
        missing = resolution.undo()
    except MergeError as error:
        return refuse(request, str(error), 409)
    back = resolution.dropped.count() - len(missing)
    sentence = f"Undone: {back} picture{'' if back == 1 else 's'} back. Thumbnails are being made again."
    return _undone(request, [sentence, *missing], [resolution.keep_id] if resolution.keep_id else [])


@require_POST
@guarded
def undo_dismissal(request: HttpRequest, batch: uuid.UUID) -> HttpResponse:
    contents = Dismissal.objects.filter(batch=batch).values_list("low_sha256", flat=True)
    images = list(Image.objects.filter(sha256__in=list(contents)).values_list("pk", flat=True))
    if not undismiss(batch):
        return refuse(request, "This was undone already.", 409)
    return _undone(request, ["Undone: they may be duplicates again."], images)


def _undone(request: HttpRequest, sentences: list[str], images: list[int]) -> HttpResponse:
    """Back to the group, if it has come back."""
    sieve = Sieve.of(request.GET)
    group = Group.objects.filter(members__image__in=images).order_by("grade", "pk").first()
    if request.headers.get("HX-Request") == "true":
        found = families(list(Group.objects.filter(pk=group.pk).with_shown())) if group else []
        context = {"sentences": sentences, "families": found, "sieve": sieve}
        return render(request, "search/_duplicate_back.html", context)
    for sentence in sentences:
        messages.success(request, sentence)
    place = reverse("duplicate_group", args=[group.pk]) if group else reverse("duplicates")
    return redirect(f"{place}?{sieve.query}")

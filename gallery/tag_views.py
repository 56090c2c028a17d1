"""All tags; the page of one, where the staff renames, groups, joins and merges, with a preview first and undo after."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery.models import Image, Role, Tag, TagWork, User, role_of
from gallery.names import printable
from gallery.pages import refuse, render_page
from gallery.paging import BIGINT, NUMBER, CursorError
from gallery.staff import staff_only
from gallery.tag_rules import Kind, Plan, TagError, begin, named_tag, plan
from gallery.tag_slices import at_once
from gallery.tag_undo import undo
from gallery.tags import SORTS, Shelf, search_address, shelves
from gallery.tasks import change_tags, ring
from gallery.words import LONGEST_TAG, WordError

PAGE = 200
ON_A_SHELF = 40
MOST_CATEGORIES = 50
SHOWN = 12
CHANGES = 30
INTO = "into"
"""The merge as the page of the tag that goes asks for it."""

guarded = staff_only("Only moderators of this gallery change what tags are.", home="tags")


# --- all of them
@require_safe
def tags(request: HttpRequest) -> HttpResponse:
    shelf = Shelf(
        request.GET.get("sort", "") if request.GET.get("sort") in SORTS else "most",
        printable(request.GET["category"]) if "category" in request.GET else None,
        printable(request.GET.get("q", "")[:LONGEST_TAG]).lower(),
        role_of(request.user) >= Role.MODERATOR,
        user=request.user,
    )
    context: dict[str, Any] = {"shelf": shelf, "sorts": _sorts(shelf), "categories": _categories(shelf)}
    if shelf.category is None and not shelf.part:
        context["shelves"] = [
            {"name": name, "tags": each, "address": _address(shelf, category=name)}
            for name, each in shelves(shelf, [one["name"] for one in context["categories"]], ON_A_SHELF)
        ]
    else:
        try:
            found, after = shelf.page(request.GET.get("after", ""), PAGE)
        except CursorError as error:
            return refuse(request, str(error))
        context |= {"found": found, "onward": _address(shelf, after=after) if after else ""}
    context["total"] = shelf.all_tags().exists()
    context["further"] = len(context["categories"]) == MOST_CATEGORIES
    return render_page(request, "gallery/tags.html", "gallery/_tags.html", context)


def _address(shelf: Shelf, **changed: Any) -> str:
    now = {"q": shelf.part, "category": shelf.category, "sort": shelf.sort if shelf.sort != "most" else ""} | changed
    # A category of no name is one, too.
    return "?" + urlencode({name: v for name, v in now.items() if v or (name == "category" and v is not None)})


def _sorts(shelf: Shelf) -> list[dict[str, Any]]:
    return [
        {"label": label, "address": _address(shelf, sort=name), "current": name == shelf.sort}
        for name, label in SORTS.items()
    ]


def _categories(shelf: Shelf) -> list[dict[str, Any]]:
    """The largest first; those of none last."""
    tags = shelf.all_tags().order_by().values_list("category")
    counted = tags.annotate(tags=Count("pk")).order_by("-tags", "category")
    found = sorted(counted[:MOST_CATEGORIES], key=lambda row: not row[0])
    return [
        {"name": name, "count": count, "address": _address(shelf, category=name), "current": name == shelf.category}
        for name, count in found
    ]


# --- one of them
@require_safe
def tag_page(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    tag = Tag.objects.told_to(request.user).counted().filter(pk=_id(pk)).first()
    if tag is None:
        merged = TagWork.objects.filter(kind=Kind.MERGE, other=_small(pk), tag__isnull=False).first()
        if merged is None:
            raise Http404("There is no such tag.")
        messages.info(request, f"{merged.sentence}.")
        return redirect("tag", merged.tag_id)
    return render(request, "gallery/tags_one.html", _about(request, tag))


def _about(request: HttpRequest, tag: Tag) -> dict[str, Any]:
    images = Image.objects.visible_to(request.user).filter(tag_ids__contains=[tag.pk]).order_by("-pk")
    named = Tag.objects.told_to(request.user).exclude(category="").order_by()
    return {
        "tag": tag,
        "images": list(images[:SHOWN]),
        "address": search_address(tag.name),
        "aliases": [alias.name for alias in tag.aliases.all()],
        "implied": [one.implied for one in tag.implications.select_related("implied")],
        "implied_by": [one.tag for one in tag.implied_by.select_related("tag")[:100]],
        "works": list(TagWork.objects.about(tag.pk).select_related("by", "undone_by", "tag")[:10]),
        "categories": named.values_list("category", flat=True).distinct()[:50],
        "longest": LONGEST_TAG,
    }


@require_safe
@guarded
def preview_tag_change(request: HttpRequest, pk: int) -> HttpResponse:
    """What would happen, and to how many pictures; nothing happens."""
    tag = get_object_or_404(Tag.objects.told_to(request.user), pk=_id(pk))
    kind, written = request.GET.get("kind", ""), request.GET.get("written", "")
    try:
        planned = _planned(tag, kind, written)
    except (TagError, WordError) as error:
        tag = Tag.objects.counted().get(pk=tag.pk)
        context = _about(request, tag) | {"sentence": str(error), "kind": kind, "written": written}
        return render(request, "gallery/tags_one.html", context, status=400)
    return render(request, "gallery/tags_preview.html", {"tag": tag, "plan": planned, "kind": kind, "written": written})


def _planned(tag: Tag, kind: str, written: str) -> Plan:
    if kind == INTO:
        return plan(Kind.MERGE, named_tag(tag, written), tag.name)
    return plan(kind, tag, written)


@require_POST
@guarded
def change_tag(request: HttpRequest, pk: int) -> HttpResponse:
    tag = get_object_or_404(Tag.objects.told_to(request.user), pk=_id(pk))
    kind, written = request.POST.get("kind", ""), request.POST.get("written", "")
    try:
        if kind == INTO:
            kind, tag, written = Kind.MERGE, named_tag(tag, written), tag.name
        work = begin(kind, tag, written, request.POST.get("seen", ""), _who(request))
    except TagError as error:
        return refuse(request, str(error), 409)
    except WordError as error:
        return refuse(request, str(error))
    return _begun(request, work, f"{work.sentence}.")


def _begun(request: HttpRequest, work: TagWork, sentence: str) -> HttpResponse:
    """Little is done at once; the rest is left to a worker, and the page says how far it is."""
    place = reverse("tag", args=[work.tag_id])
    undoing = work.state in (TagWork.State.UNDOING, TagWork.State.UNDONE)
    if at_once(work):
        address = "" if undoing else reverse("undo_tag_change", args=[work.pk])
        messages.success(request, sentence, extra_tags=address)
    else:
        ring(change_tags)
        place = reverse("tag_progress", args=[work.pk])
    return redirect(place)


def _who(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _id(pk: int) -> int:
    """Addresses may hold larger numbers than the database."""
    return pk if pk <= BIGINT else 0


def _small(pk: int) -> int:
    return pk if pk < 2**31 else 0


# --- what was done
@require_safe
@guarded
def tag_changes(request: HttpRequest) -> HttpResponse:
    cursor = request.GET.get("after", "")
    if cursor and not NUMBER.fullmatch(cursor):
        return refuse(request, "This page address is broken. Start again from the first page.")
    works = TagWork.objects.select_related("by", "undone_by", "tag")
    works = works.filter(pk__lt=_id(int(cursor))) if cursor else works
    found = list(works[: CHANGES + 1])
    after = found[CHANGES - 1].pk if len(found) > CHANGES else ""
    return render_page(
        request, "gallery/tags_changes.html", "gallery/_tags_changes.html", {"works": found[:CHANGES], "after": after}
    )


@require_safe
@guarded
def tag_progress(request: HttpRequest, pk: int) -> HttpResponse:
    work = get_object_or_404(TagWork.objects.select_related("tag", "by"), pk=_id(pk))
    return render_page(request, "gallery/tags_progress.html", "gallery/_tags_progress.html", {"work": work})


@require_POST
@guarded
def undo_tag_change(request: HttpRequest, pk: int) -> HttpResponse:
    work = get_object_or_404(TagWork, pk=_id(pk))
    try:
        work = undo(work, _who(request))
    except TagError as error:
        return refuse(request, str(error), 409)
    return _begun(request, work, f"Undone: {work.sentence}.")

"""What was done to the words of one picture, and lately to those of all; taking it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery import history, revert
from gallery.bulk import pictures
from gallery.history import Overtaken
from gallery.models import Edit, EditQuerySet, Image, Role, User, role_of
from gallery.pages import refuse, render_page
from gallery.paging import BIGINT, CursorError
from gallery.sharing import NOT_YOURS
from gallery.staff import staff_only
from gallery.views import find_image
from gallery.word_views import SIGN_IN, by_whom

PAGE = 30
SHOWN = 100
"""Changes of a person that are listed before they are taken back."""
LATELY = timedelta(days=1)
guarded = staff_only("Only moderators of this gallery look over the changes of all.")


def number_in(text: str) -> int:
    """CursorError if it is none."""
    if not (text.isascii() and text.isdecimal() and int(text[:19]) <= BIGINT and len(text) <= 19):
        raise CursorError("This page address is broken. Start again from the first page.")
    return int(text)


def _page(request: HttpRequest, edits: EditQuerySet) -> dict[str, Any]:
    """Newest first, those below ?before=. CursorError."""
    if before := request.GET.get("before", ""):
        edits = edits.filter(pk__lt=number_in(before))
    rows = list(edits.with_people().with_images()[: PAGE + 1])
    return {"edits": rows[:PAGE], "earlier": rows[PAGE - 1].pk if len(rows) > PAGE else ""}


# --- of one picture
@require_safe
def image_history(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.is_authenticated:
        return refuse(request, SIGN_IN, 403)
    image = find_image(request, pk)
    try:
        context = _page(request, _edits_of(request, image))
    except CursorError as error:
        return refuse(request, str(error))
    context |= {"image": image, "may_change": image.may_change(request.user)}
    return render_page(request, "gallery/history.html", "gallery/_history.html", context)


def _edits_of(request: HttpRequest, image: Image) -> EditQuerySet:
    edits = Edit.objects.filter(image=image)
    # An admin has the picture's address, and so all of it; everybody else what was done since all may see it.
    return edits if role_of(request.user) == Role.ADMIN else edits.visible_to(request.user)


@require_POST
def revert_edit(request: HttpRequest, pk: int, edit: int) -> HttpResponse:
    """What was changed again since is asked about first; ``seen`` says that the reader knows."""
    if not request.user.is_authenticated:
        return refuse(request, SIGN_IN, 403)
    image = find_image(request, pk)
    old = get_object_or_404(_edits_of(request, image), pk=_id(edit))
    if old.kind in (Edit.Kind.TRASH, Edit.Kind.PRIVATE) and not image.may_change(request.user):
        return refuse(request, NOT_YOURS, 403)
    try:
        done = history.take_back(old, by_whom(request), request.POST.get("seen", ""))
    except Overtaken as error:
        context = {"image": image, "edit": old, "sentence": str(error), "seen": error.seen}
        return render(request, "gallery/history_confirm.html", context, status=409)
    messages.success(request, "That is taken back." if done else "It was so already.")
    still = Image.objects.reachable_by(request.user).filter(pk=image.pk).exists()
    return redirect("image_history", image.pk) if still else redirect("browse")


def _id(number: int) -> int:
    if number > BIGINT:
        raise Http404("There is no such change.")
    return number


# --- of all
@require_safe
@guarded
def changes(request: HttpRequest) -> HttpResponse:
    """Newest first, with ?by= those of one person; what was done to many pictures at once is one of them."""
    person = _person(request.GET.get("by", ""))
    edits = Edit.objects.told_once().visible_to(request.user)
    if request.GET.get("by"):
        edits = edits.filter(by=person) if person else edits.none()
    try:
        context = {"person": person, **_page(request, edits)}
    except CursorError as error:
        return refuse(request, str(error))
    if not request.headers.get("HX-Request"):
        context["people"] = _people(request)
    return render_page(request, "gallery/history_changes.html", "gallery/_history.html", context)


def _person(name: str) -> User | None:
    return User.objects.filter(username=name).first() if name and "\x00" not in name else None


def _people(request: HttpRequest) -> list[str]:
    """Those whose changes are the latest."""
    latest = (
        Edit.objects.visible_to(request.user).filter(by__isnull=False)[:1_000].values_list("by__username", flat=True)
    )
    return list(dict.fromkeys(latest))[:30]


@guarded
def revert_person(request: HttpRequest) -> HttpResponse:
    """All that a person did within the last day: first what that is, then (POST) take it back up to what was shown."""
    person = _person(request.POST.get("by", "") or request.GET.get("by", ""))
    if person is None:
        return refuse(request, "There is nobody of that name.", 404)
    edits = Edit.objects.visible_to(request.user).filter(by=person, at__gte=Now() - LATELY).with_images()
    if request.method == "POST":
        return _revert_all(request, person, edits)
    rows = list(edits[: revert.MOST])
    outcome = revert.sorted_out(rows)[0]
    context = {"person": person, "undone": outcome.undone[:SHOWN], "left": outcome.left[:SHOWN]}
    context |= {"count": len(outcome.undone), "pictures": pictures(outcome.pictures), "left_count": len(outcome.left)}
    context |= {"more": max(edits.count() - revert.MOST, 0), "last": rows[0].pk if rows else 0}
    return render(request, "gallery/history_person.html", context)


def _revert_all(request: HttpRequest, person: User, edits: EditQuerySet) -> HttpResponse:
    try:
        last = number_in(request.POST.get("last", ""))
    except CursorError as error:
        return refuse(request, str(error))
    rows = list(edits.filter(pk__lte=last)[: revert.MOST])
    outcome = revert.revert_many(rows, by_whom(request), f"took back what {history.who(person)} did")
    tell(request, outcome)
    return redirect(f"{reverse('changes')}?by={person.get_username()}")


def tell(request: HttpRequest, outcome: revert.Outcome) -> None:
    undo = reverse("undo_batch", args=[outcome.batch.pk]) if outcome.batch else ""
    for sentence in sentences(outcome):
        messages.success(request, sentence, extra_tags=undo)
        undo = ""


def sentences(outcome: revert.Outcome) -> list[str]:
    said = [f"Taken back: {_many(outcome.undone)} to {pictures(outcome.pictures)}."] if outcome.undone else []
    if outcome.left:
        stays = "stays" if len(outcome.left) == 1 else "stay"
        said.append(f"{_many(outcome.left)} {stays}: somebody has changed the same again since.")
    return said or ["There was nothing to take back."]


def _many(edits: list[Edit]) -> str:
    return f"{len(edits):,} change{'' if len(edits) == 1 else 's'}"

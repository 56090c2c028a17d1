"""The page Words: how sure the networks are, and where the line is drawn between what is shown and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from gallery.models import Caption, ImageTag, Tag, User
from gallery.pages import refuse, render_page
from gallery.staff import admin_only, staff_only
from ingestion import confidences, thresholds
from ingestion.annotators import all_network_annotators
from ingestion.annotators._network import NetworkAnnotator
from ingestion.models import ThresholdChange
from ingestion.thresholds import LineMoved
from ingestion.word_tasks import ring_for_lines
from search.models import Generation

SECONDS = 2
"""So long the page itself lets the words follow a line; the worker does the rest."""
guarded = staff_only("Only moderators of this gallery look at how sure its networks are.")
for_admins = admin_only("Only admins of this gallery draw the line between what is shown and what is not.")


@dataclass
class Chosen:
    """The role, or the tag in it, that the page is about."""

    role: NetworkAnnotator
    tag: Tag | None

    @property
    def key(self) -> tuple[str, int | None]:
        return self.role.name, self.tag.pk if self.tag else None

    @property
    def address(self) -> str:
        params = {"role": self.role.name} | ({"tag": self.tag.pk} if self.tag else {})
        return f"{reverse('words')}?{urlencode(params)}"

    @property
    def thing(self) -> str:
        return {ImageTag: "tag", Caption: "caption"}.get(self.role.words, "text")


@require_safe
@guarded
def words(request: HttpRequest) -> HttpResponse:
    chosen = _chosen(request.GET)
    now = _percent(thresholds.line_of(*chosen.key))
    line = _number(request.GET.get("line", ""), now)
    if line is None:
        return refuse(request, "A line is a whole number from 0 to 100.")
    context = _preview(chosen, now, line) | {
        "roles": all_network_annotators().values(),
        "generations": {each.role: each for each in Generation.objects.filter(state=Generation.State.CURRENT)},
        "last": thresholds.last_change(*chosen.key),
        "open": _open_change(chosen),
    }
    return render_page(request, "ingestion/words.html", "ingestion/_words_preview.html", context)


@require_POST
@for_admins
def move_line(request: HttpRequest) -> HttpResponse:
    chosen = _chosen(request.POST)
    written, seen = request.POST.get("line", ""), _number(request.POST.get("seen", ""), None)
    line = _number(written, None)
    if seen is None or (line is None and not (chosen.tag and written == "none")):
        return refuse(request, "A line is a whole number from 0 to 100.")
    value = None if line is None else line / 100
    try:
        change = thresholds.move(*chosen.key, value, seen / 100, _person(request))
    except LineMoved as error:
        messages.error(request, str(error))
        return redirect(chosen.address)
    return _follow(request, chosen, change)


@require_POST
@for_admins
def take_back_line(request: HttpRequest, pk: int) -> HttpResponse:
    change = get_object_or_404(ThresholdChange, pk=pk)
    chosen = Chosen(_role(change.role), change.tag)
    try:
        return _follow(request, chosen, thresholds.take_back(change, _person(request)), is_undo=True)
    except LineMoved as error:
        messages.error(request, str(error))
        return redirect(chosen.address)


@require_safe
@guarded
def line_progress(request: HttpRequest) -> HttpResponse:
    chosen = _chosen(request.GET)
    return render(
        request, "ingestion/_words_progress.html", {"chosen": chosen, "open": _open_change(chosen), "asked": True}
    )


def _follow(
    request: HttpRequest, chosen: Chosen, change: ThresholdChange | None, is_undo: bool = False
) -> HttpResponse:
    if change is None:
        messages.success(request, "The line was there already.")
        return redirect(chosen.address)
    if thresholds.carry_on(change, SECONDS):
        ring_for_lines()
    sentence = f"The line of {chosen.tag or chosen.role.label} is at {_percent(thresholds.line_of(*chosen.key))} %."
    messages.success(request, sentence, extra_tags="" if is_undo else reverse("take_back_line", args=[change.pk]))
    return redirect(chosen.address)


def _preview(chosen: Chosen, now: int, line: int) -> dict[str, Any]:
    role, tag = chosen.key
    current = Generation.objects.current(role)
    generation = current.pk if current else 0
    spread = confidences.spread(role, chosen.role.words, generation, tag)
    suggested = confidences.suggested(role, chosen.role.words, generation, tag)
    above, below = confidences.examples(suggested, line / 100)
    with_tags = chosen.role.words is ImageTag and tag is None
    return {
        "chosen": chosen,
        "generation": current,
        "now": now,
        "line": line,
        "bars": spread.bars(),
        "total": spread.over(0),
        "about_so_many": spread.is_sample,
        "shown_now": spread.over(now),
        "shown_then": spread.over(line),
        "above": above,
        "below": below,
        "own": thresholds.own_line(role, tag) is not None,
        "tags": SimpleLazyObject(partial(confidences.tags_of, role, generation))
        if with_tags
        else [],  # not in a preview
    }


def _person(request: HttpRequest) -> User | None:
    return request.user if request.user.is_authenticated else None


def _open_change(chosen: Chosen) -> ThresholdChange | None:
    return ThresholdChange.objects.filter(role=chosen.role.name, finished_at__isnull=True).first()


def _chosen(params: QueryDict) -> Chosen:
    role = _role(params.get("role") or next(iter(all_network_annotators())))
    number = params.get("tag", "")
    if not number:
        return Chosen(role, None)
    if role.words is not ImageTag or not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise Http404("There is no such tag.")
    return Chosen(role, get_object_or_404(Tag, pk=int(number)))


def _role(name: str) -> NetworkAnnotator:
    try:
        return all_network_annotators()[name]
    except KeyError:
        raise Http404("No network has such a role.") from None


def _percent(share: float) -> int:
    return round(100 * share)


def _number(text: str, otherwise: int | None) -> int | None:
    """0 to 100; ``otherwise`` for "", None for anything else."""
    if not text:
        return otherwise
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else -1
    return number if 0 <= number <= 100 else None

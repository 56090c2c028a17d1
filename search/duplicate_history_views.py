"""Duplicates in bulk: what a rule would do, doing it, and what was decided before."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Exists, Max, OuterRef, Prefetch, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery.models import Image
from gallery.pages import refuse, render_page
from gallery.paging import BIGINT, CursorError
from search.duplicate_forms import RunForm, Shown
from search.duplicate_views import guarded, who
from search.engines._base import Grade
from search.models import Dismissal, Dropped, Group, Resolution
from search.models.duplicates import id_in
from search.rules import Plan, RuleError, Run, plan, rules, undo_rule_run

LOOKED_AT = 20
"""Groups of a dry run at once: to look at their pictures takes a few seconds."""
PAGE = 30
ELSEWHERE = "Somebody has decided about them meanwhile, or their pictures are gone."


# --- rules
@require_safe
@guarded
def duplicate_rules(request: HttpRequest) -> HttpResponse:
    """Choose a rule; with ?rule= its dry run, which changes nothing."""
    context: dict[str, Any] = {"rules": rules().values(), "runs": _runs()}
    if name := request.GET.get("rule", ""):
        try:
            groups, after = Group.objects.listed(Grade.SAME).page(request.GET.get("after", ""), LOOKED_AT)
            planned = list(plan(name, groups))
        except (RuleError, CursorError) as error:
            return refuse(request, str(error))
        rows = [{"plan": one, "shown": Shown.of(one)} if isinstance(one, Plan) else {"skip": one} for one in planned]
        context |= {"rule": rules()[name], "rows": rows, "after": after, "total": _same_count()}
        context["plans"] = sum("plan" in row for row in rows)
    return render_page(request, "search/duplicates_rules.html", "search/_duplicate_plans.html", context)


def _same_count() -> int:
    return Group.objects.filter(grade=Grade.SAME).count()


def _runs() -> list[dict[str, Any]]:
    """The last runs of rules, with how many of their decisions still stand."""
    rows = Resolution.objects.filter(run__isnull=False).values("run", "rule", "by__username").order_by()
    standing = Count("id", filter=Q(undone_at__isnull=True))
    runs = list(rows.annotate(at=Max("at"), groups=Count("id"), standing=standing).order_by("-at")[:10])
    return [run | {"label": rules()[run["rule"]].label if run["rule"] in rules() else run["rule"]} for run in runs]


@require_POST
@guarded
def apply_rule(request: HttpRequest) -> HttpResponse:
    """First the numbers, to confirm; then the run."""
    try:
        form = RunForm(request.POST)
    except RuleError as error:
        return refuse(request, str(error))
    if request.POST.get("confirmed") != "1":
        room = Image.objects.filter(pk__in=form.dropped).aggregate(room=Sum("bytes"))["room"] or 0
        return render(request, "search/duplicates_confirm.html", {"form": form, "room": room})
    done = form.apply(who(request))
    _tell(request, done, form.gone)
    return redirect(f"{reverse('duplicate_rules')}?rule={form.rule.name}")


def _tell(request: HttpRequest, done: Run, gone: int) -> None:
    if done.merged:
        pictures = f"{done.dropped} picture{' is' if done.dropped == 1 else 's are'}"
        sentence = f"{_groups(done.merged)} merged: {pictures} in the trash for {settings.TRASH_DAYS} days."
        messages.success(request, sentence, extra_tags=reverse("undo_run", args=[done.run]))
    left = Counter(skip.why for skip in done.skipped)
    left[ELSEWHERE] += gone
    for why, count in left.items():
        if count:
            messages.warning(request, f"{_groups(count)} left alone. {why}")


@require_POST
@guarded
def undo_run(request: HttpRequest, run: uuid.UUID) -> HttpResponse:
    standing = Resolution.objects.standing().filter(run=run).count()
    try:
        missing = undo_rule_run(run)
    except RuleError as error:
        return refuse(request, str(error), 409)
    left = Resolution.objects.standing().filter(run=run).count()
    messages.success(request, f"Undone: {_groups(standing - left)}. Thumbnails are being made again.")
    for sentence in missing[:10]:
        messages.warning(request, sentence)
    return redirect("duplicate_rules")


def _groups(count: int) -> str:
    return f"{count} group{'' if count == 1 else 's'}"


# --- history
@require_safe
@guarded
def duplicate_history(request: HttpRequest) -> HttpResponse:
    dismissals = request.GET.get("kind") == "dismissed"
    try:
        after = request.GET.get("after", "")
        before = id_in(after) if after else BIGINT
    except CursorError as error:
        return refuse(request, str(error))
    rows, after = _dismissals(before) if dismissals else _decisions(before)
    context = {
        "rows": rows,
        "after": after,
        "dismissals": dismissals,
        "labels": {rule.name: rule.label for rule in rules().values()},
    }
    return render_page(request, "search/duplicates_history.html", "search/_duplicate_history.html", context)


def _decisions(before: int) -> tuple[list[Resolution], str]:
    dropped = Prefetch("dropped", Dropped.objects.select_related("image").order_by("pk"))
    rows = Resolution.objects.filter(pk__lt=before).select_related("keep", "by").prefetch_related(dropped)
    private = Dropped.objects.filter(resolution=OuterRef("pk"), image__private=True)
    rows = rows.filter(~Exists(private), Q(keep=None) | Q(keep__private=False))
    found = list(rows[: PAGE + 1])
    return found[:PAGE], str(found[PAGE - 1].pk) if len(found) > PAGE else ""


def _dismissals(before: int) -> tuple[list[dict[str, Any]], str]:
    """One row for each click, newest first: what was dismissed together is asked for again together."""
    batches = Dismissal.objects.values("batch", "by__username").order_by()
    counted = batches.annotate(last=Max("id"), at=Max("at"), pairs=Count("id")).filter(last__lt=before)
    rows: list[dict[str, Any]] = [dict(row) for row in counted.order_by("-last")[: PAGE + 1]]
    images = _images([row["batch"] for row in rows[:PAGE]])
    found = [row | {"images": images.get(row["batch"], [])} for row in rows[:PAGE]]
    return found, str(rows[PAGE - 1]["last"]) if len(rows) > PAGE else ""


def _images(batches: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Image]]:
    """{batch: its images that are (still, or again) in the gallery}"""
    said = list(Dismissal.objects.filter(batch__in=batches).values_list("batch", "low_sha256", "high_sha256"))
    contents = {sha for _, low, high in said for sha in (low, high)}
    here = {image.sha256: image for image in Image.objects.filter(sha256__in=contents, private=False)}
    found: dict[uuid.UUID, dict[int, Image]] = {}
    for batch, *pair in said:
        found.setdefault(batch, {}).update({here[sha].pk: here[sha] for sha in pair if sha in here})
    return {batch: [images[pk] for pk in sorted(images)] for batch, images in found.items()}

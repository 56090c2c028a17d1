"""Models: which network does what, its weights, and how one takes the place of another."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery.pages import refuse, render_page
from gallery.staff import admin_only
from gallery.tasks import ring
from search import networks, weights
from search.errors import WeightsMissing
from search.fetch import megabytes
from search.generations import begin, switch
from search.models import Fetch, Generation
from search.networks import duration
from search.roles import Role, all_roles
from search.tasks import fetch_weights, fill_networks
from search.weights import State, weights_of

GONE = "This is not so any more: somebody else has changed it. Look at the page again."
MAX_NAME = 200
guarded = admin_only("Only admins of this gallery decide about its models.")


# --- looking
@require_safe
@guarded
def models(request: HttpRequest) -> HttpResponse:
    """All roles; with ?role= htmx asks for what moves in one of them."""
    only = request.GET.get("role", "")
    panels = networks.panels(only)
    if not panels:
        return refuse(request, "There is no such role.", 404)
    used = networks.memory_of_weights()
    context: dict[str, Any] = {
        "panels": panels,
        "panel": panels[0],
        "nothing_yet": not any(panel.current for panel in panels),
        "resident": megabytes(networks.resident()),
        "memory": megabytes(used) if used else "",
    }
    return render_page(request, "search/models.html", "search/_model_now.html", context)


@require_safe
@guarded
def model_switch(request: HttpRequest) -> HttpResponse:
    """What it would mean to let another network do this. Nothing happens yet."""
    role = all_roles().get(request.GET.get("role", ""))
    name = request.GET.get("network", "").strip()[:MAX_NAME]
    if role is None:
        return refuse(request, "There is no such role.", 404)
    try:
        networks.require_fit(role, name)
    except WeightsMissing as error:
        return refuse(request, str(error))
    return render(request, "search/models_switch.html", _plan(role, name))


def _plan(role: Role, name: str) -> dict[str, Any]:
    current, beside = Generation.objects.current(role.name), Generation.objects.beside(role.name)
    former = Generation.objects.former(role.name)
    before = Generation.objects.filter(role=role.name, network=name, state=Generation.State.FORMER)
    missing = current.missing().count() + current.features.count() if current else 0
    rate = max((made.rate for made in Generation.objects.filter(role=role.name, network=name)), default=0)
    return {
        "role": role,
        "weights": weights_of(name),
        "fetch": Fetch.objects.filter(network=name).first(),
        "current": current and weights_of(current.network),
        "answers_already": bool(current and current.network == name),
        "beside": beside and weights_of(beside.network),
        "is_beside": bool(beside and beside.network == name),
        "roll_back_to": former if former and before.filter(pk=former.pk).exists() else None,
        "lost": former and weights_of(former.network),
        "lost_count": former.features.count() if former else 0,
        "pictures": f"{missing:,}",
        "time": duration(missing / rate) if rate else "",
    }


# --- weights
@require_POST
@guarded
def fetch_model(request: HttpRequest) -> HttpResponse:
    name = request.POST.get("network", "")[:MAX_NAME]
    wanted = weights_of(name)
    if wanted.state == State.UNKNOWN:
        return refuse(request, wanted.error, 404)
    if wanted.state == State.READY:
        messages.success(request, f"The weights of {wanted.label} are here already.")
        return redirect("models")
    if not wanted.can_be_fetched:
        return refuse(request, f"The weights of {wanted.label} can only be brought by hand.", 409)
    Fetch.objects.want(name)
    ring(fetch_weights)
    cancel = f"{reverse('cancel_fetch')}?{urlencode({'network': name})}"
    messages.success(request, f"{wanted.label} is being fetched.", extra_tags=cancel)
    return redirect("models")


@require_POST
@guarded
def cancel_fetch(request: HttpRequest) -> HttpResponse:
    """What has come is kept, so that fetching it again goes on from there."""
    name = request.POST.get("network", "") or request.GET.get("network", "")
    removed, _ = Fetch.objects.filter(network=name).delete()
    if not removed:
        return refuse(request, GONE, 409)
    label = weights.weights_of(name).label
    messages.success(
        request, f"{label} is not fetched any more. What has come is kept: to fetch it again goes on there."
    )
    return redirect("models")


# --- generations
@require_POST
@guarded
def switch_model(request: HttpRequest) -> HttpResponse:
    role = all_roles().get(request.POST.get("role", ""))
    name = request.POST.get("network", "")[:MAX_NAME]
    if role is None:
        return refuse(request, "There is no such role.", 404)
    try:
        networks.require_fit(role, name)
        begun = begin(role.name, name, by_hand=True)
    except WeightsMissing as error:
        return refuse(request, str(error), 409)
    ring(fill_networks)
    label = weights_of(name).label
    if begun.state == Generation.State.CURRENT:
        messages.success(request, f"{label} has begun, and answers about what it has seen.")
    else:
        sentence = f"{label} is being made beside, and answers as soon as it is complete."
        messages.success(request, sentence, extra_tags=reverse("stop_model", args=[begun.pk]))
    return redirect("models")


@require_POST
@guarded
def roll_back_model(request: HttpRequest, pk: int) -> HttpResponse:
    """To the generation ``pk``, which has answered before."""
    former = _generation(pk, Generation.State.FORMER)
    if former is None:
        return refuse(request, GONE, 409)
    label = weights_of(former.network)
    if label.state == State.UNKNOWN:
        return refuse(request, label.error, 409)
    before = Generation.objects.current(former.role)
    if not switch(former):
        return refuse(request, GONE, 409)
    ring(fill_networks)
    undo = reverse("roll_back_model", args=[before.pk]) if before else ""
    messages.success(request, f"{label.label} answers again.", extra_tags=undo)
    return redirect("models")


@require_POST
@guarded
def stop_model(request: HttpRequest, pk: int) -> HttpResponse:
    beside = _generation(pk, Generation.State.BESIDE)
    if beside is None or not beside.stop():
        return refuse(request, GONE, 409)
    sentence = f"{weights_of(beside.network).label} is not made any more. What it has made is kept for a day."
    messages.success(request, sentence, extra_tags=reverse("go_on_model", args=[pk]))
    return redirect("models")


@require_POST
@guarded
def go_on_model(request: HttpRequest, pk: int) -> HttpResponse:
    stopped = _generation(pk, Generation.State.STOPPED)
    if stopped is None or not stopped.go_on():
        return refuse(request, GONE, 409)
    ring(fill_networks)
    messages.success(request, f"{weights_of(stopped.network).label} goes on.")
    return redirect("models")


@require_POST
@guarded
def try_model_again(request: HttpRequest, pk: int) -> HttpResponse:
    """With the pictures of which nothing could be made."""
    generation = Generation.objects.at_work().filter(pk=_id(pk)).first()
    if generation is None:
        return refuse(request, GONE, 409)
    count = generation.try_again()
    networks.count_again()
    ring(fill_networks)
    messages.success(request, f"{count:,} picture{' is' if count == 1 else 's are'} tried again.")
    return redirect("models")


def _generation(pk: int, state: Generation.State) -> Generation | None:
    return Generation.objects.filter(pk=_id(pk), state=state).first()


def _id(pk: int) -> int:
    """Addresses may hold larger numbers than the database."""
    return pk if pk < 2**63 else 0

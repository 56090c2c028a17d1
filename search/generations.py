"""The generations of the networks: which are begun, how one takes over from another, and what is forgotten.

How one is filled is in search/filling.py.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from gallery.models import Image
from search import snapshots
from search.current import bound_role
from search.encoders import get_network
from search.errors import WeightsMissing
from search.models import Change, Feature, Generation, Snapshot
from search.models.generations import FORGOTTEN_AFTER
from search.roles import Role, all_roles

logger = logging.getLogger(__name__)

OUTGROWN, LARGE = 4, 50_000
"""What was learned of a collection is learned again when there are so many times the pictures, until it is large."""
BEGIN_LOCK = 7345
"""With a number for the role."""
_AT_ONCE = 5_000


# --- beginning
def wanted(role: Role) -> Sequence[str]:
    """Names of the networks that may fill a role, the best first."""
    names = role.wanted() if isinstance(role, Role) else None
    return settings.NETWORKS.get(role.name, []) if names is None else names


def begin_wanted() -> None:
    """Begin what settings and weights allow, if nobody has begun it yet.

    What a person has decided stays: the network that was begun last is not begun again, whether it was stopped or
    rolled back since, and one that was begun by hand is not replaced.
    """
    for role in all_roles().values():
        names = wanted(role)
        usable = [name for name in names if _is_usable(name)]
        if usable:
            fingerprints = {name: _fingerprint(role, name) for name in usable}
            with transaction.atomic():
                _lock(role.name)
                _begin_one(role, names, fingerprints)


def _begin_one(role: Role, names: Sequence[str], usable: dict[str, str]) -> None:
    """``names``: all that may fill the role; ``usable``: {name: fingerprint} of those whose weights are there, in the
    same order."""
    current, beside = Generation.objects.current(role.name), Generation.objects.beside(role.name)
    newest = Generation.objects.filter(role=role.name).exclude(state=Generation.State.GONE).order_by("-pk").first()
    name = next(iter(usable))
    if current is None and beside:
        others = [each for each in usable if each != beside.network]
        if not beside.error or not others:
            return  # it will answer soon, or nothing else can
        name = others[-1]
    elif current is None:
        name = _first(role, usable)
    elif current.network not in usable and current.network in names[: names.index(name)]:
        return  # its weights are away, and may come back: what it has made still answers
    fingerprint = usable[name]
    if newest and newest.by_hand and newest.network != name:
        name = newest.network
        if name not in usable:
            return
        fingerprint = usable[name]
    if newest and (newest.network, newest.fingerprint) == (name, fingerprint):
        if _is_outgrown(role, name):
            begin(role.name, name)
        return
    if current and (current.network, current.fingerprint) == (name, fingerprint):
        return
    formers = Generation.objects.filter(role=role.name, state=Generation.State.FORMER)
    former = formers.filter(network=name, fingerprint=fingerprint).order_by("-pk").first()
    if former is None:
        begin(role.name, name)
    else:
        if beside:
            beside.stop()
        switch(former)  # weights, a setting or a list are again as they were


def _first(role: Role, usable: dict[str, str]) -> str:
    """While nothing answers: the last resort, if it can begin at once; the best one is made beside it then."""
    last = list(usable)[-1]
    least = role.bound(0, get_network(last, settings.WEIGHTS)).learns_first
    ready = Image.objects.filter(state=Image.State.READY, trashed_at__isnull=True)[: max(1, least)]
    return last if len(ready.values_list("pk")) >= least else next(iter(usable))


def _lock(role: str) -> None:
    """Until the end of this transaction nobody else begins anything in the role."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s::int, hashtext(%s))", [BEGIN_LOCK, role])


def _is_usable(name: str) -> bool:
    try:
        get_network(name, settings.WEIGHTS).look()
    except WeightsMissing:
        return False
    return True


def _fingerprint(role: Role, name: str) -> str:
    network = get_network(name, settings.WEIGHTS)
    return role.bound(0, network).fingerprint(network)


def _is_outgrown(role: Role, name: str) -> bool:
    """What the current generation has learned is of a much smaller collection, and nobody has tried to replace it."""
    current = Generation.objects.current(role.name)
    if (
        current is None
        or current.network != name
        or Generation.objects.filter(role=role.name, pk__gt=current.pk).exists()
    ):
        return False
    bound = bound_role(current)
    if bound is None or not (bound.learns_first or bound.learns_after) or current.learned_from >= LARGE:
        return False
    return current.features.count() >= OUTGROWN * max(1, current.learned_from)


def begin(role_name: str, network_name: str, by_hand: bool = False) -> Generation:
    """A new generation; one that was being made in the same role is stopped. WeightsMissing if it cannot be."""
    role, network = all_roles()[role_name], get_network(network_name, settings.WEIGHTS)
    network.look()
    bound = role.bound(0, network)
    fingerprint = bound.fingerprint(network)
    with transaction.atomic():
        _lock(role_name)
        if other := Generation.objects.beside(role_name):
            other.stop()
        # The first of its role answers while it is made, unless it has to learn before it can.
        waits = bound.learns_first or bound.learns_after or Generation.objects.current(role_name)
        state = Generation.State.BESIDE if waits else Generation.State.CURRENT
        generation = Generation.objects.create(
            role=role_name,
            network=network_name,
            fingerprint=fingerprint,
            dimension=getattr(network, "dimension", 0),
            by_hand=by_hand,
            state=state,
        )
        if not waits:
            _switched(generation)
    return generation


# --- taking over
def switch(generation: Generation, worker: str | None = None) -> bool:
    """Let it answer. Also the way back to a former one: what came since is made then. False as in its ``answer``."""
    with transaction.atomic():
        has_switched = generation.answer(worker)
        if has_switched:
            _switched(generation)
    return has_switched


def _switched(generation: Generation) -> None:
    role = bound_role(generation)
    if role is not None:
        role.switched()


def forget_former() -> bool:
    """Remove what generations have made that nobody can roll back to, some of it at a time. True if there is more."""
    over = Generation.objects.forgettable().exclude(state=Generation.State.GONE)
    for generation in over.filter(answered_until__lt=Now() - FORGOTTEN_AFTER):
        ids = list(generation.features.values_list("pk", flat=True)[:_AT_ONCE])
        if ids:
            Feature.objects.filter(pk__in=ids).delete()
            return True
        if generation.forget():
            _remove_index(generation)
    return False


def _remove_index(generation: Generation) -> None:
    """Of a generation without features: its files, and its place in the log."""
    mine = {"engine": generation.role, "version": generation.pk}
    Snapshot.objects.filter(**mine).delete()
    Change.objects.filter(**mine).delete()
    snapshots.remove_all(generation.role, generation.pk, Path(settings.INDEX_ROOT))

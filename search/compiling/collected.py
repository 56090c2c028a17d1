"""What is in a collection, asked by its name: only of collections that the reader may see."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q
from rapidfuzz import process
from rapidfuzz.distance import OSA

from search.compiling.facts import Reader
from search.compiling.nearest import most_slips
from search.errors import QueryError
from search.language.cleaning import clean, says
from search.language.terms import quoted
from search.language.tree import Fact
from search.models.collections import Collection, CollectionItem

MOST_NAMES = 2_000
"""Among so many is looked for what was meant."""


def in_collection(part: Fact, user: Reader) -> Q:
    """Pictures of the collection of this name or token: one's own before shared ones, capitals as written before
    others; of several that fit as well, all. QueryError offers the nearest name."""
    named = Collection.objects.visible_to(user).filter(Q(name__iexact=part.value) | Q(token=part.value))
    found = [((row.owner_id != user.pk, part.value not in (row.name, row.token)), row.pk) for row in named]
    if not found:
        raise QueryError(_unknown(part.value, user))
    best = min(rank for rank, _ in found)
    inside = CollectionItem.objects.inside().filter(collection__in=[pk for rank, pk in found if rank == best])
    return Q(Exists(inside.filter(image=OuterRef("pk"))))


def asked_as(collection: Collection) -> str:
    """The term that finds it. By its token, where its name cannot be written in a query."""
    name = collection.name
    can_be_written = says(name) and '"' not in name and clean(name) == name.strip()
    return f"collection:{quoted(name if can_be_written else collection.token)}"


def _unknown(written: str, user: Reader) -> str:
    near = _nearest(written, user)
    offer = f" Did you mean {asked_as(near)}?" if near else ""
    return f"There is no collection “{written[:40]}”, or it is not shared with you.{offer}"


def _nearest(written: str, user: Reader) -> Collection | None:
    """One that is called nearly so, or begins so."""
    rows = list(Collection.objects.visible_to(user)[:MOST_NAMES])
    names = {number: row.name.lower() for number, row in enumerate(rows)}
    lower = written.lower()
    near = process.extractOne(lower, names, scorer=OSA.distance, score_cutoff=most_slips(len(lower)))
    if near:
        return rows[near[2]]
    return next((rows[number] for number, name in names.items() if name.startswith(lower)), None)

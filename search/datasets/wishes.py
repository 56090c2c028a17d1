"""What somebody wants done to a collection, checked and begun: pages, API and commands come through here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gallery.models import User
from search.datasets import adding, answers, choosing, keeping, packing, works
from search.datasets.errors import CollectionError
from search.models import Collection, CollectionWork

Kind = CollectionWork.Kind
WAYS = {
    "diverse": "as different as possible",
    "spread": "spread over what there is",
    "random": "at random",
    "uncertain": "where a model is not sure",
}
"""{how a sample is chosen: in words}"""
LOW, HIGH = 0.3, 0.7


def add(
    collection: Collection, by: User, images: Sequence[int] = (), address: str = "", limit: int = answers.MOST
) -> CollectionWork:
    """These images, or what the answer of this address holds."""
    if bool(images) == bool(address):
        raise CollectionError("Say which pictures: their numbers, or a search.")
    if not 1 <= limit <= answers.MOST:
        raise CollectionError(f"From 1 to {answers.MOST:,} pictures can be added at once.")
    if len(images) > answers.MOST:
        raise CollectionError(f"At most {answers.MOST:,} pictures can be added at once; these are {len(images):,}.")
    if address:
        answers.said(address)  # refuses what is no search
    options = adding.options(images, address, limit, "by hand")
    return works.begin(collection, Kind.ADD, options, by, len(images))  # of a search, its first step says how many


def remove(collection: Collection, by: User, images: Sequence[int]) -> CollectionWork:
    wanted = list(dict.fromkeys(images))
    if not wanted:
        raise CollectionError("Select some pictures first.")
    return works.begin(collection, Kind.REMOVE, {"images": wanted}, by, min(len(wanted), works.AT_ONCE))


def thin(
    collection: Collection,
    by: User,
    bits: int = choosing.DEFAULT_BITS,
    likeness: float = 0.0,
    engine: str = "",
    dry_run: bool = False,
) -> CollectionWork:
    if not 0 <= bits <= choosing.MOST_BITS:
        raise CollectionError(f"From 0 to {choosing.MOST_BITS} of 576 bits may differ: beyond, pictures are unrelated.")
    if likeness and not 0.5 <= likeness <= 1:
        raise CollectionError("The likeness is from 0.5 to 1, or 0: not asked.")
    options = {"bits": bits, "likeness": likeness, "engine": engine, "dry_run": dry_run}
    return works.begin(collection, Kind.THIN, options, by, _inside(collection, by))


def thin_as_seen(preview: CollectionWork, by: User) -> CollectionWork:
    """What a preview has said."""
    if preview.kind != Kind.THIN or not preview.is_preview or preview.state != CollectionWork.State.DONE:
        raise CollectionError("Nobody has seen what this would do. Look at the preview first.", "no_preview", 409)
    return works.begin(preview.collection, Kind.THIN, {"preview": preview.pk}, by, preview.total)


def sample(
    collection: Collection,
    by: User,
    how: str,
    count: int | None = None,
    seed: int = 0,
    low: float = LOW,
    high: float = HIGH,
    into: str = "",
    engine: str = "",
) -> CollectionWork:
    if how not in WAYS:
        raise CollectionError(f"A sample is chosen in one of these ways: {', '.join(WAYS)}.")
    if count is None and how != "uncertain":
        raise CollectionError("Say how many pictures the sample has.")
    if count is not None and not 1 <= count <= answers.MOST:
        raise CollectionError(f"A sample has from 1 to {answers.MOST:,} pictures.")
    if not 0 <= low <= high <= 1:
        raise CollectionError("The band of scores goes from a number to a larger one, both from 0 to 1.")
    options: dict[str, Any] = {"how": how, "count": count, "seed": seed, "low": low, "high": high, "engine": engine}
    options["into"] = keeping.storable_name(into) if into else ""
    if into and Collection.objects.alive().filter(owner=by, name=options["into"]).exists():
        raise CollectionError(keeping.TAKEN, "taken", 409)
    return works.begin(collection, Kind.SAMPLE, options, by, _inside(collection, by))


def export(collection: Collection, by: User, options: dict[str, Any], base: str) -> CollectionWork:
    """``base``: scheme and host, with which addresses in the index begin."""
    wish = packing.Wish.of(options)
    total = _inside(collection, by)
    if not total:
        raise CollectionError("There is nothing in this collection that could be packed.")
    return works.begin(collection, Kind.EXPORT, wish.options | {"base": base}, by, total)


def _inside(collection: Collection, by: User) -> int:
    return collection.items_for(by).count()

"""Which pictures of a collection stay: by hand, without near-duplicates, or as a sample. Steps of works.

What goes is not deleted: its row says which work has taken it out, which is all that undoing needs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Q

from gallery.models import User
from search.datasets import keeping, sampling
from search.datasets.adding import put_in
from search.datasets.errors import CollectionError
from search.datasets.space import space_of, stored
from search.datasets.thinning import Drop, View, bits_as_rows, bits_of_cosine, cosine_of_bits
from search.datasets.thinning import thin as thinned
from search.engines._base import Grade
from search.engines.phash import BITS, BYTES, CERTAIN
from search.engines.phash import ENGINE as PHASH
from search.models import Collection, CollectionItem, CollectionWork, Pair

LARGER = log(1.08)
"""Longest sides that differ by less count as equal, as in search/keep_best.py."""
LOSSLESS = {"PNG", "BMP", "TIFF"}
FLAT = 40
"""Below so much detail (search/engines/phash.py) two pictures have the same hash whatever they show."""
MOST_BITS, DEFAULT_BITS = 184, CERTAIN
DEFAULT_LIKENESS = 0.95
LISTED = 2_000
"""Unmatched lines and drops that are kept with the work, to be shown."""


# --- by hand
def remove(work: CollectionWork, worker: str) -> None:
    taken = _take_out(work, worker, Q(image__in=work.options["images"]))
    work.end(worker, CollectionWork.State.DONE, outcome={"removed": taken}, done=work.total)


def _take_out(work: CollectionWork, worker: str, which: Q) -> int:
    with transaction.atomic():
        if not work.hold(worker):
            return 0
        return CollectionItem.objects.inside().filter(which, collection=work.collection).update(out_by=work)


# --- near-duplicates
def thin(work: CollectionWork, worker: str) -> None:
    """Options: ``bits`` (of 576, that may differ; 0: not asked), ``likeness`` (cosine; 0: not asked), ``dry_run``, or
    ``preview``: the work whose word is taken."""
    assert work.by
    drops = _of_preview(work) if work.options.get("preview") else _found(work, worker, work.by)
    going = [image for image, *_ in drops]
    outcome: dict[str, Any] = {"of": work.total, "examples": drops[:LISTED]}
    with transaction.atomic():
        if not work.hold(worker):
            return
        if work.options.get("dry_run"):
            outcome |= {"would_remove": len(going), "drops": going}
        else:
            outcome["removed"] = _out(work, going)
        work.end(worker, CollectionWork.State.DONE, outcome=outcome, done=work.total)


def _of_preview(work: CollectionWork) -> list[list[Any]]:
    """What somebody has seen, and nothing else; pictures that are no more in it count for nothing."""
    preview = CollectionWork.objects.get(pk=work.options["preview"])
    told = {drop[0]: drop for drop in preview.outcome.get("examples", [])}
    return [told.get(image, [image, None, "", 0]) for image in preview.outcome.get("drops", [])]


def _out(work: CollectionWork, images: list[int], at_once: int = 5_000) -> int:
    inside = CollectionItem.objects.inside().filter(collection=work.collection)
    parts = [images[start : start + at_once] for start in range(0, len(images), at_once)]
    return sum(inside.filter(image__in=part).update(out_by=work) for part in parts)


def _found(work: CollectionWork, worker: str, by: User) -> list[list[Any]]:
    """[[image that goes, image that stays in its place, why, how near], ...]"""
    order = best_first(work.collection, by)
    work.total = len(order)
    work.hold(worker, total=work.total)
    place = {image: number for number, image in enumerate(order)}
    views = _views(work, by, place)
    drops = thinned(len(order), views, _known(work.collection, by, place), _beat(work, worker))
    return [[order[drop.place], order[drop.keep], drop.why, _nearness(drop)] for drop in drops]


def _nearness(drop: Drop) -> float:
    """Of a hash the bits that differ, else the cosine."""
    return bits_of_cosine(drop.cosine, BITS) if drop.why == "phash" else round(drop.cosine, 4)


def _views(work: CollectionWork, by: User, place: dict[int, int]) -> list[View]:
    views = []
    if bits := int(work.options.get("bits") or 0):
        found = [(pk, data) for pk, data in stored(work.collection, by, PHASH) if len(data) == BYTES + 1]
        detailed = [(pk, data) for pk, data in found if data[BYTES] >= FLAT and pk in place]
        if detailed:
            packed = np.frombuffer(b"".join(data[:BYTES] for _, data in detailed), np.uint8).reshape(-1, BYTES)
            rows = _placed([pk for pk, _ in detailed], bits_as_rows(packed), place)
            views.append(View("phash", rows, cosine_of_bits(bits, BITS)))
    if likeness := float(work.options.get("likeness") or 0):
        space = space_of(work.collection, by, work.options.get("engine", ""))
        views.append(View(space.engine.name, _placed(space.ids.tolist(), space.rows, place), likeness))
    return views


def _placed(ids: list[int], rows: np.ndarray, place: dict[int, int]) -> np.ndarray:
    """In the order, with zeros where there is nothing."""
    found = np.zeros((len(place), rows.shape[1]), np.float32)
    for image, row in zip(ids, rows, strict=True):
        if image in place:
            found[place[image]] = row
    return found


def _known(collection: Collection, by: User, place: dict[int, int]) -> dict[int, list[int]]:
    """Pairs of which the gallery knows that they show the same picture: mirrored, cropped and bordered ones too."""
    inside = collection.images_for(by).values("pk")
    pairs = Pair.objects.active().filter(grade=Grade.SAME, low__in=inside, high__in=inside)
    found: dict[int, list[int]] = defaultdict(list)
    for low, high in pairs.values_list("low", "high"):
        if low in place and high in place:
            found[place[low]].append(place[high])
            found[place[high]].append(place[low])
    return found


def best_first(collection: Collection, by: User) -> list[int]:
    """Ids by what search/keep_best.py knows without a look at the pictures: larger, stored without loss, less
    compressed, dated; of equals the one that came first."""
    facts = collection.images_for(by).values_list("pk", "width", "height", "bytes", "format", "taken_at")

    def rank(fact: tuple) -> tuple:
        pk, width, height, size, format, taken = fact
        longest = round(log(max(width, height)) / LARGER)
        bits = round(2 * log(max(1e-3, 8 * size / (width * height))))  # steps of a factor of 1.6
        return -longest, format not in LOSSLESS, -bits, taken is None, pk

    return [fact[0] for fact in sorted(facts.iterator(chunk_size=5_000), key=rank)]


def _beat(work: CollectionWork, worker: str) -> Callable[[int], None]:
    """Says how far it is; CollectionError if the work was stopped, or is somebody else's by now."""

    def beat(done: int) -> None:
        if not work.hold(worker, done=done):
            raise CollectionError("It was stopped.")

    return beat


# --- a sample
def sample(work: CollectionWork, worker: str) -> None:
    """Options: ``how`` (diverse, spread, random, uncertain), ``count``, ``seed``, ``low``, ``high``, ``engine``; with
    ``into`` the sample becomes a new collection of that name, without it the rest is taken out."""
    assert work.by
    chosen, outcome = _chosen(work, worker, work.by)
    if not chosen:
        raise CollectionError("Nothing can be chosen: no picture of the collection is like that.")
    with transaction.atomic():
        if not work.hold(worker):
            return
        if into := work.options.get("into", ""):
            outcome |= _as_new(work, into, chosen, work.by)
        else:
            keep = set(chosen)
            visible = work.collection.items_for(work.by).values_list("image", flat=True)
            outcome["removed"] = _out(work, [image for image in visible if image not in keep])
        outcome["chosen"] = len(chosen)
        work.end(worker, CollectionWork.State.DONE, outcome=outcome, done=len(chosen))


def _chosen(work: CollectionWork, worker: str, by: User) -> tuple[list[int], dict[str, Any]]:
    how, count, seed = work.options["how"], work.options.get("count"), work.options.get("seed", 0)
    if how == "uncertain":
        scored = work.collection.items_for(by).filter(score__isnull=False)
        scores = {image: score for image, score in scored.values_list("image", "score") if score is not None}
        if not scores:
            raise CollectionError(
                "No picture of the collection has a score yet: send in the scores of your model first."
            )
        chosen = sampling.uncertain(scores, work.options["low"], work.options["high"], count)
        return chosen, {"of": len(scores)}
    if how == "random":
        ids = list(work.collection.items_for(by).order_by("image").values_list("image", flat=True))
        return [ids[place] for place in sampling.at_random(len(ids), count, seed)], {"of": len(ids)}
    space = space_of(work.collection, by, work.options.get("engine", ""))
    work.total = min(count, len(space.ids))
    work.hold(worker, total=work.total)
    choose = sampling.spread if how == "spread" else sampling.farthest_first
    places = choose(space.rows, count, seed, _beat(work, worker))
    radius, mean = sampling.coverage(space.rows, places)
    left = work.collection.items_for(by).count() - len(space.ids)
    measured = {"of": len(space.ids), "unprepared": left, "engine": space.engine.name}
    measured |= {"radius": round(radius, 4), "distance": round(mean, 4)}
    return space.ids[places].tolist(), measured | {"usual": round(sampling.usual_distance(space.rows), 4)}


def _as_new(work: CollectionWork, name: str, chosen: list[int], by: User) -> dict[str, Any]:
    new = keeping.make(by, name)
    scored = work.collection.items_for(by).filter(score__isnull=False).values_list("image", "score")
    scores = {image: score for image, score in scored if score is not None}
    via = f"{work.options['how']} sample of {work.collection.name}"
    parts = [chosen[start : start + 1_000] for start in range(0, len(chosen), 1_000)]
    added = [put_in(new, part, by, work, via, scores) for part in parts]
    return {"added": sum(added), "collection": new.token}

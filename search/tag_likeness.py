"""Similar by tags: pictures that share rare tags.

    score(a, b) = sum of idf(t)^2 over the tags of both / (|a| |b|),   |a| = sqrt(sum of idf(t)^2 over the tags of a)
    idf(t) = ln(1 + N / n_t),   N pictures, n_t of them with t

the cosine of two pictures whose tags are weighted by inverse document frequency (Sparck Jones, "A statistical
interpretation of term specificity", 1972; as cosine with binary term frequency: Salton and Buckley, "Term-weighting
approaches in automatic text retrieval", 1988, tables 1 and 2). In 0..1; 1 for the same tags.

Candidates are bounded, however common the tags are: all with one of the rarest tags, and where these are common as
well, those that share the most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from gallery.models import Image, ImageQuerySet, User
from search.complete import vocabulary

CANDIDATES = 2_000
LOWEST = 0.05
"""Pictures that share only what nearly all have are not similar."""
NAMED = 4


@dataclass
class Alike:
    image: Image
    score: float
    shared: list[str] = field(default_factory=list)
    """Names of the tags that both have, the rarest first."""

    @property
    def percent(self) -> int:
        return round(100 * self.score)

    @property
    def because(self) -> str:
        more = len(self.shared) - NAMED
        return ", ".join(self.shared[:NAMED]) + (f" and {more} more" if more > 0 else "")


def similar_by_tags(image: Image, user: User | AnonymousUser, limit: int) -> list[Alike]:
    """The best first; none if the image has no tags."""
    own = Image.objects.filter(pk=image.pk).values_list("tag_ids", flat=True).first()
    if not own:
        return []
    counts = vocabulary().counts(own)
    own = sorted(own, key=lambda pk: (counts.get(pk, 0), pk))
    others = Image.objects.visible_to(user).exclude(pk=image.pk)
    found = _candidates(others, own, counts, limit)
    scored = scores(own, list(found.values()))
    best = sorted(zip(scored, found, strict=True), reverse=True)[:limit]
    images = others.in_bulk([pk for score, pk in best if score >= LOWEST])
    names = vocabulary().named(own)
    return [
        Alike(images[pk], float(score), [names[tag] for tag in own if tag in names and tag in set(found[pk])])
        for score, pk in best
        if pk in images
    ]


def _candidates(others: ImageQuerySet, own: list[int], counts: dict[int, int], limit: int) -> dict[int, list[int]]:
    """{image: its tags}. ``own``: the rarest first."""
    rare = [pk for place, pk in enumerate(own) if sum(counts.get(tag, 0) for tag in own[: place + 1]) <= CANDIDATES]
    found: dict[int, list[int]] = {}
    if rare:
        found |= _read(others.filter(tag_ids__overlap=rare))
    # All of them are common: those that have most of them in common, the newest of them where there are too many.
    wanted = len(own)
    while len(found) < limit and wanted > 1:
        found |= _read(others.filter(tag_ids__contains=own[:wanted]))
        wanted = wanted // 2 if wanted > 3 else wanted - 1
    if len(found) < limit:
        found |= _read(others.filter(tag_ids__contains=own[:1]))
    return found


def _read(images: ImageQuerySet) -> dict[int, list[int]]:
    return dict(images.order_by("-pk").values_list("pk", "tag_ids")[:CANDIDATES])


def scores(own: list[int], others: list[list[int]]) -> np.ndarray:
    """Of one image's tags with those of each of the others: see above."""
    if not others:
        return np.zeros(0)
    flat = np.fromiter(chain.from_iterable(others), np.int64)
    of = np.repeat(np.arange(len(others)), [len(tags) for tags in others])
    known, place = np.unique(flat, return_inverse=True)
    weights = _weights(known)
    squares = np.bincount(of, weights[place], len(others))
    shared = np.bincount(of, weights[place] * np.isin(flat, own), len(others))
    length = float(_weights(own).sum())
    return shared / np.sqrt(np.maximum(squares * length, 1e-12))


def _weights(tags: Iterable[Any]) -> np.ndarray:
    """idf squared"""
    ids = [int(pk) for pk in tags]
    counts = vocabulary().counts(ids)
    used = np.array([max(1, counts.get(pk, 1)) for pk in ids], float)
    return np.log(1 + max(_pictures(), used.max()) / used) ** 2


def _pictures() -> int:
    """About: what the planner knows. It weighs all tags alike, so that it need not be exact."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'gallery_image'::regclass")
        known = int(cursor.fetchone()[0])
    return known if known > 1_000 else Image.objects.count()

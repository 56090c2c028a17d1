"""The list of collections: one's own, those that others share, those that can be brought back; each in pages."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from gallery.models import Image
from search.by_name import PageAsked, Part, parts
from search.datasets import keeping
from search.models import Collection, CollectionItem, CollectionQuerySet

PAGE = 50
SHOWN = 4
"""Pictures of a collection in the list."""
PARTS = ("mine", "others", "deleted")
Person = AbstractBaseUser | AnonymousUser


def collections_of(user: Person, asked: PageAsked) -> dict[str, Part]:
    """{"mine": ..., "others": ..., "deleted": ...}, rows as {collection, count, images}. CursorError."""
    lists = {name: _with_newest(_of(name, user), user).select_related("owner") for name in PARTS}
    return parts(lists, asked, PAGE, lambda page: _lines(page, user))


def _of(name: str, user: Person) -> CollectionQuerySet:
    if name == "deleted":
        return keeping.deleted_of(user)
    seen, own = Collection.objects.visible_to(user), keeping.owned_by(user)
    return seen.filter(own) if name == "mine" else seen.exclude(own)


def _with_newest(found: CollectionQuerySet, user: Person) -> CollectionQuerySet:
    """Of each the pictures that came last: a few steps along an index, however many are in it."""
    inside = CollectionItem.objects.inside().filter(collection=OuterRef("pk")).visible_to(user).order_by("-pk")
    return found.annotate(newest=ArraySubquery(inside.values("image")[:SHOWN]))


def _lines(page: list[Any], user: Person) -> list[dict[str, Any]]:
    if not page:
        return []
    counts = keeping.counts(page, user)
    images = Image.objects.visible_to(user).in_bulk({pk for each in page for pk in each.newest})
    return [
        {
            "collection": each,
            "count": counts.get(each.pk, 0),
            "images": [images[pk] for pk in each.newest if pk in images],
        }
        for each in page
    ]

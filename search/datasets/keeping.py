"""Collections themselves: make one, rename it, share it, throw it away and take that back."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from gallery.models import User
from gallery.names import printable
from search.datasets.errors import CollectionError
from search.models import Collection, CollectionItem, CollectionQuerySet
from search.models.queries import new_token

MOST = 1_000
LONGEST_NAME, LONGEST_NOTE = 100, 2_000
TAKEN = "You have another collection of this name. Choose another name."


def storable_name(written: str) -> str:
    name = printable(written)
    if not name:
        raise CollectionError("Give the collection a name.")
    if len(name) > LONGEST_NAME:
        raise CollectionError(f"A name has at most {LONGEST_NAME} characters; this one has {len(name)}.")
    return name


def storable_note(written: str) -> str:
    """Lines stay lines."""
    note = "\n".join(printable(line) for line in written.splitlines()).strip()
    if len(note) > LONGEST_NOTE:
        raise CollectionError(f"A note has at most {LONGEST_NOTE:,} characters; this one has {len(note):,}.")
    return note


def make(owner: User, name: str, note: str = "", is_shared: bool = False) -> Collection:
    name, note = storable_name(name), storable_note(note)
    mine = Collection.objects.filter(owner=owner)
    if mine.count() >= MOST:
        raise CollectionError(f"You have {MOST:,} collections: delete one first.", "too_many", 409)
    try:
        with transaction.atomic():
            return Collection.objects.create(owner=owner, name=name, note=note, is_shared=is_shared)
    except IntegrityError as error:
        raise CollectionError(TAKEN, "taken", 409) from error


def named(owner: User, name: str) -> Collection:
    """The collection of this name; made if there is none."""
    there = Collection.objects.alive().filter(owner=owner, name=printable(name)).first()
    return there or make(owner, name)


def edit(collection: Collection, name: str | None = None, note: str | None = None, shared: bool | None = None) -> None:
    if name is not None:
        collection.name = storable_name(name)
    if note is not None:
        collection.note = storable_note(note)
    if shared is False and collection.is_shared:
        collection.token = new_token()  # whoever has seen it knows its address
    if shared is not None:
        collection.is_shared = shared
    try:
        with transaction.atomic():
            collection.save(update_fields=["name", "note", "is_shared", "token"])
    except IntegrityError as error:
        raise CollectionError(TAKEN, "taken", 409) from error


def delete(collection: Collection) -> None:
    """It can be brought back for KEPT. Pictures stay where they are: only that they were put together is forgotten."""
    Collection.objects.alive().filter(pk=collection.pk).update(deleted_at=Now())


def restore(collection: Collection) -> None:
    try:
        with transaction.atomic():
            Collection.objects.filter(pk=collection.pk).update(deleted_at=None)
    except IntegrityError as error:
        sentence = f"Meanwhile another collection is called “{collection.name}”: rename that one first."
        raise CollectionError(sentence, "taken", 409) from error


def deleted_of(owner: AbstractBaseUser | AnonymousUser) -> CollectionQuerySet:
    """Those that can be brought back."""
    deleted = Collection.objects.filter(owner=owner.pk or 0, deleted_at__isnull=False)
    return deleted.exclude(pk__in=Collection.objects.expired().values("pk"))


def counts(collections: list[Collection], reader: AbstractBaseUser | AnonymousUser) -> dict[int, int]:
    """{collection: pictures in it that this reader may see}"""
    inside = CollectionItem.objects.inside().filter(collection__in=collections).visible_to(reader)
    return dict(inside.order_by().values_list("collection").annotate(number=Count("pk")))


def owned_by(user: AbstractBaseUser | AnonymousUser) -> Q:
    return Q(owner=user.pk or 0)

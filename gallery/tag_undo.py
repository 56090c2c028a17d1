"""The way back from what the staff did to tags: the rules at once, the pictures in slices."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.db.models import Q

from gallery.models import Tag, TagAlias, TagImplication, TagWork, User
from gallery.tag_implications import edges, loops
from gallery.tag_rules import (
    IN_SLICES,
    Kind,
    TagError,
    TagOvertaken,
    add_edges,
    changing_rules,
    to_look_at,
    touch,
)

State = TagWork.State
AGAIN = {"looked": 0, "reached": 0, "rounds": 0, "tries": 0, "problem": "", "worker": "", "lease_until": None}
SINCE = "It was changed again since: nothing was undone."


def undo(work: TagWork, by: User | None) -> TagWork:
    """A merge may be undone while it is at work. TagError."""
    with transaction.atomic():
        # Before the words: a slice that is being done holds its row and wants to write them.
        now = TagWork.objects.select_for_update(no_key=True).get(pk=work.pk)
        if now.state not in (State.DONE, State.WORKING, State.FAILED, State.STUCK):
            raise TagOvertaken("Somebody was faster: this is undone already.")
        if now.tag is None:
            raise TagError(f"“{now.name}” is not there any more: undo what was done to it since first.")
        others = [] if now.state == State.WORKING else [pk for pk in (now.tag_id, now.other) if pk]
        with changing_rules(*others):
            if now.state != State.STUCK:  # the rules are as before already, only pictures are left
                UNDO[now.kind](now, now.tag)
            now.state = State.UNDOING if now.kind in IN_SLICES else State.UNDONE
            total = to_look_at(now) if now.kind in IN_SLICES else 0
            touch(now, **AGAIN, state=now.state, undone_by=by, total=total)
    now.refresh_from_db()
    return now


def _rename(work: TagWork, tag: Tag) -> None:
    was, name = work.before["name"], work.after["name"]
    if Tag.objects.filter(name=was).exists():
        raise TagError(f"“{was}” is another tag by now.")
    if tag.name != name or not TagAlias.objects.filter(name=was, tag=tag).delete()[0]:
        raise TagError(SINCE)
    Tag.objects.filter(pk=tag.pk).update(name=was)
    if work.before["freed"]:
        TagAlias.objects.get_or_create(name=name, defaults={"tag": tag})


def _category(work: TagWork, tag: Tag) -> None:
    if not Tag.objects.filter(pk=tag.pk, category=work.after["name"]).update(category=work.before["name"]):
        raise TagError(SINCE)


def _alias(work: TagWork, tag: Tag) -> None:
    if not TagAlias.objects.filter(name=work.after["name"], tag=tag).delete()[0]:
        raise TagError(SINCE)


def _no_alias(work: TagWork, tag: Tag) -> None:
    name = work.before["name"]
    if Tag.objects.filter(name=name).exists() or TagAlias.objects.filter(name=name).exists():
        raise TagError(f"“{name}” means something else by now.")
    TagAlias.objects.create(name=name, tag=tag)


def _imply(work: TagWork, tag: Tag) -> None:
    if not TagImplication.objects.filter(tag=tag, implied=work.other).delete()[0]:
        raise TagError(SINCE)


def _no_imply(work: TagWork, tag: Tag) -> None:
    name, now = work.before["name"], edges()
    implied = Tag.objects.filter(pk=work.other or 0).first()
    if implied is None:
        raise TagError(f"“{name}” is not there any more.")
    if (tag.pk, implied.pk) in now:
        raise TagError(f"“{tag.name}” implies “{name}” again already.")
    if loops(tag.pk, implied.pk, now):
        raise TagError(f"“{name}” implies “{tag.name}” by now: both would go in a circle.")
    TagImplication.objects.create(tag=tag, implied=implied)


def _merge(work: TagWork, tag: Tag) -> None:
    """The tag that went comes back under its own number, so that whoever knew it finds it again."""
    name = work.before["name"]
    number = work.other or 0
    again = Tag.objects.filter(pk=number).exists()
    if Tag.objects.filter(name=name).exclude(pk=number).exists():
        raise TagError(f"“{name}” is another tag by now.")
    if not TagAlias.objects.filter(name=name, tag=tag).delete()[0]:
        raise TagError(SINCE)
    if not again:
        Tag.objects.create(pk=number, name=name, category=work.before["category"])
    TagAlias.objects.filter(name__in=work.before["aliases"], tag=tag).update(tag=number)
    carried = Q()
    for one, implied in work.after["edges"]:
        carried |= Q(tag=one, implied=implied)
    if carried:
        TagImplication.objects.filter(carried).delete()
    add_edges(work.before["edges"], work.pk)


UNDO: dict[str, Callable[[TagWork, Tag], None]] = {
    Kind.RENAME: _rename,
    Kind.CATEGORY: _category,
    Kind.ALIAS: _alias,
    Kind.NO_ALIAS: _no_alias,
    Kind.IMPLY: _imply,
    Kind.NO_IMPLY: _no_imply,
    Kind.MERGE: _merge,
}

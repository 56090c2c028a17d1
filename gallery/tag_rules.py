"""What the staff does to tags: foreseen first (``plan``), then begun (``begin``), and undone while it stands.

The rules change at once, in one transaction; the pictures follow in slices (gallery/tag_slices.py). Nobody's deed is
overwritten unseen: who begins says what they saw (``Plan.seen``), and TagOvertaken says that it is another by now.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from gallery.models import VISIBLE, Image, ImageTag, Opinion, Tag, TagAlias, TagImplication, TagWork, User
from gallery.names import printable
from gallery.tag_implications import Edge, edges, implied_by, implying, loops
from gallery.words import tag_name

RULES_LOCK = 7362
WAIT_SECONDS = 8
LONGEST_CATEGORY = 32
Kind = TagWork.Kind


class TagError(Exception):
    """It cannot be done: a sentence for the staff."""


class TagOvertaken(TagError):
    """Somebody was faster. Nothing was done."""


# --- foreseen
@dataclass
class Plan:
    """What would happen. Nothing has."""

    kind: str
    tag: Tag
    written: str
    sentence: str
    notes: list[str] = field(default_factory=list)
    other: int | None = None
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    touched: list[int] = field(default_factory=list)
    changing: Q | None = None
    """Of visible images: those that look different afterwards. None: none of them."""

    @cached_property
    def pictures(self) -> int:
        return 0 if self.changing is None else Image.objects.filter(VISIBLE & self.changing).count()

    @cached_property
    def seen(self) -> str:
        """Stands in the form for all that the reader knew."""
        tags = [pk for pk in (self.tag.pk, self.other) if pk]
        return _mark(tags)


def _mark(tags: list[int]) -> str:
    said = [
        sorted(Tag.objects.filter(pk__in=tags).values_list("pk", "name", "category")),
        sorted(TagAlias.objects.filter(tag__in=tags).values_list("name", "tag_id")),
        sorted(edge for edge in edges() if set(edge) & set(tags)),
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def plan(kind: str, tag: Tag, written: str) -> Plan:
    """TagError, WordError."""
    if kind not in PLANS:
        raise TagError("This is nothing that can be done to a tag.")
    return PLANS[kind](tag, written)


def _rename(tag: Tag, written: str) -> Plan:
    name = tag_name(written)
    if name == tag.name:
        raise TagError("That is its name already.")
    if Tag.objects.filter(name=name).exists():
        raise TagError(f"“{name}” is another tag. To make one of both, merge them.")
    freed = _free(name, tag)
    sentence = f"“{tag.name}” will be called “{name}”."
    notes = [f"“{tag.name}” stays as another name of it: whoever writes that, a network too, means “{name}”."]
    return Plan(Kind.RENAME, tag, written, sentence, notes, None, {"name": tag.name, "freed": freed}, {"name": name})


def _free(name: str, tag: Tag) -> bool:
    """True if it is another name of this tag. TagError if it is one of another tag."""
    alias = TagAlias.objects.filter(name=name).select_related("tag").first()
    if alias and alias.tag_id != tag.pk:
        raise TagError(f"“{name}” is another name of “{alias.tag}”. Take it away there first.")
    return alias is not None


def _category(tag: Tag, written: str) -> Plan:
    category = printable(written).lower().strip()
    if len(category) > LONGEST_CATEGORY:
        raise TagError(f"A category has at most {LONGEST_CATEGORY} characters; this one has {len(category)}.")
    if category == tag.category:
        raise TagError("It is in this category already." if category else "It is in no category already.")
    sentence = f"“{tag.name}” will be in {f'the category “{category}”' if category else 'no category'}."
    return Plan(Kind.CATEGORY, tag, written, sentence, [], None, {"name": tag.category}, {"name": category})


def _alias(tag: Tag, written: str) -> Plan:
    """A name that is a tag with pictures becomes another name by merging that tag into this one."""
    name = tag_name(written)
    if name == tag.name:
        raise TagError("That is its name already.")
    if _free(name, tag):
        raise TagError(f"“{name}” means “{tag.name}” already.")
    if Tag.objects.filter(name=name).exists():
        return _merge(tag, name)
    sentence = f"Whoever writes or asks for “{name}” will mean “{tag.name}”."
    return Plan(Kind.ALIAS, tag, written, sentence, [], None, {}, {"name": name})


def _no_alias(tag: Tag, written: str) -> Plan:
    if "\x00" in written or not TagAlias.objects.filter(tag=tag, name=written).exists():
        raise TagError(f"“{printable(written)[:100]}” is no other name of “{tag.name}” (any more).")
    sentence = f"“{written}” will not mean “{tag.name}” any more: who writes it makes a tag of its own."
    return Plan(Kind.NO_ALIAS, tag, written, sentence, [], None, {"name": written}, {})


def named_tag(tag: Tag, written: str) -> Tag:
    """The other tag that a form names, by its name or another one. TagError.

    A tag of that name goes before one that has it as another name: what has come to stand beside it can be merged.
    """
    name = tag_name(written)
    other = Tag.objects.filter(name=name).first() or Tag.objects.filter(aliases__name=name).first()
    if other is None:
        raise TagError(f"There is no tag “{name}”.")
    if other == tag:
        raise TagError(f"“{name}” is this tag itself.")
    return other


def _imply(tag: Tag, written: str) -> Plan:
    implied, now = named_tag(tag, written), edges()
    if (tag.pk, implied.pk) in now:
        raise TagError(f"“{tag.name}” implies “{implied.name}” already.")
    if loops(tag.pk, implied.pk, now):
        raise TagError(f"“{implied.name}” implies “{tag.name}”, so the other way round would go in a circle.")
    touched = sorted({tag.pk, *implying(tag.pk, now)})
    gained: Any = Q()
    for each in {implied.pk, *implied_by(implied.pk, now)}:
        gained |= ~Q(tag_ids__contains=[each]) & ~Exists(_rows(Q(tag=each, state=Opinion.REJECTED)))
    return Plan(
        Kind.IMPLY,
        tag,
        written,
        f"What is tagged “{tag.name}” will have “{implied.name}” as well.",
        ["Where somebody has rejected it for a picture, it stays away."],
        implied.pk,
        {},
        {"name": implied.name},
        touched,
        Q(tag_ids__overlap=touched) & gained,
    )


def _no_imply(tag: Tag, written: str) -> Plan:
    implied, now = named_tag(tag, written), edges()
    edge = (tag.pk, implied.pk)
    if edge not in now:
        raise TagError(f"“{tag.name}” does not imply “{implied.name}” (any more).")
    touched, rest = sorted({tag.pk, *implying(tag.pk, now)}), now - {edge}
    lost: Any = Q()
    for each in {implied.pk, *implied_by(implied.pk, now)}:
        otherwise = {each, *implying(each, rest)}
        lost |= Q(tag_ids__contains=[each]) & ~Exists(_rows(Q(tag__in=otherwise, shown=True)))
    return Plan(
        Kind.NO_IMPLY,
        tag,
        written,
        f"What is tagged “{tag.name}” will not have “{implied.name}” any more, unless it is tagged so itself.",
        [],
        implied.pk,
        {"name": implied.name},
        {},
        touched,
        Q(tag_ids__overlap=touched) & lost,
    )


def _rows(which: Q) -> Any:
    return ImageTag.objects.filter(which, image=OuterRef("pk"))


def _merge(tag: Tag, written: str) -> Plan:
    """``written`` goes, ``tag`` stays."""
    goes, now = named_tag(tag, written), edges()
    gone = {edge for edge in now if goes.pk in edge}
    carried = {_instead(edge, goes.pk, tag.pk) for edge in gone}
    fresh = {edge for edge in carried - now if edge[0] != edge[1]}
    after = (now - gone) | fresh
    if any(loops(*edge, after - {edge}) for edge in fresh):
        raise TagError(
            f"Tags that “{goes.name}” implies, or that imply it, would then go in a circle with “{tag.name}”. Take one "
            "of these implications away first."
        )
    # The tag that goes always: pictures may have it without a word of it, by an implication that is gone.
    touched = {goes.pk, *(implying(goes.pk, now) if gone else ())}
    touched |= {tag.pk, *implying(tag.pk, now)} if any(edge[0] == tag.pk for edge in fresh) else set()
    notes = [f"“{goes.name}” stays as another name of “{tag.name}”."]
    if gone:
        notes.append("What it implies, and what implies it, is handed on.")
    notes.append("Where people have decided about both tags of a picture, what they accepted stays.")
    aliases = list(TagAlias.objects.filter(tag=goes).values_list("name", flat=True))
    return Plan(
        Kind.MERGE,
        tag,
        written,
        f"“{goes.name}” will become “{tag.name}”: its pictures get that tag instead.",
        notes,
        goes.pk,
        {"name": goes.name, "category": goes.category, "aliases": aliases, "edges": sorted(gone)},
        {"edges": sorted(fresh)},
        sorted(touched),
        Q(tag_ids__overlap=[goes.pk, *touched]),
    )


def _instead(edge: Edge, goes: int, stays: int) -> Edge:
    return (stays if edge[0] == goes else edge[0], stays if edge[1] == goes else edge[1])


PLANS: dict[str, Callable[[Tag, str], Plan]] = {
    Kind.RENAME: _rename,
    Kind.CATEGORY: _category,
    Kind.ALIAS: _alias,
    Kind.NO_ALIAS: _no_alias,
    Kind.IMPLY: _imply,
    Kind.NO_IMPLY: _no_imply,
    Kind.MERGE: _merge,
}


# --- begun
@contextmanager
def changing_rules(*tags: int) -> Any:
    """One at a time, and while nobody writes tags of pictures: whoever comes after follows the new rules."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [RULES_LOCK])
            cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
            cursor.execute("LOCK TABLE gallery_imagetag IN SHARE MODE")
            cursor.execute("SET LOCAL lock_timeout = 0")
            at_work = TagWork.objects.unfinished().about(*tags).first()
            if at_work:
                raise TagError(f"{at_work.sentence}: its pictures are still being changed. Wait until that is done.")
            yield
    except OperationalError as error:
        raise TagError("Many tags are being written just now. Try it again in a moment.") from error


def begin(kind: str, tag: Tag, written: str, seen: str, by: User | None) -> TagWork:
    """Change the rules; the pictures are still to follow if the work ``is_unfinished``. TagError, WordError."""
    with changing_rules(tag.pk):
        now = Tag.objects.filter(pk=tag.pk).first()
        if now is None:
            raise TagOvertaken(f"Somebody was faster: “{tag.name}” is not there any more.")
        planned = _planned_again(kind, now, written, seen)
        work = TagWork(
            kind=planned.kind,
            tag=now,
            name=now.name,
            other=planned.other,
            before=planned.before,
            after=planned.after,
            touched=planned.touched,
            decision=secrets.randbelow(2**31 - 1) + 1,
            by=by,
        )
        CARRY_OUT[planned.kind](planned)
        if planned.kind in IN_SLICES:
            work.total = to_look_at(work)
        work.state = TagWork.State.WORKING if planned.kind in IN_SLICES else TagWork.State.DONE
        work.save()
    return work


def _planned_again(kind: str, tag: Tag, written: str, seen: str) -> Plan:
    try:
        planned = plan(kind, tag, written)
    except TagError as error:
        raise TagOvertaken(str(error)) from error
    if planned.seen != seen:
        raise TagOvertaken("Somebody was faster: these tags are not what you saw. Look again, and decide again.")
    if planned.other and TagWork.objects.unfinished().about(planned.other).exists():
        raise TagError("The other tag is being changed just now. Wait until that is done.")
    return planned


def to_look_at(work: TagWork) -> int:
    """Images that its slices will come by, about: those with words of a tag that goes may be counted twice."""
    total = Image.objects.filter(tag_ids__overlap=work.touched).count() if work.touched else 0
    if work.kind == Kind.MERGE:
        if work.state == TagWork.State.UNDOING:
            return total + work.moves.values("image").distinct().count()
        words = ImageTag.objects.filter(tag=work.other)
        words = words.exclude(image__tag_ids__overlap=work.touched) if work.touched else words
        total += words.values("image").distinct().count()
    return total


def _do_rename(planned: Plan) -> None:
    TagAlias.objects.filter(name=planned.after["name"], tag=planned.tag).delete()
    Tag.objects.filter(pk=planned.tag.pk).update(name=planned.after["name"])
    TagAlias.objects.get_or_create(name=planned.before["name"], defaults={"tag": planned.tag})


def _do_category(planned: Plan) -> None:
    Tag.objects.filter(pk=planned.tag.pk).update(category=planned.after["name"])


def _do_alias(planned: Plan) -> None:
    TagAlias.objects.create(name=planned.after["name"], tag=planned.tag)


def _do_no_alias(planned: Plan) -> None:
    TagAlias.objects.filter(name=planned.before["name"], tag=planned.tag).delete()


def _do_imply(planned: Plan) -> None:
    TagImplication.objects.create(tag=planned.tag, implied=Tag.objects.get(pk=planned.other or 0))


def _do_no_imply(planned: Plan) -> None:
    TagImplication.objects.filter(tag=planned.tag, implied=planned.other).delete()


def _do_merge(planned: Plan) -> None:
    """From here on nobody writes the tag that goes; it goes when no picture has it."""
    TagAlias.objects.filter(tag=planned.other).update(tag=planned.tag)
    TagAlias.objects.update_or_create(name=planned.before["name"], defaults={"tag": planned.tag})
    TagImplication.objects.filter(Q(tag=planned.other) | Q(implied=planned.other)).delete()
    add_edges(planned.after["edges"])


def add_edges(wanted: Iterable[Iterable[int]], own: int = 0) -> None:
    """Without those whose tags are gone, or that would go in a circle by now. ``own``: the work that asks.

    TagError if a tag is just being merged: what implies it would have it for ever again.
    """
    now, going = edges(), TagWork.objects.going().exclude(pk=own)
    for tag, implied in wanted:
        if at_work := going.filter(other__in=[tag, implied]).first():
            raise TagError(f"{at_work.sentence}: its pictures are still being changed. Wait until that is done.")
        both = Tag.objects.filter(pk__in=[tag, implied]).count() == 2
        if both and (tag, implied) not in now and not loops(tag, implied, now):
            TagImplication.objects.create(tag_id=tag, implied_id=implied)
            now.add((tag, implied))


CARRY_OUT: dict[str, Callable[[Plan], None]] = {
    Kind.RENAME: _do_rename,
    Kind.CATEGORY: _do_category,
    Kind.ALIAS: _do_alias,
    Kind.NO_ALIAS: _do_no_alias,
    Kind.IMPLY: _do_imply,
    Kind.NO_IMPLY: _do_no_imply,
    Kind.MERGE: _do_merge,
}
IN_SLICES = {Kind.IMPLY, Kind.NO_IMPLY, Kind.MERGE}
"""Kinds that change pictures."""


def touch(work: TagWork, **values: Any) -> None:
    TagWork.objects.filter(pk=work.pk).update(changed_at=Now(), **values)

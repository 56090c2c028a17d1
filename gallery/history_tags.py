"""Which tags edits are about by now: one that was merged is the tag that it became, one that is gone has its name.

Edits of tags that are one by now are about the same. What was done to each of them before they were one can not be told
apart any more, in whatever order it was done: to take back one would take back the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from gallery.models import Edit, Tag, TagWork
from gallery.tag_names import find_tag
from gallery.tags import tags_called
from gallery.words import WordError, tag_name

Things = dict[str, int]
"""{thing: id of the tag that it is now; 0: of none}"""


def tags_now(names: dict[str, str], make: bool = False) -> Things:
    """``names``: {thing: name of the tag, as its edit has it}. ``make``: tags that are gone come back, by name."""
    numbers = {thing: _number(thing) for thing in names}
    there = set(Tag.objects.filter(pk__in=numbers.values()).values_list("pk", flat=True))
    found = {thing: number for thing, number in numbers.items() if number in there}
    gone = {thing: number for thing, number in numbers.items() if number not in there}
    if gone:
        merges = TagWork.objects.filter(kind=TagWork.Kind.MERGE, state=TagWork.State.DONE, tag__isnull=False)
        merged = dict(merges.filter(other__in=gone.values()).order_by("pk").values_list("other", "tag_id"))
        found |= {thing: merged[number] for thing, number in gone.items() if number in merged}
        found |= _by_name({thing: names[thing] for thing in gone.keys() - found.keys()}, make)
    return found


def _by_name(names: dict[str, str], make: bool) -> Things:
    if not make:
        return {thing: tag.pk if tag else 0 for thing, tag in ((thing, _found(name)) for thing, name in names.items())}
    made = tags_called({tag_name(name) for name in names.values()}) if names else {}
    return {thing: made[tag_name(name)] for thing, name in names.items()}


def _found(name: str) -> Tag | None:
    try:
        return find_tag(name)
    except WordError:
        return None


def _number(thing: str) -> int:
    return int(thing.removeprefix("tag:"))


def tags_of(edits: Iterable[Edit], make: bool = False) -> Things:
    """Of the edits that are about tags."""
    return tags_now({edit.things[0]: edit.about for edit in edits if edit.kind == Edit.Kind.TAG}, make)


@dataclass(frozen=True)
class Same:
    """What is the same tag by now."""

    others: set[str]
    """Things."""
    at: datetime | None
    """Since when; None: they never were two tags at the same time."""

    def mixes(self, edit: Edit, other: int) -> bool:
        """Whether the other edit, of one of them, changes what this one has left."""
        return other > edit.pk or (self.at is not None and edit.at <= self.at)


def same_things(images: Collection[int], mine: Things) -> dict[str, Same]:
    """{thing: other things that are the same tag by now}; only those that have some, among edits of these images."""
    said = Edit.objects.filter(image__in=images, kind=Edit.Kind.TAG).order_by()
    names: dict[str, str] = {thing[0]: about for thing, about in said.values_list("things", "about").distinct()}
    there = Tag.objects.filter(pk__in=[_number(thing) for thing in names]).values_list("pk", flat=True)
    here = {f"tag:{pk}" for pk in there}
    of_tag: dict[int, set[str]] = {}
    for thing, tag in tags_now({thing: name for thing, name in names.items() if thing not in here}).items():
        of_tag.setdefault(tag, set()).add(thing)
    all_of = {thing: of_tag.get(tag, set()) | {thing, f"tag:{tag}"} for thing, tag in mine.items() if tag}
    at = _merged_at(set().union(*all_of.values()))
    return {
        thing: Same(same - {thing}, max((at[each] for each in same if each in at), default=None))
        for thing, same in all_of.items()
        if len(same) > 1
    }


def _merged_at(things: Collection[str]) -> dict[str, datetime]:
    merges = TagWork.objects.filter(kind=TagWork.Kind.MERGE, state=TagWork.State.DONE)
    rows = merges.filter(other__in=[_number(thing) for thing in things]).order_by("pk")
    return {f"tag:{other}": at for other, at in rows.values_list("other", "changed_at")}


def since(edit: Edit) -> QuerySet[Edit]:
    """What was done to the same thing since, newest first; and before, to another one that it has become one with."""
    later = Q(pk__gt=edit.pk, things__overlap=edit.things)
    for same in same_things([edit.image_id], tags_of([edit])).values():
        which = Q(things__overlap=sorted(same.others))
        later |= which if same.mixes(edit, 0) else which & Q(pk__gt=edit.pk)
    return Edit.objects.filter(later, image_id=edit.image_id).exclude(pk=edit.pk).order_by("-pk")


def mixed(edits: Collection[Edit], mine: Things) -> set[int]:
    """Ids of those with another edit, none of these, of a tag that has become the same one."""
    images = {edit.image_id for edit in edits}
    same = same_things(images, mine)
    if not same:
        return set()
    things = sorted(set().union(*(each.others for each in same.values())))
    others = Edit.objects.filter(image__in=images, things__overlap=things)
    rows = others.exclude(pk__in=[edit.pk for edit in edits]).values_list("image_id", "things", "pk")
    places: dict[tuple[int, str], int] = {}
    for image, (thing, *_), pk in rows.order_by("pk"):
        places[image, thing] = pk  # the latest
    return {
        edit.pk
        for edit in edits
        if (known := same.get(edit.things[0]))
        for other in known.others
        if (edit.image_id, other) in places and known.mixes(edit, places[edit.image_id, other])
    }

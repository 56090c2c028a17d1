"""Tags by their names, and how many pictures have them. What the staff does to tags: gallery/tag_rules.py."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.urls import reverse

from gallery.models import Tag, TagAlias, TagTally
from gallery.paging import CursorError

FOLD_LOCK = 7361
PLAIN = re.compile(r"[^\W_][\w.+'-]*")
"""Names that the language of queries reads as they are; all others stand in quotes."""


# --- by name
def tags_called(names: Collection[str], categories: dict[str, str] | None = None) -> dict[str, int]:
    """{name: id of the tag that it means}; what is missing is made. Names as ``tag_name`` gives them.

    Two names may mean one tag. All names of a transaction at once: new ones are made in their order, so that of two
    who make the same ones none waits for the other in a circle.
    """
    with transaction.atomic():
        hold_rules()
        found = _known(names)
        missing = sorted(set(names) - found.keys())
        if missing:
            made = [Tag(name=name, category=(categories or {}).get(name, "")) for name in missing]
            Tag.objects.bulk_create(made, ignore_conflicts=True)
            found |= _known(missing)
    return found


def hold_rules() -> None:
    """Until the end of this transaction nobody changes what names mean: gallery.tag_rules.changing_rules waits."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE gallery_imagetag IN ROW EXCLUSIVE MODE")


def _known(names: Collection[str]) -> dict[str, int]:
    # Another name goes before a tag of that name, which is just being merged.
    known = dict(Tag.objects.filter(name__in=names).values_list("name", "pk"))
    return known | dict(TagAlias.objects.filter(name__in=names).values_list("name", "tag_id"))


def quoted(name: str) -> str:
    """As the language of queries takes a name: dog, but "mountain path". A quote inside is any letter there."""
    return name if PLAIN.fullmatch(name) else '"' + name.replace('"', "?") + '"'


def search_address(name: str) -> str:
    """Where the pictures with this tag are."""
    return f"{reverse('search')}?q={quote('tag:' + quoted(name))}"


# --- how many
def fold_tallies() -> bool:
    """Add what has been noted since to Tag.count. False if somebody else is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FOLD_LOCK])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(
            """
            WITH noted AS (DELETE FROM gallery_tagtally RETURNING tag_id, change),
            sums AS (SELECT tag_id, sum(change) AS change FROM noted GROUP BY tag_id HAVING sum(change) <> 0)
            UPDATE gallery_tag tag SET count = tag.count + sums.change FROM sums WHERE tag.id = sums.tag_id
            """
        )
    return True


# --- all of them
SORTS = {"most": "Most used", "name": "By name"}


@dataclass(frozen=True)
class Shelf:
    """Some of the tags, in an order: in pages by keyset, the last page as fast as the first."""

    sort: str = "most"
    category: str | None = None
    """None: all; "": those of none."""
    part: str = ""
    """Of the name, or of another name of it."""
    all_are_shown: bool = False
    """Those that no picture of the gallery has, too: what is in the trash is nobody's business but the staff's."""
    user: Any = field(default=None, kw_only=True)
    """Who looks: of what only others' private pictures have, nobody is told."""

    def all_tags(self) -> QuerySet[Tag]:
        """Of all categories. A few that no picture has may be among them, until tallies are folded."""
        noted = Exists(TagTally.objects.filter(tag=OuterRef("pk")))
        if self.all_are_shown:
            return Tag.objects.told_to(self.user or AnonymousUser())
        return Tag.objects.filter(Q(count__gt=0) | noted)

    def tags(self) -> QuerySet[Tag]:
        tags = self.all_tags() if self.category is None else self.all_tags().filter(category=self.category)
        if not self.part:
            return tags
        other = TagAlias.objects.filter(name__contains=self.part).values("tag")
        return tags.filter(Q(name__contains=self.part) | Q(pk__in=other))

    def page(self, cursor: str, size: int) -> tuple[list[Tag], str]:
        """(tags with ``pictures``, cursor of the next page or ""). CursorError."""
        rows = list(self._sorted(cursor)[: size + 1])
        return self.counted(rows[:size]), self._cursor(rows[size - 1]) if len(rows) > size else ""

    def counted(self, rows: Iterable[Tag]) -> list[Tag]:
        rows = list(rows)
        found: dict[int, Any] = Tag.objects.counted().in_bulk([tag.pk for tag in rows])
        return [found[tag.pk] for tag in rows if tag.pk in found and (self.all_are_shown or found[tag.pk].pictures > 0)]

    def _sorted(self, cursor: str) -> QuerySet[Tag]:
        # Tag.count, and not the sum with what is not folded yet: there is an index in this order.
        tags = self.tags().order_by("name") if self.sort == "name" else self.tags().order_by("-count", "name")
        if not cursor:
            return tags
        count, _, name = cursor.partition(".")
        if not name or "\x00" in name or not re.fullmatch(r"-?[0-9]{1,9}", count):
            raise CursorError("This page address is broken. Start again from the first page.")
        if self.sort == "name":
            return tags.filter(name__gt=name)
        return tags.filter(count__lte=int(count)).exclude(count=int(count), name__lte=name)

    @staticmethod
    def _cursor(tag: Tag) -> str:
        return f"{tag.count}.{tag.name}"


def shelves(shelf: Shelf, categories: Collection[str], each: int) -> list[tuple[str, list[Tag]]]:
    """[(category, its first tags with ``pictures``), ...]; the category with the most used tag first, none last."""
    order = [F("name").asc()] if shelf.sort == "name" else [F("count").desc(), F("name").asc()]
    place = Window(RowNumber(), partition_by=[F("category")], order_by=order)
    tags = shelf.all_tags().filter(category__in=categories)
    first = list(tags.annotate(place=place).filter(place__lte=each).order_by("category", "place"))
    found: dict[str, list[Tag]] = {}
    for tag in shelf.counted(first):
        found.setdefault(tag.category, []).append(tag)
    return sorted(found.items(), key=lambda item: (not item[0], -max(tag.count for tag in item[1]), item[0]))

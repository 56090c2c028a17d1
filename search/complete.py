"""What could be meant by what somebody begins to write in a search box: tags, other names of tags, fields, values."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import Error as DatabaseFailure
from django.db import connection
from django.db.models import Exists, OuterRef, Sum

from gallery.models import ImageTag, Tag, TagAlias, TagTally
from gallery.names import printable
from search.compiling.collected import asked_as
from search.half_written import Term, term_at
from search.language.colours import COLOUR_NAMES
from search.language.fields import FIELDS, field_called
from search.models.collections import Collection
from search.vocabulary import Known, Vocabulary

MOST = 10
MANY = 5_000
"""From so many tags on they are read anew beside the answers, not before one."""
ASKED_EVERY = 1.0
"""Seconds: whether there are new tags. With few tags it is asked each time."""
COUNTED_EVERY = 60.0

_NEWEST = (
    "SELECT (SELECT max(id) FROM gallery_tag), (SELECT max(id) FROM gallery_tagalias),"
    " (SELECT max(changed_at) FROM gallery_tagwork)"
)
# Rows are looked at, so only of few tags: what was deleted is missed at once, and what was first used is there.
_HOW_MANY = (
    "SELECT (SELECT count(*) FROM gallery_tag), (SELECT count(*) FROM gallery_tagalias),"
    " (SELECT max(id) FROM gallery_tagtally)"
)


@dataclass(frozen=True)
class Suggestion:
    """``text`` takes the place of the query from ``start`` to ``end`` (characters)."""

    kind: str
    """tag, field or value."""
    label: str
    text: str
    start: int
    end: int
    count: int | None = None
    said: str = ""
    note: str = ""


# --- the vocabulary of this process
class _Read:
    def __init__(self) -> None:
        self.vocabulary: Vocabulary | None = None
        self.version: Any = None
        self.asked = self.made = 0.0
        self.lock = threading.Lock()


_read = _Read()


def vocabulary() -> Vocabulary:
    """As fresh as the last second or so; how many pictures each tag has, as of the last minute."""
    now, known = time.monotonic(), _read.vocabulary
    if known is None:
        return _renew()
    if len(known) >= MANY and now - _read.asked < ASKED_EVERY:
        return known
    _read.asked = now
    if now - _read.made < COUNTED_EVERY and _version() == _read.version:
        return known
    if len(known) < MANY:
        return _renew()
    threading.Thread(target=_renew_beside, name="read tags", daemon=True).start()
    return known


def forget_vocabulary() -> None:
    _read.vocabulary = None


def _renew() -> Vocabulary:
    version = _version()
    rows = Tag.objects.order_by("pk").values_list("pk", "name", "category", "count")
    noted = dict(TagTally.objects.order_by().values_list("tag_id").annotate(change=Sum("change")))
    tags = [Known(pk, name, category, count + noted.get(pk, 0)) for pk, name, category, count in rows]
    fresh = Vocabulary(tags, TagAlias.objects.values_list("name", "tag_id"))
    _read.vocabulary, _read.version, _read.made = fresh.warm(), version, time.monotonic()
    return fresh


def _renew_beside() -> None:
    if not _read.lock.acquire(blocking=False):
        return
    try:
        _renew()
    except DatabaseFailure:
        pass  # the one before still answers; the next request tries again
    finally:
        _read.lock.release()
        connection.close()


def _version() -> tuple[Any, ...]:
    """Another one when tags or their names have come or changed: what indexes say without looking at rows."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        newest = tuple(cursor.fetchone())
        if _read.vocabulary is not None and len(_read.vocabulary) >= MANY:
            return newest
        cursor.execute(_HOW_MANY)
        return newest + tuple(cursor.fetchone())


# --- suggestions
def complete(text: str, at: int, user: Any = None) -> list[Suggestion]:
    """For the term at the cursor of a query, the best first; at most MOST. Tags that no picture of the gallery has are
    left out: pictures that nobody may see would tell their tags by them. Those of one's own are there."""
    term = term_at(text, at)
    if term is None:
        return []
    if term.field:
        return _values(term, user)
    found = [
        tag for longer in term.longer() for tag in _tags(longer, vocabulary().begun(longer.written, MOST, used=True))
    ]
    fields = _fields(term)
    found += _tags(term, [*_known(term.written), *_own(term.written, user)])
    return _once(found)[: MOST - len(fields)] + fields


def complete_tag(written: str, used: bool = False, user: Any = None) -> list[Suggestion]:
    """For a field that takes the name of a tag and nothing else. ``used``: as above; else also those that no picture
    has yet, but for what only others' private pictures have."""
    written = written[:100]
    name = printable(written).lower()
    known = _known(name, used)
    unused = [tag.pk for tag in known if tag.count <= 0]
    hidden = set(Tag.objects.filter(pk__in=unused).hidden_from(user or AnonymousUser()).values_list("pk", flat=True))
    found = [
        Suggestion("tag", tag.name, tag.name, 0, len(written), tag.count, tag.said, tag.category)
        for tag in [*(each for each in known if each.pk not in hidden), *_own(name, user)]
    ]
    return _once(found)[:MOST]


def _own(written: str, user: Any) -> list[Known]:
    """Of the private pictures of this user."""
    if not written or user is None or not user.is_authenticated:
        return []
    mine = ImageTag.objects.filter(tag=OuterRef("pk"), shown=True, image__private=True, image__owners=user.pk)
    tags = Tag.objects.filter(Exists(mine), name__startswith=written, count__lte=0).order_by("name")
    return [Known(*row) for row in tags.values_list("pk", "name", "category", "count")[:MOST]]


def _known(written: str, used: bool = True) -> list[Known]:
    tags = vocabulary()
    found = tags.begun(written, MOST, used)
    if len(found) < MOST // 2:
        here = {tag.pk for tag in found}
        found += [tag for tag in tags.nearly(written, MOST, used) if tag.pk not in here]
    return found[:MOST]


def _tags(term: Term, found: list[Known]) -> list[Suggestion]:
    return [
        Suggestion("tag", tag.name, term.tagged(tag.name), term.start, term.end, tag.count, tag.said, tag.category)
        for tag in found
    ]


def _once(found: list[Suggestion]) -> list[Suggestion]:
    first: dict[str, Suggestion] = {}
    for one in found:
        first.setdefault(one.label, one)
    return list(first.values())


def _fields(term: Term) -> list[Suggestion]:
    if term.quoted:
        return []
    names = [(name, field) for field in FIELDS for name in (field.name, *field.others)]
    found = {field.name: field for name, field in names if name.startswith(term.written)}
    return [
        Suggestion("field", f"{field.name}:", f"{field.name}:", term.start, term.end, None, "", field.sentence)
        for field in list(found.values())[:3]
    ]


def _values(term: Term, user: Any = None) -> list[Suggestion]:
    field = field_called(term.field)
    if field is None:  # a tag with a colon in its name
        whole = Term(term.text, term.start, term.end, f"{term.field}:{term.written}")
        return _tags(whole, [*_known(whole.written), *_own(whole.written, user)][:MOST])
    if field.kind == "tag":
        known = [*_known(term.written), *_own(term.written, user)][:MOST] if term.written else _most_used()
        return _tags(term, known)
    if field.kind == "collection":
        return _collections(term, user)
    choices = COLOUR_NAMES if field.kind == "colour" else field.choices
    found = [name for name in choices if name.lower().startswith(term.written)]
    return [
        Suggestion("value", f"{field.name}:{name}".lower(), f"{field.name}:{name}".lower(), term.start, term.end)
        for name in found[:MOST]
    ]


def _collections(term: Term, user: Any) -> list[Suggestion]:
    """One's own."""
    if user is None or not user.is_authenticated:
        return []
    mine = Collection.objects.alive().filter(owner=user.pk, name__istartswith=term.written).order_by("name")
    return [Suggestion("value", f"collection:{one.name}", asked_as(one), term.start, term.end) for one in mine[:MOST]]


def _most_used() -> list[Known]:
    return sorted((tag for tag in vocabulary().tags if tag.count > 0), key=lambda tag: -tag.count)[:MOST]


def as_json(found: list[Suggestion]) -> list[dict[str, Any]]:
    return [{name: value for name, value in asdict(one).items() if value not in (None, "")} for one in found]

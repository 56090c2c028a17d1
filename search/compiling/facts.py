"""Facts of an image: its format, colours, shape, what it is and what it has."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Exists, F, Func, JSONField, OuterRef, Q, Value
from django.db.models.lookups import Exact

from gallery.formats import EXTENSION, MIME
from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Opinion
from search.compiling.walk import leaves
from search.errors import QueryError
from search.language.tree import Fact, Node
from search.language.values import ValueMistake, colour_codes
from search.models.duplicates import GroupMember

Reader = AbstractBaseUser | AnonymousUser
MOST_SIMILAR = 1_000
MOST_SEARCHES = 3
"""Pictures that one query may be similar to: each is a search of its own."""

SHAPES = {
    "wide": Q(width__gt=F("height")),
    "tall": Q(width__lt=F("height")),
    "square": Q(width=F("height")),
}
ORIENTATIONS = {**SHAPES, "landscape": SHAPES["wide"], "portrait": SHAPES["tall"]}
FORMATS = {ending: name for name, ending in EXTENSION.items()} | {name.lower(): name for name in MIME}


def fact(part: Fact, user: Reader) -> Q:
    """Any fact but ``similar`` and ``collection``. QueryError for a value that it cannot have."""
    value = part.value.strip().lower()
    if part.field == "format":
        return Q(format=_one_of(FORMATS, part))
    if part.field == "orientation":
        return _one_of(ORIENTATIONS, part)
    if part.field == "colour":
        return _colour(part)
    if part.field == "is":
        return _one_of(IS, part)(user)
    if part.field == "has":
        return _one_of(HAS, part)(user)
    raise QueryError(f"“{part.field[:40]}:{value[:40]}” cannot be asked.")


def _one_of(choices: dict[str, Any], part: Fact) -> Any:
    value = part.value.strip().lower()
    if value not in choices:
        raise QueryError(f"There is no {part.field}:{part.value[:40]}; choose {', '.join(choices)}.")
    return choices[value]


def _colour(part: Fact) -> Q:
    try:
        return Q(colours__overlap=colour_codes(part.value))
    except ValueMistake as mistake:
        raise QueryError(f"“{part.value[:40]}” is no colour: write {mistake}.") from mistake


def require_few_similar(node: Node | None, most: int = MOST_SEARCHES) -> None:
    """QueryError where more pictures are named. A feed takes none: its readers ask day and night."""
    if len({leaf for leaf in leaves(node) if isinstance(leaf, Fact) and leaf.field == "similar"}) > most:
        few = f"At most {most} pictures can be named by similar: at once."
        raise QueryError(
            few if most else "similar: cannot be followed: what is like a picture has no order of arrival."
        )


def similar(part: Fact, user: Reader) -> Q:
    """What search by this picture finds, weak matches aside. QueryError if there is no such picture for this user."""
    from search.query import Query
    from search.retrieval import retrieve

    written = part.value.strip()
    number = int(written) if written.isascii() and written.isdecimal() and len(written) < 19 else 0
    if not Image.objects.visible_to(user).filter(pk=number).exists():
        raise QueryError(f"There is no picture {written[:40]} to be similar to.")
    answer = retrieve(Query(image_id=number), user, limit=MOST_SIMILAR)
    return Q(pk__in=[found.match.image_id for found in answer.found])


# --- what it is
def _duplicate() -> Q:
    return Q(Exists(GroupMember.objects.filter(image=OuterRef("pk"))))


def _suggested() -> Q:
    """A network's word about it waits for somebody's opinion."""
    waiting = {"image": OuterRef("pk"), "state": Opinion.SUGGESTED, "shown": True}
    return reduce(or_, (Q(Exists(model.objects.filter(**waiting))) for model in (ImageTag, Caption, OcrText)))


def _mine(user: Reader) -> Q:
    """Of a visitor nothing is."""
    return Q(Exists(Image.owners.through.objects.filter(image=OuterRef("pk"), user=user.pk)))


IS: dict[str, Callable[[Reader], Q]] = {
    "duplicate": lambda user: _duplicate(),
    "tagged": lambda user: ~Q(tag_ids=[]),
    "untagged": lambda user: Q(tag_ids=[]),
    "captioned": lambda user: ~Q(caption=""),
    "uncaptioned": lambda user: Q(caption=""),
    "suggested": lambda user: _suggested(),
    "private": lambda user: Q(private=True),
    "mine": _mine,
    "wide": lambda user: SHAPES["wide"],
    "tall": lambda user: SHAPES["tall"],
    "square": lambda user: SHAPES["square"],
    "landscape": lambda user: SHAPES["wide"],
    "portrait": lambda user: SHAPES["tall"],
}


# --- what it has
def source_of(user: Reader | None = None, *conditions: Q, **lookups: Any) -> Q:
    """Some source is such a one; of those that the user may see, if one is named."""
    sources = ImageSource.objects.all() if user is None else ImageSource.objects.visible_to(user)
    return Q(Exists(sources.filter(*conditions, image=OuterRef("pk"), **lookups)))


def _has_gps(user: Reader) -> Q:
    """Not even that a place is known is shown, where places are not."""
    if not settings.SHOW_GPS:
        raise QueryError("This gallery does not tell where pictures were taken, so nobody can ask for it.")
    return Q(exif__has_key="GPS")


def _has_exif(user: Reader) -> Q:
    without_place = Func(
        F("exif"), Value("GPS"), template="(%(expressions)s)", arg_joiner=" - ", output_field=JSONField()
    )
    return ~Q(Exact(without_place, Value({}, JSONField())))


HAS: dict[str, Callable[[Reader], Q]] = {
    "tags": lambda user: ~Q(tag_ids=[]),
    "caption": lambda user: ~Q(caption=""),
    "text": lambda user: Q(Exists(OcrText.objects.filter(image=OuterRef("pk"), shown=True).exclude(text=""))),
    "source": lambda user: source_of(user),
    "title": lambda user: source_of(user, ~Q(title="")),
    "author": lambda user: source_of(None, ~Q(author="")),
    "license": lambda user: source_of(None, ~Q(licence="")),
    "date": lambda user: Q(taken_at__isnull=False),
    "exif": _has_exif,
    "gps": _has_gps,
    "palette": lambda user: ~Q(palette=[]),
    "duplicates": lambda user: _duplicate(),
}
HAS |= {"place": HAS["gps"]}

""" "Did you mean *forest*?": names of tags that differ from what was written by a slip or two."""

from __future__ import annotations

from django.contrib.postgres.aggregates import StringAgg
from django.db.models import Q
from django.db.models.functions import Length
from rapidfuzz import process
from rapidfuzz.distance import OSA

from gallery.models import Tag, TagAlias
from search.compiling.names import spellings

_BETWEEN = "\n"
"""No name has one."""


def nearest_tags(written: str, most: int = 3) -> list[str]:
    """Names and other names of tags that pictures have, the nearest first, of equally near ones the more common."""
    forms = spellings(written.rstrip("*"))
    if not forms:
        return []
    name, slips = forms[0], most_slips(len(forms[0]))
    lengths = Q(length__gte=len(name) - slips, length__lte=len(name) + slips)
    used = Tag.objects.counted().filter(Q(pictures__gt=0))
    tags = used.annotate(length=Length("name")).filter(lengths)
    aliases = TagAlias.objects.annotate(length=Length("name")).filter(lengths, tag__in=used.values("pk"))
    # One value instead of a row for each of 50,000 names: a quarter of the time.
    names = [*_split(tags, ("-count", "name")), *_split(aliases, ("name",))]
    near = process.extract(name, names, scorer=OSA.distance, score_cutoff=slips, limit=None)
    ordered = sorted((distance, place, found) for found, distance, place in near if found != name)
    return list(dict.fromkeys(found for _, _, found in ordered))[:most]


def _split(names: object, order: tuple[str, ...]) -> list[str]:
    joined = names.aggregate(all=StringAgg("name", _BETWEEN, order_by=order))["all"]  # type: ignore[attr-defined]
    return joined.split(_BETWEEN) if joined else []


def most_slips(length: int) -> int:
    """Letters missing, doubled, wrong or in another order, that a name of this length may have."""
    return 0 if length < 3 else 1 if length < 5 else 2 if length < 9 else 3

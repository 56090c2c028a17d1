"""How sure a network is of what it suggests, over all pictures: what a line at any place would show."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache
from django.db import connection

from gallery.models import ImageTag, Opinion, Word, WordQuerySet
from ingestion.models import Threshold

STEPS = 100
"""Lines are drawn at whole percents."""
EXAMPLES = 6
TAGS = 500
"""All that a network of places or a list of labels can say."""
SAMPLE = 20_000
"""Images that are counted where there are many more: all of a million would take half a minute."""
_SLOW, _KEPT = 0.3, 60
"""Seconds: what takes so long to count is counted once a minute."""


@dataclass
class Spread:
    """Suggestions that nobody has decided about, in steps of one percent: 101 numbers each."""

    words: list[int] = field(default_factory=lambda: [0] * (STEPS + 1))
    pictures: list[int] = field(default_factory=lambda: [0] * (STEPS + 1))
    """By their surest one."""
    is_sample: bool = False
    """Counted on some images, and said of all."""

    def over(self, percent: int) -> tuple[int, int]:
        """(words, pictures with any) that a line there shows."""
        return sum(self.words[percent:]), sum(self.pictures[percent:])

    def bars(self) -> list[tuple[int, float]]:
        """[(percent, height 0..1), ...] of those that are not empty; the root, so that a few are still seen."""
        most = max(self.words) or 1
        return [(percent, (count / most) ** 0.5) for percent, count in enumerate(self.words) if count]


def spread(role: str, model: type[Word], generation: int, tag: int | None) -> Spread:
    """Of one tag; or of all, without those that have lines of their own."""
    key = f"spread/{role}/{generation}/{tag}/{_own(role)}"
    if kept := cache.get(key):
        return kept
    started = time.monotonic()
    found = _counted(role, model, generation, tag)
    if time.monotonic() - started > _SLOW:
        cache.set(key, found, _KEPT)
    return found


def _counted(role: str, model: type[Word], generation: int, tag: int | None) -> Spread:
    share = 1.0 if tag else min(1.0, SAMPLE / max(1, _images()))
    found = Spread(is_sample=share < 0.5)
    which, params = suggested(role, model, generation, tag).values("image_id", "confidence").query.sql_with_params()
    step, sample = f"floor({STEPS} * confidence + 1e-6)::int", ""
    if found.is_sample:
        sample = "WHERE image_id IN (SELECT id FROM gallery_image TABLESAMPLE SYSTEM (%s) REPEATABLE (0))"
        params = (*params, 100 * share)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH chosen AS (SELECT * FROM ({which}) every {sample}) "  # noqa: S608 (Django wrote it)
            f"SELECT 0, {step}, count(*) FROM chosen GROUP BY 2 UNION ALL "
            f"SELECT 1, {step}, count(*) FROM (SELECT max(confidence) confidence FROM chosen GROUP BY image_id) best "
            "GROUP BY 2",
            params,
        )
        for kind, percent, count in cursor.fetchall():
            (found.pictures if kind else found.words)[percent] = round(count / share) if found.is_sample else count
    return found


def _images() -> int:
    """About so many, by the statistics of the database; -1 is not known yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = 'gallery_image'::regclass")
        return int(cursor.fetchone()[0])


def suggested(role: str, model: type[Word], generation: int, tag: int | None) -> WordQuerySet:
    """What follows the line of the role, or of the tag."""
    words: WordQuerySet = model.objects.filter(generation=generation, state=Opinion.SUGGESTED, confidence__isnull=False)
    words = words.filter(**{"image__state": "ready", "image__trashed_at__isnull": True, "image__private": False})
    if tag:
        return words.filter(tag_id=tag)
    return words.exclude(tag_id__in=_own(role)) if model is ImageTag else words


def _own(role: str) -> list[int]:
    tags = Threshold.objects.filter(role=role, tag__isnull=False).order_by("tag_id")
    return [tag for tag in tags.values_list("tag_id", flat=True) if tag]


def examples(words: WordQuerySet, line: float) -> tuple[list[Any], list[Any]]:
    """(just above, just below): the words next to the line, with their images."""
    related = ["image", "tag"] if words.model is ImageTag else ["image"]
    words = words.select_related(*related)
    above = words.filter(confidence__gte=line).order_by("confidence", "pk")[:EXAMPLES]
    below = words.filter(confidence__lt=line).order_by("-confidence", "-pk")[:EXAMPLES]
    return list(above), list(below)


def tags_of(role: str, generation: int) -> list[dict[str, Any]]:
    """Tags with lines of their own, then the most frequent that are shown, then those that are only suggested: id,
    name, count (shown), hidden (suggested under the line), own line."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT tag.id, tag.name, coalesce(said.shown, 0), coalesce(said.hidden, 0), own.value
            FROM gallery_tag tag
            LEFT JOIN (
                SELECT tag_id, count(*) FILTER (WHERE shown) shown,
                    count(*) FILTER (WHERE NOT shown AND state = 'suggested') hidden
                FROM gallery_imagetag WHERE generation = %s GROUP BY tag_id
            ) said ON said.tag_id = tag.id
            LEFT JOIN ingestion_threshold own ON own.tag_id = tag.id AND own.role = %s
            WHERE said.shown + said.hidden > 0 OR own.value IS NOT NULL
            ORDER BY own.value IS NULL, said.shown DESC NULLS LAST, said.hidden DESC NULLS LAST, tag.name LIMIT %s
            """,
            [generation, role, TAGS],
        )
        rows = cursor.fetchall()
    return [dict(zip(("id", "name", "count", "hidden", "own"), row, strict=True)) for row in rows]

"""What the database says for all engines at once, in one statement: how far their logs are, what they store of an
image."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection

from search.engines._base import Engine

_STATEMENT = """
    SELECT e.name,
           coalesce((SELECT c.seq FROM search_change c WHERE c.engine = e.name AND c.version = e.version
                     ORDER BY c.seq DESC LIMIT 1), 0),
           f.image_id IS NOT NULL, CASE WHEN e.wanted THEN f.data END
    FROM unnest(%s::text[], %s::bigint[], %s::boolean[]) AS e (name, version, wanted)
    LEFT JOIN search_feature f
        ON f.image_id = %s AND f.engine = e.name AND f.version = e.version
"""


@dataclass(frozen=True)
class Stored:
    last: dict[str, int]
    """{engine: place of the last change in its log}"""
    there: frozenset[str]
    """Engines that have a feature of the image."""
    features: dict[str, bytes]
    """{engine: feature}"""


def stored_of(image_id: int, engines: Collection[Engine], without: Collection[str] = ()) -> Stored:
    """``without``: the features of these engines are not read; they may be large."""
    columns = zip(*((each.name, each.version, each.name not in without) for each in engines), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, [*map(list, columns), image_id])
        rows = cursor.fetchall()
    there = frozenset(name for name, _, is_there, _ in rows if is_there)
    features = {name: bytes(data) for name, _, _, data in rows if data is not None}
    return Stored({name: last for name, last, _, _ in rows}, there, features)

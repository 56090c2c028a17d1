"""Where the lines of the scores are for a source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db.models import Q

from ingestion.filters import all_scores
from ingestion.models import CutOff, Source

if TYPE_CHECKING:
    from ingestion.judgement import Lines


def lines(source: Source | None = None) -> Lines:
    """The line that somebody has drawn for this source, else the one for all, else the one that its filter comes with,
    beyond which a person is asked."""
    return lines_of([source.pk])[source.pk] if source else _of_all(CutOff.objects.filter(source=None))


def lines_of(sources: Iterable[int]) -> dict[int, Lines]:
    """{source: its lines}, of many at once."""
    asked = set(sources)
    drawn = list(CutOff.objects.filter(Q(source=None) | Q(source__in=asked)))
    usual = _of_all(one for one in drawn if one.source_id is None)
    found = {source: dict(usual) for source in asked}
    for one in drawn:
        if one.source_id is not None:
            found[one.source_id][one.score] = (one.value, one.action)
    return dict(found)


def _of_all(drawn: Iterable[CutOff]) -> dict[str, tuple[float, str]]:
    come_with = {
        name: (score.cut_off, CutOff.Action.HOLD.value)
        for name, score in all_scores().items()
        if score.cut_off is not None
    }
    return come_with | {one.score: (one.value, one.action) for one in drawn}

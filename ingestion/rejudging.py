"""A line has moved: what waits is judged again by the scores that it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from django.db import transaction

from ingestion.cut_offs import lines_of
from ingestion.filters import all_filters
from ingestion.judgement import Lines, judged_again, worst
from ingestion.models import Candidate, CandidateQuerySet, Source

SLICE = 200


def rejudge_waiting(source: Source | None = None) -> Iterator[int]:
    """Of one source, or of all; yields how many after each slice. A moved line never decides: what waits goes on
    waiting."""
    waiting = Candidate.objects.waiting()
    waiting = waiting.filter(source=source) if source else waiting
    last = 0
    while rows := _slice(waiting, last):
        with transaction.atomic():
            drawn = lines_of(Source.objects.values_list("pk", flat=True))
            locked = Candidate.objects.waiting().filter(pk__in=rows).order_by("pk").select_for_update(no_key=True)
            changed = [row for row in locked if _judge(row, drawn[row.source_id])]
            Candidate.objects.bulk_update(changed, ["verdicts", "advice"])
        last = rows[-1]
        yield len(rows)


def _slice(waiting: CandidateQuerySet, last: int) -> list[int]:
    return list(waiting.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:SLICE])


def _judge(row: Candidate, drawn: Lines) -> bool:
    """True if anything is different."""
    known = all_filters()
    again = [
        asdict(judged_again(written, known[written["filter"]], drawn))
        for written in row.verdicts
        if written.get("filter") in known
    ]
    advice = worst(verdict["outcome"] for verdict in again).value
    if (again, advice) == (row.verdicts, row.advice):
        return False
    row.verdicts, row.advice = again, advice
    return True

"""After a switch: the candidates that wait get the scores of the model that is in use now.

Those that are decided keep the scores they were decided by.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from gallery.models import decode_limits
from gallery.pictures import DecoderBusy, PictureError, decode
from ingestion.cut_offs import lines
from ingestion.embedding import as_bytes, as_vector, embed
from ingestion.filters._base import LONGEST
from ingestion.filters.novelty import FILTER, found_by
from ingestion.judgement import Lines, judged, worst
from ingestion.models import Candidate, CandidateQuerySet, NoveltyModel
from ingestion.novelty import DamagedModel, InUse, in_use
from ingestion.offers import storable

AT_ONCE = 200
_COLUMNS = ("scores", "verdicts", "advice", "embedding", "embedded_by")


def carry_on(model: NoveltyModel, seconds: float) -> bool:
    """For one that this worker has claimed, for about so long. True if there is more to do.

    Can be interrupted anywhere: it goes on behind the last candidates that were written.
    """
    ends = time.monotonic() + seconds
    try:
        current = in_use()
    except DamagedModel as error:
        model.give_up(str(error))
        return False
    if current is None or current.pk != model.pk:
        return False
    while ids := _next(model):
        _score(current, ids)
        model.scored_to, model.done = ids[-1], model.done + len(ids)
        if not model.report_progress(model.done, model.done + _left(model).count(), scored_to=model.scored_to):
            return False
        if time.monotonic() > ends:
            return True
    model.mine().update(scored_at=Now(), lease_until=None, worker="", attempts=0)
    return False


def stale(model: NoveltyModel) -> CandidateQuerySet:
    """Those that wait with what another model said of them: a worker was at them while it was switched."""
    said = Q(verdicts__contains=[{"filter": FILTER.name, "facts": {"model": model.pk}}])
    return Candidate.objects.waiting().filter(~said)


def _left(model: NoveltyModel) -> CandidateQuerySet:
    return Candidate.objects.waiting().filter(pk__gt=model.scored_to)


def _next(model: NoveltyModel) -> list[int]:
    return list(_left(model).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])


def _score(model: InUse, ids: list[int]) -> None:
    fresh = _embedded_again(model, ids)
    lines_of = _lines_of()
    with transaction.atomic():
        waiting = Candidate.objects.waiting().filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
        rows = list(waiting.defer(None).defer("thumbnail"))
        for candidate in rows:
            if candidate.pk in fresh and candidate.embedded_by != model.embedded_by:
                candidate.embedding, candidate.embedded_by = fresh[candidate.pk], model.embedded_by
            rescore(candidate, model, lines_of(candidate))
        Candidate.objects.bulk_update(rows, _COLUMNS)


def rescore(candidate: Candidate, model: InUse, its_lines: Lines) -> None:
    """Its scores, verdicts and advice, in memory. Without an embedding that the model can read it has no novelty: what
    another model said is not comparable with what this one says of others."""
    embedded = (as_vector(bytes(candidate.embedding)), candidate.embedded_by) if candidate.embedding else None
    verdict = judged(found_by(model, embedded), FILTER, its_lines)
    names = {score.name for score in FILTER.scores}
    candidate.scores = {name: value for name, value in candidate.scores.items() if name not in names} | verdict.scores
    at = next((i for i, each in enumerate(candidate.verdicts) if each["filter"] == FILTER.name), None)
    place = slice(at, at + 1) if at is not None else slice(len(candidate.verdicts), None)
    candidate.verdicts[place] = [storable(asdict(verdict))]
    candidate.advice = worst(each["outcome"] for each in candidate.verdicts).value


def _embedded_again(model: InUse, ids: list[int]) -> dict[int, bytes]:
    """{candidate: embedding} of those that another network has embedded, and whose files are there."""
    found = {}
    for candidate in Candidate.objects.filter(pk__in=ids).exclude(embedded_by=model.embedded_by):
        if not candidate.has_file:
            continue
        try:
            embedded = embed(decode(candidate.path, longest=LONGEST, limits=decode_limits()))
        except (PictureError, DecoderBusy, OSError):
            continue  # then it has no score
        if embedded and embedded[1] == model.embedded_by:
            found[candidate.pk] = as_bytes(embedded[0])
    return found


def _lines_of() -> Callable[[Candidate], Lines]:
    known: dict[int, Any] = {}

    def of(candidate: Candidate) -> Lines:
        if candidate.source_id not in known:
            known[candidate.source_id] = lines(candidate.source)
        return known[candidate.source_id]

    return of

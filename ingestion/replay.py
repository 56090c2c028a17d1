"""Other lines, or another novelty model, run over what was seen lately: what would have come of it?

The scores of everything that was ever screened are kept, also of what was rejected, and the embedding that novelty is
told from: no picture has to be there any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from ingestion.embedding import as_vector
from ingestion.filters import all_filters
from ingestion.filters._base import Outcome, Verdict
from ingestion.filters.novelty import found_by
from ingestion.judgement import Lines, judged, judged_again, worst
from ingestion.models import Candidate, Source
from ingestion.novelty import InUse

MOST = 20_000
"""Candidates that are looked at, the latest: about five seconds."""
SHOWN = 12


@dataclass
class Replayed:
    """What is different, of ``seen`` candidates."""

    seen: int = 0
    cut: bool = False
    """There are more of them than MOST; these are the latest."""
    let_in: int = 0
    """Were held or rejected, and would pass."""
    kept_out: int = 0
    """Have passed, and would be held or rejected."""
    agrees: int = 0
    """Of what is different, and people have decided on: so many decided as it would now be judged."""
    decided: int = 0
    in_pictures: list[int] = field(default_factory=list)
    out_pictures: list[int] = field(default_factory=list)
    """Ids of the latest SHOWN of each."""

    @property
    def same(self) -> int:
        return self.seen - self.let_in - self.kept_out


def replay(lines: Mapping[int, Lines], days: int, source: Source | None = None, model: InUse | None = None) -> Replayed:
    """``lines``: {source id: its lines}. ``model``: scores novelty instead of the one that did."""
    found = Replayed()
    rows = _rows(days, source)
    for count, row in enumerate(rows):
        if count == MOST:
            found.cut = True
            break
        _compare(found, row, lines[row["source_id"]], model)
    return found


def _rows(days: int, source: Source | None) -> Iterator[dict[str, Any]]:
    seen = Candidate.objects.filter(screened_at__gt=Now() - timedelta(days=days)).exclude(verdicts=[])
    seen = seen.filter(source=source) if source else seen
    columns = ("id", "source_id", "verdicts", "advice", "state", "decided_by", "embedding", "embedded_by")
    yield from seen.order_by("-id").values(*columns)[: MOST + 1].iterator(chunk_size=500)


def _compare(found: Replayed, row: dict[str, Any], lines: Lines, model: InUse | None) -> None:
    found.seen += 1
    before, now = row["advice"] == Outcome.PASS, _passes(row, lines, model)
    if before == now:
        return
    if now:
        found.let_in += 1
        shown = found.in_pictures
    else:
        found.kept_out += 1
        shown = found.out_pictures
    if len(shown) < SHOWN:
        shown.append(row["id"])
    if row["decided_by"] is not None and row["state"] in ("accepted", "published", "rejected"):
        found.decided += 1
        found.agrees += now == (row["state"] != "rejected")


def _passes(row: dict[str, Any], lines: Lines, model: InUse | None) -> bool:
    again = [verdict for each in row["verdicts"] if (verdict := _again(each, row, lines, model)) is not None]
    return worst(verdict.outcome for verdict in again) == Outcome.PASS


def _again(written: dict[str, Any], row: dict[str, Any], lines: Lines, model: InUse | None) -> Verdict | None:
    """None for a filter that is no more: it has no say."""
    filter_ = all_filters().get(written.get("filter", ""))
    if filter_ is None:
        return None
    if model is not None and filter_.name == "novelty" and row["embedded_by"] == model.embedded_by:
        vector = as_vector(bytes(row["embedding"]))
        return judged(found_by(model, (vector, row["embedded_by"])), filter_, lines)
    return judged_again(written, filter_, lines)

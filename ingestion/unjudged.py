"""A filter that could not judge: no weights, no model. That is no verdict, and why names folders of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingestion.filters import all_filters
from ingestion.filters._base import Outcome
from ingestion.judgement import NOT_JUDGED

WORD = "not judged"
SENTENCE = "What it needs was not there."


def is_unjudged(verdict: Mapping[str, Any]) -> bool:
    """``verdict``: an element of Candidate.verdicts. A filter that has scores and gave none has not looked."""
    if verdict.get("facts", {}).get(NOT_JUDGED):
        return True
    known = all_filters().get(verdict.get("filter", ""))
    return bool(known and known.scores) and not verdict.get("scores") and verdict.get("outcome") == Outcome.PASS

"""What follows from the findings of the filters: the lines of the scores, and the worst of all outcomes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ingestion.filters._base import Finding, Outcome, Verdict

if TYPE_CHECKING:
    from ingestion.filters._base import Filter, Score

NOT_JUDGED = "not_judged"
"""The fact of a verdict whose filter could not say anything: it passes, and nobody may take that for a judgement."""
SEVERITY = {outcome: severity for severity, outcome in enumerate(Outcome)}
Lines = Mapping[str, tuple[float, str]]
"""{name of a score: (where its line is, "hold" or "reject")}; a score without a line only informs."""


def passes(score: Score, value: float, cut_off: float) -> bool:
    """A value on the line passes. What is no number at all (NaN) does not."""
    return value >= cut_off if score.good == "high" else value <= cut_off


def judged(finding: Finding, filter: Filter, lines: Lines) -> Verdict:
    """A finding with the lines applied: the worst of what the facts say and of what each score says."""
    outcomes, sentences = [finding.outcome], [finding.sentence]
    for score in filter.scores:
        value, line = finding.scores.get(score.name), lines.get(score.name)
        if value is None or line is None or passes(score, value, line[0]):
            continue
        outcomes.append(Outcome(line[1]))
        sentences.append(beyond(score, value, line[0]))
    words = " ".join(sentence for sentence in sentences if sentence)
    own = finding.outcome.value
    return Verdict(
        filter.name, worst(outcomes), words, finding.scores, finding.facts, filter.version, own, finding.sentence
    )


def judged_again(verdict: Mapping[str, Any], filter: Filter, lines: Lines) -> Verdict:
    """A verdict as it was written, with other lines. ``verdict``: an element of Candidate.verdicts."""
    finding = Finding(
        dict(verdict.get("scores", {})),
        verdict.get("said", verdict.get("sentence", "")),
        Outcome(verdict.get("own", verdict.get("outcome", "pass"))),
        dict(verdict.get("facts", {})),
    )
    return judged(finding, filter, lines)


def unjudged() -> Finding:
    """Of a filter that cannot judge now. Why not is told where the filters are: a row keeps no paths."""
    return Finding(sentence="Not judged: this filter was not ready.", facts={NOT_JUDGED: True})


def is_open(filter: Filter, verdict: Verdict, lines: Lines) -> bool:
    """There is a line, and nothing that could lie on one side of it."""
    drawn = any(score.name in lines for score in filter.scores)
    return drawn and (bool(verdict.facts.get(NOT_JUDGED)) or not verdict.scores)


def beyond(score: Score, value: float, cut_off: float) -> str:
    """ "Sharpness is 0.12, under the line at 0.3."."""
    side = "under" if score.good == "high" else "over"
    return f"{score.label} is {value:.3g}, {side} the line at {cut_off:.3g}."


def worst(outcomes: Iterable[Outcome | str]) -> Outcome:
    """PASS of none at all."""
    return max((Outcome(outcome) for outcome in outcomes), key=SEVERITY.__getitem__, default=Outcome.PASS)

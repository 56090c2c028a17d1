"""What follows from a finding: pure."""

import math

import pytest

from ingestion.filters._base import Filter, Finding, Outcome, Score
from ingestion.judgement import judged, judged_again, passes, worst

LOW = Score("blur", "Blur", "How blurred it is.", "low")
HIGH = Score("size", "Size", "How large it is.", "high")


class Measure(Filter):
    name, label, order = "measure", "Measure", 1
    scores = (LOW, HIGH)

    def judge(self, screened, options) -> Finding:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("score", "value", "cut_off", "does"),
    [
        (LOW, 0.4, 0.5, True),
        (LOW, 0.5, 0.5, True),
        (LOW, 0.6, 0.5, False),
        (HIGH, 0.6, 0.5, True),
        (HIGH, 0.4, 0.5, False),
        (LOW, math.nan, 0.5, False),
        (HIGH, math.nan, 0.5, False),
    ],
)
def test_it_works(score, value, cut_off, does):
    assert passes(score, value, cut_off) == does


def test_each_score_has_its_own_line_and_the_worst_counts():
    finding = Finding({"blur": 0.9, "size": 0.1}, "Soft.")
    lines = {"blur": (0.5, "hold"), "size": (0.5, "reject"), "other": (0.0, "reject")}
    verdict = judged(finding, Measure(), lines)
    assert verdict.outcome == Outcome.REJECT
    assert verdict.sentence == "Soft. Blur is 0.9, over the line at 0.5. Size is 0.1, under the line at 0.5."
    assert judged(finding, Measure(), lines | {"size": (0.1, "reject")}).outcome == Outcome.HOLD


def test_without_a_line_a_score_only_informs():
    assert judged(Finding({"blur": 99.0}), Measure(), {}).outcome == Outcome.PASS


def test_facts_count_whatever_the_lines_say():
    assert judged(Finding({"blur": 0.0}, outcome=Outcome.HOLD), Measure(), {"blur": (1, "reject")}).outcome == "hold"


def test_what_was_judged_is_judged_again_by_other_lines():
    from dataclasses import asdict

    written = asdict(judged(Finding({"blur": 0.9}, "Soft."), Measure(), {"blur": (0.5, "reject")}))
    again = judged_again(written, Measure(), {"blur": (0.95, "reject")})
    assert (again.outcome, again.sentence) == (Outcome.PASS, "Soft.")


def test_worst():
    assert worst([]) == "pass"
    assert worst(["hold", "pass"]) == "hold"
    assert worst(["hold", "reject", "pass"]) == "reject"

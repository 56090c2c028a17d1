"""Lines through scores: previewed, drawn, applied, and run over what was seen."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from django.db.models.functions import Now
from django.test import Client

from ingestion.filters import all_filters, all_scores
from ingestion.filters._base import Finding
from ingestion.judgement import judged as verdict_of
from ingestion.models import Candidate, CutOff, Decision, Source
from ingestion.rejudging import rejudge_waiting
from ingestion.score_lines import border, histogram, judged

pytestmark = pytest.mark.django_db
PAGE = "/admin/scores/"
NAME = "blur"
"""Low is good, from 0 to 1."""


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="hills", kind="feed")


@pytest.fixture
def scored(source, admin):
    """Ten wait at 0.05, 0.15 ...; people have accepted those up to 0.45 of ten others, but for one, and no others."""
    for number in range(20):
        value, decided = number % 10 / 10 + 0.05, number >= 10
        state = "waiting" if not decided else "published" if value < 0.5 and number != 12 else "rejected"
        by = admin if decided else None
        facts = {"source": source, "key": str(number), "url": "u", "state": state, "screened_at": Now()}
        written = as_written(value)
        Candidate.objects.create(
            **facts, decided_by=by, scores={NAME: value}, verdicts=[written], advice=written["outcome"]
        )


def as_written(value: float) -> dict:
    filter_ = next(each for each in all_filters().values() if NAME in {score.name for score in each.scores})
    line = (all_scores()[NAME].cut_off, "hold")
    return asdict(verdict_of(Finding({NAME: value}), filter_, {NAME: line}))


def body(response) -> str:
    return " ".join(response.content.decode().split())


def test_it_works(as_admin: Client, scored):
    page = body(as_admin.get(f"{PAGE}of/{NAME}/?line=0.5"))
    assert "<strong>5</strong> pass, <strong>5</strong> beyond the line" in page
    assert "<strong>80 %</strong> of 5 that pass were accepted" in page
    assert "<strong>100 %</strong> of 4 accepted pass" in page
    assert "Reject the 5 beyond the line" in page
    assert "Accept the 5 that pass" in page


def test_the_figures_are_those_of_the_decisions(scored):
    found = judged(all_scores()[NAME], 0.3)
    assert (found.waiting.passing, found.waiting.beyond) == (3, 7)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 4)
    assert judged(all_scores()[NAME], -1).precision is None


def test_every_picture_is_in_one_bar(scored, source):
    Candidate.objects.create(source=source, key="far", url="u", state="waiting", scores={NAME: 7.0})
    bars = histogram(all_scores()[NAME])
    assert {group: sum(counts) for group, counts in bars.items()} == {"waiting": 11, "accepted": 4, "rejected": 6}
    assert bars["waiting"][-1] == 1


def test_the_border_is_next_to_the_line(scored):
    both = [round(one.value, 2) for one in border(all_scores()[NAME], 0.5)]
    assert both == [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
    nearest = [round(one.value, 2) for one in border(all_scores()[NAME], 0.1)]
    assert nearest[:4] == [0.05, 0.15, 0.25, 0.35]
    assert len(nearest) == 7


@pytest.mark.parametrize("path", ["", f"of/{NAME}/", "replay/"])
def test_only_the_staff_looks(client, as_member, path):
    assert client.get(PAGE + path).status_code == 302
    assert as_member.get(PAGE + path).status_code == 403


@pytest.mark.parametrize("path", [f"of/{NAME}/draw/", f"of/{NAME}/usual/", f"of/{NAME}/apply/"])
def test_only_the_staff_acts(client, as_member, path):
    given = {"line": "0.5", "what": "reject", "action": "hold"}
    assert client.post(PAGE + path, given).status_code == 302
    assert as_member.post(PAGE + path, given).status_code == 403
    assert not CutOff.objects.exists()


@pytest.mark.parametrize("line", ["x", "nan", "inf", "1e999", "-1e300"])
def test_nonsense_is_a_sentence(as_admin, line):
    assert as_admin.get(f"{PAGE}of/{NAME}/", {"line": line}).status_code == 400
    assert as_admin.post(f"{PAGE}of/{NAME}/draw/", {"line": line}).status_code == 400
    assert as_admin.post(f"{PAGE}of/{NAME}/apply/", {"line": line, "what": "reject"}).status_code == 400
    assert as_admin.get(f"{PAGE}replay/", {"days": 30, "score": NAME, "line": line}).status_code == 400
    assert as_admin.get(f"{PAGE}of/nothing/").status_code == 404
    assert as_admin.get(f"{PAGE}of/{NAME}/?source=nothing").status_code == 404
    assert not CutOff.objects.exists()


def test_every_score_has_a_page(as_admin):
    page = body(as_admin.get(PAGE))
    for name, score in all_scores().items():
        assert f"of/{name}/" in page
        assert score.label in body(as_admin.get(f"{PAGE}of/{name}/"))


class TestDrawing:
    def test_it_works(self, as_admin, scored, source):
        as_admin.post(f"{PAGE}of/{NAME}/draw/", {"line": "0.2", "action": "hold"})
        drawn = CutOff.objects.get()
        assert (drawn.value, drawn.action, drawn.source, drawn.by.username) == (0.2, "hold", None, "bob")
        sum(rejudge_waiting())
        passing = Candidate.objects.waiting().filter(advice="pass")
        assert sorted(round(one.scores[NAME], 2) for one in passing) == [0.05, 0.15]
        as_admin.post(f"{PAGE}of/{NAME}/usual/")
        assert not CutOff.objects.exists()

    def test_of_one_source(self, as_admin, scored, source):
        as_admin.post(f"{PAGE}of/{NAME}/draw/", {"line": "0.2", "action": "reject", "source": "hills"})
        assert CutOff.objects.get().source == source
        assert "hills</a>: 0.2" in body(as_admin.get(PAGE))

    def test_a_moved_line_decides_nothing(self, as_admin, scored):
        as_admin.post(f"{PAGE}of/{NAME}/draw/", {"line": "0.01", "action": "reject"})
        sum(rejudge_waiting())
        assert Candidate.objects.waiting().filter(advice="reject").count() == 10


class TestApplying:
    def test_it_works(self, as_admin, scored):
        as_admin.post(f"{PAGE}of/{NAME}/apply/", {"line": "0.5", "what": "reject"})
        decision = Decision.objects.get()
        assert (decision.action, decision.steps.count(), decision.by.username) == ("reject", 5, "bob")
        assert decision.reason == "Blur over 0.5"
        left = [round(one.scores[NAME], 2) for one in Candidate.objects.waiting()]
        assert sorted(left) == [0.05, 0.15, 0.25, 0.35, 0.45]

    def test_nothing_on_that_side_is_a_sentence(self, as_admin, scored):
        page = as_admin.post(f"{PAGE}of/{NAME}/apply/", {"line": "-5", "what": "accept"}, follow=True)
        assert "Nothing waits on that side" in body(page)
        assert not Decision.objects.exists()


class TestReplay:
    def test_it_works(self, as_admin, scored):
        usual = all_scores()[NAME].cut_off
        in_before = sum(number % 10 / 10 + 0.05 <= usual for number in range(20))
        page = body(as_admin.get(f"{PAGE}replay/", {"days": 30, "score": NAME, "line": "1"}))
        assert f"It would have let in {20 - in_before}, and kept out 0" in page
        page = body(as_admin.get(f"{PAGE}replay/", {"days": 30, "score": NAME, "line": "0"}))
        assert f"It would have let in 0, and kept out {in_before}" in page
        assert "Of 20 pictures that were judged" in page

    def test_the_lines_of_today_change_nothing(self, as_admin, scored):
        assert "let in 0, and kept out 0" in body(as_admin.get(f"{PAGE}replay/?days=30"))

    def test_a_score_without_its_line_is_said(self, as_admin, scored):
        assert "belong together" in body(as_admin.get(f"{PAGE}replay/?days=30&score={NAME}"))
        assert "belong together" not in body(as_admin.get(f"{PAGE}replay/?days=30&score={NAME}&line=0.4"))

    def test_nothing_was_seen(self, as_admin):
        assert "Nothing was judged in these days" in body(as_admin.get(f"{PAGE}replay/?days=7"))

    def test_nonsense_is_a_sentence(self, as_admin):
        for query in ("days=5", "days=x", "days=30&score=x", "days=30&model=99", "days=30&source=x"):
            assert as_admin.get(f"{PAGE}replay/?{query}").status_code in (400, 404)

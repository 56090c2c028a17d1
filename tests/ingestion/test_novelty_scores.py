"""After a switch the candidates that wait get the new scores, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from ingestion import novelty_scores, novelty_tasks
from ingestion.embedding import current_embedding
from ingestion.models import Candidate, CutOff, NoveltyModel, Source
from ingestion.novelty import forget
from tests.ingestion.novel import candidate, model
from tests.pictures import encode, photo

pytestmark = pytest.mark.django_db
SIZE = {"filter": "size", "outcome": "pass", "sentence": "", "scores": {"megapixels": 2.0}, "facts": {}, "version": 1}
OLD: dict[str, Any] = {"filter": "novelty", "outcome": "hold", "sentence": "Old.", "facts": {"model": 0}, "version": 1}
SCORED = {"scores": {"megapixels": 2.0, "novelty": 0.99, "likelihood": -7.0}, "verdicts": [SIZE, OLD], "advice": "hold"}


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    forget()
    monkeypatch.setattr(novelty_tasks, "ring_for_novelty", lambda: None)


def follow() -> NoveltyModel:
    while novelty_tasks.work_once():
        pass
    return NoveltyModel.objects.current()


def test_it_works():
    like, odd = candidate(1, 500, **SCORED), candidate(2, 500)
    used = model()
    assert follow().scored_at is not None
    like.refresh_from_db()
    odd.refresh_from_db()
    assert like.scores["novelty"] < 0.98 < odd.scores["novelty"]
    assert (like.advice, odd.advice) == ("pass", "hold")
    assert like.scores["megapixels"] == 2.0
    assert like.verdicts[0] == SIZE
    assert [verdict["facts"].get("model") for verdict in like.verdicts] == [None, used.pk]
    assert [verdict["filter"] for verdict in odd.verdicts] == ["novelty"]


def test_decided_ones_keep_the_scores_they_were_decided_by():
    kept = [candidate(1, n, state=state, **SCORED) for n, state in enumerate(("rejected", "published", "accepted"))]
    model()
    follow()
    for each in kept:
        each.refresh_from_db()
        assert (each.scores, each.verdicts) == (SCORED["scores"], SCORED["verdicts"])


def test_the_lines_of_its_source_count():
    strict, other = Source.objects.create(name="strict", kind="feed"), Source.objects.create(name="other", kind="feed")
    CutOff.objects.create(score="novelty", source=strict, value=0.0, action="reject")
    found = [candidate(1, 500, source=source) for source in (strict, other)]
    model()
    follow()
    assert [Candidate.objects.get(pk=each.pk).advice for each in found] == ["reject", "pass"]


def test_what_the_model_cannot_read_has_no_novelty():
    """The file is gone as well; a score of another model would stand beside those of this one."""
    other = candidate(1, 1, embedded_by="clip of yesterday", **SCORED)
    none = candidate(1, 2, embedding=b"", embedded_by="", **SCORED)
    model()
    follow()
    for each in (other, none):
        each.refresh_from_db()
        assert each.scores == {"megapixels": 2.0}
        assert each.advice == "pass"


def test_what_another_network_has_embedded_is_embedded_again_from_its_file():
    data = encode(photo(1))
    found = candidate(1, 1, embedded_by="clip of yesterday", bytes=len(data), **SCORED)
    found.path.parent.mkdir(parents=True)
    found.path.write_bytes(data)
    model()
    follow()
    found.refresh_from_db()
    assert found.embedded_by == current_embedding().name
    assert found.scores["novelty"] > 0.98, "it is a photograph, and the accepted are not"


def test_it_goes_on_where_it_was_interrupted(monkeypatch):
    monkeypatch.setattr(novelty_scores, "AT_ONCE", 2)
    monkeypatch.setattr(novelty_tasks, "SECONDS_A_RING", 0)
    found = [candidate(1, seed) for seed in range(5)]
    model()
    rings = []
    while novelty_tasks.work_once():
        row = NoveltyModel.objects.get()
        rings.append((row.done, row.steps, row.scored_to, row.attempts))
    assert rings == [(2, 5, found[1].pk, 0), (4, 5, found[3].pk, 0), (5, 5, found[4].pk, 0)]
    assert NoveltyModel.objects.get().scored_at is not None
    assert not novelty_scores.stale(NoveltyModel.objects.get()).exists()


def test_a_decision_meanwhile_stands(monkeypatch):
    found = candidate(1, 1, **SCORED)
    model()
    monkeypatch.setattr(novelty_scores, "_next", _decided_after(found, novelty_scores._next))
    follow()
    found.refresh_from_db()
    assert (found.state, found.scores) == ("rejected", SCORED["scores"])


def _decided_after(found: Candidate, look: Any) -> Any:
    def decided(model: NoveltyModel) -> list[int]:
        ids = look(model)
        Candidate.objects.filter(pk=found.pk).update(state="rejected")
        return ids

    return decided


def test_another_switch_meanwhile_ends_it():
    candidate(1, 1)
    first = model()
    claimed = NoveltyModel.objects.claim()
    second = model(2, state="proposed")
    assert second.use()
    assert not novelty_scores.carry_on(claimed, 5)
    first.refresh_from_db()
    assert first.scored_at is None
    assert not Candidate.objects.get().scores


def test_those_that_were_judged_during_the_switch_are_found_at_night():
    used = model(scored_at=Now())
    late = candidate(1, 500, **SCORED)
    assert novelty_scores.stale(used).get() == late
    novelty_tasks.refit_novelty.call_local()
    follow()
    assert not novelty_scores.stale(used).exists()


def test_a_damaged_model_is_told():
    candidate(1, 1)
    model(parameters=b"nonsense")
    row = follow()
    assert "damaged: train it again" in row.error

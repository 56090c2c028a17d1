"""How unlike the accepted pictures a candidate is."""

from __future__ import annotations

import numpy as np
import pytest

from ingestion.embedding import current_embedding
from ingestion.filters.novelty import FILTER, NOT_EMBEDDED, OTHER, UNTRAINED
from ingestion.judgement import judged
from ingestion.mixture import fit
from ingestion.models import NoveltyModel
from ingestion.novelty import forget
from tests.ingestion.filter_contract import FilterContract, screened
from tests.ingestion.novel import features, model, vector

LINES = {"novelty": (0.98, "hold")}


@pytest.fixture(autouse=True)
def forgotten():
    """Databases of tests give the same ids again."""
    forget()


def of(kind: int, seed: int, tmp_path) -> object:
    """A picture under judgement that looks like those of a kind."""
    name = current_embedding().name
    return screened(tmp_path, 1, embed=lambda picture: (vector(kind, seed), name))


class TestNovelty(FilterContract):
    name = "novelty"

    @pytest.fixture(autouse=True)
    def prepared(self, db, settings, tmp_path):
        """Learned of mean colours, as the contract embeds pictures."""
        colours = np.random.default_rng(1).uniform(0, 255, (60, 3))
        vectors = np.hstack([colours, np.ones((60, 1))])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        learned = fit(vectors, components=(1, 1)).mixture
        model(embedded_by="mean_colour", parameters=learned.pack())


@pytest.mark.django_db
def test_what_is_like_the_accepted_passes_and_the_odd_one_is_held(tmp_path):
    used = model()
    like, odd = (FILTER.judge(of(kind, 500, tmp_path), {}) for kind in (1, 2))
    assert like.scores["novelty"] < 0.98 < odd.scores["novelty"]
    assert like.scores["likelihood"] > -3 > odd.scores["likelihood"]
    assert odd.sentence == "It is less like the accepted pictures than 98 % of them are."
    assert odd.facts["model"] == used.pk
    assert judged(like, FILTER, LINES).outcome == "pass"
    assert judged(odd, FILTER, LINES).outcome == "hold"


@pytest.mark.django_db
def test_without_a_model_it_says_so(tmp_path):
    assert FILTER.missing() == UNTRAINED
    assert FILTER.judge(of(1, 1, tmp_path), {}).scores == {}


@pytest.mark.django_db
def test_a_model_of_another_embedding_is_not_used(tmp_path):
    model(embedded_by="clip of yesterday")
    assert FILTER.missing() == OTHER
    assert FILTER.judge(of(1, 1, tmp_path), {}).scores == {}


@pytest.mark.django_db
def test_a_picture_that_could_not_be_embedded_has_no_score(tmp_path):
    model()
    finding = FILTER.judge(screened(tmp_path, 1, embed=lambda picture: None), {})
    assert (finding.scores, finding.outcome) == ({}, "pass")


@pytest.mark.django_db
def test_a_damaged_model_is_told_and_not_used():
    model(parameters=b"nonsense")
    assert FILTER.missing() == "What the novelty model has learned is damaged: train it again."


@pytest.mark.django_db
def test_after_a_switch_the_other_model_answers(tmp_path):
    model()
    other = model(2, state=NoveltyModel.State.PROPOSED)
    picture = of(2, 500, tmp_path)
    assert FILTER.judge(picture, {}).scores["novelty"] > 0.98
    assert other.use()
    assert FILTER.judge(picture, {}).scores["novelty"] < 0.98


def test_two_kinds_look_different():
    """Or these tests would show nothing."""
    assert features(1, 1) != features(2, 1)
    assert vector(1, 1) @ vector(1, 2) > vector(1, 1) @ vector(2, 1) + 0.1


@pytest.mark.django_db
def test_what_is_no_number_is_not_the_most_ordinary_of_all(tmp_path):
    model()
    name = current_embedding().name
    broken = screened(tmp_path, 1, embed=lambda picture: (vector(1, 1) * np.nan, name))
    finding = FILTER.judge(broken, {})
    assert (finding.scores, finding.sentence) == ({}, NOT_EMBEDDED)

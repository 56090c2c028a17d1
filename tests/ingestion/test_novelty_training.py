"""A better model is learned from decisions, with what it gains; a person switches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from gallery.models import User
from ingestion import novelty_tasks, novelty_training
from ingestion.embedding import current_embedding
from ingestion.models import MAX_ATTEMPTS, Candidate, NoveltyModel
from ingestion.novelty import forget, in_use
from ingestion.novelty_training import begin, is_better
from tests.ingestion.novel import accepted, candidate, mixture, model

State = NoveltyModel.State
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """No worker hears the bell: the tests are the worker. Few folds and components are enough for them."""
    forget()
    monkeypatch.setattr(novelty_tasks, "ring_for_novelty", lambda: None)
    monkeypatch.setattr("ingestion.mixture.FOLDS", 5)
    defaults = novelty_training.learned.__defaults__
    monkeypatch.setattr(novelty_training.learned, "__defaults__", ("bic", (1, 2), defaults[2]))


@pytest.fixture
def admin(db):
    """Without a password: to hash one takes long."""
    return User.objects.create(username="bob", is_staff=True)


def work() -> None:
    while novelty_tasks.work_once():
        pass


def night() -> None:
    novelty_tasks.refit_novelty.call_local()
    work()


def test_it_works(admin):
    """Night by night: nothing to learn; then pictures of another kind were accepted, and a better model is proposed."""
    images = accepted(60)
    begin(admin)
    work()
    first = NoveltyModel.objects.get()
    assert (first.state, first.fitted_on, first.by) == (State.CURRENT, 60, admin)
    assert first.report["newest"] == images[-1].pk
    for seed in range(12):
        candidate(3, seed, state=Candidate.State.REJECTED, decided_at=Now())
    night()
    assert NoveltyModel.objects.get() == first
    accepted(30, kind=2)
    night()
    better = NoveltyModel.objects.proposed()
    assert (better.fitted_on, better.nightly, better.by) == (90, True, None)
    report = better.report
    assert (report["over"], report["new"], report["rejected"]) == (first.pk, 30, 12)
    assert report["gain"] > 2 * report["error"] > 0
    assert report["auc_new"] >= report["auc_before"]
    assert in_use().pk == first.pk, "nobody has switched"


def test_no_gain_is_no_proposal():
    """The one in use has learned of many more pictures, which are not here any more."""
    newest = accepted(60)[-1]
    candidate(3, 1)
    model(parameters=mixture(1, 300).pack(), report={"newest": newest.pk}, scored_at=Now())
    accepted(25, first=300)
    night()
    assert list(NoveltyModel.objects.values_list("state", flat=True)) == [State.CURRENT]


def test_nothing_is_looked_for_until_enough_is_new():
    newest = accepted(60)[-1]
    candidate(3, 1)
    model(2, report={"newest": newest.pk}, scored_at=Now())
    accepted(19, first=60)
    assert not novelty_training.is_worth_a_night()
    accepted(1, first=79)
    assert novelty_training.is_worth_a_night()


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({}, True),
        ({"over": 1, "new": 0}, False),
        ({"over": 1, "new": 19, "gain": 9.0, "error": 1.0, "spread": 10.0}, False),
        ({"over": 1, "new": 20, "gain": 9.0, "error": 1.0, "spread": 10.0}, True),
        ({"over": 1, "new": 20, "gain": 1.9, "error": 1.0, "spread": 10.0}, False),
        ({"over": 1, "new": 20, "gain": 0.9, "error": 0.1, "spread": 10.0}, False),
        ({"over": 1, "new": 20, "gain": -9.0, "error": 1.0, "spread": 10.0}, False),
        ({"over": 1, "new": 20, "gain": 9.0, "error": 1.0, "spread": 10.0, "auc_before": 0.9, "auc_new": 0.8}, False),
        ({"over": 1, "new": 20, "gain": 9.0, "error": 1.0, "spread": 10.0, "auc_before": 0.9, "auc_new": 0.895}, True),
    ],
)
def test_a_gain_must_be_sure(report, expected):
    assert is_better(report) is expected


def test_a_night_without_decisions_learns_nothing():
    accepted(60)
    night()
    assert not NoveltyModel.objects.exists(), "nothing was ever mined here"


def test_what_was_declined_is_not_proposed_again_the_next_night():
    candidate(3, 1)
    accepted(60)
    night()
    proposed = NoveltyModel.objects.proposed()
    assert proposed.decline()
    night()
    assert NoveltyModel.objects.proposed() is None
    accepted(20, first=60)
    night()
    assert NoveltyModel.objects.proposed().fitted_on == 80


def test_a_new_proposal_takes_the_place_of_the_one_before(admin):
    accepted(50)
    old, current = model(state=State.PROPOSED), model(2)
    begin(admin)
    work()
    assert NoveltyModel.objects.proposed().pk not in (old.pk, current.pk)
    assert NoveltyModel.objects.count() == 2


def test_a_model_of_other_embeddings_is_no_rival(admin):
    accepted(50)
    model(embedded_by="clip of yesterday", scored_at=Now())
    candidate(3, 1)
    night()
    assert "over" not in NoveltyModel.objects.current().report  # there is nothing to choose between


def test_when_the_embedding_changes_it_is_learned_again(admin):
    accepted(50)
    former = model(embedded_by="clip of yesterday", scored_at=Now())
    novelty_tasks.follow_embedding.call_local()
    work()
    current = NoveltyModel.objects.current()
    assert current.pk != former.pk
    assert current.embedded_by == current_embedding().name
    novelty_tasks.follow_embedding.call_local()
    assert not NoveltyModel.objects.being_made()


def test_too_few_pictures_are_told_in_a_sentence(admin):
    accepted(3)
    begin(admin)
    work()
    failed = NoveltyModel.objects.get()
    assert failed.state == State.FAILED
    assert failed.error == "There are 3 accepted pictures to learn from, and at least 50 are needed."


def test_only_one_is_trained_at_a_time(admin):
    assert begin(admin) == begin(admin, "aic", nightly=True)


def test_a_worker_that_dies_is_followed_by_another_and_the_third_is_the_last(admin):
    begin(admin)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        claimed = NoveltyModel.objects.claim()
        assert (claimed.attempts, NoveltyModel.objects.claim()) == (attempt, None)
        NoveltyModel.objects.update(lease_until=Now() - timedelta(minutes=1))
    assert NoveltyModel.objects.claim() is None
    assert NoveltyModel.objects.get().error.startswith("The worker died 3 times")


def test_a_worker_that_was_taken_for_dead_has_no_say(admin):
    accepted(50)
    begin(admin)
    slow = NoveltyModel.objects.claim()
    NoveltyModel.objects.update(lease_until=Now() - timedelta(minutes=1))
    fast = NoveltyModel.objects.claim()
    novelty_training.train(slow)
    assert NoveltyModel.objects.get().state == State.TRAINING
    novelty_training.train(fast)
    assert NoveltyModel.objects.get().state == State.CURRENT


def test_two_who_switch_leave_one_in_use():
    one, other = model(state=State.FORMER), model(2, state=State.PROPOSED)
    assert one.use()
    assert other.use()
    assert not other.use(), "it is in use already"
    assert dict(NoveltyModel.objects.values_list("pk", "state")) == {one.pk: State.FORMER, other.pk: State.CURRENT}


def test_what_the_night_has_begun_and_somebody_asks_for_is_not_forgotten(admin):
    newest = accepted(60)[-1]
    model(parameters=mixture(1, 60).pack(), report={"newest": newest.pk}, scored_at=Now())
    begun = begin(None, nightly=True)
    claimed = NoveltyModel.objects.claim()
    assert begin(admin) == begun
    novelty_training.train(claimed)
    begun.refresh_from_db()
    assert (begun.state, begun.nightly, begun.by) == (State.PROPOSED, False, admin)

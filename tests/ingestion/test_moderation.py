"""Accept, reject, put off: what is written, what stays out, and who comes second."""

from __future__ import annotations

import pytest

from ingestion import moderation
from ingestion.models import Ban, Candidate, Decision, DecisionStep
from ingestion.moderation import ModerationError
from tests.ingestion.waiting import person, some, staff, states, wait

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return staff()


@pytest.fixture
def member():
    return person("alice")


def test_it_works(admin):
    """One act on several: a step for each with the scores of that moment; the candidates know who has decided."""
    first, second = wait(1, scores={"novelty": 0.7}), wait(2, scores={"novelty": 0.2})
    decision = moderation.accept(some(first, second), admin, note="a selection of 2")
    assert states(first, second) == ["accepted", "accepted"]
    assert (decision.action, decision.by, decision.note) == ("accept", admin, "a selection of 2")
    steps = decision.steps.order_by("candidate_id")
    assert [(step.before, step.scores) for step in steps] == [
        ("waiting", {"novelty": 0.7}),
        ("waiting", {"novelty": 0.2}),
    ]
    first.refresh_from_db()
    assert first.decided_by == admin
    assert first.decided_at is not None
    assert first in Candidate.objects.to_do()  # whoever publishes finds it


def test_what_is_rejected_is_banned(admin):
    candidate = wait(1, phash=b"x" * 73)
    decision = moderation.reject(some(candidate), admin, "Poor quality")
    candidate.refresh_from_db()
    assert (candidate.state, candidate.reason, decision.reason) == ("rejected", "Poor quality", "Poor quality")
    ban = Ban.objects.get()
    assert (ban.candidate, ban.sha256, bytes(ban.phash), ban.by) == (candidate, candidate.sha256, b"x" * 73, admin)


def test_what_was_rejected_can_be_accepted_while_its_file_is_there(admin):
    kept, swept = wait(1), wait(2, file=False)
    moderation.reject(some(kept, swept), admin, "Offensive")
    moderation.accept(some(kept), admin)
    assert states(kept) == ["accepted"]
    assert [ban.candidate for ban in Ban.objects.all()] == [swept]
    with pytest.raises(ModerationError, match="its file is deleted by now"):
        moderation.accept(some(swept), admin)


def test_what_is_put_off_comes_last(admin):
    first, second = wait(1), wait(2)
    moderation.skip(some(first), admin)
    assert list(Candidate.objects.waiting().order_by("skips", "id")) == [second, first]
    assert states(first) == ["waiting"]
    first.refresh_from_db()
    assert first.decided_at is None


def test_whoever_comes_second_gets_a_sentence(admin, member):
    candidate = wait(1)
    moderation.reject(some(candidate), member, "Does not fit")
    with pytest.raises(ModerationError, match="alice has decided already: it is rejected"):
        moderation.skip(some(candidate), admin)
    assert states(candidate) == ["rejected"]
    assert Decision.objects.count() == 1


def test_what_was_decided_meanwhile_is_left_out_of_many(admin, member, monkeypatch):
    """Chosen while it waited, rejected by somebody else before its slice came."""
    monkeypatch.setattr(moderation, "SLICE", 2)
    rows = [wait(seed) for seed in range(5)]
    slices = []
    original = moderation._decide_slice

    def overtaken(chosen, *rest):
        if slices:
            some(rows[4]).update(state="rejected")
        slices.append(len(chosen))
        return original(chosen, *rest)

    monkeypatch.setattr(moderation, "_decide_slice", overtaken)
    decision = moderation.accept(some(*rows), admin)
    assert slices == [2, 2, 1]
    assert states(*rows) == ["accepted"] * 4 + ["rejected"]
    assert decision.steps.count() == 4
    assert Decision.objects.count() == 1


def test_nothing_is_decided_about_what_a_worker_has_yet(admin):
    rows = [
        wait(seed, file=False, state=state) for seed, state in enumerate(("found", "fetched", "published", "known"))
    ]
    for act in (moderation.accept, moderation.skip):
        with pytest.raises(ModerationError):
            act(some(*rows), admin)
    with pytest.raises(ModerationError):
        moderation.reject(some(*rows), admin, "")
    assert states(*rows) == ["found", "fetched", "published", "known"]
    assert not DecisionStep.objects.exists()


def test_a_worker_loses_what_is_rejected_under_its_hands(admin):
    candidate = wait(1)
    moderation.accept(some(candidate), admin)
    held = Candidate.objects.claim("accepted")
    moderation.reject(some(candidate), admin, "")
    assert not held.advance("published")
    assert states(candidate) == ["rejected"]


@pytest.mark.parametrize(
    ("state", "file", "decided", "expected"),
    [
        ("failed", False, False, "found"),
        ("failed", True, False, "fetched"),
        ("failed", True, True, "accepted"),
        ("left", False, False, "found"),
        ("rejected", False, True, "found"),
        ("rejected", True, True, "rejected"),
        ("waiting", True, False, "waiting"),
    ],
)
def test_trying_again_goes_on_where_it_can(admin, state, file, decided, expected):
    facts = {"decided_by": admin, "decided_at": "2026-01-01T00:00Z"} if decided else {}
    candidate = wait(1, file=file, state=state, attempts=3, reason="It failed.", **facts)
    assert moderation.try_again(some(candidate)) == (state != expected)
    candidate.refresh_from_db()
    assert candidate.state == expected
    if state != expected:
        assert (candidate.attempts, candidate.reason) == (0, "")

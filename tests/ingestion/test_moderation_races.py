"""Two moderators, and a worker, at the same moment: nothing is lost, nothing is decided twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from ingestion import moderation
from ingestion.models import Ban, Decision, DecisionStep
from ingestion.moderation import ModerationError
from tests.ingestion.waiting import some, staff, states, wait

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*deeds: Callable[[], object]) -> list[str]:
    """What each was told, in their order: "" if it was done."""
    gate, told = threading.Barrier(len(deeds)), [""] * len(deeds)

    def run(at: int) -> None:
        gate.wait()
        try:
            deeds[at]()
        except ModerationError as error:
            told[at] = str(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return told


def test_it_works():
    """One accepts and one rejects the same one: one of them wins, the other gets a sentence."""
    first, second = staff("first"), staff("second")
    candidate = wait(1)
    shown = some(candidate).filter(state="waiting")
    told = at_once(
        lambda: moderation.accept(shown.all(), first), lambda: moderation.reject(shown.all(), second, "Offensive")
    )
    assert sorted(bool(sentence) for sentence in told) == [False, True]
    won = Decision.objects.get()
    assert states(candidate) == ["accepted" if won.action == "accept" else "rejected"]
    assert Ban.objects.count() == (won.action == "reject")
    assert DecisionStep.objects.count() == 1


def test_many_are_shared_out(monkeypatch):
    """Two select all: each candidate is decided by one of them."""
    monkeypatch.setattr(moderation, "SLICE", 5)
    first, second = staff("first"), staff("second")
    rows = [wait(seed, file=False) for seed in range(30)]
    shown = some(*rows).filter(state="waiting")
    at_once(lambda: moderation.accept(shown.all(), first), lambda: moderation.reject(shown.all(), second, ""))
    assert DecisionStep.objects.count() == len({step.candidate_id for step in DecisionStep.objects.all()}) == 30
    assert Ban.objects.count() == states(*rows).count("rejected")


def test_a_decision_is_undone_once():
    by = staff()
    candidate = wait(1)
    decision = moderation.reject(some(candidate), by, "")
    told = at_once(*[lambda: moderation.undo(decision, by)] * 3)
    assert sorted(told)[0] == ""
    assert sorted(told)[1:] == ["bob has undone this already."] * 2
    assert states(candidate) == ["waiting"]

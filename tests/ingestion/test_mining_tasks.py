"""What the queue and its errands do for sources: each in its turn, none in the way of the others."""

import threading
import time
from collections.abc import Iterator

import pytest
from huey.contrib.djhuey import HUEY

from ingestion import errands, mining_tasks
from ingestion.filters import all_filters
from ingestion.mining_tasks import mine, sweep_mining
from ingestion.models import Candidate, Crawl
from tests.ingestion.offering import Offer, offered


@pytest.fixture
def offer(site, monkeypatch, transactional_db) -> Iterator[Offer]:
    kept = dict(all_filters())
    for name in set(kept) - {"size"}:
        del all_filters()[name]
    HUEY.flush()  # other tests have rung
    with offered(site, monkeypatch) as offer:
        yield offer
    assert errands.wait(120)
    all_filters().clear()
    all_filters().update(kept)
    HUEY.flush()


def until(condition) -> None:
    ends = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < ends
        mine.call_local()
        errands.wait(1)


def test_it_works(offer):
    offer.page(1, 2)
    source = offer.source(publishes=True)
    sweep_mining.call_local()  # its time has come
    assert HUEY.pending_count() == 1
    until(lambda: source.candidates.filter(state=Candidate.State.PUBLISHED).count() == 2)
    assert Crawl.objects.get().state == "done"
    assert errands.wait(120)  # who was out rings when he is back
    HUEY.flush()
    sweep_mining.call_local()
    assert HUEY.pending_count() == 0  # nothing is left to ring for


def test_a_server_that_hangs_keeps_nobody_else_waiting(offer):
    """Neither another source nor what is to be judged: the queue's own thread is back at once."""
    free = threading.Event()
    slow, quick = offer.source(name="slow"), offer.source(name="quick")
    for number, source in enumerate((slow, quick)):
        Candidate.objects.create(
            source=source, key=str(number), url=offer.picture(number)["url"], offered=offer.picture(number)
        )
    truly = offer.site._answers["/0.png"]
    offer.site.answer("/0.png", lambda asked: (free.wait(120), truly(asked))[1])
    try:
        mine.call_local()
        until(lambda: quick.candidates.get().state == Candidate.State.WAITING)
        assert slow.candidates.get().state == Candidate.State.FOUND
    finally:
        free.set()


def test_a_source_has_one_errand_at_a_time():
    gate, sent = threading.Event(), []
    try:
        assert errands.send("fetch", 1, gate.wait)
        assert not errands.send("fetch", 1, lambda: sent.append(1))
        assert errands.send("fetch", 2, lambda: sent.append(2))
    finally:
        gate.set()
    assert errands.wait(60)
    assert sent == [2]


def test_not_too_many_are_out_at_once():
    gate = threading.Event()
    try:
        assert [errands.send("fetch", n, gate.wait) for n in range(errands.MOST + 1)] == [True] * errands.MOST + [False]
        assert errands.send("crawl", 1, gate.wait)  # the other kind has its own
    finally:
        gate.set()
    assert errands.wait(60)


@pytest.mark.django_db(transaction=True)
def test_judging_leaves_threads_to_the_others(monkeypatch):
    """Who comes while all hands are busy goes at once, and the work is looked at once more."""
    began, gate, rung = threading.Event(), threading.Event(), []

    def work(seconds: float) -> bool:
        began.set()
        gate.wait(120)
        return False

    monkeypatch.setattr(mining_tasks, "_at_once", threading.BoundedSemaphore(1))
    monkeypatch.setattr(mining_tasks, "work_for", work)
    monkeypatch.setattr(mining_tasks, "ring", lambda: rung.append(1))
    first = threading.Thread(target=mine.call_local)
    first.start()
    assert began.wait(60)
    mine.call_local()
    assert first.is_alive()
    gate.set()
    first.join()
    assert rung == [1]

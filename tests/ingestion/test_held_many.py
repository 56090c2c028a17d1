"""Many held uploads are decided on at once: the worker stores them, one after the other."""

from __future__ import annotations

from threading import Event

import pytest
from django.db import transaction

from gallery import originals
from gallery.models import Image
from gallery.pictures import DecoderBusy
from ingestion import decisions, tasks
from ingestion.decisions import DecisionError
from ingestion.models import HeldUpload
from tests.ingestion.edits import crop, hold, mirrored_crop, whole
from tests.ingestion.scene import at_once, bring, data, stored_files, wait_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def here(add) -> Image:
    return add(whole(), "whole.jpg")


def state(held: HeldUpload) -> str:
    held.refresh_from_db()
    return held.state


def test_it_works(here, member):
    helds = [hold(by=member), hold(mirrored_crop(), by=member)]
    assert HeldUpload.objects.of(member).keep(member) == 2
    assert Image.objects.count() == 1
    with pytest.raises(DecisionError, match="alice has decided already: it is being stored"):
        decisions.drop(helds[0], member)
    tasks.keep_held.call_local()
    assert [state(held) for held in helds] == ["stored", "stored"]
    assert Image.objects.count() == 3
    assert stored_files("held") == []


def test_two_workers_store_each_once(here, member):
    for quality in range(40, 48):
        assert bring(data(crop(), quality=quality), edits="hold", by=member).held
    HeldUpload.objects.of(member).keep(member)
    at_once(2, lambda _: tasks.keep_held.call_local())
    assert Image.objects.count() == 9
    assert stored_files("held") == []


def test_one_that_cannot_be_stored_waits_again_and_says_why(here, member):
    lost, good = hold(by=member), hold(mirrored_crop(), by=member)
    lost.path.unlink()
    HeldUpload.objects.of(member).keep(member)
    tasks.keep_held.call_local()
    assert (state(lost), state(good)) == ("waiting", "stored")
    assert lost.error == decisions.LOST
    assert (lost.decided_by, lost.decided_at) == (None, None)  # nothing is decided any more


def test_a_busy_decoder_is_no_fault_of_the_picture(here, member, monkeypatch):
    held = hold(by=member)
    HeldUpload.objects.of(member).keep(member)

    def busy(*args, **kwargs):
        raise DecoderBusy

    with monkeypatch.context() as patched:
        patched.setattr("ingestion.pipeline.decode", busy)
        tasks.keep_held.call_local()
    assert state(held) == "keeping"
    assert (held.error, held.decided_by) == ("", member)
    tasks.sweep.call_local()
    tasks.keep_held.call_local()
    assert state(held) == "stored"


def test_a_row_is_never_locked_before_its_content(here, member):
    """hold() locks the content first: the other way round, the two would wait for each other for ever."""
    held = hold(by=member)
    HeldUpload.objects.of(member).keep(member)

    def one(number: int) -> str:
        if number == 1:
            tasks.keep_held.call_local()
            return "kept"
        with transaction.atomic():
            originals.lock(held.sha256)
            started.set()
            wait_for_a_lock()
            HeldUpload.objects.select_for_update().get(pk=held.pk)
            return "locked"

    started = Event()
    assert at_once(2, lambda n: (n and started.wait(120), one(n))[1]) == ["locked", "kept"]
    assert state(held) == "stored"


def test_the_sweep_rings_for_what_a_crash_left(here, member):
    from huey.contrib.djhuey import HUEY

    hold(by=member)
    HeldUpload.objects.of(member).keep(member)
    HUEY.storage.flush_all()
    tasks.sweep.call_local()
    assert HUEY.pending_count() == 1
    HUEY.execute(HUEY.dequeue())
    assert Image.objects.count() == 2


def test_all_are_dropped_and_taken_back(here, member):
    helds = [hold(by=member), hold(mirrored_crop(), by=member)]
    mine = HeldUpload.objects.of(member)
    assert mine.drop(member) == 2
    assert mine.last_drop()["count"] == 2
    assert mine.take_back() == 2
    assert [state(held) for held in helds] == ["waiting", "waiting"]

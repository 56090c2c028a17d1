"""Work that is not lost: claimed by one worker at a time, given to another when that one dies, tried three times."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models.functions import Now
from huey.contrib.djhuey import HUEY

from gallery.models import Image
from gallery.pictures import DecoderBusy
from ingestion import pipeline, tasks
from ingestion.annotators import all_annotators
from ingestion.annotators._base import Annotator
from ingestion.models import KEEP_DONE, MAX_ATTEMPTS, MAX_ERROR, Job
from ingestion.pipeline import enqueue
from search.engines import all_engines
from search.engines.phash import PHash
from tests.ingestion.scene import at_once, bring, bring_image, expire_leases, sql, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job() -> Job:
    return bring_image().jobs.get()


def claimed() -> Job:
    job = Job.objects.claim()
    assert job
    return job


def seconds_to_wait(job: Job) -> float:
    (((seconds,),)) = sql("SELECT extract(epoch FROM not_before - now()) FROM ingestion_job WHERE id = %s", job.pk)
    return float(seconds)


def test_it_works(job):
    assert job.state == "queued"
    assert tasks.work_once()
    job.refresh_from_db()
    assert (job.state, job.error, job.attempts, job.lease_until) == ("done", "", 1, None)
    assert job.finished_at
    assert job.image.state == Image.State.READY
    assert not tasks.work_once()


class TestClaim:
    def test_it_works(self, job):
        taken = claimed()
        assert (taken, taken.state, taken.attempts) == (job, "running", 1)
        assert taken.worker
        ((left,),) = sql("SELECT lease_until > now() + interval '4 minutes' FROM ingestion_job")
        assert left

    def test_the_oldest_comes_first(self):
        images = [bring_image(seed) for seed in (1, 2, 3)]
        assert [claimed().image for _ in images] == images
        assert Job.objects.claim() is None

    def test_no_job_goes_to_two_workers(self):
        for seed in range(6):
            bring(seed)

        def take_all(_: int) -> list[int]:
            taken = []
            while job := Job.objects.claim():
                taken.append(job.pk)
            return taken

        taken = [pk for pks in at_once(4, take_all) for pk in pks]
        # A worker that finds the last job locked by another one leaves; whoever holds it has it.
        assert sorted(taken) == sorted(Job.objects.values_list("pk", flat=True))

    def test_it_passes_over_a_job_that_is_just_being_claimed(self, job):
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=job.pk)
            assert at_once(1, lambda _: Job.objects.claim()) == [None]

    def test_it_waits_for_not_before(self, job):
        sql("UPDATE ingestion_job SET not_before = now() + interval '1 minute'")
        assert Job.objects.claim() is None
        assert not tasks.work_once()


class TestLease:
    def test_it_works(self, job):
        first = claimed()
        assert Job.objects.claim() is None
        expire_leases()
        again = claimed()
        assert (again, again.attempts) == (first, 2)

    def test_a_worker_taken_for_dead_has_no_say(self, job):
        dead = claimed()
        expire_leases()
        alive = claimed()
        dead.finish()
        assert Job.objects.get().state == "running"
        dead.refuse("no picture")
        assert Job.objects.get().state == "running"
        dead.finish(error="too late")
        alive.finish()
        assert (Job.objects.get().state, Job.objects.get().error) == ("done", "")

    def test_it_is_set_aside_after_three_crashes(self, job):
        for _ in range(MAX_ATTEMPTS):
            assert claimed() == job
            expire_leases()
        assert Job.objects.claim() is None
        job.refresh_from_db()
        assert (job.state, job.attempts, job.lease_until) == ("quarantined", 3, None)
        assert job.error == "The worker died 3 times on this picture, so it is not tried again by itself."
        assert Job.objects.claim() is None

    def test_the_queue_goes_on_behind_one_that_is_set_aside(self, job):
        sql("UPDATE ingestion_job SET state = 'running', attempts = 3, lease_until = now() - interval '1 second'")
        other = bring_image(2)
        tasks.work.call_local()
        assert other.jobs.get().state == "done"


class TestFinish:
    def test_an_error_is_tried_again_after_a_pause(self, job):
        claimed().finish(error="no luck")
        job.refresh_from_db()
        assert (job.state, job.error, job.finished_at, job.lease_until) == ("queued", "no luck", None, None)
        assert 0 < seconds_to_wait(job) <= 10

    def test_each_pause_is_longer(self, job):
        sql("UPDATE ingestion_job SET attempts = 1")
        claimed().finish(error="no luck")
        assert 10 < seconds_to_wait(job) <= 60

    def test_it_fails_for_good_after_three_errors(self, job):
        sql("UPDATE ingestion_job SET attempts = 2")
        claimed().finish(error="no luck")
        job.refresh_from_db()
        assert (job.state, job.error) == ("failed", "no luck")
        assert job.finished_at
        assert Job.objects.claim() is None

    def test_what_no_repetition_mends_fails_at_once(self, job):
        claimed().refuse("This file is damaged.")
        job.refresh_from_db()
        assert (job.state, job.error, job.attempts) == ("failed", "This file is damaged.", 1)

    @pytest.mark.parametrize("how", ["finish", "refuse"])
    def test_it_handles_any_error_text(self, job, how):
        getattr(claimed(), how)("\x00 half a pair: \ud800 " + "x" * 2 * MAX_ERROR)
        job.refresh_from_db()
        assert job.error.startswith(" half a pair: \\ud800 xxx")
        assert len(job.error) == MAX_ERROR

    def test_success_takes_back_what_failed_before(self, job):
        claimed().refuse("The file of this picture is missing.")
        assert Job.objects.enqueue(job.kind, job.image)
        claimed().finish()
        assert Job.objects.counts() == {"queued": 0, "running": 0, "done": 1, "failed": 0, "quarantined": 0}


class TestEnqueue:
    def test_it_works(self, job):
        assert not Job.objects.enqueue(job.kind, job.image)
        claimed()
        assert not Job.objects.enqueue(job.kind, job.image)
        Job.objects.get().delete()
        assert Job.objects.enqueue(job.kind, job.image)

    def test_one_of_many_at_once(self, job):
        image = job.image
        job.delete()
        assert sorted(at_once(6, lambda _: Job.objects.enqueue("complete", image))) == [False] * 5 + [True]
        assert Job.objects.count() == 1

    def test_a_job_that_is_over_does_not_count(self, job):
        claimed().finish()
        assert Job.objects.enqueue(job.kind, job.image)


class TestRetry:
    @pytest.mark.parametrize("state", ["failed", "quarantined"])
    def test_it_works(self, job, state):
        sql("UPDATE ingestion_job SET state = %s, attempts = 3, error = 'no luck', finished_at = now()", state)
        assert Job.objects.retry() == 1
        taken = claimed()
        assert (taken.attempts, taken.error, taken.finished_at) == (1, "", None)

    def test_it_leaves_the_others_alone(self):
        for seed, state in enumerate(("queued", "running", "done")):
            bring_image(seed).jobs.update(state=state)
        assert Job.objects.retry() == 0
        assert set(Job.objects.values_list("state", flat=True)) == {"queued", "running", "done"}

    def test_it_handles_a_picture_that_failed_twice(self, job):
        old = claimed()
        old.refuse("no luck")
        Job.objects.enqueue(job.kind, job.image)
        last = claimed()
        last.refuse("no luck")
        assert Job.objects.retry() == 1
        assert claimed() == last
        assert Job.objects.get(pk=old.pk).state == "failed"

    def test_it_handles_a_picture_that_is_tried_again_already(self, job):
        claimed().refuse("no luck")
        Job.objects.enqueue(job.kind, job.image)
        assert Job.objects.retry() == 0
        assert Job.objects.counts()["queued"] == 1

    def test_the_command_says_what_failed_and_tries_again(self, job, capsys):
        claimed().refuse("This file is damaged.")
        call_command("jobs")
        shown = capsys.readouterr()
        assert "failed       1" in shown.out
        assert f"picture.jpg (image {job.image_id}): This file is damaged." in shown.err
        call_command("jobs", "--retry")
        shown = capsys.readouterr()
        assert "1 jobs are tried again." in shown.out
        assert "queued       1" in shown.out
        assert shown.err == ""

    def test_the_admin_tries_again(self, job, as_admin):
        claimed().refuse("This file is damaged.")
        selected = {"action": "retry", "_selected_action": [job.pk]}
        response = as_admin.post("/admin/ingestion/job/", selected, follow=True)
        assert "1 jobs are tried again." in response.content.decode()
        assert Job.objects.get().state == "queued"


def test_what_is_done_is_not_counted_for_the_progress():
    states = ("queued", "running", "done", "failed", "quarantined")
    for seed, state in enumerate(states):
        bring_image(seed).jobs.update(state=state)
    assert Job.objects.unfinished() == {"queued": 1, "running": 1, "done": 0, "failed": 1, "quarantined": 1}


def test_it_counts_every_state(job):
    assert Job.objects.counts() == {"queued": 1, "running": 0, "done": 0, "failed": 0, "quarantined": 0}
    claimed()
    assert Job.objects.counts() == {"queued": 0, "running": 1, "done": 0, "failed": 0, "quarantined": 0}


def test_old_work_is_forgotten():
    images = [bring_image(seed) for seed in range(3)]
    long_ago = Now() - KEEP_DONE - timedelta(hours=1)
    images[0].jobs.update(state="done", finished_at=long_ago)
    images[1].jobs.update(state="done", finished_at=Now())
    images[2].jobs.update(state="failed", finished_at=long_ago)
    assert Job.objects.sweep() == 1
    assert set(Job.objects.values_list("image", flat=True)) == {images[1].pk, images[2].pk}


class TestDoorbell:
    @pytest.fixture(autouse=True)
    def silence(self) -> None:
        HUEY.storage.flush_all()

    def test_it_works(self):
        bring()
        assert HUEY.pending_count() == 1
        HUEY.execute(HUEY.dequeue())
        assert Job.objects.get().state == "done"

    def test_it_rings_only_after_the_commit(self):
        with transaction.atomic():
            bring()
            assert HUEY.pending_count() == 0
        assert HUEY.pending_count() == 1

    def test_the_sweep_rings_again_for_a_ring_that_was_lost(self, job):
        HUEY.storage.flush_all()
        tasks.sweep.call_local()
        assert HUEY.pending_count() == 1

    def test_the_sweep_rings_for_a_job_whose_worker_died(self, job):
        claimed()
        HUEY.storage.flush_all()
        tasks.sweep.call_local()
        assert HUEY.pending_count() == 0
        expire_leases()
        tasks.sweep.call_local()
        assert HUEY.pending_count() == 1

    def test_the_sweep_is_silent_when_nothing_waits(self):
        tasks.sweep.call_local()
        assert HUEY.pending_count() == 0

    def test_a_picture_is_stored_when_the_bell_is_broken(self):
        ((pid,),) = HUEY.storage.sql("SELECT pg_backend_pid()", results=True)
        sql("SELECT pg_terminate_backend(%s, 60000)", pid)
        assert bring().result == "stored"
        assert Job.objects.get().state == "queued"
        tasks.ring()  # by a new connection
        assert HUEY.pending_count() == 1


class TestOrphans:
    def test_it_works(self, job):
        job.delete()
        tasks.adopt_orphans()
        tasks.adopt_orphans()
        assert job.image.jobs.get().state == "queued"

    def test_a_job_that_was_done_does_not_hide_it(self, job):
        """Trashed and restored while a worker was at it: the job is done, and the picture is not."""
        job.image.jobs.update(state="done")
        tasks.adopt_orphans()
        assert Job.objects.counts()["queued"] == 1

    @pytest.mark.parametrize("state", ["queued", "running", "failed", "quarantined"])
    def test_a_job_that_is_open_or_says_why_is_enough(self, job, state):
        job.image.jobs.update(state=state)
        tasks.adopt_orphans()
        assert Job.objects.get().state == state

    @pytest.mark.parametrize("change", [{"state": "ready"}, {"trashed_at": Now()}])
    def test_others_are_left_alone(self, job, change):
        Image.objects.filter(pk=job.image_id).update(**change)
        job.delete()
        tasks.adopt_orphans()
        assert not Job.objects.exists()


class TestGaps:
    """A new version of the program may bring an engine that has seen no picture yet."""

    def test_it_works(self, add):
        image = add(1)
        image.features.filter(engine="local_features").delete()
        tasks.fill_gaps.call_local()
        tasks.fill_gaps.call_local()
        tasks.do(Job.objects.claim())
        assert image.features.filter(engine="local_features").exists()
        assert Job.objects.counts()["done"] == 1

    def test_a_failure_is_not_repeated(self, add):
        image = add(1)
        image.features.all().delete()
        Job.objects.create(image=image, state="failed", error="no")
        tasks.fill_gaps.call_local()
        assert Job.objects.counts()["queued"] == 0

    def test_nothing_is_done_twice(self, add):
        add(1)
        tasks.fill_gaps.call_local()
        assert not Job.objects.exists()


class TestWork:
    def test_it_works(self):
        images = [bring_image(seed) for seed in range(3)]
        tasks.work.call_local()
        assert Job.objects.counts()["done"] == 3
        assert Image.objects.filter(state="ready").count() == len(images)

    def test_it_handles_an_image_that_was_purged(self, job):
        taken = claimed()
        Image.objects.get().purge()
        tasks.do(taken)
        assert not Job.objects.exists()

    def test_it_handles_an_image_that_is_purged_meanwhile(self, job, monkeypatch):
        class Purging(Annotator):
            def annotate(self, image, picture):
                image.purge()

        monkeypatch.setitem(all_annotators(), "purging", Purging())
        tasks.do(claimed())
        assert not Image.objects.exists()
        assert not Job.objects.exists()
        assert stored_files(".") == []

    def test_an_error_of_the_database_about_one_picture_does_not_stop_the_others(self, job, monkeypatch):
        class Talkative(PHash):
            name = "x" * 100  # more than its column takes

        other = bring_image(2)
        with monkeypatch.context() as patch:
            patch.setitem(all_engines(), "talkative", Talkative())
            tasks.work.call_local()
        assert set(Job.objects.values_list("state", flat=True)) == {"queued"}
        assert all("DataError" in job.error for job in Job.objects.all())
        sql("UPDATE ingestion_job SET not_before = now()")
        tasks.work.call_local()
        assert other.jobs.get().state == "done"

    def test_a_database_that_is_away_is_not_the_fault_of_the_picture(self, job, monkeypatch):
        class Cutting(PHash):
            def extract(self, picture):
                at_once(1, lambda _: sql("SELECT pg_terminate_backend(%s, 60000)", mine))
                return super().extract(picture)

        ((mine,),) = sql("SELECT pg_backend_pid()")
        with monkeypatch.context() as patch:
            patch.setitem(all_engines(), "phash", Cutting())
            with pytest.raises(tasks.OperationalError):
                tasks.work_once()
        job.refresh_from_db()
        assert (job.state, job.error, job.attempts) == ("queued", "", 0)
        assert 0 < seconds_to_wait(job) <= 10
        sql("UPDATE ingestion_job SET not_before = now()")
        assert tasks.work_once()
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("done", 1)

    def test_a_job_that_another_worker_has_is_not_given_back(self, job):
        late = claimed()
        expire_leases()
        claimed()
        late.give_back()
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("running", 2)

    def test_a_busy_decoder_is_not_the_fault_of_the_picture(self, job, monkeypatch):
        def busy(*args, **kwargs):
            raise DecoderBusy

        monkeypatch.setattr(pipeline, "decode", busy)
        assert tasks.work_once()
        job.refresh_from_db()
        assert (job.state, job.error, job.attempts) == ("queued", "", 0)


def test_enqueue_of_the_pipeline_is_idempotent(job):
    enqueue(job.image)
    assert Job.objects.get() == job

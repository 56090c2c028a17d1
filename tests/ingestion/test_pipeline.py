"""How a picture comes in: file first, row second, then everything that is made of it."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from django.db import connection, transaction
from django.db.models.signals import pre_save

from gallery import originals
from gallery.models import Image, ImageSource
from gallery.pictures import PictureError
from ingestion import tasks
from ingestion.annotators import all_annotators
from ingestion.annotators._base import Annotator
from ingestion.models import Job
from ingestion.pipeline import IN_TRASH, Origin, complete, import_blocks, taken_at
from search.engines import all_engines, own_engines
from search.engines.phash import PHash
from search.models import Feature
from tests.ingestion.scene import at_once, bring, bring_image, data, sql, stored_files, wait_for_a_lock
from tests.pictures import photo

pytestmark = pytest.mark.django_db(transaction=True)


class Broken(Annotator):
    def annotate(self, image, picture):
        raise RuntimeError("the network of this leaf is gone")


class Trashing(Annotator):
    """What a person does while the worker is at it."""

    def annotate(self, image, picture):
        image.trash()


def original(image: Image) -> bytes:
    return originals.path_of(image.sha256, image.format).read_bytes()


class TestStore:
    def test_it_works(self):
        content = data(1)
        outcome = bring(content, "beach.jpg")
        image = outcome.image
        assert (outcome.result, outcome.error, outcome.name) == ("stored", None, "beach.jpg")
        assert (image.sha256, image.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert (image.name, image.format, image.width, image.height) == ("beach.jpg", "JPEG", 320, 240)
        assert image.state == Image.State.NEW
        assert original(image) == content
        assert stored_files(".incoming") == []
        assert image.jobs.get().state == "queued"
        assert image.sources.get().address == "beach.jpg"

    def test_the_file_is_named_by_its_content(self):
        image = bring_image(data(1, "PNG"), name="../../evil.php\x00.gif")
        assert originals.path_of(image.sha256, image.format).relative_to(originals._folder("originals")).parts == (
            image.sha256[:2],
            image.sha256[2:4],
            f"{image.sha256}.png",
        )
        assert image.name == "evil.php.gif"

    def test_the_file_is_whole_before_there_is_a_row(self):
        content, seen = data(1), []

        def look(instance: Image, **kwargs) -> None:
            seen.append(original(instance) == content)

        pre_save.connect(look, sender=Image)
        try:
            bring(content)
        finally:
            pre_save.disconnect(look, sender=Image)
        assert seen == [True]

    def test_the_same_bytes_are_known(self):
        first = bring(data(1), "beach.jpg")
        again = bring(data(1), "copy of beach.jpg")
        assert (again.result, again.image) == ("known", first.image)
        assert [source.address for source in again.image.sources.all()] == ["beach.jpg", "copy of beach.jpg"]
        assert Job.objects.count() == 1
        assert len(stored_files()) == 1

    def test_a_source_met_again_is_noted_once(self):
        bring(1, "beach.jpg")
        bring(1, "beach.jpg")
        assert ImageSource.objects.count() == 1

    def test_it_keeps_what_the_source_says(self, member):
        image = bring(1, by=member, title="At the sea", author="Ann", licence="CC0").image
        source = image.sources.get()
        assert (source.by, source.title, source.author, source.licence) == (member, "At the sea", "Ann", "CC0")

    @pytest.mark.parametrize("address", ["", "\x00\ud800" * 500, "猫" * 5000])
    def test_it_handles_any_address(self, address):
        source = import_blocks([data(1)], "a.jpg", Origin("upload", address)).image.sources.get()
        assert len(source.address) <= 600

    def test_a_picture_has_one_row_however_many_threads_bring_it(self):
        content = data(1)
        outcomes = at_once(8, lambda number: bring(content, f"{number}.jpg"))
        assert sorted(o.result for o in outcomes) == ["known"] * 7 + ["stored"]
        assert len({o.image for o in outcomes}) == 1
        assert Image.objects.count() == Job.objects.count() == 1
        assert ImageSource.objects.count() == 8
        assert len(stored_files()) == 1
        assert stored_files(".incoming") == []

    def test_two_threads_bring_the_same_twenty(self):
        contents = [data(seed) for seed in range(20)]
        results = at_once(2, lambda _: [bring(content).result for content in contents])
        assert all(sorted(pair) in (["known", "stored"],) for pair in zip(*results, strict=True))
        assert Image.objects.count() == Job.objects.count() == len(stored_files()) == 20
        assert stored_files(".incoming") == []

    def test_nothing_stays_of_what_is_refused(self):
        outcome = bring(data(1)[:500], "cut.jpg")
        assert (outcome.result, outcome.error.code, outcome.image) == ("refused", "corrupt", None)
        assert outcome.reason == "This JPEG picture is damaged or cut off."
        assert stored_files(".") == []
        assert not Image.objects.exists()

    def test_reading_stops_at_the_limit(self, settings):
        settings.MAX_BYTES, given = 1000, []

        def blocks() -> Iterator[bytes]:
            for number in range(100):
                given.append(number)
                yield b"\xff\xd8\xff" + b"x" * 397

        outcome = import_blocks(blocks(), "long.jpg", Origin("upload", "long.jpg"))
        assert outcome.error.code == "too_large"
        assert len(given) == 3
        assert stored_files(".") == []

    def test_nothing_stays_when_the_bytes_end_in_an_error(self):
        def blocks() -> Iterator[bytes]:
            yield data(1)[:5000]
            raise ConnectionResetError("gone")

        with pytest.raises(ConnectionResetError):
            import_blocks(blocks(), "broken.jpg", Origin("upload", "broken.jpg"))
        assert stored_files(".") == []

    def test_nothing_stays_when_the_disk_is_full(self):
        content = data(1)
        with full_disk(), pytest.raises(OSError, match="too large"):
            bring(content)
        assert stored_files(".") == []
        assert bring(content).result == "stored"

    def test_it_stores_no_row_without_a_file_when_the_row_is_refused(self):
        """The other way round, a file without a row, is what the next import of the same bytes makes good."""
        with pytest.raises(Exception, match="rows are refused"), refused_rows():
            bring(1)
        assert not Image.objects.exists()
        assert not Job.objects.exists()
        assert bring(1).result == "stored"


@contextmanager
def full_disk(room: int = 4096) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: the nearest thing to a full disk that needs no mount."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@contextmanager
def refused_rows() -> Iterator[None]:
    """The database says no to every new image, as late as it can: at the commit."""
    sql("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'rows are refused'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON gallery_image DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse()""")
    try:
        yield
    finally:
        sql("DROP FUNCTION refuse CASCADE")


class TestRepair:
    @pytest.mark.parametrize("damage", ["missing", "cut"])
    def test_the_same_bytes_mend_a_row_whose_file_is(self, add, damage):
        content = data(1)
        image = add(1)
        path = originals.path_of(image.sha256, image.format)
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(content[:100])
        outcome = bring(content)
        assert (outcome.result, outcome.image) == ("known", image)
        assert original(image) == content
        assert tasks.work_once()
        assert image.jobs.get().state == "done"


class TestTrash:
    def test_the_same_bytes_leave_it_there(self, add):
        image = add(1)
        image.trash()
        outcome = bring(data(1))
        assert (outcome.result, outcome.image, outcome.reason) == ("known", image, IN_TRASH)
        assert not tasks.work_once()
        image.refresh_from_db()
        assert image.trashed_at
        assert stored_files("renditions") == []

    def test_bytes_that_mend_its_file_leave_it_there(self, add):
        image = add(1)
        image.trash()
        originals.remove(image.sha256, image.format)
        assert bring(data(1)).reason == IN_TRASH
        assert original(image) == data(1)
        assert not Job.objects.exists()

    def test_the_same_bytes_take_it_out_where_they_may(self, add):
        image = add(1)
        image.trash()
        outcome = bring(data(1), may_restore=True)
        assert (outcome.result, outcome.image.trashed_at, outcome.image.state) == ("known", None, "new")
        assert tasks.work_once()
        image.refresh_from_db()
        assert image.state == "ready"
        assert image.thumbnail.path.exists()

    def test_what_lies_in_it_is_not_prepared(self):
        image = bring_image(1)
        image.trash()
        assert tasks.work_once()
        image.refresh_from_db()
        assert (image.jobs.get().state, image.state) == ("done", "new")
        assert stored_files("renditions") == []

    def test_nothing_public_stays_of_what_is_trashed_while_it_is_prepared(self, monkeypatch):
        image = bring_image(1)
        monkeypatch.setitem(all_annotators(), "trashing", Trashing())
        assert complete(image) == []
        assert stored_files("renditions") == []
        image.restore()
        monkeypatch.undo()
        tasks.work.call_local()
        image.refresh_from_db()
        assert image.state == "ready"
        assert image.thumbnail.path.exists()


class TestPurge:
    def test_an_upload_waits_for_it_and_stores_anew(self, add):
        image, outcomes = add(1), []
        with transaction.atomic():
            originals.lock(image.sha256)
            thread = Thread(target=lambda: (outcomes.append(bring(1)), connection.close()))
            thread.start()
            wait_for_a_lock()
            image.delete()
        thread.join(120)
        (outcome,) = outcomes
        assert outcome.result == "stored"
        assert original(outcome.image) == data(1)

    def test_what_came_back_in_between_keeps_its_file(self, add):
        image = add(1)
        sha256, format = image.sha256, image.format
        Image.objects.filter(pk=image.pk).delete()  # the first half of a purge
        fresh = bring_image(1)
        image.purge()  # the second
        assert originals.path_of(sha256, format).exists()
        assert Image.objects.get() == fresh

    def test_there_is_never_a_row_without_its_file(self):
        content = data(1)
        for _ in range(10):
            image = bring_image(content)
            at_once(3, lambda number, image=image: image.purge() if number == 0 else bring(content))
            assert len(stored_files()) == Image.objects.count()

    def test_the_sweep_leaves_what_was_taken_out_a_moment_ago(self, add):
        image = add(1)
        image.trash()
        sql("UPDATE gallery_image SET trashed_at = now() - interval '31 days'")
        with transaction.atomic():
            originals.lock(image.sha256)  # an upload of the same bytes has come so far
            thread = Thread(target=lambda: (tasks.purge_expired(), connection.close()))
            thread.start()
            wait_for_a_lock()
            image.restore()
        thread.join(120)
        assert Image.objects.get() == image
        assert original(image) == data(1)

    def test_the_sweep_takes_files_and_rows_of_what_is_over(self, add):
        image, kept = add(1), add(2)
        image.trash()
        sql("UPDATE gallery_image SET trashed_at = now() - interval '31 days' WHERE id = %s", image.pk)
        tasks.sweep.call_local()
        assert Image.objects.get() == kept
        assert [name[:64] for name in stored_files()] == [kept.sha256]
        assert {name[:64] for name in stored_files("renditions")} == {kept.sha256}


class TestComplete:
    def test_it_works(self):
        image = bring_image(data(photo(1).resize((2000, 1500))))
        assert complete(image) == []
        image.refresh_from_db()
        assert image.state == "ready"
        assert [r.path.exists() for r in image.renditions] == [True, True, True]
        assert set(image.features.values_list("engine", flat=True)) == set(own_engines())
        assert image.palette

    def test_it_can_run_any_number_of_times(self):
        image = bring_image(1)
        complete(image)
        before = sorted(Feature.objects.values_list("id", "engine", "data"))
        assert complete(image) == []
        assert sorted(Feature.objects.values_list("id", "engine", "data")) == before

    def test_two_workers_may_do_it_at_once(self):
        image = bring_image(1)
        assert at_once(2, lambda _: complete(image)) == [[], []]
        assert image.features.count() == len(own_engines())

    def test_a_failing_engine_hides_neither_the_picture_nor_itself(self, monkeypatch):
        class Failing(PHash):
            def extract(self, picture):
                raise RuntimeError("no weights")

        image = bring_image(1)
        monkeypatch.setitem(all_engines(), "phash", Failing())
        assert tasks.work_once()
        image.refresh_from_db()
        assert image.state == "ready"
        assert set(image.features.values_list("engine", flat=True)) == set(own_engines()) - {"phash"}
        job = image.jobs.get()
        assert (job.state, job.error) == ("queued", f"{PHash.label}: RuntimeError: no weights")
        monkeypatch.undo()
        sql("UPDATE ingestion_job SET not_before = now()")
        assert tasks.work_once()
        assert image.features.count() == len(own_engines())
        assert image.jobs.get().state == "done"

    def test_a_failing_annotator_hides_neither_the_picture_nor_itself(self, monkeypatch):
        image = bring_image(1)
        monkeypatch.setitem(all_annotators(), "broken", Broken())
        assert tasks.work_once()
        image.refresh_from_db()
        assert image.state == "ready"
        assert image.palette  # the others had their turn
        job = image.jobs.get()
        assert (job.state, job.error) == ("queued", "broken: RuntimeError: the network of this leaf is gone")

    def test_a_missing_original_is_said(self):
        image = bring_image(1)
        path = originals.path_of(image.sha256, image.format)
        path.unlink()
        with pytest.raises(PictureError, match="missing"):
            complete(image)
        assert tasks.work_once()
        job = image.jobs.get()
        assert (job.state, job.error) == ("failed", f"The file of this picture is missing: {path.name}.")

    def test_an_original_that_was_damaged_is_said(self):
        image = bring_image(1)
        originals.path_of(image.sha256, image.format).write_bytes(b"\xff\xd8\xff nothing")
        assert tasks.work_once()
        job = image.jobs.get()
        assert (job.state, job.error) == ("failed", "This JPEG picture is damaged or cut off.")


@pytest.mark.parametrize(
    ("clock", "year"),
    [("2024:02:29 12:00:00", 2024), ("0000:00:00 00:00:00", None), ("yesterday", None), (None, None), ("", None)],
)
def test_the_clock_of_the_camera(clock, year):
    taken = taken_at({} if clock is None else {"DateTimeOriginal": clock})
    assert (taken and taken.year) == year

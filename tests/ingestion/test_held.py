"""A picture that is here already in another form is told before it is stored, and waits until somebody decides."""

from __future__ import annotations

from threading import Thread

import pytest
from django.db import connection, transaction

from gallery import originals
from gallery.models import Image, User
from gallery.originals import StorageError
from ingestion import decisions, tasks
from ingestion.decisions import DecisionError
from ingestion.models import HeldUpload, Job
from ingestion.pipeline import UNTOLD
from search.engines import get_engine
from search.engines.local_features import LocalFeatures
from search.errors import EngineError
from search.models import Resolution
from tests.ingestion.edits import bring_edit, crop, double_size, half_size, hold, mirrored_crop, whole
from tests.ingestion.scene import at_once, bring, data, sql, stored_files, wait_for_a_lock
from tests.ingestion.test_pipeline import full_disk
from tests.pictures import photo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def here(add) -> Image:
    return add(whole(), "whole.jpg")


def state(held: HeldUpload) -> str:
    held.refresh_from_db()
    return held.state


def a_day_later() -> None:
    sql("UPDATE ingestion_heldupload SET decided_at = decided_at - interval '25 hours'")


class TestHold:
    @pytest.mark.parametrize(
        ("edit", "relation", "mirrored"),
        [
            (crop, "part", False),
            (mirrored_crop, "part", True),
            (half_size, "same", False),
            (double_size, "same", False),
        ],
    )
    def test_it_works(self, here, member, edit, relation, mirrored):
        outcome = bring_edit(edit(), "edit.jpg", by=member)
        held = HeldUpload.objects.get()
        assert (outcome.result, outcome.held, outcome.image) == ("held", held, None)
        (match,) = held.matches
        assert (match["image"], match["relation"], match["mirrored"]) == (here.pk, relation, mirrored)
        assert (held.name, held.by, held.state) == ("edit.jpg", member, "waiting")
        assert (held.width, held.height, held.bytes) == (*edit().size, len(data(edit())))
        assert held.path.read_bytes() == data(edit())
        assert stored_files(".incoming") == []
        assert Image.objects.get() == here
        assert not Job.objects.exists()

    def test_it_says_what_was_found(self, here):
        likeness = bring_edit(crop()).likenesses[0]
        assert likeness.lead == "A part of"
        assert f"{likeness.points} matching points, covers 50 % of it, upper left" == likeness.proof

    def test_a_collage_names_all_that_it_contains(self, add):
        first, second = add(whole(1)), add(whole(2))
        collage = photo(9, 1280, 480)
        collage.paste(whole(1), (0, 0))
        collage.paste(whole(2), (640, 0))
        held = hold(collage)
        assert {match["image"] for match in held.matches} == {first.pk, second.pk}
        assert {match["relation"] for match in held.matches} == {"whole"}

    def test_another_picture_is_stored_at_once(self, here):
        outcome = bring_edit(whole(2))
        assert (outcome.result, outcome.likenesses) == ("stored", [])
        assert not HeldUpload.objects.exists()
        assert stored_files("held") == []

    def test_the_same_bytes_are_known(self, here):
        assert bring(data(whole()), edits="hold").result == "known"

    def test_nobody_looks_unless_asked(self, here):
        outcome = bring(data(crop()))
        assert (outcome.result, outcome.likenesses) == ("stored", [])

    def test_keep_stores_and_tells(self, here):
        outcome = bring_edit(crop(), edits="keep")
        assert (outcome.result, outcome.likenesses[0].image) == ("stored", here.pk)

    def test_skip_stores_nothing_and_tells(self, here):
        outcome = bring_edit(crop(), edits="skip")
        assert (outcome.result, outcome.image, outcome.likenesses[0].image) == ("skipped", None, here.pk)
        assert outcome.reason.startswith(f"A part of #{here.pk}: ")
        assert stored_files("held") == stored_files(".incoming") == []
        assert Image.objects.get() == here

    def test_what_lies_in_the_trash_is_not_named(self, here):
        here.trash()
        assert bring_edit(crop()).result == "stored"

    def test_the_same_bytes_wait_once(self, here, member, admin):
        first = hold(by=member)
        assert hold(by=member, name="again.jpg") == first
        assert len(stored_files("held")) == 1
        assert hold(by=admin) != first  # another one decides on an upload of another

    def test_the_same_bytes_wait_once_however_many_bring_them_at_once(self, here, member):
        helds = at_once(4, lambda _: hold(by=member))
        assert len(set(helds)) == HeldUpload.objects.count() == len(stored_files("held")) == 1
        assert stored_files(".incoming") == []

    @pytest.mark.parametrize("damage", ["gone", "cut"])
    def test_the_same_bytes_mend_a_lost_file(self, here, member, damage):
        held = hold(by=member)
        held.path.unlink() if damage == "gone" else held.path.write_bytes(b"x")
        assert hold(by=member) == held
        assert held.path.read_bytes() == data(crop())

    def test_nothing_stays_when_the_disk_is_full(self, here):
        with full_disk(), pytest.raises(OSError, match="too large"):
            bring_edit(crop())
        assert stored_files("held") == stored_files(".incoming") == []
        assert not HeldUpload.objects.exists()

    def test_a_search_that_fails_is_no_reason_to_refuse(self, here, monkeypatch):
        monkeypatch.setattr("ingestion.pipeline.PROVERS", ["an engine that is not there"])
        outcome = bring_edit(crop())
        assert (outcome.result, outcome.reason) == ("stored", UNTOLD)

    def test_an_engine_that_is_late_is_asked_again(self, here, monkeypatch):
        """The first search of a process loads the index."""
        engine, search, calls = get_engine("local_features"), LocalFeatures.search, []

        def late(self, *args, **kwargs):
            calls.append(1)
            if len(calls) == 1:
                raise EngineError("the index is being built")
            return search(self, *args, **kwargs)

        monkeypatch.setattr(type(engine), "search", late)
        assert bring_edit(crop()).result == "held"
        assert len(calls) == 2


class TestKeep:
    def test_it_works(self, here, member):
        held = hold(by=member)
        outcome = decisions.keep(held, member)
        assert (outcome.result, outcome.image.sha256) == ("stored", held.sha256)
        source = outcome.image.sources.get()
        assert (source.kind, source.address, source.by) == ("upload", "crop.jpg", member)
        assert originals.path_of(held.sha256, "JPEG").read_bytes() == data(crop())
        assert outcome.image.jobs.get().state == "queued"
        assert state(held) == "stored"
        assert (held.image, held.decided_by) == (outcome.image, member)
        assert stored_files("held") == stored_files(".incoming") == []

    def test_it_tells_when_the_same_bytes_came_meanwhile(self, here, member):
        held = hold(by=member)
        image = bring(data(crop())).image
        assert decisions.keep(held, member).result == "known"
        assert Image.objects.count() == 2
        assert image.sources.count() == 2

    def test_a_second_one_hears_who_was_faster(self, here, member, admin):
        held = hold(by=member)
        image = decisions.keep(held, admin).image
        for decide in (decisions.keep, decisions.drop):
            with pytest.raises(DecisionError, match=rf"^bob has decided already: it is stored as #{image.pk}\.$"):
                decide(held, member)
        decisions_made = HeldUpload.objects.get()
        assert (decisions_made.decided_by, Image.objects.count()) == (admin, 2)

    def test_of_two_at_once_one_wins(self, here, member):
        held = hold(by=member)

        def decide(number: int) -> str:
            try:
                decide = (decisions.keep, decisions.drop)[number % 2]
                decide(HeldUpload.objects.get(), User.objects.get())
            except DecisionError as error:
                return error.code
            return "won"

        assert sorted(at_once(4, decide)) == ["decided"] * 3 + ["won"]
        assert Image.objects.count() == (2 if state(held) == "stored" else 1)

    def test_the_same_bytes_brought_again_meanwhile_wait_for_the_decision(self, here, member):
        """Both take the same locks in the same order."""
        held, brought = hold(by=member), []
        with transaction.atomic():
            decisions.keep(held, member)
            thread = Thread(target=lambda: (brought.append(bring_edit(crop(), by=member)), connection.close()))
            thread.start()
            wait_for_a_lock()
        thread.join(120)
        assert [outcome.result for outcome in brought] == ["held"]  # it looked before, and a new question is asked
        assert state(held) == "stored"

    @pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
    def test_a_lost_file_is_a_sentence(self, here, member, damage):
        held = hold(by=member)
        content = held.path.read_bytes()
        if damage == "gone":
            held.path.unlink()
        else:
            held.path.write_bytes(content[:-1] if damage == "cut" else content[:-1] + b"x")
        with pytest.raises(DecisionError, match="The file of this upload is lost"):
            decisions.keep(held, member)
        assert state(held) == "waiting"
        assert Image.objects.get() == here
        assert stored_files(".incoming") == []
        decisions.drop(held, member)
        assert state(held) == "dropped"

    def test_a_full_disk_changes_nothing(self, here, member):
        held = hold(by=member)
        with full_disk(), pytest.raises(StorageError):
            decisions.keep(held, member)
        assert state(held) == "waiting"
        assert held.has_file
        assert decisions.keep(held, member).result == "stored"


class TestReplace:
    def test_it_works(self, here, member, admin):
        from gallery.models import ImageTag, Tag

        ImageTag.objects.create(image=here, tag=Tag.objects.create(name="harbour"))
        held = hold(double_size(), by=member)
        image = decisions.replace(held, here.pk, admin).image
        here.refresh_from_db()
        assert here.trashed_at
        assert [tag.name for tag in image.tags.all()] == ["harbour"]
        assert {source.address for source in image.sources.all()} >= {"crop.jpg"}
        assert state(held) == "stored"
        assert held.resolution == Resolution.objects.get().pk
        tasks.work.call_local()
        image.refresh_from_db()
        assert image.state == "ready"

    def test_it_can_be_undone(self, here, member, admin):
        held = hold(double_size(), by=member)
        image = decisions.replace(held, here.pk, admin).image
        assert decisions.undo_replace(held, admin) == []
        here.refresh_from_db()
        image.refresh_from_db()
        assert (here.trashed_at, image.trashed_at) == (None, None)
        with pytest.raises(DecisionError, match="it is stored"):
            decisions.undo_replace(held, admin)

    @pytest.mark.parametrize("fate", ["trashed", "purged"])
    def test_it_says_when_the_other_one_is_gone(self, here, member, admin, fate):
        held, pk = hold(double_size(), by=member), here.pk
        here.trash() if fate == "trashed" else here.purge()
        with pytest.raises(DecisionError, match=rf"^#{pk} is not here any more.* Keep yours instead\?$"):
            decisions.replace(held, pk, admin)
        assert state(held) == "waiting"
        assert held.has_file
        assert decisions.keep(held, member).result == "stored"

    def test_members_only_replace_what_they_brought_themselves(self, here, member):
        held = hold(double_size(), by=member)
        with pytest.raises(DecisionError, match=f"Only staff, and whoever brought it, may replace #{here.pk}"):
            decisions.replace(held, here.pk, member)
        assert state(held) == "waiting"
        here.sources.update(by=member)
        assert decisions.replace(held, here.pk, member).result == "stored"

    def test_visitors_replace_nothing(self, here):
        with pytest.raises(DecisionError, match="Only staff"):
            decisions.replace(hold(double_size()), here.pk, None)

    def test_nothing_is_replaced_by_what_lies_in_the_trash(self, here, member, admin):
        held = hold(double_size(), by=member)
        bring(data(double_size())).image.trash()
        here.sources.update(by=member)
        with pytest.raises(DecisionError, match="It lies in the trash; only staff can bring it back"):
            decisions.replace(held, here.pk, member)
        here.refresh_from_db()
        assert here.trashed_at is None


class TestDrop:
    def test_it_works(self, here, member):
        held = hold(by=member)
        decisions.drop(held, member)
        assert state(held) == "dropped"
        assert held.has_file  # for a day
        assert Image.objects.get() == here

    def test_it_can_be_taken_back_for_a_day(self, here, member):
        held = hold(by=member)
        decisions.drop(held, member)
        decisions.take_back(held, member)
        assert (state(held), held.decided_by) == ("waiting", None)
        decisions.drop(held, member)
        a_day_later()
        with pytest.raises(DecisionError):
            decisions.take_back(held, member)

    def test_the_sweep_forgets_it_after_a_day(self, here, member):
        dropped, waiting = hold(by=member), hold(mirrored_crop(), by=member)
        decisions.drop(dropped, member)
        tasks.sweep.call_local()
        assert len(stored_files("held")) == 2
        a_day_later()
        tasks.sweep.call_local()
        assert HeldUpload.objects.get() == waiting
        assert stored_files("held") == [waiting.token]
        with pytest.raises(DecisionError, match="its file is deleted"):
            decisions.keep(dropped, member)

    def test_what_waits_is_never_swept(self, here, settings):
        import os

        held = hold()
        os.utime(held.path, (1, 1))
        sql("UPDATE ingestion_heldupload SET created_at = now() - interval '400 days'")
        tasks.sweep.call_local()
        assert held.has_file
        assert state(held) == "waiting"

    def test_the_sweep_removes_files_that_a_crash_has_left(self, here):
        import os

        held = hold()
        left = held.path.with_name("left")
        left.write_bytes(b"x")
        tasks.sweep.call_local()
        assert left.exists()  # it may belong to a row that is being written
        os.utime(left, (1, 1))
        tasks.sweep.call_local()
        assert stored_files("held") == [held.token]


def test_a_held_file_is_not_imported_from_the_media(here, settings):
    from django.core.management import CommandError, call_command

    hold()
    with pytest.raises(CommandError, match="A gallery keeps what it makes itself in this folder"):
        call_command("import", str(settings.MEDIA_ROOT / "held"))

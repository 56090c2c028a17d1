"""Files of a watched folder that wait for a decision, or that nobody could tell anything about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.core.management import call_command

from gallery.models import Image
from ingestion import decisions, tasks
from ingestion.models import HeldUpload, KnownFile, WatchedFolder
from ingestion.pipeline import UNTOLD
from tests.ingestion.edits import crop, whole
from tests.ingestion.scene import data, sql

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def here(add) -> Image:
    return add(whole(), "whole.jpg")


@pytest.fixture
def watched(tmp_path: Path) -> WatchedFolder:
    (tmp_path / "pictures").mkdir()
    return WatchedFolder.objects.create(path=str(tmp_path / "pictures"), edits="hold")


def put(watched: WatchedFolder, *names: str) -> list[str]:
    """The same crop under each name. Returns the paths."""
    paths = [f"{watched.path}/{name}" for name in names]
    for path in paths:
        Path(path).write_bytes(data(crop()))
        os.utime(path, (1, 1))
    return paths


def look() -> str:
    tasks.watch.call_local()
    return WatchedFolder.objects.get().result


def results() -> list[str]:
    return list(KnownFile.objects.order_by("path").values_list("result", flat=True))


class TestWaiting:
    def test_it_works(self, here, watched, admin):
        """All places of the same bytes become sources."""
        paths = put(watched, "a.jpg", "b.jpg")
        assert look() == "2 held"
        held = HeldUpload.objects.get()
        assert held.paths == paths
        assert (held.name, results()) == ("a.jpg", ["held", "held"])
        image = decisions.keep(held, admin).image
        assert sorted(image.sources.values_list("address", flat=True)) == paths
        assert results() == ["stored", "stored"]
        assert not KnownFile.objects.exclude(image=image).exists()

    def test_a_drop_that_is_final_is_noted(self, here, watched, admin):
        put(watched, "a.jpg", "b.jpg")
        look()
        decisions.drop(HeldUpload.objects.get(), admin)
        tasks.sweep.call_local()
        assert results() == ["held", "held"]  # it can be taken back for a day
        sql("UPDATE ingestion_heldupload SET decided_at = decided_at - interval '25 hours'")
        tasks.sweep.call_local()
        assert results() == ["skipped", "skipped"]
        assert look() == "nothing new"

    def test_a_place_is_noted_once(self, here, watched):
        put(watched, "a.jpg")
        for _ in range(2):
            look()
            KnownFile.objects.all().delete()
        assert HeldUpload.objects.get().also == []


class TestUntold:
    """No engine answers: whoever asked for no edits gets none by accident."""

    @pytest.fixture
    def silent(self, monkeypatch) -> pytest.MonkeyPatch:
        monkeypatch.setattr("ingestion.pipeline.PROVERS", ["an engine that is not there"])
        return monkeypatch

    @pytest.mark.parametrize(("edits", "then"), [("hold", "1 held"), ("skip", "1 skipped")])
    def test_it_works(self, here, watched, silent, edits, then):
        WatchedFolder.objects.update(edits=edits)
        put(watched, "a.jpg")
        assert look() == "1 to look at again, because the search did not answer"
        assert (Image.objects.count(), HeldUpload.objects.count(), KnownFile.objects.count()) == (1, 0, 0)
        silent.undo()
        assert look() == then

    @pytest.mark.parametrize(("edits", "images"), [("hold", 1), ("keep", 2)])
    def test_the_command_says_so(self, here, watched, silent, capsys, edits, images):
        put(watched, "a.jpg")
        call_command("import", watched.path, edits=edits)
        said = "1 were left out: whether they are here in another form could not be told just now."
        assert (said in capsys.readouterr().err) == (edits == "hold")
        assert Image.objects.count() == images

    def test_who_waits_for_the_answer_has_it_stored(self, here, as_member, silent):
        from tests.ingestion.test_upload import send

        answer = send(as_member, data(crop())).json()
        assert (answer["result"], answer["detail"]) == ("stored", UNTOLD)

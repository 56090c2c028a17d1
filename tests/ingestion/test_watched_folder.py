"""Folders that are looked through every minute: what is new comes in, and nothing ever disappears."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from huey.contrib.djhuey import HUEY

from gallery.models import Image
from ingestion import folders as source
from ingestion import tasks
from ingestion.folders import find, new_entries
from ingestion.forms import FolderForm
from ingestion.models import HeldUpload, KnownFile, WatchedFolder
from tests.ingestion.edits import crop, whole
from tests.ingestion.scene import at_once, data, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def watched(folder: Path) -> WatchedFolder:
    return WatchedFolder.objects.create(path=str(folder))


def put(folder: Path, name: str, seed: int, age: float = 60) -> None:
    """A picture that was written so many seconds ago."""
    (folder / name).write_bytes(data(seed))
    moment = time.time() - age
    os.utime(folder / name, (moment, moment))


def look() -> str:
    """What every minute brings, and what is said of it."""
    tasks.watch.call_local()
    return WatchedFolder.objects.get().result


def test_it_works(folder, watched):
    put(folder, "a.jpg", 1)
    (folder / "deep").mkdir()
    put(folder / "deep", "b.jpg", 2)
    assert look() == "2 stored"
    assert {image.sources.get().address for image in Image.objects.all()} == {f"{folder}/a.jpg", f"{folder}/deep/b.jpg"}
    assert WatchedFolder.objects.get().last_scan
    assert look() == "nothing new"


def test_what_comes_later_comes_in(folder, watched):
    put(folder, "a.jpg", 1)
    look()
    put(folder, "b.jpg", 2)
    (folder / "c.jpg").write_bytes(b"")
    os.utime(folder / "c.jpg", (1, 1))
    assert look() == "1 stored, 1 refused"
    assert look() == "nothing new"


def test_a_file_that_may_still_be_written_to_waits(folder, watched):
    put(folder, "a.jpg", 1, age=0)
    assert look() == "nothing new"
    put(folder, "a.jpg", 1, age=60)
    assert look() == "1 stored"


def test_a_date_in_the_future_is_no_reason_to_wait(folder, watched):
    put(folder, "a.jpg", 1, age=-365 * 86400)
    assert look() == "1 stored"


def test_a_folder_that_is_away_is_told_and_nothing_disappears(folder, watched):
    put(folder, "a.jpg", 1)
    look()
    tasks.work.call_local()
    shutil.rmtree(folder)
    assert look() == "This folder cannot be read: No such file or directory."
    image = Image.objects.get()
    assert (image.state, image.trashed_at) == ("ready", None)
    assert len(stored_files()) == KnownFile.objects.count() == 1
    folder.mkdir()
    assert look() == "nothing new"
    assert Image.objects.get() == image


def test_a_folder_that_is_away_does_not_keep_the_others_waiting(folder, watched, tmp_path):
    WatchedFolder.objects.create(path=str(tmp_path / "a folder that is away"))
    put(folder, "b.jpg", 1)
    tasks.watch.call_local()
    assert WatchedFolder.objects.get(pk=watched.pk).result == "1 stored"


def test_a_purged_picture_does_not_come_back_by_itself(folder, watched):
    put(folder, "a.jpg", 1)
    look()
    Image.objects.get().purge()
    assert look() == "nothing new"
    assert not Image.objects.exists()


def test_a_paused_folder_is_left_alone(folder, watched):
    put(folder, "a.jpg", 1)
    WatchedFolder.objects.update(active=False)
    assert look() == ""
    assert not Image.objects.exists()


def test_the_folders_of_the_settings_are_watched(folder, settings):
    settings.WATCH = [str(folder)]
    put(folder, "a.jpg", 1)
    assert look() == "1 stored"
    assert look() == "nothing new"


def test_two_workers_never_look_at_once(folder, watched):
    """The first look can take hours, and each minute another one would begin until no thread does jobs."""
    put(folder, "a.jpg", 1)
    inside, leave = threading.Event(), threading.Event()

    def one(number: int) -> bool:
        if number == 0:
            with source._alone() as alone:
                inside.set()
                leave.wait(120)
                return alone
        assert inside.wait(60)
        tasks.watch.call_local()
        tasks.look_through.call_local(watched.pk)
        leave.set()
        return Image.objects.exists()

    assert at_once(2, one) == [True, False]
    assert look() == "1 stored"


def test_a_long_look_gives_its_thread_back_and_goes_on_the_next_time(folder, watched, monkeypatch):
    monkeypatch.setattr(source, "MAX_SECONDS_A_LOOK", 0)
    for seed in (1, 2):
        put(folder, f"{seed}.jpg", seed)
    assert look() == "1 stored, more to come"
    assert look() == "1 stored, more to come"
    assert look() == "nothing new"
    assert Image.objects.count() == 2


def test_all_folders_share_one_look_and_take_turns(folder, watched, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_SECONDS_A_LOOK", 0)
    other = WatchedFolder.objects.create(path=str(tmp_path / "zoo"))
    (tmp_path / "zoo").mkdir()
    for seed in (1, 2):
        put(folder, f"{seed}.jpg", seed)
        put(tmp_path / "zoo", f"{seed}.jpg", seed + 10)
    counts = []
    for _ in range(4):
        tasks.watch.call_local()
        counts.append(
            [Image.objects.filter(sources__address__startswith=f.path).count() for f in (watched, other)],
        )
    assert counts == [[1, 0], [1, 1], [2, 1], [2, 2]]


def test_a_trashed_picture_does_not_come_back_by_itself(folder, watched):
    put(folder, "a.jpg", 1)
    look()
    image = Image.objects.get()
    image.trash()
    (folder / "a.jpg").rename(folder / "renamed.jpg")
    assert look() == "1 known"
    image.refresh_from_db()
    assert image.trashed_at
    assert KnownFile.objects.get(path=f"{folder}/renamed.jpg").reason.startswith("It lies in the trash")
    assert look() == "nothing new"
    call_command("import", str(folder))
    image.refresh_from_db()
    assert image.trashed_at is None


@pytest.mark.parametrize("inside", ["renditions", ".incoming", "queries", "renditions/ab"])
def test_what_a_gallery_makes_itself_is_never_watched(settings, inside):
    place = settings.MEDIA_ROOT / inside
    place.mkdir(parents=True)
    put(place, "a.webp", 1)
    WatchedFolder.objects.create(path=str(place))  # by an older version, or by LOOKALIKE_WATCH
    assert look() == "This folder cannot be read: A gallery keeps what it makes itself in this folder."
    assert not Image.objects.exists()


class TestForm:
    def test_it_works(self, folder):
        HUEY.storage.flush_all()
        form = FolderForm({"path": f"{folder}/../pictures/"})
        assert form.is_valid()
        assert form.watch().path == str(folder)
        put(folder, "a.jpg", 1)
        assert HUEY.pending_count() == 1  # it is looked through at once
        HUEY.execute(HUEY.dequeue())
        assert Image.objects.count() == 1

    def test_a_folder_named_again_is_watched_again(self, folder, watched):
        WatchedFolder.objects.update(active=False)
        form = FolderForm({"path": str(folder)})
        assert form.is_valid()
        form.watch()
        assert WatchedFolder.objects.get().active

    @pytest.mark.parametrize(
        ("path", "sentence"),
        [
            ("", "required"),
            ("pictures", "Write the whole path, from the root"),
            ("./pictures", "Write the whole path, from the root"),
            ("~nobody-of-this-name/pictures", "Write the whole path, from the root"),
            ("/nowhere/pictures", "There is no such folder"),
            ("/etc/passwd", "There is no such folder"),
            ("/" + "x" * 300, "There is no such folder"),
            ("/" + "x" * 700, "at most 600"),
            ("/a\x00b", "Null characters are not allowed"),
        ],
    )
    def test_it_rejects(self, path, sentence):
        form = FolderForm({"path": path})
        assert not form.is_valid()
        assert sentence in str(form.errors)

    def test_it_rejects_a_part_of_a_watched_folder(self, tmp_path):
        (tmp_path / "inside").mkdir()
        WatchedFolder.objects.create(path=str(tmp_path.resolve()))
        form = FolderForm({"path": str(tmp_path / "inside")})
        assert not form.is_valid()
        assert "watched already" in form.errors["path"][0]
        assert FolderForm({"path": str(tmp_path)}).is_valid()

    def test_it_rejects_the_whole_machine(self):
        form = FolderForm({"path": "/"})
        assert not form.is_valid()
        assert "whole machine" in form.errors["path"][0]

    def test_it_rejects_the_files_of_the_gallery(self, settings):
        (settings.MEDIA_ROOT / "renditions").mkdir(parents=True)
        form = FolderForm({"path": str(settings.MEDIA_ROOT / "renditions")})
        assert "The gallery keeps its own files in this folder." in str(form.errors)

    def test_it_rejects_a_real_path_that_cannot_be_kept(self, tmp_path):
        (tmp_path / os.fsdecode(b"\xff")).mkdir()
        (tmp_path / "link").symlink_to(tmp_path / os.fsdecode(b"\xff"))
        assert "must be text" in str(FolderForm({"path": str(tmp_path / "link")}).errors)


class TestPage:
    def test_it_works(self, folder, as_admin):
        response = as_admin.post("/import/folder/", {"path": str(folder)}, follow=True)
        assert f"{folder} is being looked through, and will be every minute." in response.content.decode()
        assert WatchedFolder.objects.get().path == str(folder)

    def test_it_shows_what_the_last_look_brought(self, folder, watched, as_admin):
        put(folder, "a.jpg", 1)
        look()
        page = as_admin.get("/import/").content.decode()
        assert str(folder) in page
        assert "1 stored" in page

    def test_it_rejects_with_a_sentence(self, as_admin):
        response = as_admin.post("/import/folder/", {"path": "pictures"})
        assert response.status_code == 400
        assert "Write the whole path, from the root" in response.content.decode()
        assert not WatchedFolder.objects.exists()

    def test_removing_it_leaves_its_pictures(self, folder, watched, as_admin):
        put(folder, "a.jpg", 1)
        look()
        response = as_admin.post(f"/import/folder/{watched.pk}/remove/", follow=True)
        assert "Its pictures stay in the gallery." in response.content.decode()
        assert not WatchedFolder.objects.exists()
        assert Image.objects.count() == 1

    def test_only_admins_may(self, folder, watched, client, as_member):
        for path in ("/import/folder/", f"/import/folder/{watched.pk}/remove/"):
            assert client.post(path, {"path": "/etc"}).headers["Location"].startswith("/login/")
            assert as_member.post(path, {"path": "/etc"}).status_code == 403
        assert WatchedFolder.objects.get() == watched

    def test_members_see_no_folder(self, watched, as_member):
        assert watched.path not in as_member.get("/import/").content.decode()

    def test_the_admin_checks_the_folder(self, folder, settings, as_admin):
        (settings.MEDIA_ROOT / "renditions").mkdir(parents=True)
        for path, sentence in {
            str(settings.MEDIA_ROOT / "renditions"): "The gallery keeps its own files in this folder.",
            "/": "That is the whole machine.",
            "pictures": "Write the whole path",
        }.items():
            response = as_admin.post(
                "/admin/ingestion/watchedfolder/add/", {"path": path, "active": "on", "edits": "keep"}
            )
            assert response.status_code == 200
            assert sentence in response.content.decode()
        as_admin.post("/admin/ingestion/watchedfolder/add/", {"path": f"{folder}/", "active": "on", "edits": "keep"})
        assert WatchedFolder.objects.get().path == str(folder)

    def test_the_admin_pauses_a_folder_that_is_away(self, folder, watched, as_admin):
        folder.rmdir()
        as_admin.post(f"/admin/ingestion/watchedfolder/{watched.pk}/change/", {"path": watched.path, "edits": "keep"})
        assert not WatchedFolder.objects.get().active

    def test_the_admin_looks_now(self, folder, watched, as_admin):
        HUEY.storage.flush_all()
        selected = {"action": "look_now", "_selected_action": [watched.pk]}
        response = as_admin.post("/admin/ingestion/watchedfolder/", selected, follow=True)
        assert "The worker is looking through them." in response.content.decode()
        assert HUEY.pending_count() == 1


def test_nothing_is_left_to_do_after_a_look(folder, watched):
    put(folder, "a.jpg", 1)
    look()
    assert list(new_entries(find(folder))) == []


class TestEdits:
    """A folder may say what becomes of a crop or another edit of what is here."""

    @pytest.fixture
    def here(self, add, folder) -> Image:
        (folder / "crop.jpg").write_bytes(data(crop()))
        os.utime(folder / "crop.jpg", (1, 1))
        return add(whole(), "whole.jpg")

    @pytest.mark.parametrize(
        ("edits", "said", "images"), [("keep", "1 stored", 2), ("skip", "1 skipped", 1), ("hold", "1 held", 1)]
    )
    def test_it_works(self, here, folder, watched, edits, said, images):
        WatchedFolder.objects.update(edits=edits)
        assert look() == said
        assert look() == "nothing new"  # what was skipped or held is not looked at every minute
        assert Image.objects.count() == images
        assert HeldUpload.objects.count() == (edits == "hold")
        assert (folder / "crop.jpg").read_bytes() == data(crop())

    def test_both_are_kept_unless_somebody_says_otherwise(self, watched):
        assert watched.edits == "keep"

    def test_the_page_and_the_admin_set_it(self, folder, as_admin):
        as_admin.post("/import/folder/", {"path": str(folder), "edits": "skip"})
        watched = WatchedFolder.objects.get()
        assert watched.edits == "skip"
        assert "skips what is here in another form" in as_admin.get("/import/").content.decode()
        address = f"/admin/ingestion/watchedfolder/{watched.pk}/change/"
        as_admin.post(address, {"path": watched.path, "active": "on", "edits": "hold"})
        assert WatchedFolder.objects.get().edits == "hold"
        assert as_admin.post("/import/folder/", {"path": str(folder), "edits": "burn"}).status_code == 400

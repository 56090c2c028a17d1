"""manage.py import DIR: safe to stop, to repeat and to run twice at once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection

from gallery.models import Image
from ingestion import decisions
from ingestion.models import HeldUpload, Job, KnownFile
from search.engines import own_engines
from tests.ingestion.edits import crop, whole
from tests.ingestion.scene import data, sql, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def run(capsys, folder):
    """run() -> (what it said, what it complained about)"""

    def run(path: Path = folder, **options: object) -> tuple[str, str]:
        capsys.readouterr()
        call_command("import", str(path), **options)
        shown = capsys.readouterr()
        return shown.out, shown.err

    return run


def put(folder: Path, **pictures: int) -> None:
    """put(folder, a=1): a.jpg with picture 1."""
    for name, seed in pictures.items():
        (folder / f"{name}.jpg").write_bytes(data(seed))


def test_it_works(folder, run):
    (folder / "deep" / "er").mkdir(parents=True)
    put(folder, a=1)
    put(folder / "deep" / "er", b=2)
    (folder / "notes.txt").write_text("no picture")
    out, err = run()
    assert "2 files: 2 stored, 0 already here, 0 refused, 0 seen before." in out
    assert "“import DIR --wait” makes them now." in out
    assert err == ""
    addresses = {image.sources.get().address for image in Image.objects.all()}
    assert addresses == {f"{folder}/a.jpg", f"{folder}/deep/er/b.jpg"}
    assert Job.objects.counts()["queued"] == 2
    assert (folder / "a.jpg").read_bytes() == data(1)  # nothing in the folder is touched


def test_it_can_be_repeated(folder, run):
    put(folder, a=1, b=2)
    run()
    out, _ = run()
    assert "2 files: 0 stored, 0 already here, 0 refused, 2 seen before." in out
    assert Image.objects.count() == Job.objects.count() == 2


def test_it_goes_on_where_it_was(folder, run):
    put(folder, a=1, b=2)
    run()
    put(folder, c=3)
    assert "3 files: 1 stored, 0 already here, 0 refused, 2 seen before." in run()[0]


def test_what_has_not_changed_is_not_read_again(folder, run):
    put(folder, a=1)
    run()
    stamp = (folder / "a.jpg").stat()
    (folder / "a.jpg").write_bytes(b"x" * stamp.st_size)  # would be refused if it were read
    os.utime(folder / "a.jpg", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert "0 refused, 1 seen before." in run()[0]


def test_what_has_changed_is_read_again(folder, run):
    put(folder, a=1)
    run()
    put(folder, a=2)
    os.utime(folder / "a.jpg", (1, 1))
    assert "1 stored" in run()[0]
    assert KnownFile.objects.get().image == Image.objects.latest("id")


def test_the_same_picture_twice_is_already_here(folder, run):
    put(folder, a=1, b=1, c=1)
    assert "3 files: 1 stored, 2 already here" in run()[0]
    assert Image.objects.get().sources.count() == 3


def test_what_is_refused_is_listed_each_time(folder, run):
    put(folder, a=1)
    (folder / "b.jpg").write_bytes(data(2)[:1000])
    (folder / "c.png").write_bytes(b"")
    for _ in range(2):
        out, err = run()
        assert "2 refused" in out
        assert f"refused: {folder}/b.jpg: This JPEG picture is damaged or cut off." in err
        assert f"refused: {folder}/c.png: This file is empty." in err


def test_what_was_refused_comes_in_when_the_limits_are_raised(folder, run, settings):
    put(folder, a=1)
    settings.MAX_BYTES = 1000
    assert "1 refused" in run()[0]
    settings.MAX_BYTES = 100_000
    assert "1 stored" in run()[0]


def test_wait_makes_everything_ready_to_be_found(folder, run, client):
    put(folder, a=1, b=2, c=3)
    out, err = run(wait=True)
    assert "3 stored" in out
    assert "makes them now" not in out
    assert err == ""
    assert Job.objects.counts()["done"] == 3
    for image in Image.objects.all():
        assert image.state == "ready"
        assert image.features.count() == len(own_engines())
        assert client.get(f"/image/{image.pk}/").status_code == 200


def test_wait_does_what_an_earlier_import_left(folder, run):
    put(folder, a=1)
    run()
    run(wait=True)
    assert Job.objects.get().state == "done"


def test_wait_says_when_jobs_failed(folder, run):
    put(folder, a=1)
    run()
    for path in (django_settings.MEDIA_ROOT / "originals").rglob("*.jpg"):
        path.unlink()
    _, err = run(wait=True)
    assert "1 jobs failed: see “manage.py jobs”." in err


@pytest.mark.parametrize(("path", "reason"), [("gone", "No such file or directory"), ("a.jpg", "Not a directory")])
def test_it_requires_a_folder(folder, run, path, reason):
    put(folder, a=1)
    with pytest.raises(CommandError, match=rf"^{folder}/{path} cannot be read: {reason}\.$"):
        run(folder / path)


def test_it_handles_an_empty_folder(run):
    assert "0 files: 0 stored" in run()[0]


def test_it_handles_names_that_are_no_text(folder, run):
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(data(1))
    (folder / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(b"")
    out, err = run(wait=True)
    assert "2 files: 1 stored, 0 already here, 1 refused" in out
    assert "\\udcff\\udcfe.jpg: This file is empty." in err
    assert Image.objects.get().name == "caf.jpg"


def test_it_handles_a_circle_of_links(folder, run):
    put(folder, a=1)
    (folder / "circle").symlink_to(folder)
    (folder / "itself.jpg").symlink_to(folder / "itself.jpg")
    assert "1 files: 1 stored" in run()[0]


def test_a_file_that_cannot_be_read_is_tried_the_next_time(folder, run):
    put(folder, a=1, b=2)
    with unreadable(folder / "a.jpg"):
        out, err = run()
        assert "1 stored, 0 already here, 1 refused" in out
        assert f"refused: {folder}/a.jpg: This file cannot be imported now: " in err
        assert KnownFile.objects.count() == 1
    assert "1 stored" in run()[0]


class unreadable:
    """A file that this process cannot read. Root can read everything, so it is one that says no: its own memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.content = path, path.read_bytes()

    def __enter__(self) -> None:
        self.path.unlink()
        self.path.symlink_to("/proc/self/mem")

    def __exit__(self, *exc: object) -> None:
        self.path.unlink()
        self.path.write_bytes(self.content)


def test_a_database_that_goes_away_is_a_sentence(folder, run, settings):
    settings.WORKERS = 1
    put(folder, a=1, b=2)
    sql("""CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE TRIGGER leave AFTER INSERT ON gallery_image FOR EACH ROW EXECUTE FUNCTION leave()""")
    try:
        with pytest.raises(CommandError, match=r"(?s)^The database went away: .*it goes on where it was\.$"):
            run()
    finally:
        connection.close()
        sql("DROP FUNCTION leave CASCADE")
    assert not Image.objects.exists()
    assert "2 stored" in run()[0]


class TestProcesses:
    """Real ones, in a gallery of their own."""

    def test_two_at_once(self, folder, new_gallery):
        for seed in range(8):
            put(folder, **{f"{seed}": seed})
        both = [new_gallery.start("import", folder, "--wait") for _ in range(2)]
        answers = [process.communicate(timeout=300) for process in both]
        assert [process.returncode for process in both] == [0, 0], answers
        assert "Traceback" not in str(answers)
        out = new_gallery.run("jobs")
        assert "done         8" in out
        assert len(list((new_gallery.var / "media/originals").rglob("*.jpg"))) == 8
        assert list((new_gallery.var / "media/.incoming").iterdir()) == []
        assert "8 files: 0 stored, 0 already here, 0 refused, 8 seen before." in new_gallery.run("import", folder)

    def test_ctrl_c_is_a_sentence(self, folder, gallery):
        for seed in range(16):
            put(folder, **{f"{seed}": seed})
        process = gallery.start("import", folder, "--wait")
        gallery.wait_for_files("media/originals", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 130
        assert "Stopped. Run the same command again: it goes on where it was." in err
        assert "Traceback" not in out + err
        assert "16 files: " in gallery.run("import", folder, "--wait")
        assert "done         16" in gallery.run("jobs")


def test_the_media_of_the_gallery_are_not_imported(folder, run, settings):
    settings.MEDIA_ROOT = folder / "media"
    put(folder, a=1)
    run(wait=True)
    assert stored_files("renditions")
    assert "1 files: 0 stored, 0 already here, 0 refused, 1 seen before." in run()[0]


@pytest.mark.parametrize("inside", ["renditions", ".incoming", "queries"])
def test_what_a_gallery_makes_itself_is_not_imported(run, settings, tmp_path, inside):
    other = tmp_path / "other" / "media"
    for media in (settings.MEDIA_ROOT, other):
        for made in ("renditions", ".incoming", inside):
            (media / made).mkdir(parents=True, exist_ok=True)
        put(media / inside, a=1)
        with pytest.raises(CommandError, match="A gallery keeps what it makes itself in this folder"):
            run(media / inside)
    assert not Image.objects.exists()


def test_a_folder_with_such_a_name_elsewhere_is_imported(folder, run):
    (folder / "renditions").mkdir()
    put(folder / "renditions", a=1)
    assert "1 stored" in run(folder / "renditions")[0]


def test_the_originals_of_the_gallery_bring_back_what_an_older_database_does_not_know(folder, run, settings):
    """What is in its trash stays there, and no file is changed."""
    put(folder, a=1, b=2, c=3)
    run(wait=True)
    _kept, trashed, lost = Image.objects.order_by("id")
    trashed.trash()
    Image.objects.filter(pk=lost.pk).delete()  # as in a backup that is older than the picture
    files = stored_files()
    out, err = run(settings.MEDIA_ROOT / "originals", wait=True)
    assert ("1 stored" in out, err) == (True, "")
    back = Image.objects.get(sha256=lost.sha256)
    assert (back.state, back.trashed_at) == ("ready", None)
    assert back.thumbnail.path.exists()
    trashed.refresh_from_db()
    assert trashed.trashed_at
    assert stored_files() == files
    assert Image.objects.count() == 3


class TestEdits:
    """A crop or another edit of what is in the gallery already."""

    @pytest.fixture
    def here(self, add, folder) -> Image:
        (folder / "crop.jpg").write_bytes(data(crop()))
        (folder / "other.jpg").write_bytes(data(2))
        return add(whole(), "whole.jpg")

    def test_both_are_kept_and_told(self, here, folder, run):
        out, err = run()
        assert "2 files: 2 stored, 0 already here" in out
        assert "1 of those stored were here in another form; “manage.py duplicates” lists all there are:" in out
        assert f"  {folder}/crop.jpg: A part of #{here.pk}: " in out
        assert "other.jpg" not in out
        assert err == ""
        assert Image.objects.count() == 3

    def test_they_are_held(self, here, folder, run):
        out, _ = run(edits="hold")
        assert "2 files: 1 stored, 0 already here" in out
        assert "1 are here in another form and wait on the Import page for a decision:" in out
        held = HeldUpload.objects.get()
        assert (held.by, held.origin["kind"], held.origin["address"]) == (None, "folder", f"{folder}/crop.jpg")
        run(edits="hold")
        assert HeldUpload.objects.get() == held  # asked once
        image = decisions.keep(held, None).image
        assert image.sources.get().address == f"{folder}/crop.jpg"
        assert KnownFile.objects.get(path=f"{folder}/crop.jpg").image == image
        assert "2 seen before" in run(edits="hold")[0]
        assert (folder / "crop.jpg").read_bytes() == data(crop())

    def test_they_are_skipped(self, here, folder, run):
        out, _ = run(edits="skip")
        assert "2 files: 1 stored, 0 already here" in out
        assert "1 are here in another form and were skipped:" in out
        known = KnownFile.objects.get(path=f"{folder}/crop.jpg")
        assert (known.result, known.image) == ("skipped", None)
        assert known.reason.startswith(f"A part of #{here.pk}: ")
        assert Image.objects.count() == 2
        assert "1 stored" in run(edits="keep")[0]  # who names the folder again, with another wish, means it

    def test_only_some_are_named(self, add, folder, run):
        add(whole())
        for quality in range(40, 47):
            (folder / f"{quality}.jpg").write_bytes(data(crop(), quality=quality))
        out, _ = run(edits="skip")
        assert "7 are here in another form and were skipped:" in out
        assert "and 2 more" in out

    def test_nobody_looks_into_an_empty_gallery(self, folder, run, monkeypatch):
        monkeypatch.setattr("ingestion.pipeline.likenesses", None)  # would fail if it were called
        put(folder, a=1)
        assert "1 stored" in run()[0]

    def test_the_originals_of_the_gallery_come_back_unasked(self, add, run, settings):
        add(whole())
        lost = add(crop())
        Image.objects.filter(pk=lost.pk).delete()
        assert "1 stored" in run(settings.MEDIA_ROOT / "originals", edits="skip")[0]

    def test_it_rejects_another_choice(self, folder):
        with pytest.raises(CommandError, match="invalid choice: 'burn'"):
            call_command("import", str(folder), "--edits", "burn")

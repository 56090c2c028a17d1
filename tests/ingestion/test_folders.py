"""Pictures in a folder: found by their extension, remembered by size and date."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from ingestion.folders import CHUNK, Entry, find, import_entry, new_entries
from ingestion.models import KnownFile
from ingestion.pipeline import Outcome
from tests.ingestion.scene import data
from tests.ingestion.source_contract import SourceContract


class TestContract(SourceContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "pictures"
        self.folder.mkdir()

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def take_away(self, name: str) -> None:
        (self.folder / name).unlink()

    def new(self) -> Iterable[Entry]:
        return new_entries(find(self.folder))

    def bring(self, entry: Entry) -> Outcome:
        return import_entry(entry)


@pytest.fixture
def folder(tmp_path: Path, settings) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return [os.path.relpath(entry.path, folder) for entry in find(folder)]


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")


class TestFind:
    def test_it_works(self, folder):
        put(folder, "b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", "jpg", "d.jpg.part")
        assert names(folder) == ["a.PNG", "b.jpg", "deep/er/c.webp"]

    def test_it_knows_size_and_date(self, folder):
        put(folder, "a.jpg")
        os.utime(folder / "a.jpg", ns=(1, 1_234_567_890))
        assert list(find(folder)) == [Entry(str(folder / "a.jpg"), 1, 1_234_567_890)]

    @pytest.mark.parametrize("extension", ["jpg", "jpeg", "jfif", "JPG", "png", "gif", "webp", "bmp", "tif", "tiff"])
    def test_it_knows_the_extension(self, folder, extension):
        put(folder, f"a.{extension}")
        assert names(folder) == [f"a.{extension}"]

    def test_hidden_files_and_folders_are_left_out(self, folder):
        put(folder, ".a.jpg", ".thumbnails/b.jpg", "._c.jpg", "d.jpg")
        assert names(folder) == ["d.jpg"]

    def test_links_to_files_are_followed_and_links_to_folders_are_not(self, folder, tmp_path):
        put(tmp_path, "elsewhere/a.jpg", "elsewhere/b.jpg")
        (folder / "link.jpg").symlink_to(tmp_path / "elsewhere/a.jpg")
        (folder / "to_folder").symlink_to(tmp_path / "elsewhere")
        (folder / "circle").symlink_to(folder)
        (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
        (folder / "itself.jpg").symlink_to(folder / "itself.jpg")
        assert names(folder) == ["link.jpg"]

    def test_only_files_are_files(self, folder):
        (folder / "folder.jpg").mkdir()
        os.mkfifo(folder / "pipe.jpg")  # to read it would wait for ever
        put(folder, "folder.jpg/a.jpg")
        assert names(folder) == ["folder.jpg/a.jpg"]

    def test_it_handles_names_that_are_no_text(self, folder):
        (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
        (folder / "new\nline.jpg").write_bytes(b"x")
        assert len(names(folder)) == 2

    def test_the_files_of_the_gallery_are_left_out(self, folder, settings):
        """Each thumbnail would be a new picture with new thumbnails."""
        settings.MEDIA_ROOT = folder / "gallery" / "media"
        put(folder, "gallery/media/renditions/a.webp", "gallery/media/originals/b.jpg", "gallery/c.jpg", "media/d.jpg")
        assert names(folder) == ["gallery/c.jpg", "media/d.jpg"]
        (folder.parent / "link").symlink_to(folder)
        assert names(folder.parent / "link") == ["gallery/c.jpg", "media/d.jpg"]

    def test_a_lost_gallery_can_be_imported_from_its_originals(self, folder, settings):
        settings.MEDIA_ROOT = folder
        put(folder, "originals/ab/cd/abcd.jpg")
        assert names(folder / "originals") == ["ab/cd/abcd.jpg"]

    @pytest.mark.parametrize("path", ["gone", "file.jpg"])
    def test_it_requires_a_folder(self, folder, path):
        put(folder, "file.jpg")
        with pytest.raises(OSError, match=r"No such file|Not a directory"):
            list(find(folder / path))


@pytest.mark.django_db(transaction=True)
class TestNewEntries:
    def test_it_works(self, folder):
        put(folder, "a.jpg", "b.jpg")
        a, b = find(folder)
        KnownFile.remember(a.path, a.stamp, result="refused")
        assert list(new_entries([a, b])) == [b]

    @pytest.mark.parametrize("change", [{"bytes": 99}, {"modified_ns": 99}])
    def test_another_size_or_date_is_another_file(self, folder, change):
        put(folder, "a.jpg")
        (a,) = find(folder)
        KnownFile.remember(a.path, a.stamp, result="stored")
        changed = Entry(**{"path": a.path, "bytes": a.bytes, "modified_ns": a.modified_ns} | change)
        assert list(new_entries([changed])) == [changed]

    def test_it_goes_through_long_lists(self, folder):
        entries = [Entry(f"/{number}.jpg", 1, 1) for number in range(2 * CHUNK + 1)]
        for entry in entries[::2]:
            KnownFile.remember(entry.path, entry.stamp, result="stored")
        assert list(new_entries(entries)) == entries[1::2]

    def test_again_means_all_that_are_not_in_the_gallery(self, folder, add):
        kept, purged = add(1), add(2)
        entries = [Entry(f"/{name}.jpg", 1, 1) for name in ("kept", "purged", "refused", "never seen")]
        KnownFile.remember(entries[0].path, (1, 1), result="stored", image=kept)
        KnownFile.remember(entries[1].path, (1, 1), result="stored", image=purged)
        KnownFile.remember(entries[2].path, (1, 1), result="refused")
        purged.purge()
        assert list(new_entries(entries)) == entries[3:]
        assert list(new_entries(entries, again=True)) == entries[1:]

    def test_it_handles_names_that_are_no_text(self, folder):
        (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(data(1))
        (entry,) = find(folder)
        outcome = import_entry(entry)
        assert outcome.result == "stored"
        assert outcome.image.sources.get().address == f"{folder}/caf\\xe9.jpg".replace("\\xe9", "\\udce9")
        assert list(new_entries(find(folder))) == []

    def test_a_path_too_long_to_be_remembered_is_read_again(self, folder):
        deep = folder.joinpath(*["d" * 250] * 9)
        deep.mkdir(parents=True)
        (deep / "a.jpg").write_bytes(data(1))
        (entry,) = find(folder)
        assert import_entry(entry).result == "stored"
        (entry,) = new_entries(find(folder))
        assert import_entry(entry).result == "known"

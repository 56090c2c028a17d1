"""What is taken out of archives, format by format. What is refused is in test_hostile_archives.py."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ingestion.archives import ArchiveError, PassedOver, is_archive, is_archive_name, members
from ingestion.sources._base import Found, What
from ingestion.unpacking import archived
from tests.ingestion.made_archives import MAKERS, rarred, tarred, written, zipped
from tests.pictures import encode, photo

ONE, TWO = encode(photo(1, 64, 48)), encode(photo(2, 64, 48), "PNG")


@pytest.fixture(autouse=True)
def _media(settings: Any) -> None:
    """Archives in archives go there for a moment."""


def taken(path: Path) -> dict[str, bytes]:
    return {member.path: b"".join(member.open()) for member in members(path) if not member.error}


@pytest.mark.parametrize("kind", MAKERS)
def test_it_works(tmp_path: Path, kind: str):
    path = written(tmp_path, MAKERS[kind]([("a.jpg", ONE), ("sub/ä ö.png", TWO), ("read me.txt", b"x")]), "picture.png")
    assert is_archive(path)
    first, second, third = [(member, b"" if member.error else b"".join(member.open())) for member in members(path)]
    assert (first[0].path, first[0].name, first[0].bytes, first[1]) == ("a.jpg", "a.jpg", len(ONE), ONE)
    assert (second[0].path, second[0].name, second[1]) == ("sub/ä ö.png", "ä ö.png", TWO)
    assert (third[0].path, str(third[0].error)) == ("read me.txt", "Its name is not that of a picture.")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", MAKERS)
def test_one_member_can_be_fetched_by_its_place(tmp_path: Path, kind: str):
    inner = zipped([("a.jpg", ONE), ("b.png", TWO)])
    path = written(tmp_path, MAKERS[kind]([("a.jpg", ONE), ("inner.zip", inner), ("a.jpg", TWO)]))
    places = {member.place: b"".join(member.open()) for member in members(path)}
    assert list(places) == [(0,), (1, 0), (1, 1), (2,)]
    for place, content in places.items():
        (member,) = [(each.place, b"".join(each.open())) for each in members(path, place)]
        assert member == (place, content)


@pytest.mark.parametrize("kind", MAKERS)
def test_members_that_nobody_reads_are_passed_by(tmp_path: Path, kind: str):
    path = written(tmp_path, MAKERS[kind]([(f"{n}.jpg", ONE * n) for n in range(1, 6)]))
    last = b""
    for member in members(path):
        if member.path in ("2.jpg", "4.jpg"):
            last = next(member.open())
    assert last == ONE * 4


def test_pictures_and_other_packed_files_are_no_archives(tmp_path: Path):
    for content in (ONE, TWO, b"", b"x", b"GIF89a" + b"\0" * 600, gzip.compress(b"<svg/>" * 200), b"\0" * 2000):
        assert not is_archive(written(tmp_path, content))
    with_zip_behind = written(tmp_path, ONE + zipped([("a.jpg", ONE)]))
    assert not is_archive(with_zip_behind)
    with pytest.raises(ArchiveError, match="no archive"):
        list(members(with_zip_behind))


def test_names_of_archives():
    for name in ("a.zip", "A.ZIP", "a.tar.gz", "a.tgz", "x.tbz2", "b.tar.xz", "c.cbr", "d.rar", "e.7z"):
        assert is_archive_name(name), name
    for name in ("a.png", "zip", "a.zip.png", "a.gz", "a.tar.gz/x.png"):
        assert not is_archive_name(name), name


class TestNames:
    def test_of_a_zip_without_a_mark(self, tmp_path: Path):
        """UTF-8 that does not say so, and cp437."""
        made = zipped([("XX.jpg", ONE), ("YY.jpg", TWO)])
        path = written(tmp_path, made.replace(b"XX.jpg", "ä.jpg".encode()).replace(b"YY.jpg", b"\x84\x94.jpg"))
        assert list(taken(path)) == ["ä.jpg", "äö.jpg"]

    def test_of_a_tar_of_another_charset(self, tmp_path: Path):
        path = written(tmp_path, tarred([("ä.jpg", ONE)], tarfile.GNU_FORMAT, "latin-1"))
        assert list(taken(path)) == ["ä.jpg"]

    @pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
    def test_of_a_tar_that_are_long(self, tmp_path: Path, format: int):
        name = "/".join(["long folder"] * 12) + "/ä.jpg"
        assert taken(written(tmp_path, tarred([(name, ONE), ("b.jpg", TWO)], format))) == {name: ONE, "b.jpg": TWO}

    def test_that_hide_are_made_fit_to_be_shown(self, tmp_path: Path):
        path = written(tmp_path, zipped([("sub//./\u202egnp\x07.jpg", ONE), ("x" * 700 + ".jpg", TWO)]))
        first, second = members(path)
        assert (first.path, first.name) == ("sub/gnp.jpg", "gnp.jpg")
        assert (len(second.path), len(second.name)) == (600, 255)
        assert second.name.endswith(".jpg")

    def test_of_windows(self, tmp_path: Path):
        assert list(taken(written(tmp_path, zipped([("sub\\a.jpg", ONE)])))) == ["sub/a.jpg"]

    def test_that_programs_leave_behind_are_not_even_told(self, tmp_path: Path):
        path = written(tmp_path, zipped([("__MACOSX/._a.jpg", b"x"), (".hidden/b.jpg", b"x"), ("./a.jpg", ONE)]))
        assert [member.path for member in members(path)] == ["a.jpg"]

    def test_that_come_twice_are_two(self, tmp_path: Path):
        with pytest.warns(UserWarning, match="Duplicate"):
            path = written(tmp_path, zipped([("a.jpg", ONE), ("a.jpg", TWO)]))
        assert [b"".join(member.open()) for member in members(path)] == [ONE, TWO]


class TestInside:
    @pytest.mark.parametrize("kind", MAKERS)
    def test_archives_in_an_archive_are_opened(self, tmp_path: Path, kind: str):
        inner = MAKERS[kind]([("sub/a.jpg", ONE)])
        path = written(tmp_path, zipped([(f"b.{kind}", inner), ("c.jpg", TWO)]))
        assert taken(path) == {f"b.{kind}/sub/a.jpg": ONE, "c.jpg": TWO}

    def test_nothing_of_them_is_left(self, tmp_path: Path, settings: Any):
        list(members(written(tmp_path, zipped([("b.zip", zipped([("a.jpg", ONE)]))]))))
        assert list((settings.MEDIA_ROOT / ".incoming").iterdir()) == []

    def test_those_inside_them_are_named(self, tmp_path: Path):
        inner = zipped([("c.zip", zipped([("a.jpg", ONE)])), ("b.jpg", TWO)])
        refused, good = members(written(tmp_path, tarred([("b.zip", inner)])))
        assert (refused.path, str(refused.error)) == ("b.zip/c.zip", "It is an archive in an archive in an archive.")
        assert good.path == "b.zip/b.jpg"

    def test_a_damaged_one_is_named_and_its_neighbours_come(self, tmp_path: Path):
        path = written(tmp_path, zipped([("b.zip", b"PK\3\4 no"), ("c.7z", b"7z\xbc\xaf'\x1c"), ("a.jpg", ONE)]))
        damaged, other, good = members(path)
        assert damaged.error
        assert damaged.error.code == "corrupt"
        assert other.error
        assert other.error.code == "unsupported"
        assert not good.error


class TestPackedTars:
    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
    def test_of_programs_that_pack_in_pieces(self, tmp_path: Path, pack: Any):
        tar = tarred([("a.jpg", ONE), ("b.png", TWO)])
        path = written(tmp_path, b"".join(pack(tar[at : at + 1000]) for at in range(0, len(tar), 1000)))
        assert taken(path) == {"a.jpg": ONE, "b.png": TWO}

    @pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
    def test_that_are_cut_off_give_what_came_before(self, tmp_path: Path, pack: Any):
        noise = b"".join(encode(photo(seed, 64, 48)) for seed in range(20))
        whole = pack(tarred([("a.jpg", ONE), ("b.jpg", noise), ("c.jpg", noise)]))
        seen = []
        with pytest.raises(ArchiveError, match="damaged or cut off") as caught:  # noqa: PT012
            for member in members(written(tmp_path, whole[: int(len(whole) * 0.8)])):
                seen.append((member.path, len(b"".join(member.open()))))
        assert caught.value.code == "corrupt"
        assert seen[0] == ("a.jpg", len(ONE))

    def test_that_have_lost_their_first_block_are_none(self, tmp_path: Path):
        with pytest.raises(ArchiveError, match="no archive that can be read here, or it is damaged"):
            list(members(written(tmp_path, bz2.compress(tarred([("a.jpg", ONE)]))[:100])))

    def test_zstd_is_told_where_it_cannot_be_read(self, tmp_path: Path):
        pytest.importorskip("rarfile")
        path = written(tmp_path, b"\x28\xb5\x2f\xfd" + b"\0" * 50)
        try:
            from compression import zstd  # noqa: F401
        except ImportError:
            assert is_archive(path)
            with pytest.raises(ArchiveError, match=r"Python 3\.14"):
                list(members(path))


class TestRar:
    def test_what_is_packed_needs_a_program_and_the_rest_goes_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        import rarfile

        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(rarfile, "CURRENT_SETUP", None)
        packed, stored = rarred([("a.jpg", ONE)], method=0x33), rarred([("b.jpg", TWO)])
        path = written(tmp_path, packed[:-7] + stored[20:])  # one head, the members of both
        first, second = members(path)
        assert first.error is None
        with pytest.raises(ArchiveError, match="unrar, unar, 7z or bsdtar") as caught:
            list(first.open())
        assert caught.value.code == "unsupported"
        assert b"".join(second.open()) == TWO

    def test_its_links_passwords_and_sets_are_told(self, tmp_path: Path):
        def told(**options: int) -> str:
            path = written(tmp_path, rarred([("a.jpg", ONE)], **options))
            with pytest.raises(ArchiveError) as caught:
                list(members(path))
            return f"{caught.value.code}: {str(caught.value).partition('a.jpg: ')[2]}"

        assert told(system=3, attributes=0o120777) == "unsafe_archive: It is a link, not a file."
        assert told(flags=0x04) == "encrypted: It needs a password."
        assert told(flags=0x02) == "unsupported: It goes on in another file of the same set."

    def test_a_wrong_checksum_is_told(self, tmp_path: Path):
        path = written(tmp_path, rarred([("a.jpg", ONE)]).replace(ONE, ONE[:-1] + b"x"))
        (member,) = members(path)
        with pytest.raises(ArchiveError, match="It is damaged"):
            list(member.open())


def test_memory_does_not_grow_with_the_archive(tmp_path: Path):
    content = bytes(range(256)) * 4096  # 1 MiB
    info = [(f"{n}.jpg", content) for n in range(24)]
    path = written(tmp_path, gzip.compress(tarred(info), 1))
    tracemalloc.start()
    try:
        assert sum(len(block) for member in members(path) for block in member.open()) == 24 * 2**20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 2**20


class TestFound:
    ARCHIVE = Found("https://h/a ä.zip", "https://h/page", "a ä.zip", "Title", "Ann", "CC0", what=What.ARCHIVE)

    def test_each_picture_is_a_thing_found_of_its_own(self, tmp_path: Path):
        noted = PassedOver()
        info = zipfile.ZipInfo("sub/a.jpg")
        path = written(tmp_path, zipped([(info, ONE), ("../b.jpg", TWO), ("c.txt", b"x")]))
        ((found, member),) = archived(self.ARCHIVE, path, noted)
        assert (found.url, found.page, found.what) == ("https://h/a ä.zip", "https://h/page", What.PICTURE)
        assert (found.name, found.title, found.author, found.licence) == ("a.jpg", "Title", "Ann", "CC0")
        assert found.key == "https://h/a ä.zip#sub/a.jpg"
        assert found.more["member"] == member.path == "sub/a.jpg"
        assert Found.read(found.written()) == found
        assert noted.count == 2
        assert noted.sentence == (
            "Passed over: ../b.jpg: Its name leads out of the archive. c.txt: Its name is not that of a picture."
        )

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_their_keys_differ_where_their_names_do_not(self, tmp_path: Path):
        path = written(tmp_path, zipped([("a.jpg", ONE), ("b.jpg", ONE), ("a.jpg", TWO)]))
        keys = [found.key.removeprefix("https://h/a ä.zip") for found, _ in archived(self.ARCHIVE, path)]
        assert keys == ["#a.jpg", "#b.jpg", "#a.jpg#2"]

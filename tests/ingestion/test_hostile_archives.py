"""Archives that are made to do harm: refused or passed over with a sentence, and nothing is written anywhere else."""

from __future__ import annotations

import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gallery.models import decode_limits
from gallery.originals import Incoming
from gallery.pictures import PictureError, decode
from ingestion import archive_formats
from ingestion.archive_formats import Budget
from ingestion.archives import ArchiveError, Member, is_archive, members
from ingestion.tars import unpacked
from tests.ingestion.made_archives import tar_header, tarred, written, zipped
from tests.ingestion.scene import stored_files
from tests.pictures import encode, photo

PICTURE = encode(photo(1, 64, 48))


@pytest.fixture(autouse=True)
def _media(settings: Any) -> None:
    """Archives in archives go there for a moment."""


def refusal(path: Path) -> ArchiveError:
    with pytest.raises(ArchiveError) as caught:  # noqa: PT012
        for member in members(path):
            if not member.error:
                list(member.open())
    assert str(caught.value).endswith(".")
    return caught.value


def told(path: Path) -> dict[str, str]:
    return {member.path: str(member.error or "") for member in members(path)}


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


class TestCorpus:
    """The shared one, through the way that a source takes."""

    CODES = {"encrypted": "unsafe_archive", "unsupported": "unsupported_type"}

    def test_each_is_judged_like_the_manifest(self, bad_images: SimpleNamespace, settings: Any, tmp_path: Path):
        before = sorted(bad_images.root.rglob("*"))
        wrong = {}
        for row in bad_images.manifest["archives"]:
            path = bad_images.root / row["file"]
            good, bad, code = self.judge(path)
            if is_archive(path) is False or (code, good, bad) != (row["code"], row["members_ok"], row["members_bad"]):
                wrong[row["file"]] = (code, good, bad)
        assert wrong == {}
        assert len(bad_images.manifest["archives"]) == 16
        assert sorted(bad_images.root.rglob("*")) == before
        assert [path.name for path in tmp_path.iterdir()] == ["media"]
        assert stored_files(".") == []
        assert not Path("/tmp/evil.png").exists()

    def judge(self, path: Path) -> tuple[int, int, str | None]:
        """As the manifest tells it: good and bad members if there is a good one, else why there is none."""
        good, errors = 0, []
        try:
            for member in members(path):
                try:
                    good += self.is_picture(member)
                except (ArchiveError, PictureError) as error:
                    errors.append(error)
        except ArchiveError as error:
            errors.append(error)
        if good:
            return good, len(errors), None
        return 0, 0, self.CODES.get(errors[-1].code, errors[-1].code)

    def is_picture(self, member: Member) -> bool:
        with Incoming(member.name) as incoming:
            incoming.fill(member.open())
            return bool(decode(incoming.path, limits=decode_limits()))


class TestOutside:
    NAMES = ("../a.jpg", "/tmp/evil.jpg", "C:\\evil.jpg", "..\\..\\evil.jpg", "b/../../c.jpg", "\\evil.jpg")

    def test_members_that_climb_out_are_named_and_the_rest_comes(self, tmp_path: Path):
        content = [(name, PICTURE) for name in (*self.NAMES, "good.jpg")]
        for made in (zipped(content), tarred(content)):
            path = written(tmp_path, made)
            errors = [str(member.error or "") for member in members(path)]
            assert errors == ["Its name leads out of the archive."] * 6 + [""]
            for member in members(path):
                if member.error:
                    with pytest.raises(ArchiveError):
                        member.open()
                else:
                    assert b"".join(member.open()) == PICTURE

    def test_links_devices_and_pipes(self, tmp_path: Path):
        kinds = {"link.jpg": stat.S_IFLNK, "pipe.jpg": stat.S_IFIFO, "disk.jpg": stat.S_IFBLK, "good.jpg": stat.S_IFREG}
        in_zip = told(
            written(tmp_path, zipped([(special(name, kind | 0o644), PICTURE) for name, kind in kinds.items()]))
        )
        assert [name for name, error in in_zip.items() if not error] == ["good.jpg"]
        tar = b"".join(
            tar_header(f"{kind.decode()}.jpg", kind)
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)
        )
        in_tar = told(written(tmp_path, tar + tarred([("good.jpg", PICTURE)])))
        assert [name for name, error in in_tar.items() if not error] == ["good.jpg"]
        assert len(in_tar) == 6

    def test_only_links_are_a_refusal(self, tmp_path: Path):
        error = refusal(written(tmp_path, tar_header("a.jpg", tarfile.SYMTYPE) + b"\0" * 1024))
        assert (error.code, error.status) == ("unsafe_archive", 422)
        assert str(error) == "Nothing in this archive can be taken. a.jpg: It is a link, not a file."


class TestBombs:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive_formats, "ALWAYS", 2**20)

    def test_zeros_in_a_zip(self, tmp_path: Path):
        assert refusal(written(tmp_path, zipped([("a.jpg", bytes(8 * 2**20))]))).code == "unsafe_archive"

    @pytest.mark.parametrize("name", ["a.jpg", "b.txt"])
    def test_zeros_in_a_packed_tar(self, tmp_path: Path, name: str):
        """Also where nobody wants what they are in: what lies behind them has to be reached."""
        tar = gzip.compress(tarred([(name, bytes(8 * 2**20)), ("c.jpg", PICTURE)]))
        error = refusal(written(tmp_path, tar))
        assert error.code == "unsafe_archive"
        assert "unpacks to more than" in str(error)

    def test_many_members_together(self, tmp_path: Path):
        path = written(tmp_path, zipped([(f"{n}.jpg", bytes(2**20 // 4)) for n in range(40)]))
        assert refusal(path).code == "unsafe_archive"

    def test_inside_another_archive(self, tmp_path: Path):
        inner = zipped([("a.jpg", bytes(8 * 2**20))])
        path = written(tmp_path, zipped([("b.zip", inner)], zipfile.ZIP_STORED))
        assert refusal(path).code == "unsafe_archive"

    def test_no_picture_is_one(self, tmp_path: Path):
        """One of a single colour packs well too."""
        path = written(tmp_path, zipped([("a.bmp", encode(photo(1, 64, 48), "BMP")), ("b.bmp", bytes(2**19))]))
        assert len(list(members(path))) == 2

    def test_the_whole_is_limited_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(archive_formats, "MAX_UNPACKED", 3 * len(PICTURE))
        path = written(tmp_path, zipped([(f"{n}.jpg", PICTURE) for n in range(3)]))
        assert len(list(members(path))) == 3
        path = written(tmp_path, zipped([(f"{n}.jpg", PICTURE) for n in range(4)]))
        assert refusal(path).code == "unsafe_archive"

    @pytest.mark.parametrize("packing", ["bzip2", "xz"])
    def test_no_step_of_unpacking_is_a_large_one(self, tmp_path: Path, packing: str):
        import bz2

        pack: Any = bz2.compress if packing == "bzip2" else lzma.compress
        with open(written(tmp_path, pack(bytes(4 * 2**20))), "rb") as file:
            sizes = [len(block) for block in unpacked(file, packing)]
        assert sum(sizes) == 4 * 2**20
        assert max(sizes) <= archive_formats.BLOCK

    def test_xz_that_wants_four_gigabytes_of_memory(self, tmp_path: Path):
        packed = bytearray(lzma.compress(tarred([("a.jpg", PICTURE)])))
        size = (packed[12] + 1) * 4  # of the block header: its fifth byte says how large the dictionary is
        packed[16] = 40
        packed[12 + size - 4 : 12 + size] = struct.pack("<L", zlib.crc32(packed[12 : 12 + size - 4]))
        path = written(tmp_path, bytes(packed))
        with pytest.raises(ArchiveError, match="too much memory"):
            list(unpacked(open(path, "rb"), "xz"))  # noqa: SIM115
        assert not is_archive(path)

    def test_packings_without_a_bound_are_told(self, tmp_path: Path):
        error = refusal(written(tmp_path, zipped([("a.jpg", bytes(1000))], zipfile.ZIP_BZIP2)))
        assert (error.code, error.status) == ("unsupported", 415)


class TestMany:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive_formats, "MAX_MEMBERS", 20)

    def test_members(self, tmp_path: Path):
        content = [(f"{n}.jpg", b"x") for n in range(21)]
        for made in (zipped(content), tarred(content), zipped([("b.zip", zipped(content[:20]))])):
            error = refusal(written(tmp_path, made))
            assert (error.code, str(error)) == (
                "unsafe_archive",
                "This archive has more than 20 members, the most that are taken.",
            )
        assert len(list(members(written(tmp_path, zipped(content[:20]))))) == 20

    def test_a_list_of_members_that_is_too_long_is_never_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(archive_formats, "MAX_DIRECTORY", 1000)
        error = refusal(written(tmp_path, zipped([("x" * 1000 + ".jpg", b"x")])))
        assert "members" in str(error)


class TestHeaders:
    @pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
    def test_that_are_longer_than_any_name(self, tmp_path: Path, kind: bytes):
        path = written(tmp_path, tar_header("a", kind, 2**20) + bytes(2**20) + tarred([("a.jpg", PICTURE)]))
        assert refusal(path).code == "unsafe_archive"

    @pytest.mark.parametrize(
        "words", [b"1" * 60_000, b"0 path=x\n" * 1000, b"99999999 path=", b"9 size=-1\n", b"-5 path=a\n", b"\0" * 512]
    )
    def test_that_mean_nothing_are_passed_over(self, tmp_path: Path, words: bytes):
        padded = words + bytes(-len(words) % 512)
        path = written(tmp_path, tar_header("x", tarfile.XHDTYPE, len(words)) + padded + tarred([("a.jpg", PICTURE)]))
        assert [member.name for member in members(path)] == ["a.jpg"]

    def test_a_size_that_no_file_has(self, tmp_path: Path):
        info = tar_header("a.jpg", tarfile.REGTYPE)
        for size in (b"\x80" + b"\xff" * 11, b"\xff" * 12, b"77777777777\0"):
            raw = bytearray(info)
            raw[124:136] = size
            raw[148:156] = b" " * 8
            raw[148:156] = b"%06o\0 " % sum(raw)
            assert refusal(written(tmp_path, bytes(raw) + PICTURE)).code in ("corrupt", "unsafe_archive")

    def test_bytes_thrown_about(self, tmp_path: Path):
        """Whatever the bytes are: an archive error or members, never another exception."""
        import random

        rng = random.Random(5)
        from tests.ingestion.made_archives import MAKERS

        for make in MAKERS.values():
            whole = make([("a.jpg", PICTURE[:600]), ("b.png", b"x" * 50)])
            for _ in range(25):
                bad = bytearray(whole)
                for _ in range(rng.randint(1, 12)):
                    bad[rng.randrange(len(bad))] = rng.randrange(256)
                path = written(tmp_path, bytes(bad[: rng.choice([len(bad), rng.randrange(len(bad))])]))
                try:
                    for member in members(path):
                        list(member.open())
                except ArchiveError:
                    continue


class TestPasswords:
    def test_of_some_members(self, tmp_path: Path):
        made = zipped([("a.jpg", PICTURE), ("b.jpg", PICTURE)], zipfile.ZIP_STORED)
        raw, second = bytearray(made), made.rfind(b"PK\1\2")
        raw[second + 8] |= 1
        assert told(written(tmp_path, bytes(raw))) == {"a.jpg": "", "b.jpg": "It needs a password."}

    def test_of_all(self, tmp_path: Path):
        raw = bytearray(zipped([("a.jpg", PICTURE)], zipfile.ZIP_STORED))
        raw[bytes(raw).rfind(b"PK\1\2") + 8] |= 1
        error = refusal(written(tmp_path, bytes(raw)))
        assert (error.code, error.status) == ("encrypted", 422)
        assert str(error) == "Nothing in this archive can be taken. a.jpg: It needs a password."


def test_a_full_disk_is_not_taken_for_a_bad_archive(tmp_path: Path):
    """What is wrong with the machine stays an OSError: the archive is tried again."""
    with pytest.raises(IsADirectoryError):
        list(members(tmp_path))
    with pytest.raises(FileNotFoundError):
        list(members(tmp_path / "gone.zip"))
    assert os.listdir(tmp_path) in ([], ["media"])


def test_the_budget_is_one_for_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive_formats, "ALWAYS", 100)
    budget = Budget(packed=1)
    assert budget.most == 200
    list(budget.count([b"x" * 150]))
    with pytest.raises(ArchiveError):
        list(budget.count([b"x" * 51]))

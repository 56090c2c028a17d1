"""The pictures in an archive as candidates: on this machine, and at an address."""

from __future__ import annotations

import gzip
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gallery.originals import Incoming, sweep_incoming
from gallery.pictures import PictureError
from ingestion import archives, kept_archives
from ingestion.download import DownloadError, Seconds, Web
from ingestion.models import Source, WatchedFolder
from ingestion.sources import archive
from ingestion.sources._base import Found, Page, SourceError
from tests.ingestion.crawler_contract import CrawlerContract, WebCrawlerContract
from tests.ingestion.made_archives import tarred, written, zipped
from tests.ingestion.scene import stored_files
from tests.pictures import encode, photo
from tests.sites.site import Asked, Reply

ZIP = "application/zip"


def content(number: int) -> bytes:
    return encode(photo(number, 32, 24))


def holding(count: int) -> list[tuple[str, bytes]]:
    return [("an ä 100% %41 #1.jpg" if not n else f"sub/{n}.jpg", content(n)) for n in range(count)]


class InAnArchive(CrawlerContract):
    kind = "archive"
    empty_is_an_error = True
    again = 7
    """All of them, where the archive is another one."""
    make: ClassVar[Callable[..., bytes]] = staticmethod(zipped)

    @pytest.fixture(autouse=True)
    def few_a_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive, "PAGE", 3)

    @property
    def of(self) -> str:
        """The address of the archive."""
        raise NotImplementedError

    def address(self, number: int) -> str:
        return f"{self.of}#{holding(number + 1)[number][0]}"

    def addresses(self, pages: list[Page]) -> list[str]:
        """All members have one address, but keys of their own."""
        assert {found.url for page in pages for found in page.found} <= {self.of}
        return [found.key for page in pages for found in page.found]

    def fetched(self, found: Found, web: Web) -> bytes:
        with Incoming(found.name) as incoming:
            assert self.crawler.fetch(Found.read(found.written()), {"address": self.of}, web, incoming)
            return incoming.path.read_bytes()

    def found(self, typed: dict[str, Any], web: Web) -> list[Found]:
        return [found for page in self.crawl(typed, web) for found in page.found]


class TestOnThisMachine(InAnArchive):
    nonsense: ClassVar[list[dict[str, Any]]] = [
        {"address": ""},
        {"address": "a.zip"},
        {"address": "/etc/passwd"},
        {"address": "ftp://h/a.zip"},
        {"address": "/" + "x" * 1990},
        {"licence": "x" * 300},
    ]

    @pytest.fixture(autouse=True)
    def in_a_folder(self, tmp_path: Path, settings: Any) -> None:
        self.folder = tmp_path / "watched"
        self.folder.mkdir()
        settings.WATCH = [str(self.folder)]

    @property
    def of(self) -> str:
        return str(self.folder / "a ä.zip")

    def offer(self, count: int) -> dict[str, Any]:
        self.of_bytes(self.make(holding(count)))
        return {"address": self.of}

    def of_bytes(self, made: bytes) -> None:
        Path(self.of).write_bytes(made)

    def offer_words(self, words: str) -> dict[str, Any]:
        self.of_bytes(zipped([(words.replace("\0", "") + ".jpg", content(1))]))
        return {"address": self.of}

    def test_a_tar_is_unpacked_once_for_all_its_members(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        self.of_bytes(gzip.compress(tarred(holding(7))))
        opened: list[Any] = []
        truly = kept_archives.tar_blocks
        monkeypatch.setattr(kept_archives, "tar_blocks", lambda *given: opened.append(given) or truly(*given))
        every = self.found({"address": self.of}, web)
        assert [self.fetched(found, web) for found in every] == [content(n) for n in range(7)]
        assert len(opened) == 1
        assert len(stored_files(".incoming")) == 1

    def test_an_unchanged_one_is_not_told_again(self, web: Web):
        *_, last = self.crawl(self.offer(3), web)
        assert list(self.crawl({"address": self.of}, web, last.since)) == []
        assert len(self.found({"address": self.of}, web)) == 3

    def test_a_zip_is_read_where_it_is(self, web: Web):
        every = self.found(self.offer(3), web)
        assert [self.fetched(found, web) for found in every] == [content(n) for n in range(3)]
        assert stored_files(".incoming") == []

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_members_of_one_name_are_kept_apart(self, web: Web):
        self.of_bytes(zipped([("a.jpg", content(1)), ("a.jpg", content(2))]))
        every = self.found({"address": self.of}, web)
        assert [self.fetched(found, web) for found in every] == [content(1), content(2)]

    def test_in_another_version_a_member_is_found_by_its_name(self, web: Web):
        _, second, third = self.found(self.offer(3), web)
        self.of_bytes(zipped([("new.jpg", content(9)), ("sub/1.jpg", content(1))]))
        assert self.fetched(second, web) == content(1)
        with pytest.raises(DownloadError) as caught:
            self.fetched(third, web)
        assert (caught.value.code, caught.value.is_final) == ("gone", True)

    def test_an_archive_that_is_gone(self, web: Web):
        (found,) = self.found(self.offer(1), web)
        os.unlink(self.of)
        with pytest.raises(DownloadError) as caught:
            self.fetched(found, web)
        assert caught.value.code == "gone"

    def test_a_damaged_member_fails_alone(self, web: Web):
        made = zipped([("a.jpg", content(1)), ("b.jpg", content(2))], zipfile.ZIP_STORED)
        self.of_bytes(made.replace(content(1), content(1)[:-1] + b"x"))
        bad, good = self.found({"address": self.of}, web)
        with pytest.raises(PictureError) as caught:
            self.fetched(bad, web)
        assert (caught.value.code, str(caught.value)) == ("corrupt", "It is damaged or cut off.")
        assert self.fetched(good, web) == content(2)

    def test_what_is_passed_over_is_told_in_the_end(self, web: Web):
        self.of_bytes(zipped([("../a.jpg", b"x"), *((f"{n}.txt", b"x") for n in range(8)), ("a.jpg", content(1))]))
        *_, last = self.crawl({"address": self.of}, web)
        assert last.since["passed_over"].startswith("Passed over: ../a.jpg: Its name leads out of the archive. 0.txt")
        assert last.since["passed_over"].endswith(" And 4 more.")

    def test_what_came_before_a_cut_is_told(self, web: Web):
        self.of_bytes(tarred(holding(12))[:7_000])
        pages: list[Page] = []
        with pytest.raises(SourceError, match="damaged or cut off") as caught:
            pages += self.crawl({"address": self.of}, web)
        assert caught.value.pauses
        assert self.addresses(pages) == [self.address(n) for n in range(3)]

    def test_where_it_may_lie(self, web: Web, settings: Any, tmp_path: Path):
        typed = self.offer(1)
        settings.WATCH = []
        assert "no folder that the gallery may read" in str(self.crawler.options(typed).errors)
        with pytest.raises(DownloadError) as caught:
            list(self.crawler.crawl(typed, {}, web))
        assert caught.value.code == "forbidden"
        WatchedFolder.objects.create(path=str(self.folder))
        assert self.crawler.options(typed).is_valid()
        WatchedFolder.objects.all().delete()
        Source.objects.create(name="mine", kind="folder", options={"folder": str(self.folder)})
        assert self.crawler.options(typed).is_valid()
        link = self.folder / "link.zip"
        link.symlink_to(written(tmp_path, zipped(holding(1)), "secret.zip"))
        assert not self.crawler.options({"address": str(link)}).is_valid()
        own = settings.MEDIA_ROOT / "a.zip"
        own.parent.mkdir(exist_ok=True)
        settings.WATCH = [str(tmp_path)]
        assert "its own files" in str(self.crawler.options({"address": str(own)}).errors)


class TestAtAnAddress(InAnArchive, WebCrawlerContract):
    pages = 1
    nonsense: ClassVar[list[dict[str, Any]]] = [{"address": ""}, {"address": "x" * 3000}]
    changed: ClassVar[list[Reply]] = [
        Reply(zipped([]), ZIP),
        Reply(b"PK\3\4 and no more", ZIP),
        Reply(b"<!doctype html><p>Please log in", "text/html"),
    ]

    @property
    def of(self) -> str:
        return f"{self.site.url}/files/a ä.zip"

    def offer(self, count: int) -> dict[str, Any]:
        self.site.put("/files/a ä.zip", self.make(holding(count)), ZIP)
        return {"address": f"{self.site.url}/files/a%20%C3%A4.zip"}

    def offer_words(self, words: str) -> dict[str, Any]:
        self.site.put("/files/a ä.zip", zipped([(words.replace("\0", "") + ".jpg", content(1))]), ZIP)
        return {"address": self.of}

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kept_archives, "FOR_AN_ARCHIVE", Seconds(0.3, 0.3, 0.3))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_it_is_fetched_once_for_all_its_members(self, web: Web, settings: Any, pack: Any):
        typed = self.offer(0)
        self.site.put("/files/a ä.zip", pack(tarred(holding(5))), "application/x-tar")
        every = self.found(typed, web)
        assert [self.fetched(found, web) for found in every] == [content(n) for n in range(5)]
        assert len(self.site.asked) == 1
        (kept,) = stored_files(".incoming")
        assert tarfile.is_tarfile(settings.MEDIA_ROOT / ".incoming" / kept)

    def test_what_nobody_has_used_for_a_day_is_fetched_again(self, web: Web, settings: Any):
        (found,) = self.found(self.offer(1), web)
        folder = settings.MEDIA_ROOT / ".incoming"
        yesterday = time.time() - 25 * 3600
        for path in folder.iterdir():
            os.utime(path, (yesterday, yesterday))
        assert self.fetched(found, web) == content(0)  # used: it stays
        assert sweep_incoming() == 0
        for path in folder.iterdir():
            os.utime(path, (yesterday, yesterday))
        assert sweep_incoming() == 1
        assert self.fetched(found, web) == content(0)
        assert len(self.site.asked) == 2

    def test_one_that_is_damaged_is_not_kept(self, web: Web):
        self.site.put("/files/a ä.zip", b"PK\3\4 and no more", ZIP)
        with pytest.raises(SourceError):
            self.found({"address": self.of}, web)
        assert stored_files(".incoming") == []
        assert len(self.found(self.offer(3), web)) == 3

    def test_unchanged_is_not_read_again(self, web: Web):
        made = zipped(holding(3))
        self.site.answer(
            "/files/a ä.zip",
            lambda asked: (
                Reply(status=304) if "if-none-match" in asked.headers else Reply(made, ZIP, headers={"ETag": '"1"'})
            ),
        )
        *_, last = self.crawl({"address": self.of}, web)
        assert list(self.crawl({"address": self.of}, web, last.since)) == []
        assert [bool(asked.headers.get("if-none-match")) for asked in self.site.asked] == [False, True]

    def test_a_new_version_survives_a_crash_behind_its_download(self, web: Web):
        """Its server will not send it a second time."""
        versions = {n: zipped(holding(n)) for n in (2, 3)}
        now = 2

        def answer(asked: Asked) -> Reply:
            tag = f'"{now}"'
            same = asked.headers.get("if-none-match") == tag
            return Reply(status=304) if same else Reply(versions[now], ZIP, headers={"ETag": tag})

        self.site.answer("/files/a ä.zip", answer)
        *_, last = self.crawl({"address": self.of}, web)
        now = 3
        assert kept_archives.keep(self.of, web, news=True)
        pages = list(self.crawl({"address": self.of}, web, last.since))
        assert self.address(2) in self.addresses(pages)

    def test_one_that_is_too_large_is_told(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(archives, "MAX_PACKED", 1000)
        with pytest.raises(SourceError, match="larger than") as caught:
            self.found(self.offer(3), web)
        assert caught.value.pauses
        assert stored_files(".incoming") == []

"""Pictures of a folder of this machine as candidates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gallery.originals import Incoming
from ingestion.download import DownloadError, Web
from ingestion.folders import Entry, import_entry
from ingestion.sources import folder
from ingestion.sources._base import Found, SourceError
from tests.ingestion.crawler_contract import CrawlerContract
from tests.pictures import encode, photo

OLD = 1_600_000_000


class TestFolder(CrawlerContract):
    kind = "folder"
    again = 7
    nonsense: ClassVar[list[dict[str, Any]]] = [
        {"folder": "pictures"},
        {"folder": "/"},
        {"folder": "/no/such/folder"},
        {"folder": ""},
        {"folder": "/" + "x" * 5000},
        {"author": "x" * 300},
    ]

    @pytest.fixture(autouse=True)
    def few_a_page(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any) -> None:
        monkeypatch.setattr(folder, "PAGE", 3)
        self.folder = tmp_path / "pictures"
        self.folder.mkdir()

    def put(self, name: str, content: bytes = b"x") -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (OLD, OLD))
        return path

    def offer(self, count: int) -> dict[str, Any]:
        for number in range(count):
            if not Path(self.address(number)).exists():
                self.put(os.path.relpath(self.address(number), self.folder))
        return {"folder": str(self.folder)}

    def address(self, number: int) -> str:
        name = "an ä 100% %41 #1.jpg" if number == 0 else f"{'sub/' if number > 4 else ''}{number}.jpg"
        return str(self.folder / name)

    def offer_words(self, words: str) -> dict[str, Any]:
        self.put(f"{words.replace('/', '').replace(chr(0), '')[:200]}.jpg")
        return {"folder": str(self.folder)}

    def found(self, web: Web, typed: dict[str, Any] | None = None) -> list[Found]:
        return [found for page in self.crawl(typed or {"folder": str(self.folder)}, web) for found in page.found]

    def test_it_copies_the_file_and_leaves_it(self, web: Web):
        content = encode(photo(1, 64, 48))
        path = self.put("a.jpg", content)
        (found,) = self.found(web, {"folder": str(self.folder), "author": "Ann", "licence": "CC0"})
        assert (found.url, found.name, found.author, found.licence) == (str(path), "a.jpg", "Ann", "CC0")
        with Incoming(found.name) as incoming:
            answer = self.crawler.fetch(found, {"folder": str(self.folder)}, web, incoming)
            assert answer
            assert answer.url == str(path)
            assert incoming.path.read_bytes() == content
        assert path.read_bytes() == content

    def test_a_name_that_is_no_text_is_found_again(self, web: Web):
        raw = os.path.join(os.fsencode(self.folder), b"\xff\xfe.jpg")
        Path(os.fsdecode(raw)).write_bytes(b"x")
        os.utime(raw, (OLD, OLD))
        (found,) = self.found(web)
        found.url.encode()
        with Incoming(found.name) as incoming:
            self.crawler.fetch(Found.read(found.written()), {"folder": str(self.folder)}, web, incoming)
            assert incoming.bytes == 1

    def test_a_file_that_somebody_writes_waits(self, web: Web):
        path = self.put("a.jpg")
        os.utime(path)
        assert self.found(web) == []
        os.utime(path, (OLD, OLD))
        assert len(self.found(web)) == 1

    def test_a_file_that_has_changed_is_another_one(self, web: Web):
        path = self.put("a.jpg")
        (before,) = self.found(web)
        path.write_bytes(b"yy")
        os.utime(path, (OLD + 60, OLD + 60))
        (after,) = self.found(web)
        assert (before.url, before.key != after.key) == (after.url, True)

    def test_what_was_imported_from_the_folder_is_left_out(self, web: Web):
        path = self.put("a.jpg", encode(photo(1, 64, 48)))
        self.put("b.jpg")
        there = path.stat()
        assert import_entry(Entry(str(path), there.st_size, there.st_mtime_ns)).image
        assert [found.name for found in self.found(web)] == ["b.jpg"]

    @pytest.mark.parametrize("url", ["/etc/passwd", "{folder}/../secret.jpg", "{folder}x/a.jpg"])
    def test_nothing_outside_is_ever_read(self, web: Web, url: str):
        found = Found(url.format(folder=self.folder), name="a.jpg")
        with Incoming("a.jpg") as incoming, pytest.raises(DownloadError) as caught:
            self.crawler.fetch(found, {"folder": str(self.folder)}, web, incoming)
        assert caught.value.code == "forbidden"

    def test_a_file_that_is_gone(self, web: Web):
        found = Found(str(self.folder / "a.jpg"))
        with Incoming("a.jpg") as incoming, pytest.raises(DownloadError) as caught:
            self.crawler.fetch(found, {"folder": str(self.folder)}, web, incoming)
        assert (caught.value.code, caught.value.is_final) == ("gone", True)

    def test_a_folder_that_is_away_is_asked_again(self, web: Web):
        crawl = self.crawler.crawl({"folder": str(self.folder / "away")}, {}, web)
        with pytest.raises(SourceError, match="No such file") as caught:
            list(crawl)
        assert not caught.value.pauses

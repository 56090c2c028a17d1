"""``manage.py export``: what is said of the pictures, as lines of JSON."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gallery import metadata
from gallery.metadata import MetadataError, SaidImage, SaidTag, read_line
from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag, TagAlias, TagImplication, User
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db
SHA = "a" * 64


@pytest.fixture
def image() -> Image:
    values = {"width": 20, "height": 10, "bytes": 300, "format": "PNG", "state": "ready"}
    return Image.objects.create(sha256=SHA, name="wave.png", scores={"novelty": 0.25}, **values)


def lines() -> list[dict[str, Any]]:
    out = StringIO()
    call_command("export", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_it_works(image):
    husky, dog = Tag.objects.create(name="husky", category="animal"), Tag.objects.create(name="dog")
    TagAlias.objects.create(name="huskies", tag=husky)
    TagImplication.objects.create(tag=husky, implied=dog)
    ImageTag.objects.create(image=image, tag=husky)
    ImageTag.objects.create(
        image=image, tag=dog, origin="net:1", generation=3, confidence=0.5, state="rejected", decision=7, offered=False
    )
    Caption.objects.create(image=image, text="A “dog”\u2028in snow", origin="net:2", state="suggested", confidence=0.9)
    OcrText.objects.create(image=image, text="STOP", origin="eyes", words=[["STOP", 0.1, 0.2, 0.3, 0.1, 0.95]])
    by = User.objects.create_user("ada")
    source = ImageSource.objects.create(image=image, kind="upload", address="wave.png", title="Wave", by=by)
    assert lines() == [
        {"lookalike": "metadata", "version": 1, "tags": 2, "images": 1},
        {"tag": "dog", "category": "", "aliases": [], "implies": []},
        {"tag": "husky", "category": "animal", "aliases": ["huskies"], "implies": ["dog"]},
        {
            "image": SHA,
            "name": "wave.png",
            "format": "PNG",
            "width": 20,
            "height": 10,
            "bytes": 300,
            "added": Image.objects.get().added_at.isoformat(),
            "taken": None,
            "sources": [
                {
                    "kind": "upload",
                    "address": "wave.png",
                    "title": "Wave",
                    "seen": ImageSource.objects.get(pk=source.pk).first_seen.isoformat(),
                    "by": "ada",
                }
            ],
            "tags": [
                {
                    "tag": "dog",
                    "origin": "net:1",
                    "state": "rejected",
                    "confidence": 0.5,
                    "generation": 3,
                    "offered": False,
                    "decided": True,
                },
                {"tag": "husky", "origin": "person", "state": "accepted"},
            ],
            "captions": [{"text": "A “dog”\u2028in snow", "origin": "net:2", "state": "suggested", "confidence": 0.9}],
            "ocr": [
                {
                    "text": "STOP",
                    "words": [["STOP", 0.1, 0.2, 0.3, 0.1, 0.95]],
                    "origin": "eyes",
                    "state": "accepted",
                }
            ],
            "scores": {"novelty": 0.25},
        },
    ]


def test_the_trash_is_written_too(image):
    image.trash()
    assert [line["image"] for line in lines()[1:]] == [SHA]


def test_an_empty_gallery_is_one_line():
    assert lines() == [{"lookalike": "metadata", "version": 1, "tags": 0, "images": 0}]


def test_a_file_is_written_whole(image, tmp_path: Path, monkeypatch):
    target = tmp_path / "said.jsonl"
    call_command("export", str(target))
    assert [json.loads(line)["version"] for line in target.read_text().splitlines()[:1]] == [1]
    before = target.read_bytes()

    def cut() -> Iterator[str]:
        yield "half"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gallery.management.commands.export.exported", cut)
    with pytest.raises(CommandError, match="No space left"):
        call_command("export", str(target))
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(CommandError, match="cannot be written: No such file"):
        call_command("export", str(tmp_path / "no" / "said.jsonl"))


def test_it_reads_by_and_by(monkeypatch):
    """Memory after ten chunks is that after one."""
    monkeypatch.setattr(metadata, "CHUNK", 50)
    rows(600)
    tracemalloc.start()
    try:
        lines = metadata.exported()
        list(islice(lines, 150))
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        assert sum(1 for _ in islice(lines, 400)) == 400
        gc.collect()
        last, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    lines.close()
    assert last - first < 300_000


class TestReadAgain:
    def test_it_works(self, image):
        for line in metadata.exported():
            read_line(line.encode())
        assert isinstance(read_line(b'{"tag": "Sea"}'), SaidTag)
        assert isinstance(read_line(b'{"image": "%s"}' % SHA.encode()), SaidImage)
        assert read_line(b"  \n") is None

    @pytest.mark.parametrize(
        "line",
        [
            b"{",
            b"\xff",
            b"[" * 100_000,
            b"[]",
            b"7",
            b"{}",
            b'{"tag": ""}',
            b'{"tag": 7}',
            b'{"tag": "a", "aliases": "b"}',
            b'{"image": "../../etc"}',
            b'{"lookalike": "metadata", "version": 2}',
        ],
    )
    def test_it_rejects_lines(self, line):
        with pytest.raises(MetadataError):
            read_line(line)

    @pytest.mark.parametrize(
        "part",
        [
            {"added": "yesterday"},
            {"tags": ["sea"]},
            {"tags": [{"tag": "x" * 101}]},
            {"tags": [{"tag": "sea", "state": "loved"}]},
            {"tags": [{"tag": "sea", "generation": -1}]},
            {"tags": [{"tag": "sea", "generation": True}]},
            {"tags": [{"tag": "sea", "confidence": "very"}]},
            {"captions": [{"text": " "}]},
            {"ocr": [{"text": "a", "words": [["a", 1]]}]},
            {"ocr": [{"text": "a", "words": [["a", 0, 0, 0, 0, None]]}]},
            {"scores": {"novelty": "high"}},
            {"scores": [1]},
            {"sources": {"kind": "web"}},
            {"added": "0001-01-01T00:00:00+14:00"},
            {"taken": "9999-12-31T23:59:59-14:00"},
        ],
    )
    def test_it_rejects_parts(self, part):
        with pytest.raises(MetadataError):
            read_line(json.dumps({"image": SHA} | part).encode())

    def test_what_a_database_cannot_hold_is_cleaned(self):
        line = json.dumps({"image": SHA, "name": "a\x00\ud800b", "ocr": [{"text": "\x00\udfff"}]})
        said = read_line(line.encode())
        assert isinstance(said, SaidImage)
        assert (said.name, said.ocr[0].text) == ("a?b", "?")

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 400, "9" * 5000])
    def test_no_number_is_endless(self, number):
        with pytest.raises(MetadataError):
            read_line(f'{{"image": "{SHA}", "scores": {{"a": {number}}}}}'.encode())

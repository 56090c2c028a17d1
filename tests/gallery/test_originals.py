"""How bytes come to lie under their content's name: counted, hashed and on the disk before anybody is told."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from gallery import originals
from gallery.originals import Incoming
from gallery.pictures import EXTENSION, MIME, PictureError

DATA = b"a picture, as it were" * 1000
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def waiting() -> list[str]:
    return os.listdir(originals._folder(".incoming"))


def test_it_works(media: Path):
    with Incoming("beach.jpg") as incoming:
        incoming.fill([DATA[:100], b"", DATA[100:]])
        assert (incoming.bytes, incoming.sha256, incoming.name) == (len(DATA), SHA, "beach.jpg")
        kept = incoming.keep("JPEG")
    assert kept == media / "originals" / SHA[:2] / SHA[2:4] / f"{SHA}.jpg"
    assert kept.read_bytes() == DATA
    assert waiting() == []


def test_handles_each_format_that_is_taken():
    assert set(EXTENSION) == set(MIME)
    for format in MIME:
        assert originals.path_of(SHA, format).suffix == f".{EXTENSION[format]}"


def test_what_is_not_kept_is_removed():
    with suppress(ZeroDivisionError), Incoming("x") as incoming:
        incoming.write(DATA)
        assert len(waiting()) == 1
        1 / 0
    assert waiting() == []


def test_what_everybody_has_forgotten_is_removed():
    incoming = Incoming("x")
    incoming.write(DATA)
    del incoming
    assert waiting() == []


def test_rejects_what_is_over_the_limit_without_reading_on(settings):
    settings.MAX_BYTES = 1000
    read = []

    def blocks():
        for number in range(100):
            read.append(number)
            yield b"x" * 400

    with Incoming("x") as incoming:
        with pytest.raises(PictureError, match="larger than") as told:
            incoming.fill(blocks())
        assert incoming.path.stat().st_size <= 1000
    assert (told.value.code, told.value.status) == ("too_large", 413)
    assert read == [0, 1, 2]
    assert waiting() == []


def test_handles_exactly_the_limit(settings):
    settings.MAX_BYTES = 1000
    with Incoming("x") as incoming:
        assert incoming.fill([b"x" * 1000]).bytes == 1000


def test_keeps_the_same_content_twice_at_once(media: Path):
    gate = threading.Barrier(8)
    kept: list[Path] = []

    def keep() -> None:
        with Incoming("x") as incoming:
            incoming.fill([DATA])
            gate.wait()
            kept.append(incoming.keep("PNG"))

    threads = [threading.Thread(target=keep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 8
    assert len(set(kept)) == 1
    assert kept[0].read_bytes() == DATA
    assert waiting() == []


def test_keep_repairs_a_file_that_was_damaged():
    path = originals.path_of(SHA, "PNG")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"rot")
    with Incoming("x") as incoming:
        incoming.fill([DATA]).keep("PNG")
    assert path.read_bytes() == DATA


def test_names_are_made_safe():
    with Incoming("../../etc/pass\x00wd\u202e.jpg") as incoming:
        assert incoming.name == "passwd.jpg"
        assert incoming.path.parent.name == ".incoming"


def test_nothing_incoming_lies_where_the_web_server_looks(media: Path):
    with Incoming("x") as incoming:
        assert "renditions" not in incoming.path.parts
        assert "renditions" not in incoming.fill([DATA]).keep("JPEG").parts


def test_sweep_removes_what_a_crash_left_long_ago():
    with Incoming("young") as young:
        old = Incoming("old")
        os.utime(old.path, (0, 0))
        assert originals.sweep_incoming() == 1
        assert not old.path.exists()
        assert young.path.exists()
        assert originals.sweep_incoming() == 0


def test_sweep_stands_uploads_that_end_meanwhile():
    stop = threading.Event()

    def upload() -> None:
        while not stop.is_set():
            with Incoming("x") as incoming:
                incoming.write(b"x")

    threads = [threading.Thread(target=upload) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            assert originals.sweep_incoming() == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_removing_twice_is_no_harm():
    with Incoming("x") as incoming:
        path = incoming.fill([DATA]).keep("PNG")
    for _ in range(2):
        originals.remove(SHA, "PNG")
        assert not path.exists()

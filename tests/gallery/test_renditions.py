"""Sized copies for everyone: small, clean of metadata, whole or not there, and nothing else under their address."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from gallery import renditions
from gallery.pictures import decode
from gallery.renditions import LONGEST, rendition_sizes
from tests.pictures import encode, photo

SHA = "ab12" * 16
side = st.integers(1, 30_000)


def made(width: int, height: int) -> list[Pillow.Image]:
    picture = photo(1, 400, 400).resize((width, height))
    renditions.make(SHA, decode(encode(picture), longest=max(LONGEST)))
    return [Pillow.open(r.path) for r in rendition_sizes(SHA, width, height)]


@pytest.fixture
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def test_it_works(media: Path):
    assert [picture.size for picture in made(1000, 500)] == [(360, 180), (720, 360), (1000, 500)]


@given(side, side)
def test_nothing_is_enlarged_or_without_pixels(width: int, height: int):
    sizes = rendition_sizes(SHA, width, height)
    assert sizes
    for made, longest in zip(sizes, LONGEST, strict=False):
        assert made.longest == longest
        assert 1 <= made.width <= width
        assert 1 <= made.height <= height
        assert max(made.width, made.height) <= longest
    assert [max(r.width, r.height) for r in sizes] == sorted({min(x, max(width, height)) for x in LONGEST})


@given(st.integers(400, 4000), st.integers(400, 4000))
def test_the_shape_stays(width: int, height: int):
    for made in rendition_sizes(SHA, width, height):
        assert abs(made.width - width * made.height / height) <= 1 + width / height / 2


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 2000), (2000, 1), (359, 360), (360, 360), (361, 10)])
def test_the_files_have_the_sizes_that_pages_are_told(media: Path, width: int, height: int):
    sizes = rendition_sizes(SHA, width, height)
    assert [picture.size for picture in made(width, height)] == [(r.width, r.height) for r in sizes]


def test_holds_no_metadata(media: Path):
    picture = photo(1)
    exif = picture.getexif()
    exif[0x010F] = "Canon secret"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0)})
    data = encode(picture, exif=exif.tobytes(), comment=b"comment secret", icc_profile=b"icc secret")
    assert b"secret" in data
    decoded = decode(data, longest=max(LONGEST))
    renditions.make(SHA, decoded)
    for written in [r.path.read_bytes() for r in rendition_sizes(SHA, *picture.size)] + [
        renditions.placeholder(decoded)
    ]:
        made = Pillow.open(io.BytesIO(written))
        assert made.format == "WEBP"
        assert not made.getexif()
        assert not {"exif", "icc_profile", "xmp"} & set(made.info)
        assert b"secret" not in written
        assert b"EXIF" not in written


def test_placeholder_is_tiny(media: Path):
    data = renditions.placeholder(decode(encode(photo(1, 900, 600)), longest=256))
    assert len(data) < 500
    assert max(Pillow.open(io.BytesIO(data)).size) <= 16


def test_srcset_names_what_is_there(add, client: Client):
    image = add(photo(1, 900, 600))
    named = [part.split() for part in image.srcset.split(", ")]
    assert [width for _, width in named] == ["360w", "720w", "900w"]
    for (url, _), rendition in zip(named, image.renditions, strict=True):
        response = client.get(url)
        assert response["Content-Type"] == "image/webp"
        assert "immutable" in response["Cache-Control"]
        body = b"".join(response.streaming_content)
        assert Pillow.open(io.BytesIO(body)).size == (rendition.width, rendition.height)


def test_a_reader_never_sees_half_of_one(media: Path):
    picture = decode(encode(photo(1, 800, 800)), longest=max(LONGEST))
    renditions.make(SHA, picture)
    path = rendition_sizes(SHA, 800, 800)[-1].path
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(5):
        renditions.make(SHA, picture)
    stop.set()
    reader.join()
    assert seen == {path.read_bytes()}


def test_leaves_nothing_behind_when_it_cannot_be_written(media: Path):
    target = rendition_sizes(SHA, 100, 100)[0].path
    target.mkdir(parents=True)
    (target / "in the way").touch()
    with pytest.raises(OSError, match=r"directory|not empty"):
        renditions.make(SHA, decode(encode(photo(1, 100, 100)), longest=max(LONGEST)))
    assert os.listdir(target.parent) == [target.name]


def test_removes_all_sizes(media: Path):
    made(2000, 1000)
    renditions.remove_renditions(SHA)
    assert not [path for path in renditions.root().rglob("*") if path.is_file()]
    renditions.remove_renditions(SHA)  # twice is no harm


@pytest.mark.parametrize(
    "path",
    [
        "../secret.webp",
        "ab/../../secret.webp",
        "..%2Fsecret.webp",
        "%2e%2e/secret.webp",
        "{media}/secret.webp",
        "/{media}/secret.webp",
        "%2F{media}%2Fsecret.webp",
        "ab/12/{sha}-360.webp.part",
        "ab/12/{sha}-360.part",
        "ab/12/../12/{sha}-360.webp",
        "ab//12/{sha}-360.webp",
        "ab/12/{sha}-360.webp%0A",
        "ab/12/",
        "ab",
        "",
        "a" * 5000 + ".webp",
        "ab/" * 500 + "ab.webp",
    ],
)
def test_refuses_to_serve_anything_else(media: Path, client: Client, path: str):
    made(100, 100)
    (media / "secret.webp").write_bytes(b"secret")
    assert client.get(f"/r/ab/12/{SHA}-360.webp").status_code == 200
    assert client.get(f"/r/ab/12/{SHA}-720.webp").status_code == 404
    assert client.get("/r/" + path.format(media=media, sha=SHA)).status_code == 404

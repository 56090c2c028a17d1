"""Bytes of any kind become an upright RGB picture of the wanted size, or an error that says why not."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gallery import children, exif, formats
from gallery.pictures import EXTENSION, MIME, Limits, PictureError, decode, sniff

ROOT = Path(__file__).parents[2]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def draw(width: int = 96, height: int = 64) -> Image.Image:
    """Red left, green right, with a blue top left corner: no turn of it looks like another."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    image.paste(BLUE, (0, 0, width // 4, height // 4))
    return image


def encode(image: Image.Image, format: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def turned(orientation: int, size: tuple[int, int] = (96, 64)) -> tuple[Image.Image, Image.Exif]:
    """A picture stored so that its EXIF orientation makes it upright."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    image, tags = draw(*size), Image.Exif()
    tags[0x0112] = orientation
    return image.transpose(Image.Transpose(undo[orientation])) if orientation in undo else image, tags


def near(pixels: np.ndarray, colour: tuple[int, int, int], by: int = 12) -> bool:
    return bool(np.abs(pixels.astype(int) - colour).max() <= by)


def looks_right(pixels: np.ndarray) -> bool:
    h, w = pixels.shape[:2]
    at = {(0.1, 0.1): BLUE, (0.9, 0.1): RED, (0.1, 0.9): GREEN, (0.9, 0.9): GREEN}
    return all(near(pixels[int(y * h), int(x * w)], colour, 60) for (y, x), colour in at.items())


def refusal(source: bytes, **limits: Any) -> PictureError:
    with pytest.raises(PictureError) as caught:
        decode(source, limits=Limits(**limits))
    return caught.value


def test_it_works():
    picture = decode(encode(draw(), "JPEG", quality=95))
    assert (picture.width, picture.height, picture.format) == (96, 64, "JPEG")
    assert picture.pixels.shape == (64, 96, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    assert looks_right(picture.pixels)
    assert picture.pil().size == (96, 64)
    assert not picture.animated


def test_it_takes_a_path(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(draw()))
    assert np.array_equal(decode(path).pixels, np.asarray(draw()))
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "none.png")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_it_takes_each_format(format):
    picture = decode(encode(draw(), format))
    assert picture.format == format
    assert looks_right(picture.pixels)
    assert MIME[format].startswith("image/")
    assert EXTENSION[format].isalpha()


# --- size


@pytest.mark.parametrize(
    ("size", "longest", "shape"),
    [
        ((400, 300), 100, (75, 100, 3)),
        ((300, 400), 100, (100, 75, 3)),
        ((400, 300), 4000, (300, 400, 3)),
        ((1, 1), 100, (1, 1, 3)),
        ((5000, 1), 100, (1, 100, 3)),
        ((1, 5000), 1, (1, 1, 3)),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_it_reduces_and_never_enlarges(size, longest, shape, format):
    picture = decode(encode(draw(*size), format), longest=longest)
    assert picture.pixels.shape == shape
    assert (picture.width, picture.height) == size


@pytest.mark.parametrize("longest", [1601, 1600, 1599, 801, 800, 799, 401, 200, 199, 33])
def test_large_jpegs_come_out_at_the_wanted_size(longest):
    # Decoded at a fraction: no edge may be lost or doubled by that.
    picture = decode(encode(draw(1601, 1067), "JPEG", quality=90), longest=longest)
    assert max(picture.pixels.shape) == longest
    assert (picture.width, picture.height) == (1601, 1067)
    assert looks_right(picture.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_it_stands_upright(orientation, format):
    image, tags = turned(orientation, (900, 600))
    options: dict[str, Any] = {"quality": 95} if format != "TIFF" else {"compression": "tiff_deflate"}
    picture = decode(encode(image, format, exif=tags, **options), longest=90)
    assert (picture.width, picture.height) == (900, 600)
    assert picture.pixels.shape == (60, 90, 3)
    assert looks_right(picture.pixels)


# --- colours


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "LAB", "YCbCr"])
@pytest.mark.parametrize("longest", [20, 200])
def test_colours_stay_what_they_are(mode, longest):
    image = Image.merge("LAB", draw().split()) if mode == "LAB" else draw().convert(mode)
    expected = np.asarray(image.convert("RGB"))
    pixels = decode(encode(image, "TIFF"), longest=longest).pixels
    assert near(pixels[-2, -2], tuple(expected[-2, -2]))
    assert near(pixels[1, 1], tuple(expected[1, 1]))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "F"])
@pytest.mark.parametrize("longest", [4, 200])
def test_grey_of_any_depth_becomes_rgb(mode, longest):
    white = {"I;16": 65535, "I": 65535, "F": 1.0}.get(mode, 255)
    image = Image.new(mode, (20, 10), 0)
    image.paste((255, 255) if mode == "LA" else white, (10, 0, 20, 10))
    pixels = decode(encode(image, "TIFF" if mode in "IF" else "PNG"), longest=longest).pixels
    assert near(pixels[0, -1], WHITE, 1)
    assert near(pixels[0, 0], WHITE if mode == "LA" else (0, 0, 0), 1)  # LA: transparent there


def test_numbers_without_a_usual_range_are_stretched():
    image = Image.fromarray(np.array([[-300.0, 0.0, 300.0]], np.float32))
    assert decode(encode(image, "TIFF")).pixels[0, :, 0].tolist() == [0, 128, 255]


def test_floats_that_are_no_numbers_are_taken():
    values = np.array([[np.nan, np.inf, -np.inf, 1e30, -1e30, 0]] * 6, np.float32)
    assert decode(encode(Image.fromarray(values), "TIFF")).pixels.shape == (6, 6, 3)
    assert decode(encode(Image.fromarray(values * np.nan), "TIFF"), longest=2).pixels.shape == (2, 2, 3)


def test_what_is_transparent_becomes_white():
    image = draw().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert near(decode(encode(image)).pixels, WHITE, 0)
    palette = draw().quantize(8)
    assert near(decode(encode(palette, transparency=bytes(256))).pixels, WHITE, 0)
    assert near(decode(encode(Image.new("RGB", (9, 9), RED), transparency=RED)).pixels, WHITE, 0)


def test_hidden_colours_do_not_bleed_when_reduced():
    """The black behind the transparent half must not darken the edge."""
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    for x in range(0, 64, 2):
        image.paste((255, 0, 0, 255), (x, 0, x + 1, 64))
    assert near(decode(encode(image), longest=8).pixels, (255, 128, 128), 3)


def exchanged_profile(space: bytes = b"RGB ") -> bytes:
    """A small colour profile in which red is green and green is red."""

    def xyz(x: float, y: float, z: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in (x, y, z)))

    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(2.2 * 256))
    name = b"desc\0\0\0\0" + struct.pack(">I", 6) + b"Swap.\0" + bytes(78)
    tags = {b"desc": name, b"wtpt": xyz(0.9642, 1, 0.8249), b"rXYZ": xyz(*green), b"gXYZ": xyz(*red)}
    tags |= {b"bXYZ": xyz(*blue), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve, b"cprt": name}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for key, value in tags.items():
        table += struct.pack(">4sII", key, start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"\0" * 4, 0x02100000, b"mntr", space, b"XYZ ",
                       struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp")  # fmt: skip
    head += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_colour_profile_is_applied(format):
    data = encode(Image.new("RGB", (16, 16), RED), format, icc_profile=exchanged_profile())
    assert near(decode(data).pixels, GREEN, 20)


@pytest.mark.parametrize(
    "profile",
    [
        b"not a profile" * 50,
        bytes(200),
        exchanged_profile()[:300],
        exchanged_profile(b"CMYK"),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
)
def test_a_useless_colour_profile_is_ignored(profile):
    assert near(decode(encode(Image.new("RGB", (16, 16), RED), icc_profile=profile)).pixels, RED, 0)


# --- frames


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_it_takes_the_first_frame_only(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    picture = decode(encode(frames[0], format, save_all=True, append_images=frames[1:]))
    assert near(picture.pixels, RED)
    assert picture.animated == (format != "TIFF")


def test_a_stereo_picture_is_a_jpeg():
    image = draw(1600, 1000)
    picture = decode(encode(image, "MPO", save_all=True, append_images=[image.rotate(180)]), longest=200)
    assert (picture.format, picture.animated, picture.pixels.shape) == ("JPEG", False, (125, 200, 3))
    assert looks_right(picture.pixels)


# --- EXIF


def photograph() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = "ACME\0", "Böx 3 \u202e<b>".encode()
    camera = tags.get_ifd(0x8769)
    camera.update({0x829A: 0.008, 0x829D: 2.8, 0x8827: 400, 0x920A: 50.0, 0x9003: "2026:01:02 03:04:05"})
    camera[0x9286] = b"ASCII\0\0\0hello"
    tags.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 54.0), 3: "E", 4: (151.0, 12.0, 36.0)})
    return tags


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_it_shows_what_the_camera_wrote(format):
    assert decode(encode(draw(), format, exif=photograph())).exif == {
        "Make": "ACME",
        "Model": "Böx 3 <b>",
        "ExposureTime": "1/125 s",
        "FNumber": 2.8,
        "ISO": 400,
        "FocalLength": "50 mm",
        "DateTimeOriginal": "2026:01:02 03:04:05",
        "UserComment": "hello",
        "GPS": {"latitude": -33.865, "longitude": 151.21},
    }


def test_long_words_are_cut():
    tags = Image.Exif()
    tags[0x010E] = "word " * 10_000
    assert len(str(decode(encode(draw(), exif=tags)).exif["ImageDescription"])) <= 200


@pytest.mark.parametrize("place", [{2: (1.0,), 4: (2.0,)}, {2: (91.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)}, {2: "x"}])
def test_a_place_that_is_none_is_left_out(place):
    tags = Image.Exif()
    tags.get_ifd(0x8825).update(place)
    assert "GPS" not in exif.readable(tags)


def test_the_words_that_windows_writes_are_read():
    tags = Image.Exif()
    tags[0x9C9B] = "Größe\0".encode("utf-16-le")
    assert exif.readable(tags) == {"Title": "Größe"}


@pytest.mark.filterwarnings("ignore")
@settings(deadline=None)
@given(st.binary(max_size=400))
def test_garbage_is_no_exif(garbage):
    good = photograph().tobytes()
    for data in (b"Exif\0\0" + garbage, good[: len(garbage)] + garbage + good[2 * len(garbage) :]):
        tags = Image.Exif()
        try:
            tags.load(data)
        except (SyntaxError, struct.error, ValueError):
            continue
        found = exif.readable(tags)
        json.dumps(found, allow_nan=False)
        assert exif.checked(found) == found


def test_forged_exif_is_cleaned():
    forged = {"a": 1e99, "b": ["x"], "c": "x" * 999, "d\0": "\x1b[2J", "GPS": {"latitude": "x"}, "X": {"y": 1}}
    assert exif.checked(forged) == {"c": "x" * 200, "d": "[2J"}
    assert exif.checked(["a"]) == {}


# --- what is refused


def test_sniff_tells_the_format_by_its_first_bytes():
    for format in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"):
        assert sniff(encode(draw(), format)[: formats.HEAD]) == format
    assert sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic") == "HEIF"
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"
    assert sniff(b"\0\0\0\x18ftypisom\0\0\0\0isommp42") is None
    assert sniff(b"") is sniff(b"<svg>") is None


def test_a_heic_is_named_where_it_cannot_be_read(monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    error = refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08mdat")
    assert (error.code, error.status) == ("unsupported_type", 415)
    assert "HEIC" in str(error)
    assert "pillow-heif" in str(error)


@pytest.mark.parametrize(
    ("source", "limits", "code", "sentence"),
    [
        (b"", {}, "empty", "This file is empty."),
        (bytes(3 * 2**20), {"max_bytes": 2**20}, "too_large", "This file has 3 MiB; at most 1 are allowed."),
        (
            encode(Image.new("1", (2000, 1000))),
            {"max_pixels": 1_500_000},
            "too_many_pixels",
            "This picture has 2 megapixels; at most 1.5 are allowed.",
        ),
        (
            encode(draw(), "JPEG", progressive=True),
            {"max_jpeg_scans": 3},
            "too_complex",
            "This picture has 10 scans; at most 3 are allowed.",
        ),
        (encode(draw())[:99], {}, "corrupt", "This PNG picture is damaged or cut off."),
    ],
)
def test_a_refusal_names_limit_and_value(source, limits, code, sentence):
    error = refusal(source, **limits)
    assert (error.code, str(error), error.status) == (code, sentence, formats.STATUS[code])


def test_pixels_at_the_limit_are_taken():
    data = encode(Image.new("L", (101, 99)), "WEBP")
    decode(data, limits=Limits(max_pixels=101 * 99))
    assert refusal(data, max_pixels=101 * 99 - 1).code == "too_many_pixels"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("longest", [50, 4000])
def test_half_a_jpeg_is_corrupt_however_small_it_is_wanted(progressive, longest):
    data = encode(Image.effect_noise((1600, 1200), 80), "JPEG", progressive=progressive)
    for cut in (len(data) // 2, len(data) - 2):
        with pytest.raises(PictureError, match="damaged or cut off"):
            decode(data[:cut], longest=longest)


def test_the_film_behind_a_motion_photograph_is_no_scan():
    film = b"\0\0\0\x18ftypmp42" + b"\xff\xda\x00\x08" * 5000
    assert looks_right(decode(encode(draw(), "JPEG") + film).pixels)


def test_scans_cannot_hide_behind_made_up_lengths():
    scan = b"\xff\xda\x00\x02\x00\xff\x00\xff\xd0\x11"
    assert formats.count_scans(b"\xff\xd8" + scan * 7 + b"\xff\xd9" + scan) == 7
    assert formats.count_scans(b"\xff\xd8" + (scan + b"\xff\x05\xff\xff") * 7) == 7
    assert formats.count_scans(b"\xff\xd8\xff\xe1\x00\x0c" + scan + scan) == 1


def test_memory_is_limited():
    error = refusal(encode(Image.new("1", (16000, 16000))), max_memory=200 * 2**20, max_pixels=10**9)
    assert error.code == "too_complex"
    assert "200 MiB" in str(error)
    assert looks_right(decode(encode(draw())).pixels)


def test_time_is_limited():
    error = refusal(encode(Image.new("1", (9000, 9000))), max_seconds=0.05)
    assert error.code == "too_complex"
    assert "0.05 seconds" in str(error)
    assert looks_right(decode(encode(draw())).pixels)


# --- the children


def only_child() -> children._Child:
    (child,) = children._alive
    return child


@pytest.fixture
def fresh():
    children.close()
    yield
    children.close()


ROGUE = """
import json, socket, struct, sys, time
parent = socket.socket(fileno=0)
parent.sendall(b"ready")
socket.recv_fds(parent, 4096, 1)
def say(**answer):
    body = json.dumps({"grown": False, **answer}).encode()
    parent.sendall(struct.pack("!I", len(body)) + body)
good = dict(shape=[1, 2], width=2, height=1)
"""


@pytest.mark.parametrize(
    ("act", "word"),
    [
        ("sys.exit(1)", "crash"),
        ("import os; os.abort()", "crash"),
        ("import os; os.kill(os.getpid(), 9)", "memory"),
        ("time.sleep(60)", "seconds"),
        ("parent.close(); time.sleep(60)", "nonsense"),
        ("parent.sendall(b'\\xff' * 4)", "nonsense"),
        ("parent.sendall(struct.pack('!I', 3) + b'{,}')", "nonsense"),
        ("parent.sendall(struct.pack('!I', 60000) + b'[' * 60000)", "nonsense"),
        ("say(**good | {'shape': [70000, 70000]})", "nonsense"),
        ("say(**good | {'shape': [1.5, 2]})", "nonsense"),
        ("say(**good | {'shape': [0, 2]})", "nonsense"),
        ("say(**good | {'width': '<b>'})", "nonsense"),
        ("say(**good | {'width': -1})", "nonsense"),
        ("say(code='sudo', sentence='x')", "nonsense"),
        ("say(code='corrupt', sentence=['x'])", "nonsense"),
        ("say(**good); parent.sendall(b'12345')", "crash"),
        ("say(**good)\nwhile True: time.sleep(0.1); parent.sendall(b'')", "seconds"),
    ],
)
def test_a_child_that_misbehaves_costs_one_picture(act, word, fresh, monkeypatch):
    monkeypatch.setattr(children, "COMMAND", [sys.executable, "-c", ROGUE + act])
    # Who is silent is waited for to the end; on a busy machine others need longer than that to say their word.
    error = refusal(encode(draw()), max_seconds=0.5 if word == "seconds" else 60)
    assert error.code == "too_complex"
    assert word in str(error)
    monkeypatch.undo()
    assert looks_right(decode(encode(draw())).pixels)
    assert len(children._alive) == 1


def test_what_a_forged_answer_holds_is_cleaned(fresh, monkeypatch):
    act = "say(**good, exif={'a': '\\0b', 'c': {}}, animated=[1]); parent.sendall(b'123456'); time.sleep(60)"
    monkeypatch.setattr(children, "COMMAND", [sys.executable, "-c", ROGUE + act])
    picture = decode(encode(draw()))
    assert (picture.exif, picture.animated, picture.pixels.tobytes()) == ({"a": "b"}, True, b"123456")


def test_a_decoder_that_does_not_start_is_no_fault_of_the_picture(fresh, monkeypatch):
    monkeypatch.setattr(children, "COMMAND", [sys.executable, "-c", ""])
    with pytest.raises(RuntimeError, match="does not start"):
        decode(encode(draw()))


def test_a_child_is_kept_and_replaced(fresh, monkeypatch):
    decode(encode(draw()))
    first = only_child()
    refusal(encode(draw())[:99])
    assert only_child() is first
    first._process.kill()
    first._process.wait()
    decode(encode(draw()))
    assert only_child() is not first
    monkeypatch.setattr(children, "PICTURES_EACH", 1)
    children.close()
    decode(encode(draw()))
    assert not children._alive


def test_a_child_that_has_grown_is_not_kept(fresh, monkeypatch):
    act = "say(**good | {'grown': True}); parent.sendall(b'123456'); time.sleep(60)"
    monkeypatch.setattr(children, "COMMAND", [sys.executable, "-c", ROGUE + act])
    decode(encode(draw()))
    assert not children._alive


def test_threads_share_as_many_children_as_there_are_processors(fresh):
    sources = [encode(Image.new("RGB", (40, 40), (n, 0, 0))) for n in range(60)]
    with ThreadPoolExecutor(8) as threads:
        reds = [picture.pixels[0, 0, 0] for picture in threads.map(decode, sources)]
    assert reds == list(range(60))
    assert 1 <= len(children._alive) <= children.AT_ONCE


def test_a_forked_process_gets_children_of_its_own(fresh):
    decode(encode(draw()))
    first = only_child()
    reader, writer = os.pipe()
    if not (pid := os.fork()):
        try:
            assert not children._alive
            assert looks_right(decode(encode(draw())).pixels)
            os.write(writer, str(only_child()._process.pid).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert int(os.read(reader, 99)) != first._process.pid
    os.close(reader)
    os.close(writer)
    assert looks_right(decode(encode(draw())).pixels)
    assert only_child() is first


def test_a_child_ends_with_its_parent():
    code = (
        "import os, sys; from gallery import children, pictures; pictures.decode(sys.stdin.buffer.read());"
        "print(*(c._process.pid for c in children._alive), flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=encode(draw()), capture_output=True)
    assert parent.returncode == -signal.SIGKILL
    status = Path(f"/proc/{int(parent.stdout)}/stat")
    end = time.monotonic() + 120
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end, "the child lives on"
        time.sleep(0.02)


def test_a_child_knows_no_secrets(fresh, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_SECRET_KEY", "s3cret")
    decode(encode(draw()))
    environment = Path(f"/proc/{only_child()._process.pid}/environ").read_bytes()
    assert b"s3cret" not in environment


def test_a_child_starts_without_django_and_numpy():
    code = "import gallery.decoder as d, sys; d.prepare(); print(*{'django', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == ""

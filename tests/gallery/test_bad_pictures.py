"""Each of the awkward and hostile pictures of the shared corpus is taken or refused as its manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gallery.pictures import MIME, Limits, Picture, PictureError, decode
from tests.work import seconds_of_work


@dataclass(frozen=True)
class Verdict:
    row: dict[str, Any]
    picture: Picture | None
    error: PictureError | None
    seconds: float
    """Of work."""

    @property
    def name(self) -> str:
        return self.row["file"].removeprefix("images/")

    @property
    def got(self) -> tuple[str | None, int]:
        return (self.error.code, self.error.status) if self.error else (None, 200)


@pytest.fixture(scope="module")
def verdicts(bad_images: SimpleNamespace) -> dict[str, Verdict]:
    policy = bad_images.manifest["policy"]
    limits = Limits(
        max_bytes=policy["max_bytes"],
        max_pixels=policy["max_pixels"],
        max_jpeg_scans=policy["max_jpeg_scans"],
        max_seconds=20 * policy["max_seconds"],  # by the clock, and the machine may be busy
    )
    decode(bad_images.root / "images/ok.png", limits=limits)  # the first one waits for a child to start
    found = (judge(bad_images.root, row, limits) for row in bad_images.manifest["images"])
    return {verdict.name: verdict for verdict in found}


def judge(root: Any, row: dict[str, Any], limits: Limits) -> Verdict:
    start, picture, error = seconds_of_work(), None, None
    try:
        picture = decode(root / row["file"], longest=320, limits=limits)
    except PictureError as refusal:
        error = refusal
    return Verdict(row, picture, error, seconds_of_work() - start)


def having(verdicts: dict[str, Verdict], rule: str) -> dict[str, Picture]:
    """The accepted pictures of which the manifest says ``then: rule``."""
    return {name: v.picture for name, v in verdicts.items() if rule in v.row["then"] and v.picture}


def test_it_works(verdicts):
    wrong = {name: v.got for name, v in verdicts.items() if v.got != (v.row["code"], v.row["status"])}
    assert wrong == {}
    assert len(verdicts) >= 100


def test_it_is_never_more_than_two_seconds_of_work(verdicts):
    assert {name: v.seconds for name, v in verdicts.items() if v.seconds > 2} == {}


def test_every_refusal_is_a_sentence(verdicts):
    for name, verdict in verdicts.items():
        if verdict.error:
            assert str(verdict.error).startswith("This "), name
            assert str(verdict.error).endswith("."), name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bomb_30000x30000.png", "This picture has 900 megapixels; at most 64 are allowed."),
        ("bomb_canvas.webp", "This picture has 268.5 megapixels; at most 64 are allowed."),
        ("scans_3000.jpg", "This picture has 3,006 scans; at most 100 are allowed."),
        ("over_max_bytes.png", "This file has 20.1 MiB; at most 20 are allowed."),
        ("empty.jpg", "This file is empty."),
    ],
)
def test_a_refusal_names_the_limit_and_the_value(verdicts, name, sentence):
    assert str(verdicts[name].error) == sentence


def test_heic_is_named(verdicts):
    assert verdicts["phone.heic"].error is None or "HEIC" in str(verdicts["phone.heic"].error)


def test_pictures_are_finite_rgb_with_sides_of_at_least_one_pixel(verdicts):
    for name, verdict in verdicts.items():
        if verdict.picture:
            pixels = verdict.picture.pixels
            assert pixels.dtype == np.uint8, name
            assert pixels.ndim == 3, name
            assert pixels.shape[2] == 3, name
            assert min(pixels.shape[:2]) >= 1, name
            assert max(pixels.shape[:2]) <= 320, name
            assert verdict.picture.format in MIME, name
    assert having(verdicts, "rgb")
    assert having(verdicts, "finite")
    assert having(verdicts, "thumbnail_ge_1px")


def test_all_orientations_look_the_same(verdicts):
    upright = verdicts["exif_orientation_1.jpg"].picture
    turned = having(verdicts, "looks_like:exif_orientation_1.jpg")
    assert upright
    assert len(turned) == 8
    for name, picture in turned.items():
        assert (picture.width, picture.height) == (upright.width, upright.height), name
        assert np.abs(picture.pixels.astype(int) - upright.pixels).mean() < 8, name


def test_the_type_comes_from_the_content(verdicts):
    assert MIME[verdicts["png_named.jpg"].picture.format] == "image/png"
    assert verdicts["mpo_two_frames.jpg"].picture.format == "JPEG"


def test_the_first_frame_is_taken(verdicts):
    plain = verdicts["ok.jpeg"].picture.pixels
    stereo = verdicts["mpo_two_frames.jpg"].picture.pixels
    assert np.abs(stereo.astype(int) - plain).mean() < 8
    for name in ("frames_10000.gif", "frames_10000.apng.png", "frames_2000.webp"):
        assert verdicts[name].picture.animated, name


def test_a_script_in_the_exif_stays_text(verdicts):
    exif = verdicts["exif_xss_orientation_99.jpg"].picture.exif
    assert exif["Artist"] == exif["ImageDescription"] == "<script>alert('lookalike-xss')</script>"
    assert "Orientation" not in exif

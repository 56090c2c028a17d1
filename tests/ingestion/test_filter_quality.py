"""Blur, noise, squares, borders and light, measured on drawn photographs and on the same ones spoilt."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFilter, ImageOps

from ingestion.filters._base import Outcome
from tests.ingestion.filter_contract import FilterContract
from tests.pictures import encode, photo


def textured(picture):
    """With what photographs have in each octave and drawn pictures have not: as much contrast as in the next one."""
    width, height = picture.size
    waves = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    waves[0, 0] = 1
    rough = np.fft.irfft2(np.fft.rfft2(np.random.default_rng(5).normal(size=(height, width))) / waves, (height, width))
    return PillowImage.fromarray(
        (np.asarray(picture) + 12 * (rough / rough.std())[..., None]).clip(0, 255).astype("u1")
    )


CLEAN = textured(photo(3, 1280, 960).reduce(2))


def enlarged(share):
    small = CLEAN.resize((int(640 * share), int(480 * share)), PillowImage.Resampling.LANCZOS)
    return small.resize(CLEAN.size, PillowImage.Resampling.BICUBIC)


def compressed(quality):
    return PillowImage.open(io.BytesIO(encode(CLEAN, quality=quality))).convert("RGB")


def grainy(sigma):
    noise = np.random.default_rng(1).normal(0, sigma, (480, 640, 3))
    return PillowImage.fromarray((np.asarray(CLEAN) + noise).clip(0, 255).astype(np.uint8))


SPOILT = {
    "blur": CLEAN.filter(ImageFilter.GaussianBlur(3)),
    "upscaled": enlarged(0.4),
    "blocking": compressed(10),
    "noise": grainy(25),
    "borders": ImageOps.expand(CLEAN, 40, "white"),
    "flat": CLEAN.point(lambda level: 110 + level // 8),
    "dark": CLEAN.point(lambda level: level // 6),
    "bright": CLEAN.point(lambda level: min(255, level * 5)),
}


class TestQuality(FilterContract):
    name = "quality"

    @property
    def lines(self):
        return {score.name: score.cut_off for score in self.filter.scores}

    def over(self, finding):
        return {name for name, line in self.lines.items() if finding.scores[name] > line}

    def test_it_works(self, judge):
        finding = judge(CLEAN, format="PNG")
        self.check(finding)
        assert finding.scores.keys() == self.lines.keys() == SPOILT.keys()
        assert not self.over(finding)
        assert (finding.sentence, finding.facts) == ("", {})

    @pytest.mark.parametrize("what", SPOILT)
    def test_each_score_tells_what_it_is_named_after(self, judge, what):
        finding = judge(SPOILT[what], format="PNG")
        assert what in self.over(finding)
        assert finding.scores[what] > judge(CLEAN, format="PNG").scores[what] + 0.1
        assert finding.outcome == Outcome.PASS, "only a line holds it"

    def test_all_scores_lie_between_0_and_1(self, judge):
        for picture in (SPOILT["blocking"], SPOILT["noise"]):
            assert all(0 <= value <= 1 for value in judge(picture, format="PNG").scores.values())

    @pytest.mark.parametrize(
        ("border", "inside"),
        [
            ((30, 0, 30, 0), [30, 0, 670, 480]),
            ((0, 50, 0, 20), [0, 50, 640, 530]),
            ((8, 8, 8, 40), [8, 8, 648, 488]),
        ],
    )
    def test_a_border_is_offered_to_be_cut(self, judge, border, inside):
        for colour in ("black", "white", "#336699"):
            finding = judge(ImageOps.expand(CLEAN, border, colour), format="PNG")
            assert finding.facts == {"inside": inside}
            assert "without it there are 640 × 480 pixels" in finding.sentence

    def test_a_frame_in_a_frame_is_cut_as_well(self, judge):
        framed = ImageOps.expand(ImageOps.expand(CLEAN, 20, "white"), 10, "black")
        assert judge(framed, format="PNG").facts["inside"] == [30, 30, 670, 510]

    def test_the_border_is_told_in_pixels_of_the_file(self, judge):
        large = ImageOps.expand(CLEAN, 40, "black").resize((2880, 2240), PillowImage.Resampling.NEAREST)
        inside = np.array(judge(large, format="JPEG").facts["inside"])
        assert (np.abs(inside - [160, 160, 2720, 2080]) <= 8).all()

    def test_a_plain_sky_is_no_border(self, judge):
        pixels = np.asarray(CLEAN).copy()
        sky = np.concatenate([np.ones(60), np.linspace(1, 0, 180)])[:, None, None]
        pixels[:240] = (255 * sky + pixels[:240] * (1 - sky)).astype(np.uint8)
        assert judge(PillowImage.fromarray(pixels), format="PNG").scores["borders"] == 0

    def test_squares_are_seen_wherever_they_begin_and_in_a_reduced_picture(self, judge):
        moved = compressed(10).crop((3, 5, 640, 480))
        assert "blocking" in self.over(judge(moved, format="PNG"))
        wall = PillowImage.new("RGB", (2560, 1920))
        for x in range(0, 2560, 640):
            for y in range(0, 1920, 480):
                wall.paste(CLEAN.rotate(x + y), (x, y))
        coarse, fine = judge(encode(wall, quality=6)), judge(encode(wall, quality=92))
        assert coarse.scores["blocking"] > 0.3 > 0.15 > fine.scores["blocking"]

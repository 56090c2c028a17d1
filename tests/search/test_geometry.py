"""How one picture lies on another: told from keypoints, right to a few pixels, and never from chance."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from search.encoders.sift import ENCODER
from search.engines.local_features import ENGINE, canonical
from search.geometry import Alignment, _similarity, align, area, outline, where
from search.keypoints import Keypoints
from tests.pictures import photo
from tests.search.engine_contract import picture


def keypoints(image: Image.Image) -> Keypoints:
    return ENGINE.keypoints(canonical(picture(image)))


def aligned(query: Image.Image, match: Image.Image) -> Alignment:
    found = align(keypoints(query), keypoints(match), ENCODER.mirror)
    assert found
    return found


def moved(alignment: Alignment, x: float, y: float) -> tuple[float, float]:
    a, b, c = alignment.homography @ [x, y, 1]
    return a / c, b / c


def pasted(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    canvas = photo(99, 640, 480).copy()
    canvas.paste(picture.resize((box[2] - box[0], box[3] - box[1])), box[:2])
    return canvas


def captioned(image: Image.Image) -> Image.Image:
    image = image.resize((640, 480))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=48)
    for y, words in ((10, "WHEN YOU FINALLY"), (410, "FIND THE ORIGINAL")):
        draw.text((20, y), words, font=font, fill="white", stroke_width=4, stroke_fill="black")
    return image


class TestAlignment:
    def test_it_works(self):
        found = aligned(photo(1).crop((0, 0, 160, 120)), photo(1))
        assert found.certain
        assert found.points >= 12
        assert not found.mirrored
        assert found.relation == "part"
        assert found.covers == pytest.approx(0.25, abs=0.02)
        assert found.covered == pytest.approx(1, abs=0.03)
        assert where(found.in_match) == "upper left"

    @pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (1.0, 1.0)])
    def test_the_homography_carries_the_query_to_its_place(self, corner):
        found = aligned(photo(2).crop((80, 60, 240, 180)), photo(2))
        x, y = moved(found, *corner)
        assert x == pytest.approx((80 + 160 * corner[0]) / 320, abs=0.015)
        assert y == pytest.approx((60 + 120 * corner[1]) / 240, abs=0.015)

    def test_it_knows_a_mirrored_crop(self):
        found = aligned(ImageOps.mirror(photo(3).crop((0, 60, 160, 240))), photo(3))
        assert found.certain
        assert found.mirrored
        assert moved(found, 0, 0)[0] == pytest.approx(0.5, abs=0.02)
        assert moved(found, 1, 0)[0] == pytest.approx(0, abs=0.04)
        assert where(found.in_match) == "lower left"

    @pytest.mark.parametrize("degrees", [5, 15, 90, 180, 333])
    def test_it_knows_a_turned_picture(self, degrees):
        found = aligned(photo(4).rotate(degrees, Image.Resampling.BICUBIC, expand=True), photo(4))
        assert found.certain
        assert not found.mirrored
        a, b = found.homography[0, :2] * [1, 1]
        assert found.covers > 0.95
        assert math.isfinite(a + b)

    def test_it_finds_a_picture_inside_the_query(self):
        found = aligned(pasted(photo(5), (320, 240, 600, 450)), photo(5))
        assert found.certain
        assert found.relation == "whole"
        assert where(found.in_query) == "lower right"
        corners = np.array(found.in_query)
        assert corners.min(0) == pytest.approx([0.5, 0.5], abs=0.02)
        assert corners.max(0) == pytest.approx([600 / 640, 450 / 480], abs=0.02)

    def test_it_sees_what_two_crops_share(self):
        found = aligned(photo(6).crop((0, 0, 220, 240)), photo(6).crop((100, 0, 320, 240)))
        assert found.certain
        assert found.relation == "overlap"
        assert found.covers == pytest.approx(120 / 220, abs=0.04)

    def test_the_same_picture_is_the_same(self):
        small = photo(7).resize((96, 72))
        for query in (photo(7), small, ImageOps.expand(photo(7), 10, "white"), captioned(photo(7))):
            found = aligned(query, photo(7))
            assert (found.certain, found.relation) == (True, "same")
            assert where(found.in_match) == ""

    def test_pairs_lie_on_both_pictures(self):
        found = aligned(photo(8).crop((0, 0, 160, 240)), photo(8))
        assert len(found.pairs) >= found.points
        assert found.pairs.min() >= 0
        assert found.pairs.max() <= 1
        for x, y, to_x, to_y in found.pairs[:20]:
            assert moved(found, x, y) == pytest.approx((to_x, to_y), abs=0.05)


class TestProof:
    def test_unrelated_pictures_prove_nothing(self):
        stored = [keypoints(photo(seed)) for seed in range(30)]
        proofs = [align(a, b, ENCODER.mirror) for i, a in enumerate(stored) for b in stored[:i]]
        assert not [found for found in proofs if found and found.certain]

    def test_the_same_words_on_two_pictures_prove_nothing(self):
        """The letters match, point by point; what is behind them does not."""
        stored = [keypoints(captioned(photo(seed))) for seed in range(40, 50)]
        found = [align(a, b, ENCODER.mirror) for i, a in enumerate(stored) for b in stored[:i]]
        assert sum(one is not None and one.points >= 6 for one in found) > 40  # of 45
        assert not [one for one in found if one and one.certain]

    def test_a_picture_under_another_one_is_proven(self):
        """Two fifths of it are hidden: less agrees than under words, but far more points do."""
        host = photo(51, 640, 480)
        covered = host.copy()
        covered.paste(photo(52).resize((404, 304)), (20, 150))
        assert aligned(covered, host).certain

    def test_the_same_logo_on_two_pictures_proves_nothing(self):
        logo = photo(12).resize((90, 70))
        first, second = (photo(seed, 640, 480).copy() for seed in (13, 14))
        for image in (first, second):
            image.paste(logo, (540, 400))
        found = align(keypoints(first), keypoints(second), ENCODER.mirror)
        assert not (found and found.certain)

    @pytest.mark.parametrize(
        "other", [Image.new("RGB", (64, 64), "red"), Image.new("L", (1, 1)), photo(1).resize((320, 1))]
    )
    def test_nothing_comes_of_nothing(self, other):
        assert align(keypoints(photo(1)), keypoints(other), ENCODER.mirror) is None
        assert align(keypoints(other), keypoints(photo(1)), ENCODER.mirror) is None

    def test_repeated_texture_counts_once(self):
        """Forty pairs at one place are one point."""
        tile = np.asarray(photo(15).convert("L").resize((32, 24)))
        tiled = Image.fromarray(np.tile(tile, (8, 8)))
        found = align(keypoints(tiled), keypoints(photo(16)), ENCODER.mirror)
        assert not (found and found.certain)


class TestOutline:
    def test_it_works(self):
        assert set(outline(np.diag([0.5, 0.5, 1]))) == {(0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)}

    def test_it_is_clipped_to_the_picture(self):
        assert area(outline(np.array([[1, 0, 0.5], [0, 1, 0], [0, 0, 1.0]]))) == pytest.approx(0.5)
        assert area(outline(np.diag([9.0, 9, 1]))) == 1

    def test_pictures_that_do_not_meet_have_none(self):
        assert outline(np.array([[1, 0, 2], [0, 1, 0], [0, 0, 1.0]])) == ()

    def test_what_lies_behind_the_horizon_is_cut_away(self):
        polygon = outline(np.array([[1, 0, 0], [0, 1, 0], [-2, 0, 1.0]]))
        assert 0 < area(polygon) <= 1
        assert np.isfinite(polygon).all()

    @pytest.mark.parametrize(
        ("box", "words"),
        [
            ((0, 0, 0.3, 0.3), "upper left"),
            ((0.3, 0, 0.7, 0.3), "upper"),
            ((0.7, 0.7, 1, 1), "lower right"),
            ((0.3, 0.3, 0.7, 0.7), "centre"),
            ((0, 0, 1, 0.9), ""),
        ],
    )
    def test_a_place_has_a_name(self, box, words):
        left, top, right, bottom = box
        assert where([(left, top), (right, top), (right, bottom), (left, bottom)]) == words


@pytest.mark.parametrize("mirrored", [False, True])
def test_places_on_a_line_keep_the_way_round(mirrored):
    """They fit a turning and a mirroring equally well."""
    source = np.array([[x, 40.0] for x in range(0, 200, 20)])
    target = source * 0.5 + [30, 60]
    if mirrored:
        target[:, 0] = 200 - target[:, 0]
    carried = _similarity(source, target, mirrored)
    assert (np.linalg.det(carried) < 0) == mirrored
    assert np.allclose((np.c_[source, np.ones(len(source))] @ carried.T)[:, :2], target)

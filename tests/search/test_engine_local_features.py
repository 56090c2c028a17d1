"""Crops, mirrored and turned copies, collages: found and proven by their keypoints."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from gallery.pictures import Picture
from search.engines._base import Grade, Hit
from search.engines.local_features import COARSE, ENGINE, FINE, canonical
from search.indexes.keypoint_index import KeypointIndex
from search.keypoints import MOST, unpack
from tests.pictures import photo
from tests.search.engine_contract import EngineContract, picture
from tests.search.test_geometry import captioned


class TestLocalFeatures(EngineContract):
    engine = ENGINE


@pytest.fixture(scope="module")
def gallery() -> KeypointIndex:
    """Photographs 0 to 39 under the ids 100 to 139."""
    return TestLocalFeatures().gallery()


def proven(image: Image.Image, gallery: KeypointIndex) -> list[Hit]:
    return [hit for hit in ENGINE.search(ENGINE.probe(picture(image)), gallery, 50) if hit.certain]


def perspective(image: Image.Image) -> Image.Image:
    w, h = image.size
    corners = (-0.1 * w, 0, 0.05 * w, h, w, 0.9 * h, 0.95 * w, -0.1 * h)
    return image.transform(image.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor="grey")


def half(image: Image.Image) -> Image.Image:
    return image.crop((40, 30, 280, 200))


EDITS = {
    "crop": half,
    "mirrored crop": lambda image: ImageOps.mirror(half(image)),
    "turned crop": lambda image: half(image).rotate(90, expand=True),
    "upside down": lambda image: image.rotate(180),
    "askew": lambda image: image.rotate(12, Image.Resampling.BICUBIC),
    "thumbnail": lambda image: image.resize((64, 48)),
    "crop of a thumbnail": lambda image: half(image).resize((100, 71)),
    "enlarged crop": lambda image: half(image).resize((960, 680), Image.Resampling.BICUBIC),
    "perspective": perspective,
    "border": lambda image: ImageOps.expand(image, 60, "navy"),
    "words": captioned,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "stretched": lambda image: image.resize((420, 240)),
}


class TestEdits:
    @pytest.mark.parametrize("edit", EDITS)
    @pytest.mark.parametrize("seed", [1, 17, 33])
    def test_it_proves(self, edit, seed, gallery):
        hits = proven(EDITS[edit](photo(seed)), gallery)
        assert [hit.image_id for hit in hits] == [100 + seed]

    def test_it_says_how(self, gallery):
        (hit,) = proven(ImageOps.mirror(photo(5).crop((0, 0, 160, 150))), gallery)
        assert hit.grade == Grade.CONTAINS
        assert hit.evidence["relation"] == "part"
        assert hit.evidence["mirrored"]
        words = ENGINE.explain(hit.evidence)
        assert words.startswith(f"{hit.evidence['points']} matching points, mirrored, covers 3")
        assert words.endswith(" % of the original, upper left")

    def test_the_whole_picture_is_the_same(self, gallery):
        (hit,) = proven(photo(6).resize((200, 150)), gallery)
        assert hit.grade == Grade.SAME
        assert ENGINE.explain(hit.evidence) == f"{hit.evidence['points']} matching points"

    @pytest.mark.parametrize("each", [2, 3])
    def test_it_takes_a_collage_apart(self, each, gallery):
        """Each picture of it, at its place."""
        seeds = list(range(each * each))
        side = 1200 // each
        collage = Image.new("RGB", (1200, 1200), "white")
        for at, seed in enumerate(seeds):
            collage.paste(photo(seed).resize((side - 8, side * 3 // 4)), (at % each * side, at // each * side))
        found = {hit.image_id - 100: hit for hit in proven(collage, gallery)}
        assert set(found) <= set(seeds)
        assert len(found) >= 0.75 * len(seeds)
        for seed, hit in found.items():
            assert hit.evidence["relation"] == "whole"
            left, top = np.min(hit.evidence["in_query"], axis=0) * each
            assert (left, top) == pytest.approx((seed % each, seed // each), abs=0.15)

    def test_words_on_two_pictures_are_only_a_detail(self):
        index = TestLocalFeatures().index({1: captioned(photo(20)), 2: photo(21)})
        hits = {hit.image_id: hit for hit in ENGINE.search(ENGINE.probe(picture(captioned(photo(22)))), index, 10)}
        assert not any(hit.certain for hit in hits.values())
        assert hits[1].grade == Grade.LOOKS_LIKE
        assert "of a detail only" in ENGINE.explain(hits[1].evidence)

    def test_unrelated_pictures_are_not_proven(self, gallery):
        for seed in range(200, 215):
            assert proven(photo(seed), gallery) == []


class TestBadInput:
    @pytest.mark.parametrize(
        "image", [Image.new("RGB", (1, 1)), Image.new("RGB", (800, 600), "teal"), Image.new("L", (20_000, 1), 255)]
    )
    def test_a_picture_without_texture_finds_nothing(self, image, gallery):
        assert ENGINE.search(ENGINE.probe(picture(image)), gallery, 10) == []

    def test_a_picture_without_texture_is_never_found(self):
        index = TestLocalFeatures().index({1: Image.new("RGB", (300, 200)), 2: photo(1)})
        assert [hit.image_id for hit in proven(photo(1), index)] == [2]

    def test_noise_has_no_more_keypoints_than_a_picture(self):
        noise = np.random.default_rng(0).integers(0, 256, (2000, 3000, 3), dtype=np.uint8)
        probe = ENGINE.probe(Picture(noise, 3000, 2000, "PNG"))
        assert len(unpack(probe.vectors[0].tobytes())) <= MOST
        assert all(len(reading.keypoints) <= 2 * MOST for reading in probe.more())

    @pytest.mark.parametrize("size", [(3000, 10), (10, 3000), (17, 5), (256, 256), (5000, 4000)])
    def test_its_canonical_size_is_bounded(self, size):
        for longest in (COARSE, 256, FINE):
            grey = canonical(picture(Image.new("RGB", size)), longest)
            assert max(grey.shape) <= longest
            assert min(grey.shape) >= 16


def test_an_image_does_not_explain_itself():
    """A stored collage is looked at finely, although the index holds the collage itself."""
    collage = Image.new("RGB", (1200, 1200), "white")
    for at in range(9):
        collage.paste(photo(at).resize((392, 300)), (at % 3 * 400, at // 3 * 400))
    index = TestLocalFeatures().gallery()
    index.add(np.array([500]), ENGINE.rows([ENGINE.extract(picture(collage))]))
    probe = replace(ENGINE.probe(picture(collage)), besides=500)
    found = {hit.image_id for hit in ENGINE.search(probe, index, 50) if hit.certain}
    assert 500 not in found
    assert len(found & set(range(100, 109))) >= 7
    assert found <= set(range(100, 109))


def test_it_compares_a_query_with_one_image():
    crop = picture(photo(3).crop((0, 0, 200, 150)))
    found = ENGINE.compare(ENGINE.probe(crop), ENGINE.extract(picture(photo(3))))
    assert found.certain
    assert found.relation == "part"
    other = ENGINE.compare(ENGINE.probe(crop), ENGINE.extract(picture(photo(4))))
    assert not (other and other.certain)

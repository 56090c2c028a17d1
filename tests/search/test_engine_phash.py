"""The perceptual hash finds the same picture, turned, mirrored, framed or captioned, and proves nothing of others."""

from __future__ import annotations

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from search.borders import inner_boxes
from search.engines._base import Grade
from search.engines.phash import BYTES, CERTAIN, ENGINE, LIMIT, UNRELATED, hash_bits, lowest_coefficients
from tests.pictures import photo
from tests.search.engine_contract import EngineContract, odd_pictures, picture

Turn = Image.Transpose


class TestPHash(EngineContract):
    engine = ENGINE

    def proof(self, image: Image.Image) -> str | None:
        """How photograph 7 of the gallery was proven, "" for as it is; None if it was not."""
        hits = [hit for hit in self.look(image, self.gallery()) if hit.certain]
        assert all(hit.image_id == 107 for hit in hits)
        for hit in hits:  # what is cut out of a picture is a part of it; a frame is not
            cut_out = "cut out" in hit.evidence["how"]
            assert hit.grade == (Grade.CONTAINS if cut_out else Grade.SAME)
        return hits[0].evidence["how"] if hits else None

    @pytest.mark.parametrize(
        ("how", "turn"),
        {
            "": None,
            "mirrored": Turn.FLIP_LEFT_RIGHT,
            "upside down and mirrored": Turn.FLIP_TOP_BOTTOM,
            "upside down": Turn.ROTATE_180,
            "turned left": Turn.ROTATE_270,
            "turned right": Turn.ROTATE_90,
            "turned left and mirrored": Turn.TRANSPOSE,
            "turned right and mirrored": Turn.TRANSVERSE,
        }.items(),
    )
    def test_it_finds_all_orientations(self, how, turn):
        turned = photo(7) if turn is None else photo(7).transpose(turn)
        assert self.proof(turned) == how
        stored = self.engine.search(self.engine.probe_stored(self.feature(turned)), self.gallery(), 3)
        assert (stored[0].image_id, stored[0].certain, stored[0].evidence["how"]) == (107, True, how)

    def test_it_equals_imagehash(self):
        for seed in range(5):
            grey = photo(seed).convert("L").resize((96, 96))
            expected = np.packbits(imagehash.phash(grey, hash_size=24).hash)
            assert (hash_bits(lowest_coefficients(np.asarray(grey))) == expected).all()

    def test_it_is_near_imagehash_of_the_full_picture(self):
        image = photo(4, 2000, 1500)
        expected = np.packbits(imagehash.phash(image, hash_size=24).hash)
        ours = self.engine.rows([self.feature(image)])[0]
        assert np.bitwise_count(ours ^ expected).sum() <= 8

    @pytest.mark.parametrize("colour", ["black", "white", (30, 60, 120)])
    @pytest.mark.parametrize("sides", [(0, 30), (40, 0), (25, 25, 25, 25), (60, 10, 0, 30)])
    def test_it_cuts_borders_away(self, colour, sides):
        assert "borders cut away" in self.proof(ImageOps.expand(photo(7), sides, fill=colour))

    def test_it_finds_a_mirrored_picture_inside_borders(self):
        framed = ImageOps.expand(ImageOps.mirror(photo(7)), 30, fill="white")
        assert self.proof(framed) == "mirrored, borders cut away"

    @pytest.mark.parametrize("above", [True, False])
    def test_it_cuts_a_bar_with_words_away(self, above):
        meme = Image.new("RGB", (320, 300), "white")
        meme.paste(photo(7), (0, 60 if above else 0))
        y = 4 if above else 244
        ImageDraw.Draw(meme).text(
            (4, y), "when you finally find\nthe original picture", "black", ImageFont.load_default(20)
        )
        assert self.proof(meme) == "bar cut away"

    def test_it_finds_a_picture_pasted_on_another(self):
        collage = photo(60, 640, 480)
        collage.paste(photo(7).resize((400, 300)), (180, 90))
        assert self.proof(collage) == "cut out at its edges"

    def test_it_finds_a_small_picture_on_a_plain_page(self):
        page = Image.new("RGB", (1000, 700), "white")
        page.paste(photo(7), (340, 230))
        assert self.proof(page) == "borders cut away"

    def test_it_reads_the_same_words_for_the_same_box_once(self):
        for seed in range(5):
            boxes = [box for box, _ in inner_boxes(ImageOps.expand(photo(seed), 20).convert("L"), 4)]
            assert len(set(boxes)) == len(boxes) <= 4 + 6

    def test_it_proves_nothing_of_unrelated_pictures(self):
        index = self.gallery()
        for seed in range(50, 90):
            assert not any(hit.certain for hit in self.look(photo(seed), index))

    @pytest.mark.parametrize("name", ["1x1", "black", "white", "gradient"])
    def test_it_proves_nothing_of_plain_pictures(self, name):
        """All of them have nearly the same hash."""
        plain = odd_pictures()[name]
        index = self.index(dict(enumerate(odd_pictures().values())))
        for probe in (self.engine.probe(picture(plain)), self.engine.probe_stored(self.feature(plain))):
            assert probe.may_be_certain is False
            hits = self.engine.search(probe, index, 10)
            assert hits
            assert not any(hit.certain for hit in hits)
            assert {hit.grade for hit in hits} == {Grade.LOOKS_LIKE}

    def test_it_grades_by_distance(self):
        row = self.engine.rows([self.feature(photo(7))])
        for distance in (0, CERTAIN, CERTAIN + 1, UNRELATED, LIMIT - 1, LIMIT):
            index = self.engine.new_index()
            other = np.packbits(np.unpackbits(row[0]) ^ (np.arange(BYTES * 8) < distance))
            index.add(np.array([1]), other[None])
            hits = self.engine.search(self.engine.probe_stored(self.feature(photo(7))), index, 3)
            assert len(hits) == (distance < LIMIT)
            for hit in hits:
                assert hit.evidence["distance"] == distance
                assert hit.certain == (hit.grade == Grade.SAME) == (distance <= CERTAIN)
                assert (hit.score >= self.engine.cutoff) == (distance <= UNRELATED)

    def test_it_explains(self):
        assert self.engine.explain({"distance": 34, "bits": 576, "how": ""}) == "34 of 576 bits differ"
        evidence = {"distance": 34, "bits": 576, "how": "mirrored, borders cut away"}
        assert self.engine.explain(evidence) == "34 of 576 bits differ, mirrored, borders cut away"

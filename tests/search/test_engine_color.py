"""Colour search: same palettes first, whatever the geometry, and pictures that hold given colours."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from search.engines._base import Grade
from search.engines.color import ENGINE, histogram_of_colours
from tests.pictures import photo
from tests.search.engine_contract import EngineContract, picture

BLUE, WHITE, RED, GREEN = (0x33, 0x66, 0xCC), (255, 255, 255), (200, 30, 30), (40, 140, 60)


def spotted(background: tuple, *spots: tuple, size: int = 60) -> Image.Image:
    image = Image.new("RGB", (300, 200), background)
    for number, colour in enumerate(spots):
        ImageDraw.Draw(image).rectangle((10 + 80 * number, 20, 10 + 80 * number + size, 20 + size), fill=colour)
    return image


class TestColor(EngineContract):
    engine = ENGINE
    same = 0.6  # colours change with compression more than shapes do

    def by_colours(self, images: dict[int, Image.Image], *colours: tuple, k: int = 10) -> list:
        hits = self.engine.search(self.engine.probe_colours(colours), self.index(images), k)
        self.check(hits, k)
        return [hit for hit in hits if hit.score > 0.1]

    def test_it_finds_what_was_turned_mirrored_cropped_or_framed(self):
        index = self.gallery()
        edits = [ImageOps.mirror, ImageOps.flip, lambda i: i.rotate(90, expand=True), lambda i: ImageOps.crop(i, 40)]
        for seed in (4, 17):
            for edit in edits:
                hit = self.look(edit(photo(seed)), index)[0]
                assert (hit.image_id, hit.grade, hit.certain) == (100 + seed, Grade.SAME_COLOURS, False)

    def test_it_counts_squares_of_eight_levels(self):
        row = self.engine.rows([self.feature(spotted((255, 0, 0)))])[0]
        assert row[7 * 64] == 255
        assert row.sum() == 255
        half = Image.new("RGB", (100, 100), (0, 0, 255))
        half.paste((0, 32, 0), (0, 0, 100, 25))
        row = self.engine.rows([self.feature(half)])[0]
        assert (row[7], row[8]) == (round(255 * 0.75**0.5), round(255 * 0.25**0.5))

    def test_it_tells_how_much_of_the_palette_is_shared(self):
        index = self.index({1: spotted(WHITE, RED, GREEN), 2: spotted(WHITE, RED, BLUE), 3: spotted(BLUE)})
        hits = self.look(spotted(WHITE, RED, GREEN), index)
        assert [hit.image_id for hit in hits] == [1, 2, 3]
        assert [round(hit.evidence["shared"], 1) for hit in hits] == [1.0, 0.8, 0.2]
        assert hits[1].score >= self.engine.cutoff > hits[2].score
        assert (
            self.engine.explain(hits[1].evidence)
            == f"{round(100 * hits[1].evidence['shared'])} % of the palette shared"
        )

    def test_it_finds_a_colour(self):
        images = {
            1: spotted(WHITE, RED),
            2: spotted(WHITE, (0x38, 0x60, 0xC4)),
            3: spotted(GREEN),
            4: spotted(RED, GREEN),
        }
        hits = self.by_colours(images, BLUE)
        assert [hit.image_id for hit in hits] == [2]
        assert hits[0].score >= self.engine.cutoff
        assert self.engine.explain(hits[0].evidence) == "6 % #3366cc"

    def test_it_finds_more_of_a_colour_first(self):
        images = {size: spotted(WHITE, BLUE, size=size) for size in (20, 30, 60, 120)}
        assert [hit.image_id for hit in self.by_colours(images, BLUE)] == [120, 60, 30, 20]

    def test_it_wants_all_colours(self):
        images = {
            1: spotted(BLUE),
            2: spotted(WHITE),
            3: spotted(BLUE, WHITE),
            4: spotted(GREEN, WHITE, BLUE),
            5: spotted(GREEN, RED, BLUE),
        }
        hits = self.by_colours(images, BLUE, WHITE)
        assert {hit.image_id for hit in hits[:2]} == {3, 4}
        assert all(hit.score < self.engine.cutoff for hit in hits[2:])
        assert self.engine.explain(hits[0].evidence) == "93 % #3366cc, 6 % #ffffff"

    def test_it_handles_colours_among_photographs(self):
        images = {seed: photo(seed) for seed in range(40)} | {99: spotted(BLUE, WHITE, RED)}
        for colours in ((BLUE,), (BLUE, WHITE), (WHITE, RED, BLUE)):
            assert self.by_colours(images, *colours, k=3)[0].image_id == 99

    def test_it_keeps_colours_among_some_only(self):
        index = self.index({1: spotted(BLUE), 2: spotted(BLUE), 3: spotted(RED)})
        hits = self.engine.search(self.engine.probe_colours([BLUE]), index, 5, np.array([2, 3]))
        assert [hit.image_id for hit in hits] == [2, 3]
        assert hits[1].score < self.engine.cutoff

    def test_it_spreads_a_colour_over_its_neighbours(self):
        on_the_edge = histogram_of_colours([(127, 127, 127)]), histogram_of_colours([(128, 128, 128)])
        difference = np.abs(on_the_edge[0].astype(int) - on_the_edge[1]).sum()
        assert difference < 0.1 * on_the_edge[0].sum()

    def test_it_weighs_shares(self):
        mostly_red = histogram_of_colours([RED, BLUE], [0.9, 0.1]).astype(int)
        red, blue = histogram_of_colours([RED]), histogram_of_colours([BLUE])
        assert np.minimum(mostly_red, red).sum() > 2 * np.minimum(mostly_red, blue).sum()

    @pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 0, 255), (255, 255, 0)])
    def test_it_handles_the_corners_of_the_colour_space(self, colour):
        hits = self.by_colours({1: spotted(colour), 2: spotted((128, 90, 110))}, colour)
        assert [hit.image_id for hit in hits] == [1]

    def test_it_never_proves_anything(self):
        assert self.engine.probe(picture(photo(1))).may_be_certain is False

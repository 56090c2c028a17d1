"""Which of several duplicates to keep, and why."""

import io
from functools import lru_cache

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageOps

from search.detail import MORE, contrast, gain
from search.duplicate_facts import compare
from search.duplicates import examine
from search.engines._base import Grade
from search.keep_best import Candidate, suggest
from search.models import Group
from tests.pictures import encode, photo


@lru_cache
def sharp(seed: int, width: int = 1000, height: int = 750) -> PillowImage.Image:
    """Sharp to the last pixel, with as much contrast in each octave as a photograph: fallen leaves of all sizes."""
    rng = np.random.default_rng(seed)
    image = PillowImage.new("RGB", (2 * width, 2 * height), (120, 120, 120))
    draw = ImageDraw.Draw(image)
    for radius in np.sort(3 / np.sqrt(rng.uniform(3**2 / width**2, 1, 6000)))[::-1]:
        x, y = rng.uniform(0, 2 * width), rng.uniform(0, 2 * height)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image.resize((width, height), PillowImage.Resampling.LANCZOS)


def copy(key: int, width: int = 1200, height: int = 900, **facts: object) -> Candidate:
    values = {"bytes": width * height // 4, "format": "JPEG"} | facts
    return Candidate(key, width, height, **values)


def words(suggestion, key: int) -> list[str]:
    return [str(reason) for reason in suggestion.reasons[key]]


def test_it_works():
    found = suggest([copy(1), copy(2, 4000, 3000)], Grade.SAME)
    assert (found.best, found.order, found.keep_all, found.clear) == (2, [2, 1], False, True)
    assert words(found, 2) == ["+ larger: 4000 × 3000 against 1200 × 900"]
    assert words(found, 1) == ["- smaller: 1200 × 900 against 4000 × 3000"]
    assert found.sentence == "Keep this one: larger: 4000 × 3000 against 1200 × 900."


def test_of_equals_the_first_stays_and_it_is_not_clear():
    found = suggest([copy(5), copy(3)], Grade.SAME)
    assert (found.best, found.clear) == (3, False)
    assert found.sentence == "Keep this one: it was here first."


def test_less_compression_is_better():
    found = suggest([copy(1, bytes=40_000), copy(2, bytes=400_000)], Grade.SAME)
    assert (found.best, found.clear) == (2, True)
    assert words(found, 2) == ["+ less compression: 3.0 bits a pixel"]
    assert words(found, 1) == ["- stronger compression: 0.3 bits a pixel"]


def test_a_modern_format_needs_fewer_bits():
    found = suggest([copy(1, bytes=200_000), copy(2, bytes=110_000, format="AVIF")], Grade.SAME)
    assert words(found, 1) == words(found, 2) == []


def test_compression_is_not_compared_between_sizes():
    found = suggest([copy(1, 4000, 3000, bytes=500_000), copy(2, 400, 300, bytes=500_000)], Grade.SAME)
    assert found.best == 1
    assert not any("compression" in line for line in words(found, 1) + words(found, 2))


def test_lossless_beats_lossy_of_the_same_size():
    found = suggest([copy(1), copy(2, format="PNG", lossless=True)], Grade.SAME)
    assert found.best == 2
    assert words(found, 2) == ["+ stored without loss (PNG)"]


def test_borders_speak_against_a_picture():
    found = suggest([copy(1, 1300, 1000, borders=True), copy(2, borders=False)], Grade.SAME)
    assert found.best == 2
    assert "- borders or bars around it" in words(found, 1)
    assert not found.clear  # the one with borders is larger


def test_borders_that_all_have_do_not_count():
    found = suggest([copy(1, borders=True), copy(2, borders=True), copy(3, borders=None)], Grade.SAME)
    assert all(words(found, key) == [] for key in (1, 2, 3))


def test_an_enlarged_copy_does_not_win():
    found = suggest([copy(1, 800, 600), copy(2, 3200, 2400, enlarged=True)], Grade.SAME)
    assert (found.best, found.clear) == (1, True)
    assert words(found, 2) == ["- only enlarged: 3200 × 2400 without more detail than a smaller one"]


def test_what_was_not_looked_at_is_never_clear():
    found = suggest([copy(1), copy(2, 4000, 3000, looked=False)], Grade.SAME)
    assert (found.best, found.clear) == (2, False)
    assert found.sentence.endswith("Not all of them were looked at.")


def test_the_date_counts_but_not_against_size():
    found = suggest([copy(1, dated=True), copy(2, 4000, 3000)], Grade.SAME)
    assert (found.best, found.clear) == (2, False)
    assert "+ knows when it was taken" in words(found, 1)


def test_tags_and_places_are_only_worth_knowing():
    found = suggest([copy(1, words=1, sources=1), copy(2, words=4, sources=3)], Grade.SAME)
    assert words(found, 2) == ["4 tags and texts, handed on when merged", "met at 3 places"]
    assert (found.best, found.clear) == (1, False)


def test_a_gif_may_move_so_it_is_never_clear():
    found = suggest([copy(1, format="GIF"), copy(2, 2400, 1800)], Grade.SAME)
    assert found.best == 2
    assert not found.clear


@pytest.mark.parametrize("grade", [Grade.CONTAINS, Grade.LOOKS_LIKE])
def test_what_is_not_the_same_is_kept(grade):
    found = suggest([copy(1), copy(2, 4000, 3000)], grade)
    assert (found.best, found.keep_all, found.clear) == (None, True, False)
    assert "worth keeping" in found.sentence


def test_a_part_never_beats_its_whole():
    found = suggest([copy(1, 6000, 4500), copy(2, whole=True)], Grade.CONTAINS)
    assert found.order == [2, 1]
    assert words(found, 2)[0] == "+ shows the whole picture"
    assert words(found, 1)[0] == "- shows a part only"


def test_three_sizes_are_told_apart():
    found = suggest([copy(1, 400, 300), copy(2, 800, 600), copy(3, 1600, 1200)], Grade.SAME)
    assert found.order == [3, 2, 1]


def test_one_alone_is_no_choice():
    assert suggest([copy(1)], Grade.SAME).keep_all
    assert suggest([], Grade.SAME).order == []


class TestDetail:
    @staticmethod
    def seen(picture: PillowImage.Image) -> np.ndarray:
        rendition = PillowImage.open(io.BytesIO(encode(picture, "WEBP", quality=80)))
        return contrast(np.asarray(rendition.convert("L")))

    @pytest.mark.parametrize("seed", range(1, 6))
    @pytest.mark.parametrize("how", ["BILINEAR", "BICUBIC", "LANCZOS"])
    def test_it_tells_an_enlarged_copy(self, seed, how):
        small = sharp(seed, 400, 300)
        large = small.resize((1000, 750), getattr(PillowImage.Resampling, how))
        assert gain(self.seen(large), self.seen(small), 400) < MORE

    @pytest.mark.parametrize("seed", range(1, 6))
    def test_it_tells_a_larger_original(self, seed):
        large = sharp(seed)
        small = large.resize((400, 300), PillowImage.Resampling.LANCZOS)
        assert gain(self.seen(large), self.seen(small), 400) > MORE

    def test_it_says_nothing_of_what_it_cannot_tell(self):
        seen = self.seen(photo(1, 400, 300))
        assert gain(seen, seen, 400) is None
        assert gain(seen, seen, 20) is None
        assert contrast(np.zeros((1, 1), np.uint8)).tolist() == []
        assert np.isfinite(contrast(np.zeros((40, 30), np.uint8))).all()


class TestInTheGallery:
    """The facts are read from rows and renditions."""

    def suggested(self, *images):
        for image in images:
            examine(image)
        comparison = compare(Group.objects.get())
        assert [look.image for look in comparison.looks if look.best]
        return comparison.suggestion

    def test_it_works(self, add):
        small, large = add(sharp(1).resize((400, 300))), add(sharp(1))
        found = self.suggested(small, large)
        assert (found.best, found.clear) == (large.pk, True)

    def test_it_sees_borders(self, add):
        plain = add(photo(1, 600, 450))
        bordered = add(ImageOps.expand(photo(1, 600, 450), 25, (255, 255, 255)))
        found = self.suggested(plain, bordered)
        assert found.best == plain.pk
        assert "- borders or bars around it" in words(found, bordered.pk)

    def test_it_sees_that_a_copy_was_enlarged(self, add):
        small = add(sharp(1, 500, 375))
        large = add(sharp(1, 500, 375).resize((1500, 1125)))
        found = self.suggested(small, large)
        assert found.best == small.pk

    def test_it_does_without_renditions(self, add):
        from gallery.renditions import remove_renditions

        small, large = add(photo(1, 400, 300)), add(photo(1, 400, 300).resize((1000, 750)))
        remove_renditions(small.sha256)
        found = self.suggested(small, large)
        assert (found.best, found.clear) == (large.pk, False)
        assert found.sentence.endswith("Not all of them were looked at.")

"""Examples to learn watermarks from: what is drawn on clean pictures, and what is not."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageFont

from ingestion.watermarks import drawing, logos, typefaces, words
from ingestion.watermarks.drawing import KINDS, both, clean, marked
from ingestion.watermarks.signs import put_up_sign
from ingestion.watermarks.typefaces import OWN
from tests.pictures import photo


@pytest.fixture
def unworn(monkeypatch):
    """No JPEG, no blur, no other size: what changes is the mark."""
    monkeypatch.setattr(drawing, "_Wear", lambda random: lambda image: image)
    monkeypatch.setattr(drawing, "_varied", lambda picture, random: picture)
    monkeypatch.setattr(drawing, "_SIGNS", 0)
    monkeypatch.setattr(drawing, "_BORDERS", 0)


def changed(picture: Image.Image, example: drawing.Example) -> np.ndarray:
    difference = np.asarray(example.image, np.int16) - np.asarray(picture, np.int16)
    return np.abs(difference).max(axis=2)


def test_it_works(unworn):
    picture = photo(1)
    example = marked(picture, Random(1), [OWN])
    assert example.is_marked
    assert example.family == OWN.family
    assert example.kind in KINDS
    assert changed(picture, example).max() > 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_mark_can_be_seen_and_lies_in_its_mask(unworn, monkeypatch, kind):
    monkeypatch.setattr(drawing.Random, "choices", lambda self, *args: [kind], raising=False)
    monkeypatch.setattr(drawing, "_plate", lambda layer, random: None)
    for seed in range(6):
        picture = photo(seed)
        example = marked(picture, Random(seed), [OWN])
        difference, mask = changed(picture, example), np.asarray(example.mask)
        assert example.kind == kind
        assert example.mask.size == example.image.size
        assert difference[mask > 100].mean() > 4
        assert difference[mask == 0].max() == 0


def test_clean_ones_bear_no_mark():
    for seed in range(8):
        example = clean(photo(seed), Random(seed), [OWN])
        assert not example.is_marked
        assert example.mask.getbbox() is None
        assert example.kind in ("clean", "sign", "border")


def test_a_clean_one_that_is_neither_worn_nor_varied_is_the_picture(unworn):
    assert changed(photo(1), clean(photo(1), Random(1), [OWN])).max() == 0


def test_only_the_mark_tells_the_two_of_a_pair_apart(monkeypatch):
    monkeypatch.setattr(drawing, "_plate", lambda layer, random: None)
    for seed in range(4):
        with_mark, without = both(photo(seed), Random(seed), [OWN])
        assert with_mark.image.size == without.image.size
        away = np.asarray(with_mark.mask.filter(ImageFilter.MaxFilter(25))) == 0  # a JPEG's squares are as wide
        assert changed(without.image, with_mark)[~away].max() > 8
        assert not away.any() or changed(without.image, with_mark)[away].mean() < 2


def test_the_same_chance_draws_the_same():
    first, second = (marked(photo(3), Random(7), [OWN]) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert marked(photo(3), Random(8), [OWN]).image.tobytes() != first.image.tobytes()


@pytest.mark.parametrize("size", [(640, 240), (240, 640), (300, 300)])
def test_nothing_is_cropped(monkeypatch, size):
    monkeypatch.setattr(drawing, "_BORDERS", 0)
    for seed in range(3):
        for draw in (marked, clean):
            image = draw(photo(1, *size), Random(seed), [OWN]).image
            assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.02)


@pytest.mark.parametrize("size", [(1, 1), (2000, 20), (20, 2000), (16, 16)])
def test_it_handles_pictures_of_any_form(size):
    for seed in range(4):
        assert marked(Image.new("RGB", size, (90, 120, 40)), Random(seed), [OWN]).image.mode == "RGB"


def test_a_faint_mark_on_noise_is_drawn_again_until_it_can_be_seen(unworn):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8))
    weak = [marked(noise, Random(seed), [OWN]).opacity for seed in range(12)]
    plain = [marked(Image.new("RGB", (320, 240), (60, 60, 60)), Random(seed), [OWN]).opacity for seed in range(12)]
    assert np.mean(weak) > np.mean(plain) + 0.1


def test_a_sign_stands_in_the_scene():
    picture = photo(2)
    scene = put_up_sign(picture, Random(2), OWN)
    difference = np.abs(np.asarray(scene, np.int16) - np.asarray(picture, np.int16)).max(axis=2)
    assert scene.size == picture.size
    assert 0.005 < (difference > 8).mean() < 0.5


def test_logos_have_ink_and_do_not_fill_their_square():
    drawn = [np.asarray(logos.logo(Random(seed), OWN, 48)) for seed in range(30)]
    assert all(0.02 < (logo > 100).mean() < 0.98 for logo in drawn)
    assert len({logo.tobytes() for logo in drawn}) > 20


def test_words_say_whose_it_is():
    said = [words.words(Random(seed)) for seed in range(200)]
    assert all(said)
    assert any("©" in each for each in said)
    assert any("www." in each.lower() for each in said)


# --- typefaces
def test_typefaces_are_found_by_family(tmp_path):
    (tmp_path / "deeper").mkdir()
    ours = ImageFont.load_default(12)
    (tmp_path / "deeper" / "own.ttf").write_bytes(ours.font_bytes)
    (tmp_path / "damaged.ttf").write_bytes(b"no typeface")
    (tmp_path / "words.txt").write_text("no typeface either")
    found = typefaces.typefaces([tmp_path])
    assert [face.path for face in found if face.path] == [str(tmp_path / "deeper" / "own.ttf")]
    assert found[-1 if found[-1] == OWN else 0].at(14).getbbox("Ag") is not None


def test_pillows_own_is_there_where_no_other_is(tmp_path):
    assert typefaces.typefaces([tmp_path, tmp_path / "not there"]) == [OWN]


def test_symbols_and_empty_boxes_are_no_letters(tmp_path, monkeypatch):
    class Boxes:
        def getmask(self, letter):
            return b"\xff"

        def getname(self):
            return ("Boxes", "Regular")

    (tmp_path / "boxes.ttf").write_bytes(b"")
    monkeypatch.setattr(typefaces.ImageFont, "truetype", lambda *args: Boxes())
    assert typefaces.typefaces([tmp_path]) == [OWN]

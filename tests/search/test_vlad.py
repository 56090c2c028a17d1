"""VLAD: pictures as vectors of their descriptors, learned of a collection."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageOps

from search import learned, vlad
from search.encoders.sift import ENCODER as SIFT
from search.engines.local_features import LocalFeatures, canonical
from search.vlad import Codebook
from tests.pictures import photo
from tests.search.encoder_contract import grey, keypoints, moved
from tests.search.engine_contract import picture

WORDS = 16


def descriptors(image: Image.Image) -> np.ndarray:
    return LocalFeatures().keypoints(canonical(picture(image))).descriptors


@cache
def drawn(seed: int) -> np.ndarray:
    return descriptors(photo(seed))


@cache
def book() -> Codebook:
    return vlad.learn([drawn(seed) for seed in range(100, 124)], WORDS, SIFT.mirror)


def test_it_works():
    """Copies of pictures that it was not learned from are nearer than any other picture."""
    gallery = book().vectors([drawn(seed) for seed in range(20)])
    copies = book().vectors([descriptors(ImageOps.crop(photo(seed), 12)) for seed in range(20)])
    assert gallery.shape == (20, book().dimension)
    assert np.linalg.norm(gallery, axis=1) == pytest.approx(1, abs=1e-5)
    near = copies @ gallery.T
    assert (near.argmax(1) == np.arange(20)).all()
    others = near[~np.eye(20, dtype=bool)]
    assert np.diag(near).min() > others.mean() + 4 * others.std()


def test_a_word_has_the_sum_of_differences():
    words = np.zeros((2, 128), np.float32)
    words[1] = 100
    points = np.zeros((vlad.FEW, 128), np.uint8)
    points[:3, 0] = 30  # near the first word
    points[3:] = 100
    points[3:, 1] = 110
    found = vlad.aggregate([points], words)[0].reshape(2, 128)
    assert found[0] == pytest.approx(np.eye(128)[0] / np.sqrt(2), abs=1e-6)  # each word as long as the other
    assert found[1] == pytest.approx(np.eye(128)[1] / np.sqrt(2), abs=1e-6)


def test_it_is_the_sum_one_by_one():
    points, words = drawn(3), book().words
    by_hand = np.zeros_like(words)
    for point in points.astype(np.float32):
        nearest = np.argmin(((words - point) ** 2).sum(1))
        by_hand[nearest] += point - words[nearest]
    by_hand /= np.maximum(1e-9, np.linalg.norm(by_hand, axis=1, keepdims=True))
    by_hand = by_hand.ravel() / np.linalg.norm(by_hand)
    assert vlad.aggregate([points], words)[0] == pytest.approx(by_hand, abs=1e-4)


def test_mirrored_descriptors_give_the_vector_of_the_mirrored_picture():
    """Of the same keypoints: those that SIFT finds in the mirrored picture by itself are partly others."""
    pixels = grey(7)
    found = keypoints(pixels)
    _, upright = SIFT.describe(pixels, found)
    mirrored = [moved(k, pixels.shape[1] - 0.5 - k.pt[0], k.pt[1], turned=180 - 2 * k.angle) for k in found]
    _, looked = SIFT.describe(np.ascontiguousarray(pixels[:, ::-1]), mirrored)
    as_it_is, told, seen = book().vectors([upright, SIFT.mirror(upright), looked])
    assert told @ seen > 0.99
    assert as_it_is @ seen < 0.6  # and it was needed


def test_a_mirrored_picture_is_found_by_mirrored_descriptors():
    gallery = book().vectors([drawn(seed) for seed in range(12)])
    for seed in range(12):
        told = book().vectors([SIFT.mirror(descriptors(ImageOps.mirror(photo(seed))))])
        assert (told @ gallery.T).argmax() == seed


def test_too_few_keypoints_say_nothing():
    words = book().words
    assert not vlad.aggregate([drawn(1)[: vlad.FEW - 1], np.empty((0, 128), np.uint8)], words).any()
    assert vlad.aggregate([drawn(1)[: vlad.FEW]], words).any()
    assert book().vectors([]).shape == (0, book().dimension)


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(vlad, "_VECTORS", 100)


def test_the_same_pictures_teach_the_same(quickly):
    pictures = [drawn(seed) for seed in range(100, 124)]
    once, again = (vlad.learn(pictures, WORDS, SIFT.mirror).pack() for _ in range(2))
    assert once == again
    assert vlad.learn(pictures[1:], WORDS, SIFT.mirror).pack() != once


@pytest.mark.parametrize("count", [1, 2])
def test_it_learns_from_hardly_anything(quickly, count):
    few = vlad.learn([drawn(seed)[:9] for seed in range(count)], WORDS, SIFT.mirror)
    assert np.linalg.norm(few.vectors([drawn(0), drawn(5)]), axis=1) == pytest.approx(1, abs=1e-5)


def test_it_learns_nothing_from_plain_pictures():
    with pytest.raises(ValueError, match="keypoints"):
        vlad.learn([np.empty((0, 128), np.uint8)] * 30, WORDS, SIFT.mirror)


def test_it_is_stored_and_read():
    again = Codebook.unpack(book().pack())
    pictures = [drawn(seed) for seed in range(5)]
    assert again.vectors(pictures) == pytest.approx(book().vectors(pictures), abs=2e-3)


def test_what_is_damaged_is_refused():
    data = book().pack()
    for wrong in (b"", data[:-1], data + b"x", data[:100] + bytes([data[100] ^ 1]) + data[101:]):
        with pytest.raises(ValueError, match="damaged"):
            Codebook.unpack(wrong)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: [],
        lambda a: a[1:],
        lambda a: a[:1],
        lambda a: [a[0][:-1], *a[1:]],
        lambda a: [a[0].astype(np.float64), *a[1:]],
        lambda a: [a[0] * np.inf, *a[1:]],
        lambda a: [a[0][:, :64], *a[1:]],
    ],
)
def test_other_arrays_are_refused(change):
    with np.errstate(invalid="ignore"):
        data = learned.pack(change([book().words, *book().whitening.arrays()]))
    with pytest.raises(ValueError, match=r"codebook|whitening|fit"):
        Codebook.unpack(data)

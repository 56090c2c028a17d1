"""What every encoder of keypoints has to do. A test file of one inherits from EncoderContract and gives the encoder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from search.encoders._base import KeypointEncoder
from search.encoders.sift import detect
from tests.pictures import photo

Found = list[Any]


def grey(seed: int, width: int = 256, height: int = 192) -> np.ndarray:
    return np.asarray(photo(seed, width, height).convert("L"))


def keypoints(pixels: np.ndarray, margin: float = 0, most: int = 60) -> Found:
    """The strongest whose surroundings lie in the picture, and ``margin`` pixels from its border."""
    height, width = pixels.shape

    def inside(k: Any) -> bool:
        far = margin + 4 * k.size
        return far < k.pt[0] < width - far and far < k.pt[1] < height - far

    return [k for k in detect(pixels) if inside(k)][:most]


def moved(k: Any, x: float, y: float, turned: float = 0) -> Any:
    """The same keypoint elsewhere: ``octave`` is where SIFT reads its scale."""
    return cv2.KeyPoint(x, y, k.size, (k.angle + turned) % 360, k.response, k.octave, k.class_id)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) Euclidean, between descriptors."""
    return np.linalg.norm(a[:, None].astype(np.float32) - b[None].astype(np.float32), axis=2)


def recognised(described: np.ndarray, again: np.ndarray) -> float:
    """Share of the descriptors whose nearest in ``again`` is the one with the same number."""
    return float((distances(described, again).argmin(1) == np.arange(len(described))).mean())


class EncoderContract:
    @pytest.fixture
    def encoder(self) -> KeypointEncoder:
        raise NotImplementedError

    def test_it_works(self, encoder):
        found = detect(grey(1))
        described, descriptors = encoder.describe(grey(1), found)
        assert 0 < len(described) <= len(found)
        assert {k.pt for k in described} <= {k.pt for k in found}
        assert descriptors.shape == (len(described), 128)
        assert descriptors.dtype == np.uint8

    def test_it_is_deterministic(self, encoder):
        _, first = encoder.describe(grey(2), keypoints(grey(2)))
        _, second = encoder.describe(grey(2), keypoints(grey(2)))
        assert np.array_equal(first, second)

    def test_different_places_differ(self, encoder):
        _, descriptors = encoder.describe(grey(3), keypoints(grey(3)))
        apart = distances(descriptors, descriptors)[~np.eye(len(descriptors), dtype=bool)]
        assert apart.min() > 0
        assert np.median(apart) > 16

    def test_noise_changes_little(self, encoder):
        pixels = grey(4)
        noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
        found = keypoints(pixels)
        assert recognised(encoder.describe(pixels, found)[1], encoder.describe(noisy, found)[1]) > 0.9

    def test_brightness_and_contrast_change_nothing(self, encoder):
        pixels, found = grey(5) // 2, keypoints(grey(5))
        _, dark = encoder.describe(pixels, found)
        _, light = encoder.describe(pixels + 100, found)
        assert np.abs(dark.astype(int) - light).max() <= 1

    def test_the_same_elsewhere_looks_the_same(self, encoder):
        """Sixteen pixels: the levels of a pyramid begin at the same pixels then."""
        pixels = grey(6)
        found = keypoints(pixels[16:, 16:], margin=16)
        _, part = encoder.describe(np.ascontiguousarray(pixels[16:, 16:]), found)
        _, whole = encoder.describe(pixels, [moved(k, k.pt[0] + 16, k.pt[1] + 16) for k in found])
        assert np.diag(distances(part, whole)).mean() < 0.1 * distances(part, whole).mean()

    def test_a_turned_picture_looks_the_same(self, encoder):
        pixels = grey(7)
        found, height = keypoints(pixels, margin=8), len(pixels)
        _, upright = encoder.describe(pixels, found)
        clockwise = np.ascontiguousarray(np.rot90(pixels, -1))
        _, turned = encoder.describe(clockwise, [moved(k, height - 1 - k.pt[1], k.pt[0], turned=90) for k in found])
        assert recognised(upright, turned) > 0.95

    def test_an_enlarged_picture_looks_the_same(self, encoder):
        pixels = grey(8)
        large = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        found = [k for k in keypoints(large) if k.size > 8]
        _, described = encoder.describe(large, found)
        small = [cv2.KeyPoint((k.pt[0] - 0.5) / 2, (k.pt[1] - 0.5) / 2, k.size / 2, k.angle) for k in found]
        for k, original in zip(small, found, strict=True):  # its low byte: one octave down
            octave = ((original.octave & 255) ^ 128) - 128 - 1
            k.octave = (original.octave & ~255) | (octave & 255)
        assert recognised(described, encoder.describe(pixels, small)[1]) > 0.8

    def test_it_handles_no_keypoints(self, encoder):
        described, descriptors = encoder.describe(grey(1), [])
        assert described == []
        assert (descriptors.shape, descriptors.dtype) == ((0, 128), np.uint8)

    @pytest.mark.parametrize(("width", "height"), [(256, 192), (16, 16), (16, 256), (33, 17)])
    @pytest.mark.parametrize("size", [2, 20, 500])
    def test_it_handles_keypoints_at_the_border(self, encoder, width, height, size):
        corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
        found = [cv2.KeyPoint(x, y, size, 33, 0.1, 0) for x, y in corners]
        described, descriptors = encoder.describe(grey(9, width, height), found)
        assert len(described) == len(descriptors) <= 4

    @pytest.mark.parametrize("pixels", [np.zeros((16, 16), np.uint8), np.full((192, 256), 255, np.uint8)])
    def test_it_handles_a_flat_picture(self, encoder, pixels):
        _, descriptors = encoder.describe(pixels, [cv2.KeyPoint(8, 8, 4, 0, 0.1, 0)])
        assert descriptors.dtype == np.uint8

    def test_it_handles_threads(self, encoder):
        def describe(seed: int) -> np.ndarray:
            return encoder.describe(grey(seed), keypoints(grey(seed), most=30))[1]

        with ThreadPoolExecutor(4) as threads:
            at_once = list(threads.map(describe, range(8)))
        assert all(np.array_equal(one, describe(seed)) for seed, one in enumerate(at_once))

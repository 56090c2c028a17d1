"""RootSIFT, and what it tells of the mirrored picture without looking at it."""

import numpy as np
import pytest

from search.encoders.sift import ENCODER, root
from tests.search.encoder_contract import EncoderContract, distances, grey, keypoints, moved


class TestRootSift(EncoderContract):
    @pytest.fixture
    def encoder(self):
        return ENCODER

    def test_mirrored_descriptors_are_those_of_the_mirrored_picture(self, encoder):
        pixels = grey(11)
        width, found = pixels.shape[1], keypoints(pixels)
        _, upright = encoder.describe(pixels, found)
        # Half a pixel: OpenCV doubles the picture first, and gives every place a quarter too far to the right.
        mirrored = [moved(k, width - 0.5 - k.pt[0], k.pt[1], turned=180 - 2 * k.angle) for k in found]
        _, looked = encoder.describe(np.ascontiguousarray(pixels[:, ::-1]), mirrored)
        told = encoder.mirror(upright)
        assert np.median(np.abs(told.astype(int) - looked).max(1)) <= 1  # the others lie on the edge of a bin
        assert np.diag(distances(told, looked)).max() < 0.2 * np.median(distances(told, looked))
        assert np.median(np.diag(distances(upright, looked))) > 100  # and telling it was needed

    def test_mirrored_twice_is_as_before(self, encoder):
        _, descriptors = encoder.describe(grey(12), keypoints(grey(12)))
        assert np.array_equal(encoder.mirror(encoder.mirror(descriptors)), descriptors)


def test_root_is_the_square_root_of_the_shares():
    sift = np.zeros((2, 128), np.float32)
    sift[0, :4] = 30
    assert root(sift)[0, :4].tolist() == [255, 255, 255, 255]  # a half each is 256
    sift[0, :64] = 30
    assert root(sift)[0, :64].tolist() == [64] * 64
    assert not root(sift)[1].any()

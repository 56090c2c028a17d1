"""Keypoints are stored small, and no altered bit gets past the reader."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.encoders.sift import ENCODER
from search.engines.local_features import ENGINE, canonical
from search.keypoints import GREY, MOST, ROW, Keypoints, as_rows, pack, unpack
from tests.pictures import photo
from tests.search.engine_contract import picture


def keypoints(seed: int = 1) -> Keypoints:
    return ENGINE.keypoints(canonical(picture(photo(seed))))


def test_it_works():
    before = keypoints()
    after = unpack(pack(before))
    assert (after.width, after.height) == (256, 192)
    assert len(after) == len(before) > 100
    assert np.abs(after.places[:, :3] - before.places[:, :3]).max() <= 1 / 128 + 1e-4
    turns = (after.places[:, 3] - before.places[:, 3] + 180) % 360 - 180
    assert np.abs(turns).max() < 0.01
    assert (after.descriptors == before.descriptors).all()
    assert (after.grey == before.grey).all()
    assert after.grey.shape == (48, GREY)


def test_it_takes_at_most_136_bytes_a_keypoint():
    assert len(pack(keypoints())) == 12 + 136 * len(keypoints()) + 48 * 64
    assert ROW == 12 + 136 * MOST + 64 * 64


def test_a_row_is_a_feature_filled_up():
    feature = pack(keypoints())
    (row,) = as_rows([feature])
    assert row.shape == (ROW,)
    assert pack(unpack(row.tobytes())) == feature
    assert as_rows([]).shape == (0, ROW)


@given(st.data())
def test_it_rejects_any_altered_byte(data):
    feature = bytearray(pack(keypoints()))
    at = data.draw(st.integers(0, len(feature) - 1))
    feature[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="bytes"):
        unpack(bytes(feature))


@pytest.mark.parametrize(
    "change", [lambda f: f[:-1], lambda f: f + b"x", lambda f: b"", lambda f: f[:8], lambda f: f * 2]
)
def test_it_rejects_a_wrong_length(change):
    with pytest.raises(ValueError, match="bytes"):
        unpack(change(pack(keypoints())))


def test_a_row_is_no_feature():
    """Else a row that was padded twice would be stored."""
    with pytest.raises(ValueError, match="no feature"):
        as_rows([as_rows([pack(keypoints())])[0].tobytes()])


def test_mirroring_twice_changes_nothing():
    once = keypoints()
    twice = once.mirrored(ENCODER.mirror).mirrored(ENCODER.mirror)
    assert np.allclose(twice.places, once.places, atol=1e-3)
    assert (twice.descriptors == once.descriptors).all()
    assert (twice.grey == once.grey).all()


def test_keypoints_are_spread_over_the_picture():
    """A busy corner does not take them all: of 12 x 9 cells nearly all that hold any are chosen from."""
    busy = np.asarray(photo(3).convert("L").resize((256, 192))).copy()
    busy[:48, :64] = np.random.default_rng(0).integers(0, 256, (48, 64))
    chosen = ENGINE.keypoints(busy)
    corner = (chosen.places[:, 0] < 64) & (chosen.places[:, 1] < 48)
    assert len(chosen) > 100
    assert corner.mean() < 0.4


@pytest.mark.parametrize("shape", [(16, 16), (1, 1), (16, 256), (256, 16)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_without_texture_has_none(shape, level):
    found = ENGINE.keypoints(np.full(shape, level, np.uint8))
    assert len(found) == 0
    assert len(unpack(pack(found))) == 0


def test_noise_is_bounded():
    """However many places look like keypoints."""
    noise = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    from gallery.pictures import Picture

    grey = canonical(Picture(noise, 4000, 3000, "PNG"))
    assert max(grey.shape) == 256
    assert len(ENGINE.keypoints(grey)) <= MOST

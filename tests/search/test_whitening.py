"""Whitening: equal variances where there is enough to learn them from, and no harm where there is not."""

import numpy as np
import pytest

from search import learned, whitening
from search.whitening import Whitening


def sample(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Vectors in a cone, with very different variances."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(99).standard_normal((d, d)))[0]
    vectors = (rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.7) @ turn + 2 * turn[0]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def straight(found: Whitening, vectors: np.ndarray) -> np.ndarray:
    """As ``apply``, but not made to length 1."""
    along = (vectors - found.mean) @ found.directions.T
    return vectors - found.mean + along * (found.scales - 1) @ found.directions if found.whole else along * found.scales


def test_it_works():
    vectors = sample(500, 32)
    found = whitening.fit(vectors, 16)
    after = found.apply(vectors)
    assert after.shape == (500, 16)
    assert after.dtype == np.float32
    assert np.linalg.norm(after, axis=1) == pytest.approx(1, abs=1e-5)
    before_pairs, pairs = np.triu(vectors @ vectors.T, 1), np.triu(after @ after.T, 1)
    assert before_pairs[before_pairs != 0].mean() > 0.5  # a cone
    assert abs(pairs[pairs != 0].mean()) < 0.02


@pytest.mark.parametrize("most", [8, 24])
def test_whole_whitening_gives_equal_variances_and_no_covariance(most):
    vectors = sample(20_000, 24)
    covariance = np.cov(straight(whitening.fit(vectors, most, power=1), vectors).T)
    assert covariance.shape == (most, most)
    assert covariance / covariance[0, 0] == pytest.approx(np.eye(most), abs=0.06)
    before = np.linalg.eigvalsh(np.cov(vectors.T))
    assert before[-1] / before[0] > 20  # there was something to do


def test_half_of_it_leaves_the_square_root_of_the_spread():
    vectors = sample(20_000, 24)
    spread = [
        np.sqrt(np.linalg.eigvalsh(np.cov(v.T))[[-1, 0]])
        for v in (vectors, straight(whitening.fit(vectors, 24, power=0.5), vectors))
    ]
    assert spread[1][0] / spread[1][1] == pytest.approx((spread[0][0] / spread[0][1]) ** 0.5, rel=0.05)


def test_of_few_samples_no_direction_is_lost():
    """Pictures that differ where the samples did not are told apart as before; plain PCA throws that away."""
    few, others = sample(12, 64), sample(40, 64, seed=1)
    after = whitening.fit(few, 64).apply(others)
    assert after.shape == (40, 64)
    centred = others - few.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    near = np.corrcoef(np.triu(after @ after.T, 1).ravel(), np.triu(centred @ centred.T, 1).ravel())[0, 1]
    assert near > 0.9
    plain = (others - few.mean(0)) @ np.linalg.svd(few - few.mean(0), full_matrices=False)[2][:11].T
    assert np.linalg.norm(plain, axis=1).mean() < 0.9 * np.linalg.norm(others - few.mean(0), axis=1).mean()


def test_of_few_samples_training_pictures_are_not_all_equally_far():
    few = sample(12, 64)
    few[1] = few[0] + 0.3 * (few[1] - few[0])
    few /= np.linalg.norm(few, axis=1, keepdims=True)
    after = whitening.fit(few, 64).apply(few)
    assert after[0] @ after[1] > 0.5
    assert after[0] @ after[1] > max(after[0] @ after[i] for i in range(2, 12)) + 0.3


@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_it_handles_samples_that_are_all_alike(n):
    same = np.tile(sample(1, 16), (n, 1))
    found = whitening.fit(same, 16)
    assert np.linalg.norm(found.apply(same), axis=1) == pytest.approx(1, abs=1e-5)  # an index takes nothing else
    assert np.isfinite(found.apply(sample(5, 16, seed=2))).all()


def test_none_changes_nothing():
    vectors = sample(5, 16)
    assert whitening.none(16).apply(vectors) == pytest.approx(vectors, abs=1e-6)


@pytest.mark.parametrize("most", [8, 16])
def test_it_is_stored_and_read(most):
    found, vectors = whitening.fit(sample(100, 16), most), sample(9, 16, seed=3)
    data = learned.pack(found.arrays())
    again = Whitening.of_arrays(learned.unpack(data))
    assert again.dimension == found.dimension == most
    assert again.apply(vectors) == pytest.approx(found.apply(vectors), abs=2e-3)
    assert learned.pack(whitening.fit(sample(100, 16), most).arrays()) == data


def test_what_is_damaged_is_refused():
    data = learned.pack(whitening.fit(sample(50, 8), 8).arrays())
    for at in (0, 3, 4, 20, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match="damaged"):
            learned.unpack(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    for cut in (b"", data[:3], data[:-1], data + b"x"):
        with pytest.raises(ValueError, match="damaged"):
            learned.unpack(cut)


def test_objects_are_never_unpickled():
    with pytest.raises(ValueError, match="allow_pickle"):
        learned.pack([np.array([print], object)])


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[:3],
        lambda a: [*a, a[0]],
        lambda a: [a[0][:-1], *a[1:]],
        lambda a: [a[0], a[1][:-1], *a[2:]],
        lambda a: [a[0], a[1].astype(np.float32), *a[2:]],
        lambda a: [a[0], a[1], a[2] * np.nan, a[3]],
        lambda a: [a[0].astype(np.float64), *a[1:]],
        lambda a: [*a[:3], np.array([True, False])],
        lambda a: [*a[:3], np.array(1)],
    ],
)
def test_other_arrays_are_refused(change):
    with pytest.raises(ValueError, match="whitening"):
        Whitening.of_arrays(change(whitening.fit(sample(50, 8), 4).arrays()))

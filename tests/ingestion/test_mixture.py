"""The density of embeddings: learned, scored, kept as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from ingestion.mixture import FEWEST, Mixture, TooFew, auc, fit

D = 24


def cloud(count: int, seed: int = 0, centre: float = 0.0) -> np.ndarray:
    """(count, 24): four directions of much variance, and noise."""
    rng = np.random.default_rng(seed)
    spread = np.array([1.0, 0.8, 0.6, 0.5] + [0.05] * (D - 4))
    return rng.normal(size=(count, D)) * spread + centre


def clusters(count: int, k: int) -> np.ndarray:
    centres = np.random.default_rng(5).normal(0, 2.0, (k, D))
    return centres[np.arange(count) % k] + np.random.default_rng(1).normal(0, 0.1, (count, D))


@pytest.fixture(scope="module")
def learned():
    return fit(cloud(120), cloud(40, seed=2, centre=0.4), components=(1, 3))


@pytest.fixture(autouse=True)
def few_folds(monkeypatch):
    """Enough for what is not about them."""
    monkeypatch.setattr("ingestion.mixture.FOLDS", 5)


def test_it_works(learned):
    """What is like the accepted is likely; what differs where they do not vary is new, however little."""
    like, unlike = cloud(200, seed=9), cloud(40, seed=3, centre=0.4)
    assert np.median(learned.mixture.novelty(like)) == pytest.approx(0.5, abs=0.1)
    assert (learned.mixture.novelty(unlike) > 0.98).all()
    assert np.median(learned.mixture.likelihood(like)) == pytest.approx(0, abs=0.3)
    assert (learned.mixture.likelihood(unlike) < -3).all()
    assert auc(learned.held_out, learned.others) == 1.0
    assert len(learned.mixture.directions) == 4


def test_of_new_pictures_of_the_same_kind_as_many_are_new_as_it_says(learned):
    """A percentile among pictures that were learned from would call nearly all others new."""
    shares = learned.mixture.novelty(cloud(2_000, seed=11))
    for line in (0.5, 0.9, 0.95):
        assert (shares > line).mean() == pytest.approx(1 - line, abs=0.06)


def test_it_is_a_density_of_the_whole_embedding():
    """By the formula of a Gaussian with the covariance that its parameters mean, inverted whole."""
    mixture = fit(cloud(100), components=(1, 1)).mixture
    noise = float(mixture.noise)
    inner = np.linalg.inv(mixture.precisions[0] @ mixture.precisions[0].T)
    basis = mixture.directions
    covariance = noise * (np.eye(D) + basis.T @ (inner - np.eye(len(basis))) @ basis)
    away = cloud(5, seed=4) - (mixture.mean + np.sqrt(noise) * mixture.means[0] @ basis)
    squares = np.einsum("nd,de,ne->n", away, np.linalg.inv(covariance), away)
    expected = -0.5 * (squares + np.linalg.slogdet(covariance)[1] + D * np.log(2 * np.pi))
    np.testing.assert_allclose(mixture.log_likelihood(cloud(5, seed=4)), expected, rtol=1e-9)


def test_inside_it_says_what_scikit_learn_says():
    data = clusters(150, 3)
    mixture = fit(data, components=(3, 3)).mixture
    inside = (data - mixture.mean) @ mixture.directions.T / np.sqrt(mixture.noise)
    same = GaussianMixture(3, covariance_type="full")
    same.weights_, same.means_, same.precisions_cholesky_ = mixture.weights, mixture.means, mixture.precisions
    outside = ((data - mixture.mean) ** 2).sum(1) / mixture.noise - (inside**2).sum(1)
    rest = -0.5 * outside - 0.5 * (D - inside.shape[1]) * np.log(2 * np.pi) - 0.5 * D * np.log(mixture.noise)
    np.testing.assert_allclose(mixture.log_likelihood(data), same.score_samples(inside) + rest, rtol=1e-9)


@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_the_criterion_chooses_the_number_of_components(criterion):
    found = fit(clusters(180, 3), criterion=criterion, components=(1, 5))
    column = {"bic": 1, "aic": 2}[criterion]
    assert [row[0] for row in found.curve] == [1, 2, 3, 4, 5]
    assert found.components == min(found.curve, key=lambda row: row[column])[0]
    assert found.components >= 3


def test_a_number_that_was_asked_for_is_taken():
    assert fit(cloud(60), components=(4, 4)).components == 4


def test_few_pictures_have_few_components():
    """A full covariance must not be learned of fewer pictures than it has directions."""
    assert max(row[0] for row in fit(cloud(60), components=(1, 10)).curve) < 10


def test_the_same_pictures_give_the_same_model():
    one, other = (fit(cloud(60), components=(2, 3)).mixture.pack() for _ in range(2))
    assert one == other


def test_it_says_how_far_it_is():
    seen: list[tuple[int, int]] = []
    fit(cloud(60), components=(1, 2), progress=lambda done, of: seen.append((done, of)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({of for _, of in seen}) == 1


def test_too_few_pictures_are_refused_in_a_sentence():
    with pytest.raises(TooFew, match=f"At least {FEWEST} accepted pictures are needed.*there are 49"):
        fit(cloud(FEWEST - 1))


def test_what_is_no_number_is_refused():
    data = cloud(60)
    data[3, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        fit(data)


@pytest.mark.parametrize("data", [np.ones((60, 8)), np.eye(60), np.repeat(cloud(2), 30, axis=0), np.zeros((60, 2))])
def test_it_handles_pictures_that_are_all_the_same(data):
    """Or all as different from one another as can be."""
    mixture = fit(data, components=(1, 3)).mixture
    assert np.isfinite(mixture.log_likelihood(data)).all()
    assert ((mixture.novelty(data) >= 0) & (mixture.novelty(data) < 1)).all()


def test_its_bytes_give_it_back(learned):
    again = Mixture.unpack(learned.mixture.pack())
    some = cloud(10, seed=5)
    assert (again.log_likelihood(some) == learned.mixture.log_likelihood(some)).all()
    assert (again.novelty(some) == learned.mixture.novelty(some)).all()


def test_damaged_bytes_are_refused(learned):
    packed = learned.mixture.pack()
    for wrong in (b"", b"x" * 100, packed[:-50], packed[: len(packed) // 2], packed[:200] + b"!!!!" + packed[204:]):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever words
            Mixture.unpack(wrong)


def test_objects_in_its_bytes_are_never_made(tmp_path):
    """A pickle would run what is written in it."""
    file = tmp_path / "evil.npz"
    np.savez(file, form=np.array(1), mean=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        Mixture.unpack(file.read_bytes())


def test_auc_counts_pairs():
    assert auc([3, 4], [1, 2]) == 1.0
    assert auc([1, 2], [3, 4]) == 0.0
    assert auc([1, 1], [1]) == 0.5
    assert auc([1, 3], [2]) == 0.5

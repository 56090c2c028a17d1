"""What accepted pictures have in common: the density of their embeddings, as a Gaussian mixture. No Django in it.

An embedding has hundreds of numbers, and a gallery may have a hundred pictures: a full covariance of all of it cannot
be learned. So the density is a product (Moghaddam and Pentland, "Probabilistic visual learning for object
representation", 1997): inside the few directions in which the pictures differ most a Gaussian mixture with full
covariances, outside of them noise of one size. It is a density of the whole embedding, so that likelihoods of models
with other numbers of directions and components can be compared. The noise is not for the sake of form: of 300
photographs, animals are told from things by VLAD with an AUC of 0.78 with it and of 0.44 by the mixture alone, since
what is unlike all that was accepted differs from it in directions in which that does not vary.

How many directions: as many as make pictures that were held out most likely, with one component; components follow by
the criterion.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

import numpy as np

FORM = 1
"""Of the bytes; raise it when they, or what they mean, change."""
FEWEST = 50
"""Pictures to learn from: of fewer, "less likely than 98 of 100" could not be said of anything."""
DIRECTIONS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
COMPONENTS = (1, 10)
CRITERIA = ("bic", "aic")
FOLDS, FEW_FOLDS, MANY = 20, 5, 1000
"""Folds of cross-validation, and those of MANY pictures. Of few ones most must be left to learn from: a model of four
fifths of 36 photographs finds everything so much less likely than that of all does that this hides what is new (AUC
0.57 instead of 0.74)."""
_A_DIRECTION, _A_NUMBER = 10, 2
"""Pictures for each direction, and for each direction of a component, at least."""
_REGULAR = 0.1
"""Added to variances inside, in units of the noise: no component becomes flatter than what is noise elsewhere."""
_NOTHING = 1e-9
_SEED = 0

Progress = Callable[[int, int], None]
"""(steps done, steps in all)"""


class TooFew(ValueError):
    """There is not enough to learn from: a sentence."""


@dataclass(frozen=True)
class Mixture:
    """The density. All float64."""

    mean: np.ndarray
    """(d,)"""
    directions: np.ndarray
    """(r, d), orthonormal."""
    noise: np.ndarray
    """(): variance along each direction outside. Inside, lengths are in units of its root."""
    weights: np.ndarray
    """(k,)"""
    means: np.ndarray
    """(k, r)"""
    precisions: np.ndarray
    """(k, r, r): upper triangular u with u u' = the inverse of the covariance, as scikit-learn has them."""
    reference: np.ndarray
    """(n,) rising: log-likelihoods of the accepted, each under a model that was learned without it."""

    def __post_init__(self) -> None:
        (r, d), k = self.directions.shape, len(self.weights)
        shapes = [(d,), (r, d), (), (k,), (k, r), (k, r, r), (len(self.reference),)]
        arrays = [getattr(self, field.name) for field in fields(self)]
        if any(a.shape != shape or a.dtype != np.float64 for a, shape in zip(arrays, shapes, strict=True)):
            raise ValueError("the arrays of a mixture do not fit together")
        if not all(np.isfinite(array).all() for array in arrays) or not len(self.reference) or not self.noise > 0:
            raise ValueError("a mixture consists of finite numbers")

    @property
    def dimension(self) -> int:
        return len(self.mean)

    def log_likelihood(self, vectors: np.ndarray) -> np.ndarray:
        """(n, d) as (n,)."""
        inside, outside = _split(vectors, self.mean, self.directions)
        at = inside / math.sqrt(self.noise)
        away = np.einsum("nkr,krs->nks", at[:, None] - self.means, self.precisions)
        exponents = -0.5 * (away**2).sum(2) - 0.5 * self.means.shape[1] * math.log(2 * math.pi)
        scales = np.log(np.einsum("krr->kr", self.precisions)).sum(1)
        of_each = np.log(np.maximum(self.weights, 1e-300)) + scales + exponents
        most = of_each.max(1, keepdims=True)
        within = most[:, 0] + np.log(np.exp(of_each - most).sum(1))
        return within + _of_noise(outside, float(self.noise), self.dimension, len(self.directions))

    def likelihood(self, vectors: np.ndarray) -> np.ndarray:
        """(n,): log-likelihood, counted from the median of the accepted in their standard deviations.

        As it is, its range is another one for each embedding, and no histogram could show it."""
        low, middle, high = np.percentile(self.reference, [15.87, 50, 84.13])
        return (self.log_likelihood(vectors) - middle) / max((high - low) / 2, _NOTHING)

    def novelty(self, vectors: np.ndarray) -> np.ndarray:
        """(n,) in 0..1: the share of the accepted that are more likely; with n of them at most n / (n + 1)."""
        below = np.searchsorted(self.reference, self.log_likelihood(vectors), side="right")
        return (len(self.reference) - below) / (len(self.reference) + 1)

    def pack(self) -> bytes:
        """A .npz without pickle."""
        file = io.BytesIO()
        np.savez_compressed(file, form=np.array(FORM), **{f.name: getattr(self, f.name) for f in fields(self)})
        return file.getvalue()

    @classmethod
    def unpack(cls, data: bytes) -> Mixture:
        """ValueError if it is damaged, or of another form."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                if int(file["form"]) != FORM:
                    raise ValueError("the parameters of the mixture are of another form")
                return cls(**{field.name: file[field.name] for field in fields(cls)})
        except (KeyError, EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
            raise ValueError(f"the {len(data)} bytes of the mixture are damaged") from error


@dataclass(frozen=True)
class Fit:
    mixture: Mixture
    curve: list[tuple[int, float, float]]
    """(components, BIC, AIC) of every number that was tried."""
    directions: list[tuple[int, float]]
    """(directions, mean log-likelihood of held-out pictures with one component)."""
    held_out: np.ndarray
    """(n,) log-likelihood of each picture under a model that was learned without it, in the order of the pictures."""
    others: np.ndarray
    """(m,) of the others, the mean over those models."""

    @property
    def components(self) -> int:
        return len(self.mixture.weights)


def fit(
    vectors: np.ndarray,
    others: np.ndarray | None = None,
    criterion: str = "bic",
    components: tuple[int, int] = COMPONENTS,
    progress: Progress = lambda done, of: None,
) -> Fit:
    """Learn from (n, d) embeddings of accepted pictures; the same from the same.

    ``others``: (m, d) of pictures that were not accepted: nothing is learned of them, they are only scored beside the
    held-out ones. ``components``: from, to. TooFew.
    """
    vectors = np.asarray(vectors, np.float64)
    others = np.empty((0, vectors.shape[1])) if others is None else np.asarray(others, np.float64)
    if len(vectors) < FEWEST:
        raise TooFew(f"At least {FEWEST} accepted pictures are needed to learn from; there are {len(vectors)}.")
    if not np.isfinite(vectors).all() or not np.isfinite(others).all():
        raise ValueError("embeddings are finite numbers")
    learning = _Learning(vectors, others, criterion, components, progress)
    return learning.run()


class _Learning:
    def __init__(self, vectors: np.ndarray, others: np.ndarray, criterion: str, components: Any, progress: Any) -> None:
        self.vectors, self.others, self.criterion, self.progress = vectors, others, criterion, progress
        self.asked = components
        self.folds = _folds(len(vectors))
        self.done, self.steps = 0, 2 * len(self.folds) + 1 + (components[1] - components[0] + 1)

    def step(self) -> None:
        self.done += 1
        self.progress(min(self.done, self.steps), self.steps)

    def run(self) -> Fit:
        directions, noises = self._directions()
        best = max(range(len(directions)), key=lambda at: directions[at][1])
        r, noise = directions[best][0], noises[best]
        mean, basis, _ = _principal(self.vectors, r)
        inside = _split(self.vectors, mean, basis)[0] / math.sqrt(noise)
        curve = self._curve(inside)
        column = 1 + CRITERIA.index(self.criterion)
        k = min(curve, key=lambda row: row[column])[0]
        held_out, others = self._held_out(r, noise, k)
        mixture = _mixture(mean, basis, noise, _gaussians(inside, k), np.sort(held_out))
        self.done = self.steps - 1
        self.step()
        return Fit(mixture, curve, directions, held_out, others)

    def _directions(self) -> tuple[list[tuple[int, float]], list[float]]:
        """What each number of directions is worth with one component, and the noise outside, of held-out pictures:
        those that directions were learned of lie nearer to them than others will."""
        n, d = self.vectors.shape
        tried = [r for r in DIRECTIONS if r <= n // _A_DIRECTION and r < d]
        inside, outside = np.zeros((len(tried), n, 2)), np.zeros((len(tried), n))
        for held in self.folds:
            rest = np.delete(self.vectors, held, axis=0)
            mean, basis, variances = _principal(rest, tried[-1])
            for at, r in enumerate(tried):
                squares, outside[at, held] = _split(self.vectors[held], mean, basis[:r])
                inside[at, held] = np.stack([(squares**2 / variances[:r]).sum(1), _logs(variances[:r], len(held))], 1)
            self.step()
        noises = [max(float(outside[at].mean()) / (d - r), _NOTHING) for at, r in enumerate(tried)]
        worth = []
        for at, r in enumerate(tried):
            within = -0.5 * (inside[at].sum(1) + r * math.log(2 * math.pi))
            # Here lengths inside are not in units of the noise.
            beside = -0.5 * outside[at] / noises[at] - 0.5 * (d - r) * math.log(2 * math.pi * noises[at])
            worth.append((r, float((within + beside).mean())))
        return worth, noises

    def _curve(self, inside: np.ndarray) -> list[tuple[int, float, float]]:
        """As many components as there are pictures for, at least the fewest that were asked for."""
        n, r = inside.shape
        low, high = self.asked
        curve = []
        for k in range(low, max(low, min(high, n // (_A_NUMBER * (r + 1)))) + 1):
            found = _gaussians(inside, k)
            curve.append((k, float(found.bic(inside)), float(found.aic(inside))))
            self.step()
        return curve

    def _held_out(self, r: int, noise: float, k: int) -> tuple[np.ndarray, np.ndarray]:
        held_out, others = np.zeros(len(self.vectors)), np.zeros(len(self.others))
        for held in self.folds:
            rest = np.delete(self.vectors, held, axis=0)
            mean, basis, _ = _principal(rest, r)
            inside = _split(rest, mean, basis)[0] / math.sqrt(noise)
            model = _mixture(mean, basis, noise, _gaussians(inside, k), np.zeros(1))
            held_out[held] = model.log_likelihood(self.vectors[held])
            others += model.log_likelihood(self.others) / len(self.folds)
            self.step()
        return held_out, others


def auc(accepted: Sequence[float] | np.ndarray, rejected: Sequence[float] | np.ndarray) -> float:
    """How often an accepted picture has the higher value of the two; 0.5 says nothing."""
    below = np.sort(np.asarray(rejected, float))
    less = np.searchsorted(below, accepted, side="left") + np.searchsorted(below, accepted, side="right")
    return float(less.mean() / (2 * len(below)))


def _folds(n: int) -> list[np.ndarray]:
    order = np.random.default_rng(_SEED).permutation(n)
    count = FOLDS if n < MANY else FEW_FOLDS
    return [np.sort(order[fold::count]) for fold in range(count)]


def _principal(vectors: np.ndarray, r: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), the r directions (r, d) of most variance, and the variances (r,)."""
    mean = vectors.mean(0)
    centred = vectors - mean
    n, d = centred.shape
    if d <= n:
        variances, basis = np.linalg.eigh(centred.T @ centred / (n - 1))
        variances, basis = variances[::-1][:r], basis[:, ::-1][:, :r].T
    else:
        _, lengths, basis = np.linalg.svd(centred, full_matrices=False)
        variances, basis = lengths[:r] ** 2 / (n - 1), basis[:r]
    return mean, np.ascontiguousarray(basis), np.maximum(variances, _NOTHING)


def _split(vectors: np.ndarray, mean: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, r) where they lie along the directions, (n,) the square of how far they lie beside them."""
    centred = np.asarray(vectors, np.float64) - mean
    inside = centred @ basis.T
    return inside, np.maximum((centred**2).sum(1) - (inside**2).sum(1), 0.0)


def _of_noise(outside: np.ndarray, noise: float, d: int, r: int) -> np.ndarray:
    """(n,): and of the units in which lengths inside are measured."""
    return -0.5 * outside / noise - 0.5 * (d - r) * math.log(2 * math.pi) - 0.5 * d * math.log(noise)


def _logs(variances: np.ndarray, n: int) -> np.ndarray:
    return np.full(n, float(np.log(variances).sum()))


def _gaussians(inside: np.ndarray, k: int) -> Any:
    mixture = import_module("sklearn.mixture")
    gaussians = mixture.GaussianMixture(
        k,
        covariance_type="full",
        reg_covar=_REGULAR,
        n_init=2,
        max_iter=200,
        init_params="k-means++",  # k-means itself needs OpenMP, which a process that forks had better not wake
        random_state=_SEED,
    )
    with warnings.catch_warnings():
        # A density that is still getting a little better is one all the same.
        warnings.simplefilter("ignore", import_module("sklearn.exceptions").ConvergenceWarning)
        return gaussians.fit(inside)


def _mixture(mean: np.ndarray, basis: np.ndarray, noise: float, gaussians: Any, reference: np.ndarray) -> Mixture:
    return Mixture(
        mean, basis, np.array(noise), gaussians.weights_, gaussians.means_, gaussians.precisions_cholesky_, reference
    )

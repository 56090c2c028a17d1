"""Few pictures that stand for many."""

from __future__ import annotations

import numpy as np
import pytest

from search.datasets.sampling import at_random, coverage, farthest_first, spread, uncertain, usual_distance


def heaps(of: int, each: int, seed: int = 0) -> np.ndarray:
    """Heaps of near pictures, far from each other."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.eye(of, 16), each, axis=0) + 0.02 * rng.standard_normal((of * each, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("choose", [farthest_first, spread])
def test_it_works(choose):
    rows = heaps(5, 40)
    assert {place // 40 for place in choose(rows, 5)} == set(range(5))


def test_farthest_first_covers_within_twice_the_best_radius():
    rows = heaps(6, 10, seed=3)
    best, _ = coverage(rows, [heap * 10 for heap in range(6)])
    radius, _ = coverage(rows, farthest_first(rows, 6))
    assert radius <= 2 * best


def test_each_next_one_is_the_farthest():
    rows = heaps(4, 8, seed=1)
    chosen = farthest_first(rows, 6)
    for number in range(1, 6):
        nearest = (rows @ rows[chosen[:number]].T).max(axis=1)
        assert nearest[chosen[number]] == pytest.approx(nearest.min(), abs=1e-6)


@pytest.mark.parametrize("choose", [farthest_first, spread])
def test_copies_are_chosen_only_when_nothing_else_is_left(choose):
    rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    chosen = choose(rows, 12)
    assert sorted(chosen) == list(range(12))
    assert {place // 4 for place in chosen[:3]} == {0, 1, 2}


@pytest.mark.parametrize("choose", [farthest_first, spread])
def test_of_few_all(choose):
    assert choose(np.zeros((0, 4), np.float32), 3) == []
    assert sorted(choose(heaps(1, 2), 9)) == [0, 1]


def test_a_seed_gives_the_same_again():
    rows = heaps(5, 20)
    assert spread(rows, 8, seed=4) == spread(rows, 8, seed=4) != spread(rows, 8, seed=5)
    assert at_random(1000, 10, 1) == at_random(1000, 10, 1) != at_random(1000, 10, 2)
    assert at_random(3, 10) == [0, 1, 2]


def test_coverage():
    rows = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    assert coverage(rows, [0]) == pytest.approx((2**0.5, 2**0.5 / 3))
    assert coverage(rows, [0, 1]) == (0, 0)


def test_uncertain():
    scores = {1: 0.29, 2: 0.3, 3: 0.5, 4: 0.7, 5: 0.71, 6: 0.45}
    assert uncertain(scores, 0.3, 0.7) == [3, 6, 2, 4]
    assert uncertain(scores, 0.3, 0.7, 2) == [3, 6]


def test_distances_are_measured_by_the_usual_one():
    assert usual_distance(np.eye(40, dtype=np.float32)) == pytest.approx(2**0.5)
    assert usual_distance(np.ones((5, 1), np.float32)) == 0 == usual_distance(np.ones((1, 1), np.float32))

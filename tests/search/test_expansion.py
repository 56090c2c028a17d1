"""Alpha query expansion: towards what was found, and only that."""

import numpy as np
import pytest

from search.expansion import MOST, expanded


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


QUERY = unit(1, 0, 0)
NEAR, OTHER, FAR = unit(0.9, 0.4, 0), unit(0.7, 0, 0.7), unit(0.1, -1, 0)


def test_it_works():
    moved = expanded(QUERY, np.stack([NEAR, FAR]), above=0.5)
    assert moved @ NEAR > QUERY @ NEAR
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-6)
    assert moved.dtype == np.float32


def test_it_is_the_sum_of_the_paper():
    neighbours = np.stack([NEAR, OTHER])
    by_hand = QUERY + (NEAR @ QUERY) ** 2 * NEAR + (OTHER @ QUERY) ** 2 * OTHER
    assert expanded(QUERY, neighbours, above=0.5, alpha=2) == pytest.approx(by_hand / np.linalg.norm(by_hand), abs=1e-6)


def test_what_is_below_the_cutoff_has_no_say():
    alone = expanded(QUERY, NEAR[None], above=0.8)
    assert np.array_equal(expanded(QUERY, np.stack([OTHER, NEAR, FAR]), above=0.8), alone)
    assert not np.array_equal(expanded(QUERY, np.stack([OTHER, NEAR, FAR]), above=0.5), alone)


def test_opposite_neighbours_never_pull():
    assert expanded(QUERY, np.stack([-NEAR, FAR * [1, 1, 1] - QUERY]), above=-1) is QUERY


@pytest.mark.parametrize("neighbours", [np.empty((0, 3), np.float32), np.stack([OTHER, FAR])])
def test_without_neighbours_the_query_stays_what_it_is(neighbours):
    assert expanded(QUERY, neighbours, above=0.9) is QUERY


def test_a_larger_alpha_listens_less_to_the_far():
    neighbours = np.stack([NEAR, OTHER])
    towards = [float(expanded(QUERY, neighbours, above=0.5, alpha=alpha) @ OTHER) for alpha in (0, 1, 3, 10)]
    assert towards == sorted(towards, reverse=True)
    assert len(set(towards)) == 4


def test_only_the_nearest_count():
    rng = np.random.default_rng(0)
    many = np.stack([unit(1, *(0.5 * rng.standard_normal(2))) for _ in range(5 * MOST)])
    nearest = many[np.argsort(-(many @ QUERY))[:MOST]]
    assert expanded(QUERY, many, above=0) == pytest.approx(expanded(QUERY, nearest, above=0), abs=1e-6)

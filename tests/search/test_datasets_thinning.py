"""Near-duplicates go, and the best of each stays."""

from __future__ import annotations

import numpy as np
import pytest

from search.datasets import thinning
from search.datasets.thinning import View, bits_as_rows, bits_of_cosine, cosine_of_bits, thin


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_it_works():
    rows = unit(np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1.0], [1, 1]]))
    drops = thin(5, [View("looks", rows, 0.95)], {})
    assert [(drop.place, drop.keep, drop.why) for drop in drops] == [(2, 0, "looks"), (3, 1, "looks")]


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_as_one_by_one(monkeypatch, block):
    monkeypatch.setattr(thinning, "BLOCK", block)
    rows = unit(np.random.default_rng(0).standard_normal((60, 3)))
    stays: list[int] = []
    goes = []
    for place in range(60):
        near = any(rows[place] @ rows[kept] >= 0.9 for kept in stays)
        (goes if near else stays).append(place)
    drops = thin(60, [View("looks", rows, 0.9)], {})
    assert [drop.place for drop in drops] == goes
    assert all(rows[drop.place] @ rows[drop.keep] >= 0.9 for drop in drops)
    assert {drop.keep for drop in drops} <= set(stays)


def test_of_a_chain_the_far_ends_stay():
    angles = np.radians([0, 20, 40])
    rows = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert [drop.place for drop in thin(3, [View("looks", rows, np.cos(np.radians(25)))], {})] == [1]


def test_known_pairs_count_though_they_look_different():
    rows = np.eye(3, dtype=np.float32)
    drops = thin(3, [View("looks", rows, 0.9)], {2: [0], 0: [2]})
    assert [(drop.place, drop.keep, drop.why) for drop in drops] == [(2, 0, "known")]


def test_what_nothing_is_known_of_stays():
    assert thin(3, [View("looks", np.zeros((3, 4), np.float32), 0.5)], {}) == []
    assert thin(0, [], {}) == []


def test_bits_as_cosines():
    packed = np.random.default_rng(1).integers(0, 256, (2, 72), np.uint8)
    rows = bits_as_rows(packed)
    distance = int(np.unpackbits(packed[0] ^ packed[1]).sum())
    assert bits_of_cosine(float(rows[0] @ rows[1]), 576) == distance
    assert rows[0] @ rows[1] >= cosine_of_bits(distance, 576)
    assert rows[0] @ rows[1] < cosine_of_bits(distance - 1, 576)


def test_it_says_how_far_it_is(monkeypatch):
    monkeypatch.setattr(thinning, "BLOCK", 2)
    said: list[int] = []
    thin(5, [], {}, said.append)
    assert said == [2, 4, 5]

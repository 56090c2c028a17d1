"""Pictures that are nothing but keypoints, for tests of the index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search.indexes import keypoint_index
from search.indexes.keypoint_index import KeypointIndex, point_numbers
from search.keypoints import Keypoints, as_rows, pack, unpack


def picture(seed: int, points: int = 8) -> Keypoints:
    rng = np.random.default_rng(seed)
    places = rng.uniform([0, 0, 1, 0], [256, 200, 60, 359], (points, 4)).astype(np.float32)
    descriptors = rng.integers(0, 91, (points, 128), dtype=np.uint8)
    return Keypoints(256, 200, places, descriptors, rng.integers(0, 256, (3, 4), dtype=np.uint8))


def rows(n: int, seed: int = 0, points: int = 8) -> np.ndarray:
    return as_rows([pack(picture(seed * 100_000 + i, points)) for i in range(n)])


def noisy(descriptors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Like those of a copy: about a third of the distance between two of them that have nothing in common."""
    noise = np.random.default_rng(seed).normal(0, 12, descriptors.shape)
    return np.clip(descriptors + noise, 0, 255).astype(np.uint8)


def points_of(known: dict) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and descriptors of all pictures."""
    stored = {image: unpack(row.tobytes()) for image, row in known.items()}
    numbers = [point_numbers(image, keypoints) for image, keypoints in stored.items()]
    return np.concatenate(numbers), np.concatenate([keypoints.descriptors for keypoints in stored.values()])


def picture_of(known: dict, image: int) -> Keypoints:
    return unpack(known[image].tobytes())


def recall(index: KeypointIndex, known: dict, images: list[int], k: int = 8) -> float:
    """Share of the noisy copies of points that find the point itself."""
    right = total = 0
    for image in images:
        keypoints = picture_of(known, image)
        numbers, _ = index.nearest(noisy(keypoints.descriptors, image), k)
        right += (numbers == point_numbers(image, keypoints)[:, None]).any(1).sum()
        total += len(keypoints)
    return right / total


def write_learned(folder: Path) -> dict:
    """400 pictures of 40 points, of which most are compared only where they may be near. Returns their rows."""
    index, stored = KeypointIndex(), rows(400, points=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keypoint_index, "EXACT", 4_000)
        index.add(np.arange(400), stored)
        index.write(folder)
    return dict(enumerate(stored))

"""The inner loops of the index of keypoints, compiled by numba: import it where you search.

Both fill heaps, one for each query: squared distances (k,) float32 and numbers of points (k,) int64, the farthest
first. They start as (infinity, no point). Equally near points are told apart by their numbers, so that an answer does
not depend on the order in which points are looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from search.kernels import compiled, replace_farthest

IMAGE_SHIFT = 24


@njit(inline="always")
def _nearer(distance: Any, number: Any, distances: Any, numbers: Any) -> Any:
    return distance < distances[0] or (distance == distances[0] and number < numbers[0])


@njit
def _holds(images: Any, image: Any) -> bool:
    """Whether a rising array has this number."""
    low, high = 0, len(images)
    while low < high:
        middle = (low + high) // 2
        if images[middle] < image:
            low = middle + 1
        else:
            high = middle
    return low < len(images) and images[low] == image


@njit
def _may_answer(number: Any, dead: Any, chosen: bool, among: Any) -> bool:
    image = number >> IMAGE_SHIFT
    return not _holds(dead, image) and (not chosen or _holds(among, image))


@compiled
def scan_lists(
    queries: Any,
    probes: Any,
    probe_far: Any,
    tables: Any,
    offsets: Any,
    codes: Any,
    terms: Any,
    numbers: Any,
    dead: Any,
    chosen: bool,
    among: Any,
    distances: Any,
    found: Any,
) -> None:
    """Queries (m, 128) float32 against the lists ``probes`` (m, p): see Codebook.encode for the distance.

    ``codes``: (n, 2) uint64, the 16 bytes of a point as two numbers: two reads of memory instead of 16.
    """
    parts, depth, words = tables.shape
    table = np.empty(parts * words, np.float32)
    for i in range(len(queries)):
        for part in range(parts):
            table[part * words : part * words + words] = 0
            for d in range(depth):
                double = np.float32(2) * queries[i, part * depth + d]
                for word in range(words):
                    table[part * words + word] += double * tables[part, d, word]
        for p in range(probes.shape[1]):
            if probes[i, p] < 0:
                break
            for at in range(offsets[probes[i, p]], offsets[probes[i, p] + 1]):
                low, high = codes[at, 0], codes[at, 1]
                a = b = np.float32(0)
                for part in range(8):
                    a += table[(part << 8) + ((low >> (8 * part)) & 255)]
                    b += table[((8 + part) << 8) + ((high >> (8 * part)) & 255)]
                distance = probe_far[i, p] + terms[at] - (a + b)
                if distance <= distances[i, 0]:
                    number = numbers[at]
                    if _nearer(distance, number, distances[i], found[i]) and _may_answer(number, dead, chosen, among):
                        replace_farthest(distances[i], found[i], distance, number)


@compiled
def scan_products(
    products: Any, own: Any, squares: Any, numbers: Any, dead: Any, chosen: bool, among: Any, distances: Any, found: Any
) -> None:
    """Squared distances from products (m, n) of queries and points, and the squares of both; all float32."""
    for i in range(len(products)):
        for j in range(len(numbers)):
            distance = (squares[j] - np.float32(2) * products[i, j]) + own[i]
            if distance <= distances[i, 0]:
                number = numbers[j]
                if _nearer(distance, number, distances[i], found[i]) and _may_answer(number, dead, chosen, among):
                    replace_farthest(distances[i], found[i], distance, number)

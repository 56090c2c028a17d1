"""Alpha query expansion: ask again with what was found, each neighbour weighted by how near it was.

Radenović, Tolias and Chum, "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2019. Pure: numpy only.
"""

from __future__ import annotations

import numpy as np

ALPHA = 3.0
"""The larger, the less far neighbours count."""
MOST = 10
"""Neighbours that the query moves towards."""


def expanded(query: np.ndarray, neighbours: np.ndarray, above: float, alpha: float = ALPHA) -> np.ndarray:
    """The (d,) query, of length 1, moved towards those of the (n, d) neighbours whose cosine is above ``above``.

    The nearest MOST of them. The very same array comes back if there are none: nothing has to be asked again then.
    """
    cosines = neighbours @ query
    order = np.argsort(-cosines, kind="stable")[:MOST]
    chosen = order[cosines[order] > max(0.0, above)]
    if not len(chosen):
        return query
    moved = query + cosines[chosen] ** alpha @ neighbours[chosen]
    return (moved / np.linalg.norm(moved)).astype(query.dtype)

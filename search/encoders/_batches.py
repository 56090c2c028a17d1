"""Many pictures through one network: cut into pieces, which are prepared and calculated side by side.

On a CPU a piece is one thread's from pixels to vectors, so that no thread ever waits for another; on a GPU threads
prepare while it calculates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from search.encoders.pytorch import calculating, torch
from search.errors import WeightsMissing
from search.threads import CORES

PIECE = 8
"""On a CPU: more at once are no faster and take more memory."""
_GPU_PIECE = 64

Prepare = Callable[[Any], np.ndarray]
Calculate = Callable[[Any], Any]


def vectors(items: Sequence[Any], prepare: Prepare, calculate: Calculate, device: Any, dimension: int) -> np.ndarray:
    """(n, dimension) float32 of length 1 of what ``calculate`` makes of a tensor of prepared items on the device."""
    if not items:
        return np.empty((0, dimension), np.float32)
    rows = unit(outputs(items, prepare, calculate, device))
    if rows.shape[1:] != (dimension,):
        raise WeightsMissing(f"This network answers with {rows.shape[1:]} numbers a picture, not with {dimension}.")
    return rows


def outputs(items: Sequence[Any], prepare: Prepare, calculate: Calculate, device: Any) -> np.ndarray:
    """(n, ...) float32 of at least one item."""

    def calculated(prepared: Sequence[np.ndarray]) -> np.ndarray:
        with calculating(device):
            pixels = torch().from_numpy(np.stack(prepared)).to(device)
            answer: np.ndarray = calculate(pixels).float().cpu().numpy()
            return answer

    def prepared_and_calculated(piece: Sequence[Any]) -> np.ndarray:
        return calculated([prepare(item) for item in piece])

    if device.type == "cpu":
        return np.concatenate(_side_by_side(prepared_and_calculated, _pieces(items, _a_thread(len(items)))))
    with ThreadPoolExecutor(CORES) as threads:
        return np.concatenate([calculated(list(threads.map(prepare, piece))) for piece in _pieces(items, _GPU_PIECE)])


def _a_thread(items: int) -> int:
    return max(1, min(PIECE, -(-items // CORES)))


def _pieces(items: Sequence[Any], length: int) -> list[Sequence[Any]]:
    return [items[start : start + length] for start in range(0, len(items), length)]


def _side_by_side(work: Callable[[Any], np.ndarray], pieces: list[Sequence[Any]]) -> list[np.ndarray]:
    if len(pieces) == 1:
        return [work(pieces[0])]
    with ThreadPoolExecutor(min(CORES, len(pieces)), thread_name_prefix="encode") as threads:
        return list(threads.map(work, pieces))


def unit(rows: np.ndarray) -> np.ndarray:
    """The float32 rows at length 1. One with numbers that are none stays as it is: it must not stop the others."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    lengths = np.where(np.isfinite(lengths), np.maximum(lengths, np.finfo(np.float32).tiny), 1)
    scaled: np.ndarray = (rows / lengths).astype(np.float32)
    return scaled

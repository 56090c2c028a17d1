"""A scan over many rows is cut into pieces, one over few is not worth a thread; the answer is the same."""

import threading

import numpy as np
import pytest

from search import threads
from search.indexes.faiss_index import FaissIndex

RNG = np.random.default_rng(0)
ROWS = 1000


@pytest.fixture(params=[("l1", 16), ("hamming", 16)])
def scanned(request):
    form, width = request.param
    index = FaissIndex(form, width)
    index.add(np.arange(ROWS), RNG.integers(0, 3, (ROWS, width), dtype=np.uint8))
    queries = RNG.integers(0, 3, (2, width), dtype=np.uint8)
    return lambda: index.search(queries, 40)


def test_it_works(scanned, monkeypatch):
    whole = scanned()
    monkeypatch.setattr(threads, "CORES", 3)
    monkeypatch.setattr(threads, "_ROWS_WORTH_A_THREAD", 8)
    for found, expected in zip(scanned(), whole, strict=True):
        assert np.array_equal(found, expected)


def test_many_rows_are_shared_out_and_few_are_not(monkeypatch):
    monkeypatch.setattr(threads, "CORES", 2)
    monkeypatch.setattr(threads, "_ROWS_WORTH_A_THREAD", 100)
    seen = []

    def scan(start: int, stop: int) -> threads.Nearest:
        seen.append((start, stop, threading.current_thread() is threading.main_thread()))
        return np.full((1, 1), start, np.int32), np.full((1, 1), start, np.int64)

    threads.nearest_in_pieces(scan, 199, 1)
    assert seen == [(0, 199, True)]
    seen.clear()
    distances, rows = threads.nearest_in_pieces(scan, 400, 1)
    assert sorted(seen) == [(0, 200, False), (200, 400, False)]
    assert (distances.tolist(), rows.tolist()) == ([[0]], [[0]])

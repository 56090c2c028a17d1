"""Embeddings by cosine, 512 numbers: FAISS over float32 and float16, ours exactly, and ours by signs.

Vectors lie as those of CLIP do; queries like images, and like texts, which lie far from all images. Every call asks
with another query: asking with the same one again would find its rows in the processor's cache.
BENCH_EMBEDDINGS=100000 for that collection only.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from search.indexes.embedding_index import EmbeddingIndex
from search.indexes.faiss_index import CODES
from tests.search.embeddings import Space, as_rows, recall

DIMENSION, QUERIES, K = 512, 100, 10
SIZES = [int(n) for n in os.environ.get("BENCH_EMBEDDINGS", "100000 1000000").split()]
EXACT = 10**9
Search = Callable[[np.ndarray, int], np.ndarray]
"""Rows (m, 1024) uint8 and k -> ids (m, k)."""


def main() -> None:
    space = Space(DIMENSION)
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            bench(space, n, Path(folder))


def bench(space: Space, n: int, folder: Path) -> None:
    vectors = space.images(n)
    queries = {"images": as_rows(space.images(QUERIES, 9)), "texts": as_rows(space.texts(QUERIES, 9))}
    seconds = build(vectors, folder)
    print(f"\n{n:,} x {DIMENSION}, k = {K}; added in {seconds[0]:.0f} s, written with signs in {seconds[1]:.0f} s")
    compare(vectors, queries, folder)
    del vectors
    memory(folder)
    while_it_changes(space, mapped(folder), queries["texts"], n)


def mapped(folder: Path) -> EmbeddingIndex:
    index = EmbeddingIndex(DIMENSION)
    index.read(folder)
    return index


def compare(vectors: np.ndarray, queries: dict[str, np.ndarray], folder: Path) -> None:
    flat, exact, signs = faiss.IndexFlatIP(DIMENSION), EmbeddingIndex(DIMENSION, EXACT), mapped(folder)
    for start in range(0, len(vectors), 50_000):
        flat.add(vectors[start : start + 50_000].astype(np.float32))
    exact.read(folder)
    among = np.arange(0, len(vectors), 3)
    rows: dict[str, Search] = {
        "FAISS IndexFlatIP float32": by_faiss(flat),
        "FAISS SQfp16, mapped": by_faiss(faiss.read_index(str(folder / CODES), faiss.IO_FLAG_MMAP_IFC)),
        "ours, exact float16, mapped": lambda q, k: exact.search(q, k)[0],
        "ours, signs": lambda q, k: signs.search(q, k)[0],
        "ours, signs, among a third": lambda q, k: signs.search(q, k, among)[0],
        "ours, signs, among 2,000": lambda q, k: signs.search(q, k, among[:2000])[0],
    }
    table(rows, queries)
    many_answers(rows["FAISS IndexFlatIP float32"], rows["ours, signs"], queries)


def build(vectors: np.ndarray, folder: Path) -> tuple[float, float]:
    """Seconds to add, and to write."""
    index, started = EmbeddingIndex(DIMENSION), time.perf_counter()
    for start in range(0, len(vectors), 20_000):  # as a process does that reads them from the database
        part = vectors[start : start + 20_000]
        index.add(np.arange(start, start + len(part)), as_rows(part))
    added = time.perf_counter()
    index.write(folder)
    return added - started, time.perf_counter() - added


def by_faiss(index: faiss.Index) -> Search:
    return lambda rows, k: index.search(rows.view("<f2").astype(np.float32), k)[1]


def table(rows: dict[str, Search], queries: dict[str, np.ndarray]) -> None:
    """Each in turns with the first, so that what else the machine does weighs on both."""
    print(
        f"{'':30} {'median ms':>9} {'best':>7} {'CPU ms':>7} {'ratio':>6} {'best':>6} {'CPU':>6}  recall@{K} of ",
        end="",
    )
    print(" / ".join(queries))
    first = next(iter(rows.values()))
    truth = {kind: first(asked, K) for kind, asked in queries.items()}
    mixed = np.concatenate(list(queries.values()))[np.random.default_rng(0).permutation(2 * QUERIES)]
    for name, search in rows.items():
        theirs, ours = [], []
        for block in np.split(mixed[:40], 8):
            theirs += timed(first, block, K)
            ours += timed(search, block, K)
        base, cost = summary(theirs), summary(ours)
        times = " ".join(f"{b / c:5.1f}x" for b, c in zip(base, cost, strict=True))
        found = " / ".join(f"{recall(search(q, K), truth[kind]):.3f}" for kind, q in queries.items())
        found = "" if "among" in name else found
        load = f"load {os.getloadavg()[0]:.1f}"
        print(f"{name:30} {cost[0]:9.2f} {cost[1]:7.2f} {cost[2]:7.2f} {times}  {found}  ({load})", flush=True)


def timed(search: Search, queries: np.ndarray, k: int) -> list[tuple[float, float]]:
    """[(ms, CPU ms of all threads)] of each query but the first, which wakes the threads up."""
    found = []
    for query in queries:
        started, busy = time.perf_counter(), time.process_time()
        search(query[None], k)
        found.append((1000 * (time.perf_counter() - started), 1000 * (time.process_time() - busy)))
    return found[1:]


def summary(found: list[tuple[float, float]]) -> tuple[float, float, float]:
    """(median ms, best ms, median CPU ms)."""
    walls, cpus = zip(*found, strict=True)
    return statistics.median(walls), min(walls), statistics.median(cpus)


def many_answers(exact: Search, ours: Search, queries: dict[str, np.ndarray]) -> None:
    for k in (100, 1000):
        truth = {kind: exact(asked[:30], k) for kind, asked in queries.items()}
        found = " / ".join(f"{recall(ours(asked[:30], k), truth[kind]):.3f}" for kind, asked in queries.items())
        wall, best, cpu = summary(timed(ours, queries["texts"][:40], k))
        print(f"{f'ours, signs, k = {k:,}':30} {wall:9.2f} {best:7.2f} {cpu:7.2f} {'':20}  {found}")


MEMORY = """
import sys, numpy as np
from pathlib import Path
from search.indexes.embedding_index import EmbeddingIndex
from tests.search.embeddings import Space, as_rows
def private():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return int(lines["RssAnon"].split()[0]) / 1024
def touched():
    found, name = {}, ""
    for line in open("/proc/self/smaps"):
        fields = line.split()
        if not fields[0].endswith(":"):
            name = Path(fields[-1]).name
        elif fields[0] in ("Rss:", "Referenced:") and name in ("codes.faiss", "signs.faiss"):
            found[name, fields[0]] = found.get((name, fields[0]), 0) + int(fields[1]) / 1024
    return ", ".join(f"{name} {kind.lower()} {size:.0f}" for (name, kind), size in found.items())
queries = as_rows(Space(512).images(100, 5))
few = EmbeddingIndex(512, 0)
few.add(np.arange(100), queries)
few.search(queries[:1], 10)
before = private()
index = EmbeddingIndex(512)
index.read(Path(sys.argv[1]))
print(f"  read: {private() - before:.0f} MiB private; mapped, MiB: {touched()}")
for times in (1, 100):
    Path("/proc/self/clear_refs").write_text("1")
    for query in queries[:times]:
        index.search(query[None], 10)
    print(f"  {times} queries: {private() - before:.0f} MiB private; mapped, MiB: {touched()}")
"""


def memory(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size / 2**20 for path in sorted(folder.iterdir())}
    print("files: " + ", ".join(f"{name} {size:.0f} MiB" for name, size in sizes.items()))
    print("memory of a process of its own, beyond what it had with an index of 100:", flush=True)
    subprocess.run([sys.executable, "-c", MEMORY, str(folder)], check=False)


def while_it_changes(space: Space, index: EmbeddingIndex, queries: np.ndarray, n: int) -> None:
    """A tenth of the rows more, and a twentieth gone; then while a thread adds and removes without a pause."""
    fresh = as_rows(space.images(n // 10, 5))
    for start in range(0, len(fresh), 1000):
        index.add(np.arange(n + start, n + start + len(fresh[start : start + 1000])), fresh[start : start + 1000])
    index.remove(np.arange(0, n, 20))

    def search(asked: np.ndarray, k: int) -> np.ndarray:
        return index.search(asked, k)[0]

    show("with a tenth more, a 20th gone", summary(timed(search, queries, K)))
    done, turns = threading.Event(), [0]

    def change() -> None:
        while not done.is_set():
            at = turns[0] % (len(fresh) // 100) * 100
            index.add(np.arange(2 * n + turns[0] * 100, 2 * n + turns[0] * 100 + 100), fresh[at : at + 100])
            index.remove(np.arange(turns[0] * 100 + 1, turns[0] * 100 + 6))
            turns[0] += 1

    writer, started = threading.Thread(target=change), time.perf_counter()
    writer.start()
    show("while a thread changes it", summary(timed(search, queries[:40], K)))
    done.set()
    writer.join()
    print(f"  the thread made {turns[0] / (time.perf_counter() - started):.0f} changes a second of 100 more and 5 less")


def show(name: str, found: tuple[float, float, float]) -> None:
    print(f"{name:30} {found[0]:9.2f} {found[1]:7.2f} {found[2]:7.2f}", flush=True)


if __name__ == "__main__":
    main()

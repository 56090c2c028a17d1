"""The index of keypoints as the gallery grows: time, memory, recall and proof among 1,000, 10,000 and 100,000 pictures.

300 photographs are real. The others are put together from keypoints of photographs that no query asks for: two halves
of two descriptors with noise, at places of yet other keypoints. They are made again whenever their rows are asked for,
as a database would bring them.

    python -m tests.bench.bench_local_scale [--large] [--queries 8]      (--large: 100,000 as well, about half an hour)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil

from search.engines.local_features import ENGINE
from search.indexes import keypoint_index
from search.indexes._base import Rows
from search.indexes._segments import Points
from search.indexes.keypoint_index import KeypointIndex
from search.keypoints import MOST, ROW, Keypoints, pack, unpack
from tests.bench.copies import copies, read_manifest, small

BATCH = 1_500
_NOISE = 6
"""Of a byte of a descriptor. Two keypoints of the same thing in two photographs differ by about 20."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--queries", type=int, default=8, help="photographs, with 35 edits each")
    parser.add_argument("--sizes", type=numbers, default=[1_000, 10_000])
    parser.add_argument("--exact", action="store_true", help="1,000 compared one by one, too")
    parser.add_argument("--probes", type=numbers, default=[keypoint_index.PROBES], help="lists looked into: 8,16,32")
    arguments = parser.parse_args()
    with copies(arguments.queries) as folder:
        if folder is None:
            return
        manifest = read_manifest(folder)
        real = [ENGINE.extract(small(folder / "gallery" / name)) for name in manifest["gallery"]]
        asked = {query["truth"] for query in manifest["queries"]} | {query["also"] for query in manifest["queries"]}
        gallery = Gallery(real, [name not in asked for name in manifest["gallery"]])
        print(Line.HEADER)
        if arguments.exact:
            measure(gallery, 1_000, folder, exact=10**9, probes=[0])
        for size in arguments.sizes + [100_000] * arguments.large:
            measure(gallery, size, folder, exact=keypoint_index.EXACT, probes=arguments.probes)


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


class Gallery:
    """Rows of pictures by their numbers, real ones first."""

    def __init__(self, real: list[bytes], lend: list[bool]) -> None:
        self.real = [np.frombuffer(feature.ljust(ROW, b"\0"), np.uint8) for feature in real]
        lenders = [unpack(feature) for feature, lent in zip(real, lend, strict=True) if lent]
        self.descriptors = np.concatenate([keypoints.descriptors for keypoints in lenders])
        self.places = np.concatenate([keypoints.places for keypoints in lenders])
        self.greys = [keypoints.grey for keypoints in lenders]
        self.noise = np.random.default_rng(0).normal(0, _NOISE, 2**20).astype(np.float32)
        self.seconds = 0.0
        """Spent in making rows, which is no work of the index."""

    def rows(self, ids: np.ndarray) -> Rows:
        started = time.perf_counter()
        rows = [self.real[i] if i < len(self.real) else self._made(i) for i in ids.tolist()]
        self.seconds += time.perf_counter() - started
        return ids, np.array(rows, np.uint8).reshape(-1, ROW)

    def _made(self, number: int) -> np.ndarray:
        rng = np.random.default_rng(number)
        one, other = self.descriptors[rng.integers(0, len(self.descriptors), (2, MOST))].reshape(2, MOST, 4, 4, 8)
        upper = rng.random(MOST) < 0.5  # halves of the square around a keypoint, cut either way
        other[upper, :2], other[~upper, :, :2] = one[upper, :2], one[~upper, :, :2]
        start = rng.integers(0, len(self.noise) - other.size)
        mixed = np.maximum(0, other.reshape(MOST, 128) + self.noise[start : start + other.size].reshape(MOST, 128))
        mixed *= 512 / np.linalg.norm(mixed, axis=1, keepdims=True)
        descriptors = np.minimum(255, np.round(mixed)).astype(np.uint8)
        places = self.places[rng.integers(0, len(self.places), MOST)] + rng.uniform(0, 3, (MOST, 4)).astype("f4")
        places[:, 3] %= 360
        grey = self.greys[rng.integers(0, len(self.greys))]
        feature = pack(Keypoints(256, 256, places, descriptors, grey))
        return np.frombuffer(feature.ljust(ROW, b"\0"), np.uint8)


@dataclass
class Line:
    HEADER = (
        f"{'pictures':26} {'r@1':>6} {'proven':>6} {'false':>5} | {'wall ms':>7} {'p95':>5} {'CPU ms':>6} |"
        f" {'index ms':>8} {'CPU':>5} | {'B/picture':>9} {'RSS MiB':>7} |"
        f" {'learn s':>7} {'fill s':>6} {'write s':>7} {'read s':>6}  lists"
    )
    first: int = 0
    proven: int = 0
    false: int = 0
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    index_walls: list[float] = field(default_factory=list)
    index_cpus: list[float] = field(default_factory=list)

    def show(self, name: str, size: float, built: list[float], lists: int) -> None:
        n = len(self.walls)
        print(
            f"{name:26} {self.first / n:6.3f} {self.proven / n:6.3f} {self.false:5} |"
            f" {1e3 * np.median(self.walls):7.0f} {1e3 * np.percentile(self.walls, 95):5.0f}"
            f" {1e3 * np.median(self.cpus):6.0f} | {1e3 * np.median(self.index_walls):8.0f}"
            f" {1e3 * np.median(self.index_cpus):5.0f} | {size:9.0f} {psutil.Process().memory_info().rss >> 20:7}"
            f" | {built[0]:7.0f} {built[1]:6.0f} {built[2]:7.0f} {built[3]:6.1f}  {lists}",
            flush=True,
        )


class Timed(KeypointIndex):
    line: Line | None = None

    def nearest(self, *arguments: object) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        with clock(
            lambda *spent: self.line and (self.line.index_walls.append(spent[0]), self.line.index_cpus.append(spent[1]))
        ):
            return super().nearest(*arguments)  # type: ignore[arg-type]


def measure(gallery: Gallery, size: int, folder: Path, exact: int, probes: list[int]) -> None:
    keypoint_index.EXACT, before = exact, keypoint_index.EXACT
    with tempfile.TemporaryDirectory() as place:
        index = Timed()
        index.fetch_rows_by(gallery.rows)
        built = build(index, gallery, size, Path(place))
        bytes_each = sum(file.stat().st_size for file in Path(place).iterdir()) / size
        codebook = index._state.codebook
        ask(index, folder, Line(), most=5)
        for keypoint_index.PROBES in probes:
            line = Line()
            ask(index, folder, line)
            name = f"{size:,}, {keypoint_index.PROBES} lists" if codebook else f"{size:,} one by one"
            line.show(name, bytes_each, built, codebook.lists if codebook else 0)
    keypoint_index.EXACT = before


def build(index: Timed, gallery: Gallery, size: int, place: Path) -> list[float]:
    """Seconds of learning, filling, writing and reading, without those of making rows. The order is that of a snapshot
    which learns; a gallery that grows picture by picture comes to the same."""
    seconds = []
    for step in (
        lambda: learn(index, gallery, size),
        lambda: fill(index, gallery, size),
        lambda: index.write(place),
        lambda: index.read(place),
    ):
        started, made = time.perf_counter(), gallery.seconds
        step()
        seconds.append(time.perf_counter() - started - (gallery.seconds - made))
    return seconds


def learn(index: Timed, gallery: Gallery, size: int) -> None:
    points = size * MOST
    if points > keypoint_index.EXACT:
        most = keypoint_index._sample_size(points) // MOST + 1
        some = np.sort(np.random.default_rng(0).permutation(size)[:most])
        sample = Points.of(*gallery.rows(some)).descriptors
        codebook = keypoint_index._learn(sample, points)
        index._state = replace(index._state, codebook=codebook, learned_from=points)


def fill(index: Timed, gallery: Gallery, size: int) -> None:
    for start in range(0, size, BATCH):
        index.add(*gallery.rows(np.arange(start, min(size, start + BATCH))))


def ask(index: Timed, folder: Path, line: Line, most: int = 10**6) -> None:
    manifest = read_manifest(folder)
    numbers = {name: number for number, name in enumerate(manifest["gallery"])}
    index.line = line
    for query in manifest["queries"][:most]:
        with clock(lambda *spent: (line.walls.append(spent[0]), line.cpus.append(spent[1]))):
            hits = ENGINE.search(ENGINE.probe(small(folder / query["file"])), index, 20)
        right, also = numbers[query["truth"]], numbers.get(query["also"])
        hits = [hit for hit in hits if hit.image_id != also]
        line.first += bool(hits) and hits[0].image_id == right
        line.proven += any(hit.certain for hit in hits if hit.image_id == right)
        line.false += sum(hit.certain for hit in hits if hit.image_id != right)


class clock:
    """Seconds on the wall and of all processors."""

    def __init__(self, tell: Callable[[float, float], object]) -> None:
        self.tell = tell

    def __enter__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        self.tell(time.perf_counter() - self.wall, time.process_time() - self.cpu)


if __name__ == "__main__":
    main()

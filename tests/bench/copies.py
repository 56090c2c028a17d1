"""How well an engine finds a photograph again after an edit: shared/bench/copydetect.py asks and counts."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gallery.pictures import Picture, decode
from search.engines._base import Engine

SHARED = Path(__file__).resolve().parents[3] / "shared"
COPYDETECT = SHARED / "bench" / "copydetect.py"
Answers = dict[str, list[tuple[str, bool]]]
"""{query file: [(gallery file, certain), ...], best first}"""


def photos(most: int = 10_000) -> list[Path]:
    return sorted((SHARED / "photos").glob("*.jpg"))[:most]


@contextmanager
def copies(queries: int = 40) -> Iterator[Path | None]:
    """A folder with the gallery, the edited queries and the manifest; None, said aloud, where there is no benchmark."""
    if not COPYDETECT.exists() or not photos():
        print(f"{COPYDETECT} or its photographs are missing: no copy detection.")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, COPYDETECT, "make", SHARED / "photos", folder, "--queries", str(queries)]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        yield Path(folder)


def by_engine(engine: Engine, folder: Path, k: int = 20) -> Answers:
    manifest = read_manifest(folder)
    names, index = manifest["gallery"], engine.new_index()
    features = [engine.extract(small(folder / "gallery" / name)) for name in names]
    index.add(np.arange(len(names)), engine.rows(features))
    answers: Answers = {}
    for query in manifest["queries"]:
        hits = engine.search(engine.probe(small(folder / query["file"])), index, k)
        answers[query["file"]] = [(names[hit.image_id], hit.certain) for hit in hits]
    return answers


def by_distance(
    extract: Callable[[Path], np.ndarray],
    distances: Callable[[np.ndarray, np.ndarray], np.ndarray],
    certain: float,
    folder: Path,
    k: int = 20,
) -> Answers:
    """A baseline: every photograph compared with every query; those at most ``certain`` apart count as proven."""
    manifest = read_manifest(folder)
    gallery = np.array([extract(folder / "gallery" / name) for name in manifest["gallery"]])
    answers: Answers = {}
    for query in manifest["queries"]:
        far = distances(gallery, extract(folder / query["file"]))
        nearest = np.argsort(far, kind="stable")[:k]
        answers[query["file"]] = [(manifest["gallery"][i], bool(far[i] <= certain)) for i in nearest]
    return answers


def show(folder: Path, ours: Answers, baseline: Answers) -> None:
    """Our table with the baseline's recall@1 beside it, then the baseline's own."""
    for name, answers in (("ours", ours), ("baseline", baseline)):
        (folder / f"{name}.json").write_text(json.dumps(answers))
    command = [sys.executable, str(COPYDETECT), "score", str(folder)]
    subprocess.run([*command, str(folder / "ours.json"), "--against", str(folder / "baseline.json")], check=True)
    print("the baseline itself:")
    subprocess.run([*command, str(folder / "baseline.json")], check=True)


def read_manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def small(path: Path) -> Picture:
    """As the pipeline decodes it for renditions and engines."""
    return decode(path, longest=1600)


def milliseconds(work: Callable[[], object], times: int = 7, clock: Callable[[], float] = time.perf_counter) -> float:
    """The best of several: the nearest to what it costs on an idle machine."""
    work()
    best = float("inf")
    for _ in range(times):
        started = clock()
        work()
        best = min(best, clock() - started)
    return 1000 * best

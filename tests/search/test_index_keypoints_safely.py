"""The index of keypoints survives damaged files, threads and forks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from search.indexes._base import IndexDamaged
from search.indexes.keypoint_index import KeypointIndex, point_numbers
from tests.search.index_contract import damage
from tests.search.keypoint_rows import picture_of, recall, rows, write_learned

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("index")
    return folder, write_learned(folder)


@pytest.fixture
def learned(written, tmp_path):
    shutil.copytree(written[0], tmp_path / "index")
    index = KeypointIndex()
    index.read(tmp_path / "index")
    return index, written[1]


@pytest.mark.parametrize("harm", ["empty", "cut", "longer", "random", "header", "text", "missing"])
def test_it_rejects_damaged_files(learned, tmp_path, harm):
    index, known = learned
    for name in [f.name for f in (tmp_path / "index").iterdir()]:
        folder = tmp_path / name
        folder.mkdir()
        for file in (tmp_path / "index").iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        damage(folder / name, harm)
        with pytest.raises(IndexDamaged):
            index.read(folder)
    assert recall(index, known, [3]) > 0.9


READ = """
import sys, numpy as np
from pathlib import Path
from search.indexes._base import IndexDamaged
from search.indexes.keypoint_index import KeypointIndex
from search.keypoints import ROW
for folder in map(Path, sys.argv[1:]):
    index = KeypointIndex()
    index.fetch_rows_by(lambda ids: (ids[:0], np.empty((0, ROW), np.uint8)))
    try:
        index.read(folder)
        index.nearest(np.random.default_rng(0).integers(0, 90, (50, 128), dtype=np.uint8), 8)
        index.nearest(np.zeros((50, 128), np.uint8), 8, np.arange(300))
        index.remove(np.arange(100))
    except IndexDamaged:
        pass
print("alive")
"""


def test_altered_content_never_ends_the_process(learned, tmp_path):
    """Behind a header that is right, any bytes may stand. In a process of its own, which might die."""
    folders = []
    for name in ("images", "offsets", "codes", "terms", "numbers", "centroids", "words"):
        for seed in range(2):
            folder = tmp_path / f"{name}{seed}"
            folder.mkdir()
            for file in (tmp_path / "index").iterdir():
                content = file.read_bytes()
                if file.stem == name:
                    noise = np.random.default_rng(seed).bytes(len(content) - 128)
                    content = content[: len(content) - len(noise)] + (noise if seed else b"\xff" * len(noise))
                (folder / file.name).write_bytes(content)
            folders.append(str(folder))
    ran = subprocess.run([sys.executable, "-c", READ, *folders], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout.strip()) == (0, "alive")


def test_what_was_read_is_never_written_to(learned, tmp_path):
    index, _ = learned
    before = {f.name: f.read_bytes() for f in (tmp_path / "index").iterdir()}
    for column in index._state.base._columns():
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0
    index.add(np.arange(390, 410), rows(20, 5, points=40))
    index.remove(np.arange(50))
    assert {f.name: f.read_bytes() for f in (tmp_path / "index").iterdir()} == before


def test_it_answers_eight_threads_while_one_writes(learned, tmp_path):
    index, known = learned
    errors: list[str] = []
    done = threading.Event()

    def look(seed: int) -> None:
        for image in np.random.default_rng(seed).choice(200, 12).tolist():  # nobody touches these
            among = None if image % 4 else np.arange(200)
            keypoints = picture_of(known, image)
            numbers, _ = index.nearest(keypoints.descriptors, 5, among)
            if (numbers[:, 0] != point_numbers(image, keypoints)).any():
                errors.append(f"{image}: {numbers[:, 0]}")

    def change() -> None:
        for turn in range(10_000):
            if done.is_set():
                return
            ids = np.arange(200, 400, 40) + turn % 40
            index.remove(ids) if turn % 3 == 2 else index.add(ids, rows(len(ids), turn + 1, points=40))
            if turn == 5:
                frozen = index.frozen()
                (tmp_path / "b").mkdir()
                frozen.write(tmp_path / "b")

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(8)]
    writer = threading.Thread(target=change)
    for thread in [writer, *threads]:
        thread.start()
    for thread in threads:
        thread.join(120)
    done.set()
    writer.join(120)
    assert errors == []


FORK = """
import os, numpy as np
from search.indexes import keypoint_index
from tests.search.keypoint_rows import rows, picture
keypoint_index.EXACT = 500
index = keypoint_index.KeypointIndex()
index.add(np.arange(300), rows(300))
assert index._state.codebook
def look():
    assert (index.nearest(picture(7).descriptors, 3)[0][:, 0] >> 24 == 7).all()
look()
child = os.fork()
look()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("alive")
"""


def test_it_answers_in_a_forked_child():
    ran = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.strip() == "alive", ran.stderr

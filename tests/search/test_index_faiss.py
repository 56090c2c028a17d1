"""The FAISS indexes: the contract of every index, and what is dangerous about mapped files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from search.indexes._base import IndexDamaged
from search.indexes.faiss_index import CODES, FaissIndex
from tests.search.index_contract import IndexContract

ROOT = Path(__file__).parents[2]


class TestHamming(IndexContract):
    width = 72

    def new_index(self):
        return FaissIndex("hamming", self.width)

    def distances(self, query, rows):
        return np.bitwise_count(rows ^ query).sum(1, dtype=np.int64)


class TestL1(IndexContract):
    width = 100  # no multiple of any register

    def new_index(self):
        return FaissIndex("l1", self.width)

    def distances(self, query, rows):
        return np.abs(rows.astype(np.int64) - query).sum(1)


class TestL1Wide(TestL1):
    width = 512


FORMS = pytest.mark.parametrize("form", ["hamming", "l1"])


def run(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """Python in a process of its own, which may die."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300)


def written(folder: Path, form: str, n: int = 500, width: int = 64) -> Path:
    index = FaissIndex(form, width)
    index.add(np.arange(n), np.random.default_rng(0).integers(0, 256, (n, width), dtype=np.uint8))
    folder.mkdir()
    index.write(folder)
    return folder


ADD_RAW = """
import sys, numpy as np
from search.indexes._forms import FORMS
from pathlib import Path
index, codes = FORMS[sys.argv[1]].map(Path(sys.argv[2]))
rows = np.ones((1, 64), np.uint8)
index.add(rows if sys.argv[1] == "hamming" else rows.astype(np.float32))
print("alive")
"""
ADD = """
import sys, numpy as np
from search.indexes.faiss_index import FaissIndex
from pathlib import Path
index = FaissIndex(sys.argv[1], 64)
index.read(Path(sys.argv[2]))
index.add(np.array([3, 1000]), np.ones((2, 64), np.uint8))
index.remove(np.array([0, 1]))
print("alive", len(index), index.search(np.ones((1, 64), np.uint8), 2)[0].tolist())
"""


@FORMS
def test_it_adds_and_removes_where_faiss_itself_would_end_the_process(tmp_path, form):
    folder = written(tmp_path / "index", form)
    raw, ours = run(ADD_RAW, form, folder / CODES), run(ADD, form, folder)
    assert raw.returncode < 0
    assert "alive" not in raw.stdout
    assert (ours.returncode, ours.stdout.strip()) == (0, "alive 499 [[3, 1000]]")


@FORMS
def test_it_leaves_the_files_as_they_are(tmp_path, form):
    folder = written(tmp_path / "index", form)
    before = {f.name: f.read_bytes() for f in folder.iterdir()}
    assert run(ADD, form, folder).returncode == 0
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before


@FORMS
def test_it_rejects_another_width_and_another_form(tmp_path, form):
    folder = written(tmp_path / "index", form)
    for wrong in (FaissIndex(form, 72), FaissIndex("l1" if form == "hamming" else "hamming", 64)):
        with pytest.raises(IndexDamaged):
            wrong.read(folder)


@FORMS
def test_it_rejects_every_cut(tmp_path, form):
    """A row behind the end of a mapped file would end the process when it is read (SIGBUS)."""
    folder = written(tmp_path / "index", form, n=3)
    for name in ("codes.faiss", "ids.npy"):
        content = (folder / name).read_bytes()
        for length in range(len(content)):
            (folder / name).write_bytes(content[:length])
            with pytest.raises(IndexDamaged):
                FaissIndex(form, 64).read(folder)
        (folder / name).write_bytes(content)


@FORMS
def test_it_rejects_every_changed_byte_of_a_header(tmp_path, form):
    folder = written(tmp_path / "index", form, n=3)
    for name, size in (("codes.faiss", 3 * 64), ("ids.npy", 3 * 8)):
        content = (folder / name).read_bytes()
        for at in range(len(content) - size):
            (folder / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(IndexDamaged):
                FaissIndex(form, 64).read(folder)
        (folder / name).write_bytes(content)
    FaissIndex(form, 64).read(folder)


@FORMS
def test_it_rejects_ids_out_of_order(tmp_path, form):
    folder = written(tmp_path / "index", form, n=3)
    content = (folder / "ids.npy").read_bytes()
    (folder / "ids.npy").write_bytes(content[:-8] + content[-16:-8])
    with pytest.raises(IndexDamaged, match="order"):
        FaissIndex(form, 64).read(folder)


@FORMS
def test_faiss_reads_the_same_files(tmp_path, form):
    import faiss

    folder = written(tmp_path / "index", form)
    read = faiss.read_index_binary if form == "hamming" else faiss.read_index
    index = read(str(folder / CODES))
    assert index.ntotal == 500
    assert (index.reconstruct(7) == np.random.default_rng(0).integers(0, 256, (500, 64), np.uint8)[7]).all()


def test_search_does_not_load_faiss_or_numba_before_it_is_asked():
    code = """
import sys
from search.engines import all_engines
from search.indexes.faiss_index import FaissIndex
[all_engines()[name].new_index() for name in ("color", "phash")]
print(sorted({"faiss", "numba", "scipy"} & set(sys.modules)))
"""
    assert run(code).stdout.strip() == "[]"


SEARCH = """
import os, sys, threading, numpy as np
from search.indexes.faiss_index import FaissIndex
rows = np.random.default_rng(0).integers(0, 256, (70000, 64), dtype=np.uint8)
index = FaissIndex(sys.argv[1], 64)
index.add(np.arange(70000), rows)
def look():
    assert index.search(rows[:4], 3)[0][:, 0].tolist() == [0, 1, 2, 3]
look()
if "fork" in sys.argv:
    child = os.fork()
    look()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print("alive")
"""


def test_it_keeps_compiled_code_where_it_is_told(tmp_path):
    assert run(SEARCH, "l1", NUMBA_CACHE_DIR=str(tmp_path)).stdout.strip() == "alive"
    assert list(tmp_path.rglob("*.nbi"))


@FORMS
def test_it_answers_in_a_forked_child(form):
    assert run(SEARCH, form, "fork").stdout.strip() == "alive"

"""The index of embeddings: exact while there are few, found by their signs when there are many."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from search.indexes import embedding_index
from search.indexes._base import IndexDamaged
from search.indexes.embedding_index import SIGNS, TURN, EmbeddingIndex, cosines
from search.indexes.faiss_index import CODES
from tests.search.embeddings import Space, as_rows, recall
from tests.search.index_contract import IndexContract
from tests.search.test_index_faiss import run

DIMENSION, MANY = 128, 30_000


class TestExact(IndexContract):
    width = 2 * 36  # numbers: no multiple of any register

    def new_index(self):
        return EmbeddingIndex(self.width // 2)

    def rows(self, n: int, seed: int = 0) -> np.ndarray:
        vectors = np.random.default_rng(seed).standard_normal((n, self.width // 2))
        return as_rows(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def distances(self, query, rows):
        a, b = query.view("<f2").astype(float), rows.view("<f2").astype(float)
        return np.rint((1 - b @ a / np.sqrt((b * b).sum(1) * (a @ a))) * 2**24).astype(np.int64)


class TestSigned(TestExact):
    """The same life where all that is written has signs. So few rows are all compared exactly in the end."""

    def new_index(self):
        return EmbeddingIndex(self.width // 2, exact_rows=100)


class TestWide(TestExact):
    width = 2 * 512


@pytest.fixture(scope="module")
def space():
    return Space(DIMENSION, clusters=300)


@pytest.fixture(scope="module")
def vectors(space):
    return space.images(MANY)


@pytest.fixture(scope="module")
def snapshot(vectors, tmp_path_factory):
    """Written with signs; not to be changed."""
    return write(vectors, tmp_path_factory.mktemp("signed"))


@pytest.fixture
def few_likely(monkeypatch):
    """Compare 1,000 rows of 30,000: as many of all as the defaults are of a larger collection."""
    monkeypatch.setattr(embedding_index, "_LIKELY", 1000)


def write(vectors: np.ndarray, folder: Path, exact_rows: int = 100) -> Path:
    index = EmbeddingIndex(vectors.shape[1], exact_rows)
    index.add(np.arange(len(vectors)), as_rows(vectors))
    index.write(folder)
    return folder


def read(folder: Path, dimension: int = DIMENSION, exact_rows: int = 100) -> EmbeddingIndex:
    index = EmbeddingIndex(dimension, exact_rows)
    index.read(folder)
    return index


def nearest(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Brute force: rows (m, k)."""
    return np.argsort(-(queries.astype(np.float32) @ vectors.astype(np.float32).T), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize(("kind", "k", "least"), [("images", 10, 0.99), ("texts", 10, 0.97), ("texts", 200, 0.97)])
def test_it_finds_by_signs_what_is_nearest(space, vectors, snapshot, few_likely, kind, k, least):
    queries = getattr(space, kind)(60, 9)
    ids, distances = read(snapshot).search(as_rows(queries), k)
    assert recall(ids, nearest(vectors, queries, k)) >= least
    found = (vectors[ids].astype(np.float32) * queries[:, None].astype(np.float32)).sum(2)
    assert np.allclose(cosines(distances), found, atol=1e-3)
    assert (np.diff(distances) >= 0).all()


def test_it_compares_only_likely_rows_exactly(space, vectors, snapshot, monkeypatch):
    """Else the recall above would say nothing about signs."""
    monkeypatch.setattr(embedding_index, "_LIKELY", 10)
    monkeypatch.setattr(embedding_index, "_LIKELY_EACH", 0)
    queries = space.texts(60, 9)
    assert recall(read(snapshot).search(as_rows(queries), 10)[0], nearest(vectors, queries, 10)) < 0.7


@pytest.mark.parametrize("every", [2, 7, 50])
def test_it_filters_before_it_takes_the_nearest(space, vectors, snapshot, few_likely, every):
    """50: so few that they are compared exactly. The rows asked for hold few of the nearest of all."""
    queries, among = space.texts(40, 9), np.arange(0, MANY, every)
    right = among[nearest(vectors[among], queries, 10)]
    for index, least in ((read(snapshot), 0.97), (exact(vectors), 1.0)):
        ids, _ = index.search(as_rows(queries), 10, among)
        assert np.isin(ids, among).all()
        assert recall(ids, right) >= (1.0 if every == 50 else least) - 0.005  # two nearly equal ones may change places


def exact(vectors: np.ndarray) -> EmbeddingIndex:
    index = EmbeddingIndex(vectors.shape[1])
    index.add(np.arange(len(vectors)), as_rows(vectors))
    return index


def test_it_adds_and_removes_beside_signs(space, vectors, snapshot, few_likely):
    index, queries = read(snapshot), space.images(20, 9)
    first = index.search(as_rows(queries), 5)[0]
    index.remove(first.ravel())
    assert not np.isin(index.search(as_rows(queries), 10)[0], first).any()
    index.add(np.arange(20) + MANY, as_rows(queries))
    ids, distances = index.search(as_rows(queries), 3)
    assert ids[:, 0].tolist() == list(range(MANY, MANY + 20))
    assert (distances[:, 0] == 0).all()
    index.add(first[:, 0], as_rows(-queries))
    assert not np.isin(index.search(as_rows(queries), 10)[0], first).any()


def test_it_answers_by_signs_while_rows_come_and_go(vectors, snapshot):
    index, done, errors = read(snapshot), threading.Event(), []

    def change() -> None:
        for turn in range(10_000):
            ids = np.arange(1, MANY, 100) + 2 * (turn % 50)
            index.remove(ids) if turn % 2 else index.add(ids, as_rows(vectors[ids]))
            if done.is_set():
                return

    def look(seed: int) -> None:
        for image in np.random.default_rng(seed).integers(0, MANY // 2, 40) * 2:  # even ones, which nobody touches
            ids, distances = index.search(as_rows(vectors[image][None]), 5)
            if ids[0, 0] != image or distances[0, 0] != 0:
                errors.append(f"{image}: {ids[0]} {distances[0]}")

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    writer = threading.Thread(target=change)
    for thread in [writer, *threads]:
        thread.start()
    for thread in threads:
        thread.join(120)
    done.set()
    writer.join(120)
    assert errors == []


def test_it_answers_the_same_when_it_was_written_again(space, snapshot, tmp_path):
    index = read(snapshot)
    index.write(tmp_path)
    queries = as_rows(space.texts(20, 9))
    again = read(tmp_path)
    for first, second in zip(index.search(queries, 50), again.search(queries, 50), strict=True):
        assert (first == second).all()
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == {f.name: f.read_bytes() for f in snapshot.iterdir()}


def test_it_writes_no_signs_of_few_rows(vectors, tmp_path):
    write(vectors[:100], tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["codes.faiss", "ids.npy"]
    assert len(read(tmp_path)) == 100


@pytest.mark.parametrize("names", [[SIGNS], [TURN], [SIGNS, TURN], [CODES]])
def test_it_rejects_signs_of_other_rows(space, snapshot, tmp_path, names):
    """As many, of the same dimension, and each file good in itself."""
    shutil.copytree(snapshot, tmp_path / "mixed")
    (tmp_path / "other").mkdir()
    write(space.images(MANY, 77), tmp_path / "other")
    for name in names:
        shutil.copy(tmp_path / "other" / name, tmp_path / "mixed" / name)
    with pytest.raises(IndexDamaged, match=r"other rows|not written with these signs"):
        read(tmp_path / "mixed")


@pytest.mark.parametrize(("name", "at"), [(TURN, 0), (TURN, 400_000), (TURN, -1), (SIGNS, 100_000), (SIGNS, -1)])
def test_it_rejects_a_changed_byte(snapshot, tmp_path, name, at):
    shutil.copytree(snapshot, tmp_path / "changed")
    content = bytearray((tmp_path / "changed" / name).read_bytes())
    content[at] ^= 1
    (tmp_path / "changed" / name).write_bytes(content)
    with pytest.raises(IndexDamaged, match="not written with these signs"):
        read(tmp_path / "changed")


def test_it_rejects_another_dimension(snapshot):
    for dimension in (DIMENSION // 2, DIMENSION * 2):
        with pytest.raises(IndexDamaged):
            read(snapshot, dimension)


def test_it_handles_equal_rows_and_fewer_directions_than_bits(tmp_path):
    """Nothing differs: no direction says more than another, and all rows are as likely."""
    index = read(write(np.repeat(Space(3, 3).images(1), 5000, 0), tmp_path), 3)
    ids, distances = index.search(as_rows(Space(3, 3).images(1)), 4)
    assert ids.tolist() == [[0, 1, 2, 3]]
    assert distances.tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 0.0, 0.9, 60_000.0])
def test_it_rejects_what_is_no_unit_vector(number):
    rows = np.eye(8, dtype=np.float16)
    rows[5, 5] = number
    index = EmbeddingIndex(8)
    for work in (lambda: index.add(np.arange(8), as_rows(rows)), lambda: index.search(as_rows(rows), 1)):
        with pytest.raises(ValueError, match="rows must be unit vectors of float16; row 5 has length"):
            work()
    assert len(index) == 0


def test_it_rejects_a_dimension_without_sense():
    for dimension in (0, -3, 4097):
        with pytest.raises(ValueError, match="dimension"):
            EmbeddingIndex(dimension)


def test_it_compares_numbers_below_the_normal_range_of_float16():
    numbers = np.full((2, 4), 2.0**-24)
    numbers[0, 0], numbers[1] = 1, [0, 1, 2.0**-15, 2.0**-14]
    index = EmbeddingIndex(4)
    index.add(np.arange(2), as_rows(numbers))
    assert index.search(as_rows(numbers[:1]), 2)[1].tolist() == [[0, 2**24 - 1]]


@pytest.mark.parametrize("exact_rows", [100, 10**6])
def test_a_sample_is_spread_over_all_that_is_alive(vectors, tmp_path, exact_rows):
    index = read(write(vectors[:300], tmp_path, exact_rows), exact_rows=exact_rows)
    index.add(np.arange(300, 400), as_rows(vectors[300:400]))
    index.remove(np.arange(0, 400, 2))
    odd = as_rows(vectors[1:400:2]).view("<f2").astype(np.float32)
    whole = index.sample(1000)
    assert whole.dtype == np.float32
    assert np.array_equal(whole, odd)
    assert np.array_equal(index.sample(3), odd[[0, 99, 199]])
    assert np.array_equal(index.sample(3), index.sample(3))
    assert index.sample(1).shape == (1, DIMENSION)


def test_a_sample_of_nothing_is_empty():
    assert EmbeddingIndex(DIMENSION).sample(10).shape == (0, DIMENSION)


def test_cosines_undo_distances():
    assert cosines(np.array([[0, 2**24, 2**25, 2**23]], np.int32)).tolist() == [[1.0, 0.0, -1.0, 0.5]]
    assert cosines(np.array([1], np.int32)).dtype == np.float32


CHANGE = """
import sys, numpy as np
from pathlib import Path
from search.indexes._forms import FORMS
from search.indexes.embedding_index import EmbeddingIndex
folder, what, rows = Path(sys.argv[1]), sys.argv[2], np.eye(1, 128, dtype=np.float16)
if what == "faiss":
    FORMS["cosine"].map(folder / "codes.faiss")[0].add(rows.astype(np.float32))
index = EmbeddingIndex(128, 100)
print(sorted({"faiss", "numba", "torch"} & set(sys.modules)))
index.read(folder)
index.add(np.array([40_000]), rows.view(np.uint8))
index.remove(np.array([0]))
print(len(index), index.search(rows.view(np.uint8), 1)[0].tolist())
"""


def test_it_changes_a_mapped_index_where_faiss_itself_would_end_the_process(snapshot):
    assert run(CHANGE, snapshot, "faiss").returncode < 0
    ours = run(CHANGE, snapshot, "ours")
    assert (ours.returncode, ours.stdout.split("\n")[:2]) == (0, ["[]", "30000 [[40000]]"])


def test_faiss_reads_the_same_file(vectors, snapshot):
    import faiss

    index = faiss.read_index(str(snapshot / CODES))
    assert index.ntotal == MANY
    assert (index.reconstruct(7) == vectors[7].astype(np.float32)).all()

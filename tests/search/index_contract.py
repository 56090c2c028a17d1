"""What every index has to do. A test file of an index inherits from one of these and says how to make one.

LifeContract: rows come, are replaced, go, are written and read. IndexContract: the same, where a row is a vector that
is searched. The oracle is a dictionary of rows and plain numpy.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.indexes._base import Index, IndexDamaged

FARTHEST = np.iinfo(np.int32).max


class LifeContract:
    width: int
    lowest = -3
    """Of the ids that it takes."""

    def new_index(self) -> Index:
        raise NotImplementedError

    def rows(self, n: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (n, self.width), dtype=np.uint8)

    def check(self, index: Index, known: dict, k: int = 7, among: np.ndarray | None = None) -> None:
        """The answers are those of these rows, and there are no others."""
        assert len(index) == len(known)
        ids, rows = index.rows(np.array([10**9, *reversed(known)], np.int64))
        assert ids.tolist() == sorted(known)
        assert rows.shape == (len(known), self.width)
        assert all((row == known[i]).all() for i, row in zip(ids.tolist(), rows, strict=True))

    def filled(self, n: int = 300, step: int = 3) -> tuple[Index, dict]:
        index, rows = self.new_index(), self.rows(n)
        ids = np.random.default_rng(5).permutation(n) * step
        index.add(ids, rows)
        return index, dict(zip(ids.tolist(), rows, strict=True))

    def reread(self, index: Index, folder: Path) -> Index:
        folder.mkdir(exist_ok=True)
        index.write(folder)
        again = self.new_index()
        again.read(folder)
        return again

    def test_it_works(self):
        index, known = self.filled()
        self.check(index, known)

    def test_it_handles_an_empty_index(self, tmp_path):
        index = self.new_index()
        self.check(index, {})
        self.check(self.reread(index, tmp_path), {})
        index.remove(np.array([1, 2]))

    def test_it_replaces_a_row(self, tmp_path):
        index, known = self.filled()
        for each, seed in ((index, 7), (self.reread(index, tmp_path), 8)):
            fresh = dict(known)
            changed = dict(zip([0, 3, 30, 901], self.rows(4, seed), strict=True))
            each.add(np.array(list(changed)), np.array(list(changed.values())))
            self.check(each, fresh | changed)

    def test_it_takes_the_last_of_two_rows_with_one_id(self):
        index, rows = self.new_index(), self.rows(3)
        index.add(np.array([5, 6, 5]), rows)
        self.check(index, {5: rows[2], 6: rows[1]})

    def test_it_forgets_removed_rows(self, tmp_path):
        index, known = self.filled()
        gone = np.array([0, 3, 600, 897, -4, 5, 10**12])
        left = {i: row for i, row in known.items() if i not in gone}
        again = self.reread(index, tmp_path)
        for each in (index, again):
            each.remove(gone)
            self.check(each, left)
            each.remove(np.array(list(known)))
            self.check(each, {})
            each.add(np.array(list(known)), np.array(list(known.values())))
            self.check(each, known)

    @pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
    def test_it_answers_among_some_only(self, tmp_path, share):
        index, known = self.filled(400)
        again = self.reread(index, tmp_path)
        again.remove(np.array([0, 3, 6]))
        left = {i: row for i, row in known.items() if i not in (0, 3, 6)}
        ids = np.arange(0, int(1300 * share), dtype=np.int64)
        self.check(index, known, among=ids)
        self.check(again, left, among=ids)
        self.check(again, left, among=np.empty(0, np.int64))

    def test_it_counts_what_is_pending(self, tmp_path):
        index = self.reread(self.filled()[0], tmp_path)
        assert index.pending == 0
        index.remove(np.array([3]))
        index.add(np.array([1, 2]), self.rows(2))
        assert index.pending == 3

    def test_it_writes_base_and_changes_into_another_folder(self, tmp_path):
        index, known = self.filled()
        index = self.reread(index, tmp_path / "a")
        changed = dict(zip([1, 30, 899, 902], self.rows(4, 3), strict=True))
        index.add(np.array(list(changed)), np.array(list(changed.values())))
        index.remove(np.array([3, 6]))
        expected = {i: row for i, row in (known | changed).items() if i not in (3, 6)}
        again = self.reread(index, tmp_path / "b")
        assert again.pending == 0
        self.check(again, expected)
        self.check(index, expected)

    def test_it_never_writes_over_an_index(self, tmp_path):
        index, known = self.filled()
        again = self.reread(index, tmp_path)
        with pytest.raises(FileExistsError):
            again.write(tmp_path)
        self.check(again, known)

    def test_it_rejects_wrong_shapes(self):
        index = self.new_index()
        wrong = [
            (np.arange(2), self.rows(3)),
            (np.arange(3), self.rows(3)[:, 1:]),
            (np.arange(3), self.rows(3).astype(np.float32)),
            (np.arange(3)[:, None], self.rows(3)),
            (np.arange(3), self.rows(3)[0]),
        ]
        for ids, rows in wrong:
            with pytest.raises(ValueError, match="rows"):
                index.add(ids, rows)
        assert len(index) == 0

    def test_it_rejects_a_missing_folder(self, tmp_path):
        index, known = self.filled()
        with pytest.raises(IndexDamaged):
            index.read(tmp_path / "nothing")
        self.check(index, known)

    @pytest.fixture(scope="class")
    def good(self) -> list:
        """For one index, its rows and its folder: the first that needs them makes them."""
        return []

    @pytest.mark.parametrize("harm", ["empty", "cut", "longer", "random", "header", "text", "missing"])
    def test_it_rejects_damaged_files(self, tmp_path, tmp_path_factory, good, harm):
        if not good:
            good += [*self.filled(), tmp_path_factory.mktemp("good")]
            self.reread(good[0], good[2])
        index, known, whole = good
        for name in [f.name for f in whole.iterdir()]:
            folder = tmp_path / name
            folder.mkdir()
            for file in whole.iterdir():
                (folder / file.name).write_bytes(file.read_bytes())
            damage(folder / name, harm)
            with pytest.raises(IndexDamaged):
                index.read(folder)
        self.check(index, known)

    # The subclasses are different executors: that is what a contract is for.
    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
    )
    @given(
        st.lists(
            st.tuples(st.sampled_from(["add", "remove", "reread"]), st.lists(st.integers(0, 28), max_size=8)),
            max_size=8,
        )
    )
    def test_it_agrees_with_a_dictionary(self, tmp_path_factory, steps):
        index, known = self.new_index(), {}
        for number, (what, ids) in enumerate(steps):
            ids = [i + self.lowest for i in ids]
            if what == "add":
                rows = self.rows(len(ids), number)
                index.add(np.array(ids, np.int64), rows)
                known |= dict(zip(ids, rows, strict=True))
            elif what == "remove":
                index.remove(np.array(ids, np.int64))
                known = {i: row for i, row in known.items() if i not in ids}
            else:
                index = self.reread(index, tmp_path_factory.mktemp("index"))
            self.check(index, known, k=5)
            self.check(index, known, k=5, among=np.arange(3, 12))

    def test_it_stays_as_it_was_frozen(self, tmp_path):
        index, known = self.filled()
        frozen = index.frozen()
        index.add(np.array([1, 3]), self.rows(2, 3))
        index.remove(np.array([0, 6]))
        self.check(frozen, known)
        self.check(self.reread(frozen, tmp_path), known)


class IndexContract(LifeContract):
    def distances(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n,) of one query to (n, width) rows."""
        raise NotImplementedError

    def nearest(self, known: dict, query: np.ndarray, k: int) -> list[tuple[int, int]]:
        """[(distance, id)] by brute force."""
        if not known:
            return []
        ids = np.array(list(known))
        found = self.distances(query, np.array(list(known.values())))
        return sorted(zip(found.tolist(), ids.tolist(), strict=True))[:k]

    def check(self, index: Index, known: dict, k: int = 7, among: np.ndarray | None = None) -> None:
        super().check(index, known, k, among)
        queries = np.concatenate([self.rows(3, 99), np.array(list(known.values())[:2]).reshape(-1, self.width)])
        queries = queries.astype(np.uint8)
        ids, distances = index.search(queries, k, among)
        assert ids.shape == distances.shape == (len(queries), k)
        assert (ids.dtype, distances.dtype) == (np.int64, np.int32)
        allowed = known if among is None else {i: known[i] for i in among.tolist() if i in known}
        for query, found, far in zip(queries, ids, distances, strict=True):
            expected = self.nearest(allowed, query, k)
            assert list(zip(far.tolist(), found.tolist(), strict=True))[: len(expected)] == expected
            assert (found[len(expected) :] == -1).all()

    def test_it_answers_an_empty_question(self):
        index = self.new_index()
        assert index.search(self.rows(0), 3)[0].shape == (0, 3)
        assert index.search(self.rows(2), 0)[0].shape == (2, 0)

    def test_it_rejects_queries_of_a_wrong_shape(self):
        with pytest.raises(ValueError, match="rows"):
            self.new_index().search(self.rows(1)[:, :-1], 3)

    def test_it_handles_fewer_rows_than_asked_for(self):
        index, known = self.filled(5)
        self.check(index, known, k=20)

    def test_it_orders_equal_distances_by_id(self, tmp_path):
        index, row = self.new_index(), self.rows(1)
        ids = np.random.default_rng(1).permutation(200)
        index.add(ids, np.repeat(row, 200, axis=0))
        for each in (index, self.reread(index, tmp_path)):
            assert each.search(row, 9)[0].tolist() == [list(range(9))]

    def test_it_answers_eight_threads_while_one_writes(self, tmp_path):
        index, known = self.filled(20_000, step=2)
        index = self.reread(index, tmp_path / "a")
        steady = np.arange(0, 40_000, 4)  # rows that nobody touches: each must always find itself
        errors: list[str] = []
        done = threading.Event()

        def look(seed: int) -> None:
            for image in np.random.default_rng(seed).choice(steady, 12):
                among = None if image % 8 else steady
                ids, distances = index.search(known[int(image)][None], 5, among)
                if ids[0, 0] != image or distances[0, 0] != 0 or (np.diff(distances[0]) < 0).any():
                    errors.append(f"{image}: {ids[0]} {distances[0]}")

        def change() -> None:
            for turn in range(10_000):
                if done.is_set():
                    return
                ids = np.arange(2, 40_000, 400) + 4 * (turn % 50)
                index.remove(ids) if turn % 3 == 2 else index.add(ids, self.rows(len(ids), turn))
                index.add(np.arange(50_000 + turn * 10, 50_010 + turn * 10), self.rows(10, turn))
                if turn == 20:
                    self.reread(index, tmp_path / "b")

        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(8)]
        writer = threading.Thread(target=change)
        for thread in [writer, *threads]:
            thread.start()
        for thread in threads:
            thread.join(120)
        done.set()
        writer.join(120)
        assert errors == []


def damage(path: Path, harm: str) -> None:
    content = path.read_bytes()
    noise = np.random.default_rng(2).bytes(len(content))
    changed = {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "longer": content + b"x",
        "random": noise,
        "header": bytes(255 - byte for byte in content[:40]) + content[40:],
        "text": b"not an index\n" * 10,
    }
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(changed[harm])

"""The index of keypoints: exact while there are few, learned from the collection when there are many."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from search.indexes import keypoint_index
from search.indexes._segments import Lists
from search.indexes.keypoint_index import KeypointIndex, point_numbers
from search.keypoints import ROW
from tests.search.index_contract import LifeContract
from tests.search.keypoint_rows import noisy, picture, picture_of, points_of, recall, rows, write_learned

ROOT = Path(__file__).parents[2]


class TestExact(LifeContract):
    width = ROW
    lowest = 0

    def new_index(self):
        return KeypointIndex()

    def rows(self, n: int, seed: int = 0) -> np.ndarray:
        return rows(n, seed)

    def check(self, index, known, k=7, among=None):
        super().check(index, known, k, among)
        allowed = known if among is None else {i: known[i] for i in among.tolist() if i in known}
        queries = np.concatenate(
            [picture(99).descriptors, *(picture_of(known, i).descriptors for i in list(known)[:2])]
        )
        numbers, distances = index.nearest(queries, k, among)
        assert numbers.shape == distances.shape == (len(queries), k)
        assert (numbers.dtype, distances.dtype) == (np.int64, np.float32)
        self.compare(queries, numbers, distances, allowed)

    def compare(self, queries, numbers, distances, allowed):
        expected = [[] for _ in queries]
        if allowed:
            all_numbers, descriptors = points_of(allowed)
            far = ((queries[:, None].astype(np.int64) - descriptors) ** 2).sum(2)
            expected = [sorted(zip(row.tolist(), all_numbers.tolist(), strict=True)) for row in far]
        for found, near, right in zip(numbers, distances, expected, strict=True):
            right = right[: len(found)]
            assert list(zip(near.tolist(), found.tolist(), strict=True))[: len(right)] == right
            assert (found[len(right) :] == -1).all()
            assert np.isinf(near[len(right) :]).all()


class TestLearned(TestExact):
    """The same life, where everything that is written was learned."""

    @pytest.fixture(autouse=True)
    def learn_early(self, monkeypatch):
        monkeypatch.setattr(keypoint_index, "EXACT", 100)

    def filled(self, n=300, step=3):
        index, known = super().filled(n, step)
        assert index._state.codebook  # far too many: it did not wait until it was written
        return index, known

    def compare(self, queries, numbers, distances, allowed):
        known_numbers, descriptors = points_of(allowed) if allowed else (np.empty(0), np.empty((0, 128)))
        assert set(numbers[numbers >= 0].tolist()) <= set(known_numbers.tolist())
        assert (distances[:, :-1] <= distances[:, 1:]).all()
        at = {bytes(descriptor): number for descriptor, number in zip(descriptors, known_numbers, strict=True)}
        for query, found in zip(queries, numbers, strict=True):
            assert len(set(found[found >= 0].tolist())) == (found >= 0).sum()
            assert bytes(query) not in at or at[bytes(query)] == found[0]


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


def test_it_works(learned):
    index, known = learned
    assert isinstance(index._state.base, Lists)
    assert recall(index, known, list(range(0, 400, 20))) > 0.95  # 8 of 16,000 by chance


def test_it_finds_what_came_after_it_was_learned(learned):
    index, known = learned
    fresh = dict(zip(range(1000, 1030), rows(30, 7, points=40), strict=True))
    for image, row in fresh.items():
        index.add(np.array([image]), row[None])
    assert recall(index, fresh, list(fresh)) > 0.95
    assert recall(index, known, list(range(0, 400, 20))) > 0.95
    assert len(index._state.fresh) < 7  # small segments were joined
    index.remove(np.arange(1000, 1029))
    assert recall(index, fresh, [1029]) > 0.95
    assert recall(index, fresh, list(range(1000, 1029))) == 0


def test_a_replaced_picture_has_its_new_points_only(learned):
    index, known = learned
    for turn in (3, 4):  # out of the base, then out of what came since
        new = rows(1, turn, points=40)
        index.add(np.array([7]), new)
        assert recall(index, {7: new[0]}, [7]) > 0.95
        assert recall(index, known, [7]) == 0
        known = known | {7: new[0]}


def test_dead_pictures_leave_no_gaps_in_the_answers(learned):
    index, known = learned
    index.remove(np.arange(390))
    numbers, _ = index.nearest(noisy(picture_of(known, 395).descriptors), 8)
    assert set((numbers >> 24).ravel().tolist()) <= set(range(390, 400))
    assert (numbers >= 0).all()
    assert recall(index, known, list(range(390, 400))) > 0.95


def test_it_compares_few_pictures_one_by_one(learned):
    index, known = learned
    among = np.array([3, 8, 399, 5000])
    queries = picture(5).descriptors
    numbers, distances = index.nearest(queries, 7, among)
    TestExact().compare(queries, numbers, distances, {i: known[i] for i in (3, 8, 399)})


def test_it_answers_among_many_pictures_only(learned):
    index, known = learned
    among = np.arange(1, 400, 2)
    numbers, _ = index.nearest(picture_of(known, 9).descriptors, 8, among)
    assert (numbers[:, 0] == point_numbers(9, picture_of(known, 9))).all()
    assert ((numbers >> 24) % 2 == 1).all()
    assert (index.nearest(picture_of(known, 8).descriptors, 8, among)[0] >> 24 != 8).all()


def test_it_keeps_little_of_a_picture(learned, tmp_path):
    size = sum((tmp_path / "index" / name).stat().st_size for name in ("codes.npy", "terms.npy", "numbers.npy"))
    assert size < 400 * 40 * 29
    assert 250 * 29 < 10_000


def test_a_collection_that_has_grown_is_learned_again(monkeypatch, tmp_path):
    monkeypatch.setattr(keypoint_index, "EXACT", 1_000)
    index, known = KeypointIndex(), dict(enumerate(rows(300, points=40)))
    asked = []

    def fetch(ids):
        asked.append(len(ids))
        found = [i for i in ids.tolist() if i in known]
        return np.array(found, np.int64), np.array([known[i] for i in found])

    index.fetch_rows_by(fetch)
    everything = np.array(list(known.values()))
    index.add(np.arange(50), everything[:50])
    assert index.wants_writing
    first = reread(index, tmp_path / "1", fetch)
    assert asked == []
    assert (first.wants_writing, first._state.learned_from) == (False, 2_000)
    first.add(np.arange(50, 300), everything[50:])
    assert first.wants_writing
    monkeypatch.setattr(keypoint_index, "_BATCH", 70)
    before = recall(first, known, [0, 299])
    second = reread(first, tmp_path / "2", fetch)
    assert max(asked) == 70
    assert first._state.learned_from == 2_000  # it went on serving
    assert (second.wants_writing, second._state.learned_from, second.pending) == (False, 12_000, 0)
    assert second._state.codebook.lists > first._state.codebook.lists
    assert recall(second, known, list(range(0, 300, 10))) >= min(before, 0.95)
    assert not list((tmp_path / "2").glob("part*"))
    assert not list((tmp_path / "2").glob("codes.faiss"))  # who brings the rows back need not have them stored twice


def reread(index: KeypointIndex, folder: Path, fetch) -> KeypointIndex:
    folder.mkdir()
    index.write(folder)
    again = KeypointIndex()
    again.fetch_rows_by(fetch)
    again.read(folder)
    return again


def test_it_leaves_out_rows_that_nobody_can_bring_back(monkeypatch, tmp_path):
    index, known = KeypointIndex(), dict(enumerate(rows(3)))

    def fetch(ids):
        found = [i for i in ids.tolist() if i != 1]
        return np.array(found, np.int64), np.array([known[i] for i in found]).reshape(-1, ROW)

    index.fetch_rows_by(fetch)
    index.add(np.arange(3), np.array(list(known.values())))
    assert index.rows(np.array([0, 1, 2, 3]))[0].tolist() == [0, 2]
    index.remove(np.array([2]))
    assert index.rows(np.array([0, 1, 2, 3]))[0].tolist() == [0]


def test_it_handles_pictures_without_a_point(monkeypatch, tmp_path):
    monkeypatch.setattr(keypoint_index, "EXACT", 100)
    index = KeypointIndex()
    index.add(np.arange(5), rows(5, points=0))
    assert (len(index), index.nearest(picture(1).descriptors, 3)[0].max()) == (5, -1)
    index.add(np.arange(5, 45), rows(40))
    index.write(tmp_path)
    index.read(tmp_path)
    index.remove(np.array([2]))
    assert (len(index), index._state.codebook is not None) == (44, True)
    assert index.rows(np.arange(5))[0].tolist() == [0, 1, 3, 4]


def test_it_learns_from_points_that_are_all_alike(monkeypatch, tmp_path):
    monkeypatch.setattr(keypoint_index, "EXACT", 20)
    index = KeypointIndex()
    index.add(np.arange(50), np.repeat(rows(1), 50, axis=0))
    index.write(tmp_path)
    index.read(tmp_path)
    numbers, _ = index.nearest(picture(0).descriptors, 8)
    assert ((numbers >> 24) == np.arange(8)).all()  # equally near ones by their numbers


def test_it_rejects_a_damaged_row():
    index, stored = KeypointIndex(), rows(3).copy()
    stored[1, 50] ^= 1
    with pytest.raises(ValueError, match="bytes"):
        index.add(np.arange(3), stored)
    assert len(index) == 0


@pytest.mark.parametrize("image", [-1, 1 << 39])
def test_it_rejects_ids_that_do_not_fit(image):
    with pytest.raises(ValueError, match="ids"):
        KeypointIndex().add(np.array([image]), rows(1))


@pytest.mark.parametrize("wrong", [np.zeros((2, 127), np.uint8), np.zeros((2, 128)), np.zeros(128, np.uint8)])
def test_it_rejects_other_descriptors(wrong):
    with pytest.raises(ValueError, match="descriptors"):
        KeypointIndex().nearest(wrong, 3)


def test_it_answers_an_empty_question(learned):
    for index in (learned[0], KeypointIndex()):
        assert index.nearest(np.empty((0, 128), np.uint8), 3)[0].shape == (0, 3)
        assert index.nearest(picture(1).descriptors, 0)[0].shape == (8, 0)
        assert (index.nearest(picture(1).descriptors, 2, np.empty(0, np.int64))[0] == -1).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_it_handles_fewer_queries_than_processors(learned, n):
    index, known = learned
    numbers, _ = index.nearest(picture_of(known, 5).descriptors[:n], 3)
    assert (numbers[:, 0] == point_numbers(5, picture_of(known, 5))[:n]).all()


def test_it_handles_nothing_new(learned):
    index, _ = learned
    index.add(np.empty(0, np.int64), np.empty((0, ROW), np.uint8))
    assert (len(index), index.pending) == (400, 0)

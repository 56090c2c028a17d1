"""Writing an index down takes minutes where it learns from many pictures: nobody waits for it."""

import threading
import zlib

import pytest
from django.db import connection

from search import live_index
from search.engines import get_engine
from search.indexes import keypoint_index
from search.indexes.faiss_index import FaissIndex
from tests.search.test_live_index import finds, live, newest, restart

ENGINE, LOCAL = "phash", "local_features"


@pytest.fixture
def three(add):
    images = [add(seed) for seed in (1, 2, 3)]
    live().fresh(60)
    assert live().write_snapshot()
    return images


def local() -> live_index.LiveIndex:
    return live_index.live_index(LOCAL)


def test_searches_go_on_while_a_snapshot_is_written(add, three, monkeypatch):
    """Learning takes minutes where there are many pictures; what comes meanwhile is found too, then and afterwards."""
    live().fresh(60)
    began, may_end = threading.Event(), threading.Event()
    write = FaissIndex.write

    def slowly(self, target):
        began.set()
        assert may_end.wait(120)
        write(self, target)

    monkeypatch.setattr(FaissIndex, "write", slowly)
    image = add(4)
    live().fresh(60)

    def write_one():
        try:
            written.append(live().write_snapshot())
        finally:
            connection.close()

    written: list[bool] = []
    writer = threading.Thread(target=write_one)
    writer.start()
    try:
        assert began.wait(120)
        assert finds(4) == [image.pk]
        later = add(5)
        three[0].purge()
        assert finds(5) == [later.pk]
        assert not live_index.LiveIndex(get_engine(ENGINE), live().root).write_snapshot()  # one at a time
    finally:
        may_end.set()
        writer.join(120)
    assert written == [True]
    assert live()._loaded == int(newest().name) < live().position
    assert live().index.pending == 2
    assert [finds(seed) for seed in (1, 2, 4, 5)] == [[], [three[1].pk], [image.pk], [later.pk]]
    restart()
    assert [finds(seed) for seed in (1, 2, 4, 5)] == [[], [three[1].pk], [image.pk], [later.pk]]


def test_a_slow_engine_does_not_keep_others_from_being_written(add, three):
    elsewhere = connection.copy()
    try:
        with elsewhere.cursor() as cursor:
            number = zlib.crc32(LOCAL.encode()) - 2**31
            cursor.execute("SELECT pg_advisory_lock(%s::int, %s::int)", [live_index.SNAPSHOT_LOCK, number])
        local().fresh(60)
        assert not local().write_snapshot()
        assert live().write_snapshot()
    finally:
        elsewhere.close()


def test_keypoints_are_learned_by_the_snapshot(add, three, monkeypatch):
    monkeypatch.setattr(keypoint_index, "EXACT", 300)
    reader = live_index.LiveIndex(get_engine(LOCAL), live().root)
    assert reader.fresh(60)._state.codebook is None
    local().fresh(60)
    assert local().worth_a_snapshot()
    local().write_snapshot()
    assert local().index._state.codebook
    assert not local().worth_a_snapshot()
    assert reader.fresh(60)._state.codebook  # another process moves to it, though no row is new
    image = add(4)
    assert [finds(seed, LOCAL) for seed in (1, 4)] == [[three[0].pk], [image.pk]]
    restart()
    assert [finds(seed, LOCAL) for seed in (1, 4)] == [[three[0].pk], [image.pk]]

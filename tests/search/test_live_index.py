"""The index of a process is fresh before every search, and heals from every damaged file."""

import json
import random
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from gallery.pictures import decode
from search import live_index, snapshots, tasks
from search.engines import get_engine, own_engines
from search.errors import EngineError
from search.indexes._base import IndexDamaged
from search.models import Change, Feature, Snapshot
from search.query import Query
from search.retrieval import retrieve
from tests.pictures import encode, photo

ENGINE = "phash"


def live() -> live_index.LiveIndex:
    return live_index.live_index(ENGINE)


def finds(seed: int, engine: str = ENGINE) -> list[int]:
    """Images that are certainly photo(seed), by the search that pages use."""
    answer = retrieve(Query(picture=decode(encode(photo(seed)))), AnonymousUser(), engines=[engine])
    assert answer.notices == []
    return [f.image.pk for f in answer.found if f.match.certain]


def restart() -> None:
    """What a new process begins with."""
    live_index.forget_all()


def folder() -> Path:
    return snapshots.folder_of(get_engine(ENGINE), django_settings.INDEX_ROOT)


def newest() -> Path:
    return folder() / str(snapshots.positions(folder())[0])


@pytest.fixture
def three(add):
    images = [add(seed) for seed in (1, 2, 3)]
    live().fresh(60)
    assert live().write_snapshot()
    return images


def test_it_works(three):
    assert finds(2) == [three[1].pk]


def test_a_picture_is_found_as_soon_as_it_is_done(add, three):
    assert finds(4) == []
    image = add(4)
    assert finds(4) == [image.pk]


def test_a_purged_picture_is_gone(three):
    three[0].purge()
    assert finds(1) == []
    assert len(live().fresh(60)) == 2


def test_a_changed_feature_replaces_the_old_one(three):
    other = Feature.objects.get(image=three[1], engine=ENGINE).data
    Feature.objects.filter(image=three[0], engine=ENGINE).update(data=other)
    assert finds(1) == []
    assert sorted(finds(2)) == [three[0].pk, three[1].pk]


def test_a_new_process_begins_from_the_snapshot_and_catches_up(add, three):
    image = add(4)
    restart()
    assert finds(4) == [image.pk]
    assert live()._loaded == int(newest().name)
    assert live().index.pending == 1


def test_it_handles_an_empty_gallery(transactional_db):
    assert finds(1) == []


def damage_cut(path: Path) -> None:
    for file in path.iterdir():
        if file.name != "header.json":
            file.write_bytes(file.read_bytes()[:-3])


def damage_noise(path: Path) -> None:
    for file in path.iterdir():
        file.write_bytes(random.Random(1).randbytes(file.stat().st_size))


def damage_missing_file(path: Path) -> None:
    next(f for f in path.iterdir() if f.name != "header.json").unlink()


def damage_no_header(path: Path) -> None:
    (path / "header.json").unlink()


def damage_empty(path: Path) -> None:
    for file in path.iterdir():
        file.write_bytes(b"")


def damage_foreign_engine(path: Path) -> None:
    header = json.loads((path / "header.json").read_text()) | {"engine": "color"}
    (path / "header.json").write_text(json.dumps(header))


def damage_other_version(path: Path) -> None:
    header = json.loads((path / "header.json").read_text()) | {"version": 99}
    (path / "header.json").write_text(json.dumps(header))


def damage_header_of_another_kind(path: Path) -> None:
    (path / "header.json").write_text("[1, 2]")


DAMAGES = [
    damage_cut,
    damage_noise,
    damage_missing_file,
    damage_no_header,
    damage_empty,
    damage_foreign_engine,
    damage_other_version,
    damage_header_of_another_kind,
    shutil.rmtree,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_snapshot_is_built_again(three, damage):
    damage(newest())
    restart()
    assert [finds(seed) for seed in (1, 2, 3)] == [[image.pk] for image in three]
    assert live().write_snapshot()
    restart()
    assert finds(3) == [three[2].pk]


def test_a_snapshot_from_a_later_state_of_the_database_is_refused(three):
    """A backup was restored: the log is behind the snapshot."""
    Feature.objects.filter(image=three[2]).delete()
    Change.objects.filter(image_id=three[2].pk).delete()
    Change.objects.filter(image_id=three[1].pk, engine=ENGINE).update(seq=1)
    Change.objects.filter(image_id=three[0].pk, engine=ENGINE).update(seq=2)
    restart()
    assert finds(3) == []
    assert finds(1) == [three[0].pk]


@pytest.mark.parametrize("restored", [lambda rows: rows.delete(), lambda rows: rows.update(id=uuid.uuid4())])
def test_a_snapshot_of_a_lost_future_is_never_used(add, three, restored):
    """A backup was restored, and its log has passed the position of the snapshot, with other content."""
    lost = newest()
    restored(Snapshot.objects.all())  # no snapshot, or another one, was written at this place after the backup
    Feature.objects.filter(image=three[2]).update(data=Feature.objects.get(image=three[0], engine=ENGINE).data)
    Change.objects.filter(image_id=three[2].pk, engine=ENGINE).update(seq=int(lost.name))
    restart()
    assert finds(3) == []
    assert sorted(finds(1)) == [three[0].pk, three[2].pk]
    assert lost.exists()  # only who holds the snapshot lock removes it
    assert live().write_snapshot()
    restart()
    assert finds(3) == []
    assert live()._loaded == int(lost.name)


def test_a_snapshot_that_cannot_be_read_just_now_is_kept(three, monkeypatch):
    def many_open_files(path):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(snapshots, "_checksums", many_open_files)
    restart()
    assert finds(3) == [three[2].pk]
    assert newest().exists()
    monkeypatch.undo()


def test_it_does_not_remove_a_snapshot_that_is_newer_than_what_it_read(add, three, monkeypatch):
    """Another process stores a picture and writes it down between two looks of this one."""
    mine = live_index.LiveIndex(get_engine(ENGINE), live().root)
    read = mine._read_snapshot

    def overtaken(known):
        add(4)
        live().fresh(60)
        assert live().write_snapshot()
        return read(known)

    monkeypatch.setattr(mine, "_read_snapshot", overtaken)
    assert len(mine.fresh(60)) == 3  # what was committed before the call
    assert len(snapshots.positions(folder())) == 2
    assert len(mine.fresh(60)) == 4


def test_a_running_process_notices_that_the_database_went_back(three):
    assert finds(3) == [three[2].pk]
    Feature.objects.filter(image=three[2]).delete()
    Change.objects.all().delete()
    assert finds(3) == []


def test_a_search_says_that_the_index_is_being_built(three, monkeypatch):
    shutil.rmtree(folder())
    restart()
    slow = live()
    read_all = slow._read_all

    def slowly(index):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(1)")
        return read_all(index)

    monkeypatch.setattr(slow, "_read_all", slowly)
    with pytest.raises(EngineError, match="being built"):
        slow.fresh(seconds=0.1)
    assert len(slow.fresh(seconds=60)) == 3


def test_old_snapshots_are_removed(add, three):
    for seed in range(4, 8):
        add(seed)
        live().fresh(60)
        live().write_snapshot()
    assert len(snapshots.positions(folder())) == snapshots.KEEP
    assert not [path for path in folder().iterdir() if path.name.startswith(".")]


def test_a_snapshot_is_worth_writing_when_there_is_none_or_much_has_come(add, monkeypatch):
    add(1)
    live().fresh(60)
    assert live().worth_a_snapshot()
    live().write_snapshot()
    assert not live().worth_a_snapshot()
    monkeypatch.setattr(live_index, "PENDING_ROWS", 0)
    add(2)
    live().fresh(60)
    assert live().worth_a_snapshot()


def test_a_process_moves_to_the_snapshot_of_another(add, three, monkeypatch):
    mine = live()
    mine.fresh(60)
    add(4)
    other = live_index.LiveIndex(get_engine(ENGINE), mine.root)
    other.fresh(60)
    other.write_snapshot()
    monkeypatch.setattr(live_index, "PENDING_ROWS", 0)
    assert len(mine.fresh(60)) == 4
    assert mine.index.pending == 0


def test_it_moves_before_it_catches_up(add, three, monkeypatch):
    """What another has written down already need not be read row by row."""
    mine = live()
    mine.fresh(60)
    for seed in (4, 5, 6):
        add(seed)
    other = live_index.LiveIndex(get_engine(ENGINE), mine.root)
    other.fresh(60)
    other.write_snapshot()
    monkeypatch.setattr(live_index, "PENDING_ROWS", 0)
    before = mine._built
    assert len(mine.fresh(60)) == 6
    assert mine._built == before


def test_it_catches_up_through_a_cursor_on_the_server(add, three, monkeypatch):
    """There may be more changes than memory: only BATCH rows are here at a time."""
    live().fresh(60)
    for seed in (4, 5, 6):
        add(seed)
    monkeypatch.setattr(live_index, "BATCH", 2)
    pieces, held = [], []
    put = live_index.LiveIndex._add

    def watched(self, index, rows):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_cursors")
            held.append(cursor.fetchone()[0])
        pieces.append(len(rows))
        put(self, index, rows)

    monkeypatch.setattr(live_index.LiveIndex, "_add", watched)
    assert len(live().fresh(60)) == 6
    assert pieces == [2, 1]
    assert held == [1, 1]


def test_a_build_that_fails_in_any_way_is_said(three, monkeypatch):
    shutil.rmtree(folder())
    restart()
    monkeypatch.setattr(live(), "_read_all", lambda index: Path("/nowhere/on/this/server").read_bytes())
    with pytest.raises(EngineError) as error:
        live().fresh(60)
    assert str(error.value) == f"{live().engine.label}: the index could not be built."


def test_one_engine_that_fails_does_not_cost_the_others_their_snapshot(add, monkeypatch):
    add(1)
    first, *others = own_engines()

    def damaged():
        raise IndexDamaged("unreadable")

    monkeypatch.setattr(live_index.live_index(first), "write_snapshot", damaged)
    tasks.write_snapshots.call_local()
    for name in others:
        assert snapshots.positions(snapshots.folder_of(get_engine(name), django_settings.INDEX_ROOT))


def test_two_first_searches_get_one_index(transactional_db, monkeypatch):
    class Slow(live_index.LiveIndex):
        def __init__(self, *args):
            threading.Event().wait(0.1)
            super().__init__(*args)

    monkeypatch.setattr(live_index, "LiveIndex", Slow)
    got = []
    threads = [threading.Thread(target=lambda: got.append(live())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[0] is got[1]


def test_a_disk_that_is_full_leaves_nothing_behind(three, monkeypatch):
    def full(index, target):
        (target / "part").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(live().index), "write", full)
    with pytest.raises(OSError, match="No space"):
        live().write_snapshot()
    assert [path.name for path in folder().iterdir()] == [newest().name]


def test_another_process_finds_what_this_one_stored(add, three, settings):
    """The promise of the change log, with a real second process that is alive before the picture is stored."""
    program = (
        "import sys, django; django.setup();"
        "from django.conf import settings; from pathlib import Path;"
        f"settings.DATABASES['default']['NAME'] = {connection.settings_dict['NAME']!r};"
        f"settings.INDEX_ROOT = Path({str(settings.INDEX_ROOT)!r});"
        "from search.live_index import live_index;"
        f"live = live_index({ENGINE!r});"
        "print(len(live.fresh(60)), flush=True); sys.stdin.readline(); print(len(live.fresh(60)), flush=True)"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "3\n"
        add(4)
        three[0].purge()
        add(5)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "4\n"
    finally:
        other.communicate()


def test_it_equals_the_database_after_many_changes(add, three):
    """An oracle: whatever came and went, the index holds exactly the features."""
    rng = random.Random(5)
    images = list(three)
    for seed in range(10, 22):
        if rng.random() < 0.6:
            images.append(add(seed))
        elif images:
            images.pop(rng.randrange(len(images))).purge()
        if rng.random() < 0.3:
            live().fresh(60)
            live().write_snapshot()
        if rng.random() < 0.3:
            restart()
        index = live().fresh(60)
        engine = get_engine(ENGINE)
        features = list(Feature.objects.of(engine).order_by("image_id").values_list("image_id", "data"))
        ids, distances = index.search(engine.rows([bytes(data) for _, data in features]), 1)
        assert list(ids[:, 0]) == [image_id for image_id, _ in features]
        assert not np.any(distances)
        assert len(index) == len(features)

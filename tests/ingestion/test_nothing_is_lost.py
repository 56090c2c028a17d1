"""kill -9 at each step and at any moment, of importers, uploaders and the database: whatever was acknowledged is there.

Acknowledged means that the row is committed, or that the upload was answered. Then the whole file must be there, and
the same command, run again, must finish everything. SQLite's method: kill at the n-th step, n = 1, 2, 3 ... until it
succeeds.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery import originals
from tests.ingestion.edits import crop, whole
from tests.ingestion.own_gallery import OwnGallery, own_gallery
from tests.ingestion.scene import data
from tests.pictures import photo

SMALL = (96, 72)


class Killed:
    """The process that can be told at which step to die."""

    def __init__(self, gallery: OwnGallery) -> None:
        program = str(Path(__file__).with_name("killed.py"))
        env = {"LOOKALIKE_UPLOADS": "anyone", "LOOKALIKE_WORKERS": "1"}
        self.process = gallery.start(program=(program,), **env)
        assert self._hear() == "ready", self.process.communicate()

    def _hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def run(self, kill: int, what: str, path: Path | str) -> dict:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"kill": kill, "what": what, "path": str(path)}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self._hear())
        assert answer["status"] in (0, -signal.SIGKILL), answer["said"]
        return answer


@pytest.fixture(scope="module")
def for_all(empty_gallery: Path) -> Iterator[OwnGallery]:
    with own_gallery(empty_gallery) as gallery:
        gallery.keep_as_it_is()
        yield gallery


@pytest.fixture(scope="module")
def killed(for_all: OwnGallery) -> Killed:
    return Killed(for_all)


@pytest.fixture
def gallery(for_all: OwnGallery) -> OwnGallery:
    """Empty, and its server stays up."""
    for_all.begin_again()
    return for_all


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def put(folder: Path, *seeds: int) -> None:
    for seed in seeds:
        (folder / f"{seed}.jpg").write_bytes(data(photo(seed, *SMALL)))


def assert_nothing_acknowledged_is_lost(gallery: OwnGallery) -> None:
    """Every committed row has its whole file."""
    for (sha256,) in gallery.sql("SELECT sha256 FROM gallery_image"):
        file = gallery.var / "media/originals" / sha256[:2] / sha256[2:4] / f"{sha256}.jpg"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def expire_leases(gallery: OwnGallery) -> None:
    gallery.sql("UPDATE ingestion_job SET lease_until = now() - interval '1 second' WHERE state = 'running'")


def assert_everything_is_there(gallery: OwnGallery, folder: Path, settings) -> None:
    """As if nothing had ever been killed."""
    assert_nothing_acknowledged_is_lost(gallery)
    wanted = {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert {sha256 for (sha256,) in gallery.sql("SELECT sha256 FROM gallery_image WHERE state = 'ready'")} == wanted
    assert {path.stem for path in (gallery.var / "media/originals").rglob("*.jpg")} == wanted
    assert {p.name[:64] for p in (gallery.var / "media/renditions").rglob("*.webp")} == wanted
    assert gallery.sql("SELECT state, count(*) FROM ingestion_job GROUP BY state") == [("done", len(wanted))]
    features = gallery.sql("SELECT count(*) FROM search_feature GROUP BY image_id")
    assert len(features) == len(wanted)
    assert len(set(features)) == 1
    settings.MEDIA_ROOT = gallery.var / "media"
    for path in (settings.MEDIA_ROOT / ".incoming").iterdir():
        os.utime(path, (1, 1))
    originals.sweep_incoming()
    assert list((settings.MEDIA_ROOT / ".incoming").iterdir()) == []


def test_an_importer_killed_at_each_step(gallery, killed, folder, settings):
    kills = 0
    while True:
        put(folder, kills)
        answer = killed.run(kills + 1, "import", folder)
        assert_nothing_acknowledged_is_lost(gallery)
        if answer["status"] == 0:
            break
        kills += 1
        expire_leases(gallery)
        assert killed.run(0, "import", folder)["status"] == 0
        assert_everything_is_there(gallery, folder, settings)
    assert_everything_is_there(gallery, folder, settings)
    print(f"\nimporter: {kills} kills, {kills + 1} pictures, 0 lost")
    assert kills >= 10


def test_an_uploader_killed_at_each_step(gallery, killed, folder, settings):
    kills, acknowledged = 0, set()
    while True:
        put(folder, kills)
        path = folder / f"{kills}.jpg"
        answer = killed.run(kills + 1, "upload", path)
        if "acknowledged" in answer["said"]:
            acknowledged.add(hashlib.sha256(path.read_bytes()).hexdigest())
        assert_nothing_acknowledged_is_lost(gallery)
        assert acknowledged <= {sha256 for (sha256,) in gallery.sql("SELECT sha256 FROM gallery_image")}
        # A row never comes without its job, so that a worker finds it.
        assert gallery.sql("SELECT count(*) FROM gallery_image") == gallery.sql("SELECT count(*) FROM ingestion_job")
        if answer["status"] == 0:
            break
        kills += 1
    assert kills >= 4
    assert len(acknowledged) >= 1
    assert killed.run(0, "import", folder)["status"] == 0  # whoever was not answered brings it again
    assert_everything_is_there(gallery, folder, settings)
    print(f"\nuploader: {kills} kills, {kills + 1} pictures, {len(acknowledged)} acknowledged, 0 lost")


class TestHeld:
    """Uploads that are here in another form: the question, and the decisions on it."""

    @pytest.fixture(autouse=True)
    def here(self, gallery, killed, folder) -> None:
        (folder / "whole.jpg").write_bytes(data(whole()))
        assert killed.run(0, "import", folder)["status"] == 0

    def edit(self, tmp_path: Path, number: int) -> tuple[Path, str]:
        """(path, sha256) of a crop of what is here; another number, other bytes."""
        path = tmp_path / f"crop{number}.jpg"
        path.write_bytes(data(crop(), quality=50 + number))
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    def assert_all_is_whole(self, gallery: OwnGallery) -> None:
        assert_nothing_acknowledged_is_lost(gallery)
        for token, sha256 in gallery.sql("SELECT token, sha256 FROM ingestion_heldupload WHERE state = 'waiting'"):
            assert hashlib.sha256((gallery.var / "media/held" / token).read_bytes()).hexdigest() == sha256

    def question(self, gallery: OwnGallery, sha256: str) -> tuple[str, str]:
        """(token, state)"""
        ((token, state),) = gallery.sql(f"SELECT token, state FROM ingestion_heldupload WHERE sha256 = '{sha256}'")
        return token, state

    def test_a_question_killed_at_each_step(self, gallery, killed, tmp_path):
        kills, acknowledged, brought = 0, set(), {}
        while True:
            path, sha256 = self.edit(tmp_path, kills)
            brought[sha256] = path
            answer = killed.run(kills + 1, "hold", path)
            if "acknowledged" in answer["said"]:
                acknowledged.add(sha256)
            self.assert_all_is_whole(gallery)
            asked = {sha256 for (sha256,) in gallery.sql("SELECT sha256 FROM ingestion_heldupload")}
            assert acknowledged <= asked
            if answer["status"] == 0:
                break
            kills += 1
        assert kills >= 3
        for path in brought.values():  # whoever was not answered brings it again, and who was may do so too
            assert killed.run(0, "hold", path)["status"] == 0
        rows = gallery.sql("SELECT sha256, state FROM ingestion_heldupload")
        # Brought twice by nobody in particular is asked twice: visitors without an account may be two people.
        assert set(rows) == {(sha256, "waiting") for sha256 in brought}
        self.assert_all_is_whole(gallery)
        print(f"\nquestions: {kills} kills, {len(acknowledged)} acknowledged, 0 lost")

    @pytest.mark.parametrize("what", ["keep", "replace"])
    def test_a_decision_killed_at_each_step(self, gallery, killed, folder, tmp_path, what):
        gallery.sql(
            "INSERT INTO gallery_user (username, password, first_name, last_name, email, is_superuser, is_staff,"
            " is_active, date_joined) VALUES ('bob', '', '', '', '', true, true, true, now())"
        )
        kills, kept = 0, set()
        others = self.others(gallery, killed, folder) if what == "replace" else []
        while True:
            path, sha256 = self.edit(tmp_path, kills)
            kept.add(sha256)
            assert killed.run(0, "hold", path)["status"] == 0
            token, _ = self.question(gallery, sha256)
            old = others.pop() if others else 0
            deed = f"{token} {old}" if old else token
            answer = killed.run(kills + 1, what, deed)
            self.assert_all_is_whole(gallery)
            _, state = self.question(gallery, sha256)
            stored = gallery.sql(f"SELECT 1 FROM gallery_image WHERE sha256 = '{sha256}'")
            assert bool(stored) == (state == "stored")
            assert others or what == "keep"
            assert state == "stored" or "acknowledged" not in answer["said"]
            assert not old or self.is_trashed(gallery, old) == (state == "stored")
            if answer["status"] == 0:
                break
            kills += 1
            if state == "waiting":
                assert killed.run(0, what, deed)["status"] == 0
        assert kills >= 4
        assert kept <= {sha256 for (sha256,) in gallery.sql("SELECT sha256 FROM gallery_image")}
        assert gallery.sql(
            "SELECT count(*) FROM gallery_image WHERE state = 'new' AND id NOT IN "
            "(SELECT image_id FROM ingestion_job WHERE state = 'queued')"
        ) == [(0,)]
        self.assert_nothing_is_left(gallery, killed)
        print(f"\n{what}: {kills} kills, {len(kept)} pictures, 0 lost")

    def others(self, gallery: OwnGallery, killed: Killed, folder: Path) -> list[int]:
        """Ids of images that can be replaced, more than there are steps."""
        before = gallery.sql("SELECT max(id) FROM gallery_image")[0][0]
        put(folder, *range(1000, 1022))
        assert killed.run(0, "import", folder)["status"] == 0
        return [pk for (pk,) in gallery.sql(f"SELECT id FROM gallery_image WHERE id > {before}")]

    def is_trashed(self, gallery: OwnGallery, pk: int) -> bool:
        return gallery.sql(f"SELECT trashed_at IS NOT NULL FROM gallery_image WHERE id = {pk}")[0][0]

    def assert_nothing_is_left(self, gallery: OwnGallery, killed: Killed) -> None:
        """The sweep removes the files that a crash after the commit has left."""
        for path in (gallery.var / "media/held").iterdir():
            os.utime(path, (1, 1))
        assert killed.run(0, "sweep", "")["status"] == 0
        assert list((gallery.var / "media/held").iterdir()) == []


def test_importers_and_the_database_killed_at_any_moment(gallery, folder, settings):
    dice, kills = random.Random(8), {"importer": 0, "postgres": 0}
    for number, victim in enumerate(("importer", "postgres") * 2):
        put(folder, *range(15 * number, 15 * number + 15))
        process = gallery.start("import", folder, "--wait")
        wait_until_it_works(gallery, process)
        time.sleep(dice.uniform(0, 0.3))
        if victim == "importer":
            process.kill()
        else:
            os.kill(int((gallery.var / "postgresql/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        _, err = process.communicate(timeout=300)
        kills[victim] += process.returncode != 0
        assert "Traceback" not in err, err
        expire_leases(gallery)
        assert_nothing_acknowledged_is_lost(gallery)
    assert all(kills.values())
    gallery.run("import", folder, "--wait")
    assert_everything_is_there(gallery, folder, settings)
    print(f"\nany moment: {kills}, 60 pictures, 0 lost")


def wait_until_it_works(gallery: OwnGallery, process: subprocess.Popen) -> None:
    """Or has ended, when there was nothing left to do."""
    before = progress(gallery)
    while process.poll() is None and progress(gallery) == before:
        time.sleep(0.01)


def progress(gallery: OwnGallery) -> list[tuple]:
    return gallery.sql("SELECT (SELECT count(*) FROM gallery_image), (SELECT count(*) FROM search_feature)")

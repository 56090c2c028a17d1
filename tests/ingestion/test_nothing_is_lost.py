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
from pathlib import Path

import pytest

from gallery import originals
from tests.ingestion.own_gallery import OwnGallery
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

    def run(self, kill: int, what: str, path: Path) -> dict:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"kill": kill, "what": what, "path": str(path)}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self._hear())
        assert answer["status"] in (0, -signal.SIGKILL), answer["said"]
        return answer


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


def test_an_importer_killed_at_each_step(gallery, folder, settings):
    gallery.run("jobs")  # the database is made
    gallery.sql("SELECT 1")  # and stays up
    killed, kills = Killed(gallery), 0
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
    assert kills >= 20


def test_an_uploader_killed_at_each_step(gallery, folder, settings):
    gallery.run("jobs")
    gallery.sql("SELECT 1")
    killed, kills, acknowledged = Killed(gallery), 0, set()
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
    assert kills >= 8
    assert len(acknowledged) >= 1
    assert killed.run(0, "import", folder)["status"] == 0  # whoever was not answered brings it again
    assert_everything_is_there(gallery, folder, settings)
    print(f"\nuploader: {kills} kills, {kills + 1} pictures, {len(acknowledged)} acknowledged, 0 lost")


def test_importers_and_the_database_killed_at_any_moment(gallery, folder, settings):
    gallery.run("jobs")
    gallery.sql("SELECT 1")
    dice, kills = random.Random(8), {"importer": 0, "postgres": 0}
    for number, victim in enumerate(("importer", "postgres") * 4):
        put(folder, *range(20 * number, 20 * number + 20))
        process = gallery.start("import", folder, "--wait")
        wait_until_it_works(gallery, process)
        time.sleep(dice.uniform(0, 0.3))
        if victim == "importer":
            process.kill()
        else:
            os.kill(int((gallery.var / "postgresql/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        kills[victim] += process.returncode != 0
        assert "Traceback" not in err, err
        expire_leases(gallery)
        assert_nothing_acknowledged_is_lost(gallery)
    assert all(kills.values())
    gallery.run("import", folder, "--wait")
    assert_everything_is_there(gallery, folder, settings)
    print(f"\nany moment: {kills}, 160 pictures, 0 lost")


def wait_until_it_works(gallery: OwnGallery, process: subprocess.Popen) -> None:
    """Or has ended, when there was nothing left to do."""
    before = progress(gallery)
    while process.poll() is None and progress(gallery) == before:
        time.sleep(0.01)


def progress(gallery: OwnGallery) -> list[tuple]:
    return gallery.sql("SELECT (SELECT count(*) FROM gallery_image), (SELECT count(*) FROM search_feature)")

"""Weights come here: fetched from their makers, whatever the line does, or brought by hand; and are looked at."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from safetensors.numpy import save_file

from search import checks, fetch, servers, tasks, weights
from search.encoders._base import WeightFile
from search.fetch import Stopped, fetch_file, part_of, sum_file
from search.models import Fetch
from search.servers import FetchError
from search.weights import State, weights_of
from tests.search import kinds
from tests.search.hub import Hub, start
from tests.search.kinds import checkpoint

engine, tiles = kinds.engine, kinds.tiles
ROOT = Path(__file__).resolve().parents[2]
PATH = "/maker/tiles/resolve/main/tiles.bin"
DATA = checkpoint(1, extra=1_000_000)
SUM = hashlib.sha256(DATA).hexdigest()
HUB = "https://huggingface.co"


@pytest.fixture
def hub(monkeypatch):
    hub = Hub(files={PATH: DATA})
    server = start(hub)
    monkeypatch.setattr(fetch, "_PAUSE", 0.01)
    monkeypatch.setattr(fetch, "CONNECT_SECONDS", 30.0)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield hub
    hub.hurry.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


FILE = WeightFile("tiles/a/tiles.bin", HUB + PATH)


def bring(hub: Hub, folder: Path, file: WeightFile = FILE, **options) -> Path:
    fetch_file(file, folder, hub=hub.url, **options)
    return folder / file.path


def refused(hub: Hub, folder: Path, file: WeightFile = FILE) -> FetchError:
    with pytest.raises(FetchError) as error:
        bring(hub, folder, file)
    assert not (folder / file.path).exists()
    assert str(error.value).endswith((".", "?", file.url, hub.url + PATH))
    return error.value


def test_it_works(hub, folder):
    said = []
    target = bring(hub, folder, progress=lambda here, total: said.append((here, total)))
    assert target.read_bytes() == DATA
    assert sorted(os.listdir(target.parent)) == ["tiles.bin", "tiles.bin.sha256"]
    assert (
        subprocess.run(["sha256sum", "-c", sum_file(target).name], cwd=target.parent, capture_output=True).returncode
        == 0
    )
    assert said[0] == (0, len(DATA))
    assert said[-1] == (len(DATA), len(DATA))
    assert hub.asked[0][1]["Accept-Encoding"] == "identity"


class TestTheLine:
    def test_a_cut_is_mended_from_where_it_was(self, hub, folder):
        hub.cut_after = [300_000, 200_000]
        assert bring(hub, folder).read_bytes() == DATA
        assert hub.ranges() == ["", "bytes=300000-", "bytes=500000-"]

    def test_it_goes_on_another_day(self, hub, folder):
        hub.cut_after = [300_000] + [0] * 20
        error = refused(hub, folder)
        assert "the line broke" in str(error)
        assert error.again_after == 60
        hub.cut_after, hub.asked = [], []
        assert bring(hub, folder).read_bytes() == DATA
        assert hub.ranges() == ["bytes=300000-"]

    def test_a_killed_process_loses_nothing_that_came(self, hub, folder):
        hub.block, hub.pause = 100_000, 120  # it is killed before it has all
        program = (
            "from pathlib import Path; from search.fetch import fetch_file, WeightFile;"
            f"fetch_file(WeightFile({FILE.path!r}, {FILE.url!r}), Path({str(folder)!r}), hub={hub.url!r})"
        )
        process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
        part = part_of(folder / FILE.path)
        ends = time.monotonic() + 120
        while not part.exists() or part.stat().st_size == 0:
            assert time.monotonic() < ends
            time.sleep(0.01)
        process.kill()
        process.wait()
        here = part.stat().st_size
        assert 0 < here < len(DATA)
        hub.hurry.set()
        hub.pause, hub.asked = 0, []
        assert bring(hub, folder).read_bytes() == DATA
        assert hub.ranges() == [f"bytes={here}-"]

    def test_killed_between_the_last_byte_and_the_name(self, hub, folder):
        target = bring(hub, folder)
        target.rename(part_of(target))
        assert bring(hub, folder).read_bytes() == DATA

    def test_a_server_without_ranges_begins_anew(self, hub, folder):
        hub.knows_ranges, hub.cut_after = False, [300_000]
        assert bring(hub, folder).read_bytes() == DATA

    def test_a_server_that_sends_another_part_is_not_believed(self, hub, folder):
        hub.cut_after, hub.wrong_range = [300_000], True
        assert bring(hub, folder).read_bytes() == DATA

    def test_a_server_that_never_sends_the_right_part_is_given_up(self, hub, folder):
        hub.cut_after, hub.wrong_range = [300_000] * 99, True
        assert "another file each time" in str(refused(hub, folder))

    def test_a_slow_line_is_no_reason_to_stop(self, hub, folder, monkeypatch):
        monkeypatch.setattr(fetch, "SILENT_SECONDS", 0.5)
        hub.block, hub.pause = 200_000, 0.2  # longer than that in all
        assert bring(hub, folder).read_bytes() == DATA

    def test_a_silent_line_is(self, hub, folder, monkeypatch):
        monkeypatch.setattr(fetch, "SILENT_SECONDS", 0.1)
        monkeypatch.setattr(fetch, "ATTEMPTS", 2)
        hub.silence = 120
        assert "the line broke" in str(refused(hub, folder))

    def test_offline_it_says_so_at_once(self, hub, folder, monkeypatch):
        monkeypatch.setattr(fetch._Fetch, "_sleep", lambda *args: pytest.fail("it waits"))
        with pytest.raises(FetchError, match=r"127\.0\.0\.1 cannot be reached") as error:
            fetch_file(FILE, folder, hub="http://127.0.0.1:9")
        assert error.value.again_after

    def test_it_stops_when_nobody_wants_it_any_more(self, hub, folder):
        hub.block = 10_000
        left = iter([True] * 3 + [False] * 100)
        with pytest.raises(Stopped):
            bring(hub, folder, wanted=lambda: next(left))
        assert part_of(folder / FILE.path).exists()


class TestAnotherFile:
    def test_one_that_changed_meanwhile_is_begun_anew(self, hub, folder):
        hub.cut_after = [300_000] + [0] * 20
        refused(hub, folder)
        hub.cut_after, hub.files[PATH] = [], checkpoint(2, extra=900_000)
        assert bring(hub, folder).read_bytes() == hub.files[PATH]

    def test_also_at_a_plain_server(self, hub, folder):
        hub.linked, hub.cut_after = False, [300_000] + [0] * 20
        refused(hub, folder)
        hub.cut_after, hub.files[PATH] = [], checkpoint(2, extra=900_000)
        assert bring(hub, folder).read_bytes() == hub.files[PATH]
        assert not sum_file(folder / FILE.path).exists()

    def test_without_any_tag_nothing_is_pieced_together(self, hub, folder):
        hub.linked, hub.with_tag, hub.cut_after = False, False, [300_000] + [0] * 20
        refused(hub, folder)
        hub.cut_after, hub.files[PATH], hub.asked = [], checkpoint(2, extra=900_000), []
        assert bring(hub, folder).read_bytes() == hub.files[PATH]
        assert hub.ranges() == [""]

    def test_a_wrong_checksum_is_refused_and_begun_anew(self, hub, folder):
        hub.says_sum = "0" * 64
        assert "checksum is wrong" in str(refused(hub, folder))
        hub.says_sum = ""
        assert bring(hub, folder).read_bytes() == DATA

    def test_one_that_its_makers_have_replaced_is_refused_before_it_is_fetched(self, hub, folder):
        error = refused(hub, folder, WeightFile(FILE.path, FILE.url, sha256="1" * 64))
        assert "another file" in str(error)
        assert len(hub.asked) == 1

    def test_a_known_checksum_counts_at_a_plain_server_too(self, hub, folder):
        hub.linked = False
        assert "checksum is wrong" in str(refused(hub, folder, WeightFile(FILE.path, FILE.url, sha256="1" * 64)))
        assert bring(hub, folder, WeightFile(FILE.path, FILE.url, sha256=SUM)).exists()

    def test_another_size_than_the_hub_says_is_refused(self, hub, folder):
        hub.says_size = "77"
        assert "but the hub says 77" in str(refused(hub, folder))

    def test_a_page_is_no_file(self, hub, folder):
        hub.linked, hub.status = False, [(200, {"Content-Type": "text/html; charset=utf-8"})]
        assert "a sign-in in between?" in str(refused(hub, folder))


class TestTheServer:
    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            (404, "127.0.0.1 does not have it (404): "),
            (401, "accept its terms there and set HF_TOKEN"),
            (403, "accept its terms there and set HF_TOKEN"),
            (418, "127.0.0.1 answers 418"),
        ],
    )
    def test_what_it_refuses_is_not_asked_again(self, hub, folder, status, sentence):
        hub.status = [(status, {})]
        error = refused(hub, folder)
        assert sentence in str(error)
        assert error.again_after is None
        assert len(hub.asked) == 1

    def test_it_may_be_ill_for_a_moment(self, hub, folder):
        hub.status = [(503, {}), (500, {}), (429, {"Retry-After": "1"})]
        assert bring(hub, folder).read_bytes() == DATA

    def test_it_may_be_ill_for_longer(self, hub, folder):
        hub.status = [(503, {})] * 9
        assert "cannot answer now (503)" in str(refused(hub, folder))

    def test_who_wants_to_be_left_alone_for_long_is(self, hub, folder):
        hub.status = [(429, {"Retry-After": "1800"})]
        assert refused(hub, folder).again_after == 1800
        assert len(hub.asked) == 1

    def test_it_is_told_the_token_and_nobody_else_is(self, hub, folder):
        other = Hub(files={PATH: DATA}, linked=False)
        server = start(other)
        hub.send_to = f"http://localhost:{other.port}{PATH}"
        bring(hub, folder, token="hf_secret")
        server.shutdown()
        server.server_close()
        assert hub.asked[0][1]["Authorization"] == "Bearer hf_secret"
        assert "Authorization" not in other.asked[0][1]

    def test_it_is_not_followed_to_where_nothing_is_encrypted(self, hub, folder):
        hub.send_to = "http://example.org/weights.bin"
        assert "example.org would send it without encryption, and" in str(refused(hub, folder))

    def test_without_encryption_only_what_is_checked_by_a_sum_of_ours(self):
        servers._require_safe("http://example.org/x", is_checked=True)
        for url, is_checked in (("http://example.org/x", False), ("ftp://example.org/x", True)):
            with pytest.raises(FetchError):
                servers._require_safe(url, is_checked)

    @pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http:///x"])
    def test_nor_to_strange_places(self, hub, folder, place):
        hub.send_to = place
        refused(hub, folder)

    def test_nor_in_circles(self, hub, folder):
        hub.send_to = hub.url + PATH
        assert "in circles" in str(refused(hub, folder))

    def test_what_has_no_address_is_brought_by_hand(self, hub, folder):
        assert "do not offer it" in str(refused(hub, folder, WeightFile("x.bin")))


class TestTheDisk:
    def test_a_full_one_is_told_before_anything_comes(self, hub, folder, monkeypatch):
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 9 * 10**8, fetch.SPARE + 500_000))
        assert "and 1 MB are still to come" in str(refused(hub, folder))
        assert part_of(folder / FILE.path).stat().st_size == 0

    def test_a_folder_that_takes_nothing_is_told(self, hub, folder):
        folder.write_text("a file")
        with pytest.raises(FetchError, match="the disk does not take it: Not a directory"):
            bring(hub, folder)

    def test_two_at_once_do_no_damage(self, hub, folder):
        hub.block, hub.pause = 50_000, 10  # until the other two have come
        errors: list[str] = []

        def fetch_it() -> None:
            try:
                bring(hub, folder)
            except FetchError as error:
                errors.append(str(error))
                if len(errors) == 2:
                    hub.hurry.set()

        threads = [threading.Thread(target=fetch_it) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == ["another process is fetching it."] * 2
        assert (folder / FILE.path).read_bytes() == DATA


# --- the command
@pytest.fixture
def network(engine, tiles, hub, db):
    """tiles:a, which the hub has and the gallery has not."""
    network = tiles("a")
    network.url, network.bytes = HUB + PATH, len(DATA)
    return network


def run(*arguments: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command("weights", *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue()


class TestTheCommand:
    def test_it_works(self, network):
        listed = run("list")
        assert "Tiles a (tiles:a): missing, 1 MB\n  for: Same tiles\n" in listed
        assert f"{HUB}{PATH}\n      to {network.file}" in listed
        assert "Tiles a is ready." in run("fetch", "tiles")
        assert "Tiles a (tiles:a): ready\n" in run("list")
        assert run("verify") == "Tiles a: good.\n"
        assert run("fetch", "all") == "Tiles a is ready.\n"

    def test_as_json(self, network):
        (listed,) = json.loads(run("list", "--json"))
        (file,) = listed.pop("files")
        assert listed == {
            "network": "tiles:a",
            "label": "Tiles a",
            "for": ["Same tiles"],
            "state": "missing",
            "error": f"Tiles a cannot be used: {network.file} is not there.",
            "bytes_here": 0,
            "bytes_total": len(DATA),
        }
        assert (file["url"], file["is_here"]) == (HUB + PATH, False)

    def test_what_came_in_part_is_told(self, network, hub):
        hub.cut_after = [300_000] + [0] * 20
        with pytest.raises(CommandError, match="The same command goes on from there"):
            run("fetch", "tiles:a")
        assert "partly fetched, 0 of 1 MB" in run("list")

    def test_offline_it_says_how_to_bring_them_by_hand(self, network, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(CommandError) as error:
            run("fetch", "tiles")
        assert "cannot be reached" in str(error.value)
        assert f"{HUB}{PATH}\n      to {network.file}" in str(error.value)
        assert "manage.py weights import FOLDER" in str(error.value)

    @pytest.mark.parametrize("command", ["fetch", "verify"])
    def test_an_unknown_name_is_refused(self, network, command):
        for name in ("cats", "cats:large"):
            with pytest.raises(CommandError, match=r"No network is called|There is no kind of network called"):
                run(command, name)

    def test_damaged_ones_are_told_and_fetched_again(self, network):
        run("fetch", "tiles")
        altered = bytearray(DATA)
        altered[5] ^= 1
        network.file.write_bytes(altered)
        assert "Tiles a (tiles:a): damaged\n" in run("list")
        with pytest.raises(CommandError, match=r"1 of 1 cannot be used\."):
            run("verify")
        run("fetch", "tiles")
        assert network.file.read_bytes() == DATA

    def test_verify_notices_what_only_a_checksum_can(self, network):
        """Good weights, but of another network than those that were fetched."""
        run("fetch", "tiles")
        network.file.write_bytes(checkpoint(7))
        with pytest.raises(CommandError):
            run("verify")

    def test_hardnet_is_listed_where_it_is_asked_for(self, network, settings):
        assert "HardNet8" not in run("list")
        settings.KEYPOINTS = "hardnet8"
        assert "HardNet8 (hardnet8): missing, 5 MB\n  for: Keypoints" in run("list")

    def test_it_needs_no_database(self, tmp_path):
        environment = os.environ | {"LOOKALIKE_VAR": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
        listed = subprocess.run(
            [sys.executable, "manage.py", "weights", "list"], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert listed.returncode == 0, listed.stderr
        assert str(tmp_path / "weights") in listed.stdout
        assert not (tmp_path / "postgresql").exists()


class TestImport:
    def test_it_works(self, network, tmp_path):
        (tmp_path / "tiles.bin").write_bytes(DATA)
        said = run("import", str(tmp_path / "tiles.bin"))
        assert said == f"{tmp_path / 'tiles.bin'} is now {network.file}, for Tiles a.\nTiles a: ready.\n"
        assert network.file.read_bytes() == DATA
        assert os.listdir(network.file.parent) == ["tiles.bin"]

    def test_a_cache_of_hugging_face(self, network, tmp_path):
        """Names that are links to files that are named by their sha256."""
        cache = tmp_path / "models--maker--tiles"
        (cache / "blobs").mkdir(parents=True)
        (cache / "snapshots" / "abc").mkdir(parents=True)
        (cache / "blobs" / SUM).write_bytes(DATA)
        (cache / "snapshots" / "abc" / "tiles.bin").symlink_to(cache / "blobs" / SUM)
        run("import", str(tmp_path))
        assert network.file.read_bytes() == DATA
        assert SUM in sum_file(network.file).read_text()

    def test_a_cut_file_of_such_a_cache_is_refused(self, network, tmp_path):
        blob = tmp_path / SUM
        blob.write_bytes(DATA[:-9])
        (tmp_path / "tiles.bin").symlink_to(blob)
        with pytest.raises(CommandError, match="its checksum is wrong"):
            run("import", str(tmp_path / "tiles.bin"))
        assert not network.file.exists()
        assert list(network.file.parent.iterdir()) == []

    def test_files_of_the_same_name_go_by_their_folder(self, network, tiles, settings, tmp_path):
        settings.NETWORKS = {"tiles": ["tiles:a", "tiles:b"]}
        for model, seed in (("a", 1), ("b", 2)):
            (tmp_path / "tiles" / model).mkdir(parents=True)
            (tmp_path / "tiles" / model / "tiles.bin").write_bytes(checkpoint(seed))
        run("import", str(tmp_path))
        assert tiles("a").file.read_bytes() == checkpoint(1)
        assert tiles("b").file.read_bytes() == checkpoint(2)

    def test_one_that_may_be_of_two_networks_is_refused(self, network, settings, tmp_path):
        settings.NETWORKS = {"tiles": ["tiles:a", "tiles:b"]}
        (tmp_path / "tiles.bin").write_bytes(DATA)
        with pytest.raises(CommandError, match="is nothing that a network of this gallery needs"):
            run("import", str(tmp_path / "tiles.bin"))

    def test_what_nobody_needs_is_refused(self, network, tmp_path):
        (tmp_path / "cat.jpg").write_bytes(b"cat")
        for path in (tmp_path, tmp_path / "cat.jpg"):
            with pytest.raises(CommandError, match=r"They need: Tiles a: tiles\.bin\."):
                run("import", str(path))
        with pytest.raises(CommandError, match="is not there"):
            run("import", str(tmp_path / "nothing"))

    def test_a_damaged_one_is_told(self, network, tmp_path):
        (tmp_path / "tiles.bin").write_bytes(DATA[:500])
        assert "is damaged" in run("import", str(tmp_path / "tiles.bin"))

    @pytest.mark.parametrize("wrong", [b"<html>sign in</html>", b"PK\x03\x04 of a cut archive", b""])
    def test_what_is_no_weights_does_not_take_the_place_of_good_ones(self, network, tmp_path, wrong):
        network.file.parent.mkdir(parents=True)
        network.file.write_bytes(DATA)
        (tmp_path / "tiles.bin").write_bytes(wrong)
        with pytest.raises(CommandError) as error:
            run("import", str(tmp_path / "tiles.bin"))
        assert str(error.value) == (
            f"{tmp_path / 'tiles.bin'} is not taken for Tiles a, and nothing has changed: "
            "it is damaged, or holds no weights."
        )
        assert network.file.read_bytes() == DATA
        assert os.listdir(network.file.parent) == ["tiles.bin"]

    def test_nor_does_a_cut_file_of_safetensors(self, settings, tmp_path):
        settings.WEIGHTS, settings.NETWORKS = tmp_path / "weights", {"global_features": ["vgg16:tv_in1k"]}
        (file,) = weights_of("vgg16:tv_in1k").files
        target, brought = settings.WEIGHTS / file.path, tmp_path / "tv_in1k" / Path(file.path).name
        brought.parent.mkdir()
        save_file({"w": np.ones(1000, np.float32)}, brought)
        run("import", str(brought))
        good = target.read_bytes()
        brought.write_bytes(good[:-1])
        with pytest.raises(CommandError, match="nothing has changed: it is cut or damaged: it has 4,0"):
            run("import", str(brought))
        assert target.read_bytes() == good

    def test_one_that_lies_there_already_stays(self, network):
        network.file.parent.mkdir(parents=True)
        network.file.write_bytes(DATA)
        assert "lies where Tiles a looks for it" in run("import", str(network.file.parent))
        assert network.file.read_bytes() == DATA


class TestInTheBackground:
    """What the page asks for; a row is the truth about it."""

    def test_it_works(self, network):
        Fetch.objects.want("tiles:a")
        assert tasks.fetch_next()
        assert not Fetch.objects.exists()
        assert weights_of("tiles:a").state == State.READY
        assert not tasks.fetch_next()

    def test_a_fault_that_passes_is_tried_again_later(self, network, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        Fetch.objects.want("tiles:a")
        assert tasks.fetch_next()
        fetched = Fetch.objects.get()
        assert "cannot be reached" in fetched.error
        assert not fetched.failed
        assert not Fetch.objects.waiting().exists()
        assert not tasks.fetch_next()

    def test_one_that_stays_is_said_and_asked_for_again(self, network, hub):
        hub.status = [(404, {})]
        Fetch.objects.want("tiles:a")
        tasks.fetch_next()
        assert Fetch.objects.get().failed
        assert not tasks.fetch_next()
        Fetch.objects.want("tiles:a")
        assert tasks.fetch_next()
        assert not Fetch.objects.exists()

    def test_a_cancelled_one_stops_and_keeps_what_came(self, network, hub, monkeypatch):
        monkeypatch.setattr(tasks, "HOLD_SECONDS", 0)
        Fetch.objects.want("tiles:a")
        ordinary = tasks._Holding.__call__
        calls = []

        def cancelling(holding) -> bool:
            calls.append(1)
            if len(calls) == 2:
                Fetch.objects.all().delete()
            return ordinary(holding)

        hub.block, hub.pause = 100_000, 0.02
        monkeypatch.setattr(tasks._Holding, "__call__", cancelling)
        assert tasks.fetch_next()
        assert not network.file.exists()
        assert 0 < part_of(network.file).stat().st_size < len(DATA)

    def test_a_dead_worker_is_followed_by_the_next(self, network):
        Fetch.objects.want("tiles:a")
        assert Fetch.objects.claim("dead")
        assert Fetch.objects.claim("next") is None
        Fetch.objects.update(lease_until="2020-01-01T00:00Z")
        assert tasks.fetch_next()
        assert weights_of("tiles:a").state == State.READY


class TestTheCheck:
    def test_absent_weights_are_no_warning(self, network):
        assert checks.weights_are_good(None) == []

    def test_good_ones_neither(self, network):
        run("fetch", "tiles")
        assert checks.weights_are_good(None) == []

    def test_damaged_ones_are(self, network):
        run("fetch", "tiles")
        network.file.write_bytes(DATA[:100])
        (warning,) = checks.weights_are_good(None)
        assert warning.id == "search.W002"
        assert "is damaged" in warning.msg


def test_a_damaged_file_is_looked_at_again_when_it_changes(network):
    assert weights.weights_of("tiles:a").state == State.MISSING
    network.file.parent.mkdir(parents=True)
    network.file.write_bytes(b"short")
    assert weights.weights_of("tiles:a").state == State.DAMAGED
    network.file.write_bytes(DATA)
    assert weights.weights_of("tiles:a").state == State.READY

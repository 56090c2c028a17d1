"""Models: what each network does now, and everything that can be done about it, with the way back."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import Image
from search import fetch, networks, tasks
from search.filling import fill
from search.generations import begin, begin_wanted
from search.models import Fetch, Generation
from tests.pictures import encode, photo
from tests.search import kinds
from tests.search.doubles import text
from tests.search.kinds import KIND

engine, tiles = kinds.engine, kinds.tiles
MODELS = "/admin/models/"
URL = "https://huggingface.co/maker/tiles/resolve/main/tiles.bin"
State = Generation.State


@pytest.fixture
def six(db):
    images = []
    for seed in range(6):
        data = encode(photo(seed))
        named = {"sha256": hashlib.sha256(data).hexdigest(), "name": f"{seed}.jpg", "format": "JPEG"}
        image = Image.objects.create(**named, bytes=len(data), width=320, height=240, state="ready")
        for rendition in image.renditions:
            rendition.path.parent.mkdir(parents=True, exist_ok=True)
            rendition.path.write_bytes(data)
        images.append(image)
    return images


@pytest.fixture
def a(engine, tiles, six):
    """tiles:a answers about all."""
    tiles("a", seed=1)
    begin_wanted()
    while fill(60):
        pass
    return Generation.objects.get()


@pytest.fixture
def b(a, tiles):
    """tiles:b is being made beside: four of six."""
    tiles("b", seed=2)
    begun = begin(KIND, "tiles:b")
    fill(0)
    return begun


def done(response) -> str:
    """The next page, and the address of the undo that it offers."""
    assert response.status_code == 302, text(response)
    return response["Location"]


def post(client: Client, where: str, **form: str):
    return client.post(MODELS + where, form)


def undo(client: Client) -> str:
    page = client.get(MODELS).content.decode()
    (address,) = re.findall(r'<form method="post" action="([^"]*)"><input[^>]*><button[^>]* data-key="u"', page)
    return address.replace("&amp;", "&")


def test_it_works(as_admin, b):
    page = text(as_admin.get(MODELS))
    assert "answers Tiles a tiles:a 6 pictures" in page
    assert "being made beside Tiles b tiles:b computing 4 of 6, less than a minute left" in page
    assert "pictures a second" in page
    assert "weights: ready" in page


@pytest.mark.parametrize(
    "address",
    ["", "?role=tiles", "switch/?role=tiles&network=tiles:b"],
)
def test_only_the_staff_looks(client, as_member, engine, db, address):
    assert client.get(MODELS + address)["Location"] == "/login/?next=" + quote(MODELS + address)
    assert as_member.get(MODELS + address).status_code == 403


@pytest.mark.parametrize(
    "address", ["fetch/", "fetch/cancel/", "switch/begin/", "1/roll-back/", "1/stop/", "1/go-on/", "1/try-again/"]
)
def test_only_the_staff_decides(client, as_member, as_admin, engine, db, address):
    assert client.post(MODELS + address).status_code == 302
    assert as_member.post(MODELS + address).status_code == 403
    assert as_admin.get(MODELS + address).status_code == 405
    assert as_admin.post(MODELS + address).status_code in (404, 409)


def test_it_is_found_from_the_admin_and_every_page(as_admin, as_member, db):
    assert f'href="{MODELS}"' in as_admin.get("/admin/").content.decode()
    assert f'href="{MODELS}"' in as_admin.get("/").content.decode()
    assert f'href="{MODELS}"' not in as_member.get("/").content.decode()


class TestWithoutWeights:
    def test_the_empty_page_says_what_each_would_bring(self, as_admin, engine, tiles, db):
        network = tiles("a")
        network.url, network.bytes = URL, 599_000_000
        response = as_admin.get(MODELS)
        page = text(response)
        assert "The gallery finds pictures without any of these." in page
        assert "Tiles a tiles:a weights: missing, 599 MB" in page
        assert "manage.py weights fetch tiles:a" in page
        assert f'href="{URL}"' in response.content.decode()
        assert str(network.file) in page
        assert not response.context["panels"][0].is_moving

    def test_with_the_networks_that_it_begins_with(self, as_admin, db, settings, tmp_path):
        settings.WEIGHTS = tmp_path
        page = text(as_admin.get(MODELS))
        for words in ("599 MB", "a dog on the beach at sunset", "clip:ViT-B-16/openai", "Captions"):
            assert words in page

    def test_a_network_that_nobody_knows_is_said(self, as_admin, engine, settings, db):
        settings.NETWORKS = {KIND: ["cats:1"]}
        assert "There is no kind of network called “cats”" in text(as_admin.get(MODELS))


class TestFetching:
    @pytest.fixture
    def network(self, engine, tiles, monkeypatch, db):
        monkeypatch.setattr("search.networks_views.ring", lambda bell: rung.append(bell))
        rung: list = []
        network = tiles("a")
        network.url, network.bytes, network.rung = URL, 599_000_000, rung
        return network

    def test_it_works(self, as_admin, network):
        done(post(as_admin, "fetch/", network="tiles:a"))
        assert Fetch.objects.get().network == "tiles:a"
        assert network.rung == [tasks.fetch_weights]
        fetch.part_of(network.file).parent.mkdir(parents=True)
        fetch.part_of(network.file).write_bytes(b"x" * 1_200_000)
        response = as_admin.get(MODELS)
        assert "Tiles a is being fetched." in text(response)
        assert "being fetched, 1 of 599 MB" in text(response)
        assert 'hx-trigger="every 4s"' in response.content.decode()

    def test_it_is_cancelled_and_that_is_undone(self, as_admin, network):
        done(post(as_admin, "fetch/", network="tiles:a"))
        assert as_admin.post(undo(as_admin)).status_code == 302
        assert not Fetch.objects.exists()
        assert "What has come is kept" in text(as_admin.get(MODELS))
        assert post(as_admin, "fetch/cancel/", network="tiles:a").status_code == 409
        done(post(as_admin, "fetch/", network="tiles:a"))
        assert Fetch.objects.exists()

    def test_why_it_failed_is_said(self, as_admin, network):
        Fetch.objects.create(network="tiles:a", failed=True, error="tiles.bin: the hub does not have it (404).")
        response = as_admin.get(MODELS)
        assert "Could not be fetched: tiles.bin: the hub does not have it (404)." in text(response)
        assert "Fetch" in text(response)

    def test_why_it_waits_is_said(self, as_admin, network):
        Fetch.objects.create(network="tiles:a", error="tiles.bin: the hub cannot be reached.")
        assert "waits: tiles.bin: the hub cannot be reached." in text(as_admin.get(MODELS))

    def test_what_can_only_be_brought_by_hand_is_refused(self, as_admin, network):
        network.url = ""
        assert post(as_admin, "fetch/", network="tiles:a").status_code == 409
        assert not Fetch.objects.exists()

    def test_what_is_here_is_not_fetched(self, as_admin, network, tiles):
        tiles("a", seed=1)
        done(post(as_admin, "fetch/", network="tiles:a"))
        assert not Fetch.objects.exists()

    @pytest.mark.parametrize("name", ["", "cats:1", "x" * 300, "\x00"])
    def test_another_name_is_refused(self, as_admin, network, name):
        assert post(as_admin, "fetch/", network=name).status_code in (400, 404)


class TestSwitching:
    def test_it_works(self, as_admin, a, tiles):
        tiles("b", seed=2)
        page = text(as_admin.get(MODELS + "switch/?role=tiles&network=tiles:b"))
        assert "Tiles b looks at 6 pictures while Tiles a goes on answering." in page
        done(post(as_admin, "switch/begin/", role=KIND, network="tiles:b"))
        assert Generation.objects.beside(KIND).network == "tiles:b"
        assert "Tiles b is being made beside" in text(as_admin.get(MODELS))

    def test_it_is_undone_and_the_undoing_too(self, as_admin, a, tiles):
        tiles("b", seed=2)
        done(post(as_admin, "switch/begin/", role=KIND, network="tiles:b"))
        assert as_admin.post(undo(as_admin)).status_code == 302
        assert Generation.objects.beside(KIND) is None
        assert as_admin.post(undo(as_admin)).status_code == 302
        assert Generation.objects.beside(KIND).network == "tiles:b"

    def test_what_is_lost_by_it_is_said_before(self, as_admin, b, tiles):
        while fill(60):
            pass
        tiles("c", seed=3)
        page = text(as_admin.get(MODELS + "switch/?role=tiles&network=tiles:c"))
        assert "Tiles b is what you can roll back to. The 6 vectors of Tiles a, from before, are removed" in page

    def test_that_another_one_is_stopped_is_said_before(self, as_admin, b, tiles):
        tiles("c", seed=3)
        assert "Tiles b, which is being made now, is stopped." in text(
            as_admin.get(MODELS + "switch/?role=tiles&network=tiles:c")
        )

    def test_one_that_answered_before_is_rolled_back_to(self, as_admin, b):
        while fill(60):
            pass
        page = text(as_admin.get(MODELS + "switch/?role=tiles&network=tiles:a"))
        assert "Roll back to it" in page

    def test_without_its_weights_it_says_how_to_get_them(self, as_admin, a, tiles):
        tiles("b").url = URL
        page = text(as_admin.get(MODELS + "switch/?role=tiles&network=tiles:b"))
        assert "Its weights are missing." in page
        assert "Fetch its weights" in page
        assert post(as_admin, "switch/begin/", role=KIND, network="tiles:b").status_code == 409
        assert not Generation.objects.beside(KIND)

    def test_a_network_of_another_kind_is_refused(self, as_admin, a):
        """One that writes captions makes no vectors."""
        name = "blip:Salesforce/blip-image-captioning-base"
        for response in (
            as_admin.get(f"{MODELS}switch/?role=tiles&network={name}"),
            post(as_admin, "switch/begin/", role=KIND, network=name),
        ):
            assert f"“{name}” cannot do this: Same tiles needs a network of another kind." in text(response)
        assert not Generation.objects.beside(KIND)

    @pytest.mark.parametrize(("role", "name"), [("tiles", "cats:1"), ("tiles", ""), ("cats", "tiles:b"), ("", "")])
    def test_what_nobody_knows_is_refused(self, as_admin, a, role, name):
        assert as_admin.get(f"{MODELS}switch/?role={role}&network={name}").status_code in (400, 404)
        assert post(as_admin, "switch/begin/", role=role, network=name).status_code in (404, 409)

    def test_what_was_used_before_or_lies_in_the_folder_of_weights_is_suggested(self, as_admin, b, tiles):
        tiles("b").file.unlink()
        tiles("own/large", seed=5)
        page = as_admin.get(MODELS).content.decode()
        assert re.findall(r'<option value="([^"]*)"', page) == ["tiles:a", "tiles:b", "tiles:own/large"]

    def test_folders_are_read_only_where_it_is_shown(self, as_admin, b, monkeypatch):
        read = []
        monkeypatch.setattr(networks, "_here", lambda kind: read.append(kind) or [])
        as_admin.get(MODELS + "?role=tiles", headers={"HX-Request": "true"})
        assert read == []
        as_admin.get(MODELS)
        assert KIND in read

    def test_hostile_words_are_text(self, as_admin, a):
        response = as_admin.get(MODELS + "switch/?role=tiles&network=<script>alert(1)</script>:b")
        assert "<script>alert" not in response.content.decode()


class TestRollingBack:
    @pytest.fixture
    def switched(self, a, b):
        while fill(60):
            pass
        return a, b

    def test_it_works(self, as_admin, switched):
        a, _ = switched
        page = text(as_admin.get(MODELS))
        assert "answers Tiles b tiles:b 6 pictures" in page
        assert "before Tiles a tiles:a 6 pictures kept" in page
        done(post(as_admin, f"{a.pk}/roll-back/"))
        assert Generation.objects.current(KIND) == a
        assert "Tiles a answers again." in text(as_admin.get(MODELS))

    def test_it_is_undone(self, as_admin, switched):
        a, b = switched
        done(post(as_admin, f"{a.pk}/roll-back/"))
        assert as_admin.post(undo(as_admin)).status_code == 302
        assert Generation.objects.current(KIND) == b

    def test_twice_is_refused(self, as_admin, switched):
        a, _ = switched
        done(post(as_admin, f"{a.pk}/roll-back/"))
        assert post(as_admin, f"{a.pk}/roll-back/").status_code == 409
        assert post(as_admin, f"{2**64}/roll-back/").status_code == 409


class TestPicturesOfWhichNothingCouldBeMade:
    def test_they_are_named_with_their_reason_and_tried_again(self, as_admin, a, six):
        a.features.filter(image=six[2]).delete()
        a.give_up(six[2].pk, "ArithmeticError: <too much>")
        response = as_admin.get(MODELS)
        assert "Tiles a could make nothing of 1 picture" in text(response)
        assert "ArithmeticError: &lt;too much&gt;" in response.content.decode()
        assert f'href="/image/{six[2].pk}/"' in response.content.decode()
        done(post(as_admin, f"{a.pk}/try-again/"))
        assert "1 picture is tried again." in text(as_admin.get(MODELS))
        while fill(60):
            pass
        assert a.features.filter(image=six[2]).exists()


class TestWhatGoesWrong:
    def test_weights_that_have_vanished_are_said_here_and_by_the_health_page(self, as_admin, client, a, tiles):
        tiles("a").file.unlink()
        assert "It does not answer now. Tiles a cannot be used" in text(as_admin.get(MODELS))
        assert client.get("/health/ready").json() == {
            "status": "ok",
            "engines": {KIND: "Same tiles: the weights are not there."},
        }
        assert str(tiles("a").file) in as_admin.get("/health/ready").json()["engines"][KIND]

    def test_damaged_ones_too_and_the_gallery_goes_on(self, as_admin, client, a, tiles):
        tiles("a").file.write_bytes(b"short")
        assert client.get("/health/ready").status_code == 200
        assert client.get("/health/ready").json()["engines"] == {KIND: "Same tiles: the weights are damaged."}
        assert client.get("/").status_code == 200

    def test_weights_that_were_never_here_are_no_fault(self, client, engine, tiles, db):
        assert client.get("/health/ready").json() == {"status": "ok"}

    def test_why_it_does_not_go_on_is_said(self, as_admin, b):
        Generation.objects.filter(pk=b.pk).update(error="No memory left.")
        page = text(as_admin.get(MODELS))
        assert "waits at 4 of 6" in page
        assert "It does not go on: No memory left." in page


def test_htmx_gets_one_role_and_stops_asking_when_nothing_moves(as_admin, b):
    moving = as_admin.get(MODELS + "?role=tiles", headers={"HX-Request": "true"})
    assert moving.content.decode().lstrip().startswith("<div")
    assert "hx-get" in moving.content.decode()
    while fill(60):
        pass
    still = as_admin.get(MODELS + "?role=tiles", headers={"HX-Request": "true"}).content.decode()
    assert "hx-get" not in still
    assert as_admin.get(MODELS + "?role=cats").status_code == 404


class TestCounting:
    """Scans of all pictures, which the page asks for every four seconds."""

    @pytest.fixture
    def clock(self, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(networks, "monotonic", lambda: now[0])
        return now

    def scans(self, client: Client) -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(MODELS)
        return sum("COUNT(*)" in each["sql"] and '"gallery_image"' in each["sql"] for each in queries)

    def test_what_is_computed_is_counted_again_after_some_seconds(self, as_admin, b, clock):
        assert "computing 4 of 6" in text(as_admin.get(MODELS))
        b.features.first().delete()
        clock[0] += networks.MOVING_SECONDS - 1
        assert "computing 4 of 6" in text(as_admin.get(MODELS))
        clock[0] += 2
        assert "computing 3 of 6" in text(as_admin.get(MODELS))

    def test_what_is_complete_after_some_more(self, as_admin, a, clock):
        assert self.scans(as_admin) > 0
        clock[0] += networks.STILL_SECONDS - 1
        assert self.scans(as_admin) == 0
        a.features.first().delete()
        clock[0] += 2
        assert "computing 5 of 6" in text(as_admin.get(MODELS))

    def test_all_pictures_are_counted_once(self, as_admin, b):
        with CaptureQueriesContext(connection) as queries:
            as_admin.get(MODELS)
        whole = 'SELECT COUNT(*) AS "__count" FROM "gallery_image" WHERE'
        assert sum(each["sql"].startswith(whole) for each in queries) == 1


def test_the_page_asks_a_fixed_number_of_times(as_admin, b, django_assert_max_num_queries):
    with django_assert_max_num_queries(35):
        as_admin.get(MODELS)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "less than a minute"), (60, "1 min"), (38 * 60, "38 min"), (2 * 3600, "2 h"), (4 * 86400, "4 days")],
)
def test_how_long_it_takes_in_words(seconds, words):
    assert networks.duration(seconds) == words


class TestTheTasks:
    def test_every_minute_what_can_be_is_begun_and_filled(self, engine, tiles, six, transactional_db, monkeypatch):
        tiles("a", seed=1)
        rung = []
        monkeypatch.setattr(tasks, "ring", rung.append)
        tasks.look_after_networks.call_local()
        assert rung == [tasks.fill_networks]
        tasks.fill_networks.call_local()
        assert Generation.objects.get().features.count() == 6
        rung.clear()
        tasks.look_after_networks.call_local()
        assert rung == []

    def test_bells_do_not_become_more(self, transactional_db):
        from huey.contrib.djhuey import HUEY

        HUEY.flush()
        for _ in range(5):
            tasks.ring(tasks.fill_networks)
            tasks.ring(tasks.fetch_weights)
        assert HUEY.pending_count() == 2
        HUEY.flush()

    def test_one_thread_stays_free(self, settings, transactional_db):
        from django.db import connection

        settings.WORKERS = 2
        other = connection.copy()
        with tasks._place_to_fill() as first, other.cursor() as cursor:
            assert first
            cursor.execute("SELECT pg_try_advisory_lock(%s::int, 0)", [tasks.FILL_LOCK])
            assert cursor.fetchone() == (False,)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s::int, 0)", [tasks.FILL_LOCK])
            assert cursor.fetchone() == (True,)
            with tasks._place_to_fill() as second:
                assert not second
        other.close()

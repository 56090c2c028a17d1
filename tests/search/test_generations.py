"""Networks get through a collection: one answers while another is made beside it, and nothing stops them for good."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser
from django.db import connection, connections
from django.db.models.functions import Now

from gallery.models import Image
from gallery.pictures import decode
from ingestion.pipeline import complete
from search.current import current_engine, current_engines
from search.errors import WeightsMissing
from search.filling import fill
from search.generations import begin, begin_wanted, forget_former, switch
from search.live_index import live_index
from search.models import Feature, Generation
from search.models.generations import MAX_CRASHES
from search.query import Query
from search.retrieval import retrieve
from tests.pictures import encode, photo
from tests.search import kinds
from tests.search.kinds import COUNT, KIND, Learner, Whitened

engine, tiles = kinds.engine, kinds.tiles
ROOT = Path(__file__).resolve().parents[2]
State = Generation.State


def current() -> Generation:
    found = Generation.objects.current(KIND)
    assert found
    return found


def beside() -> Generation:
    found = Generation.objects.beside(KIND)
    assert found
    return found


def seen(generation: Generation) -> set[int]:
    return set(generation.features.values_list("image_id", flat=True))


def fill_all() -> None:
    for _ in range(50):
        if not fill(60):
            return
    pytest.fail("it never ends")


def finds(seed: int) -> int:
    """The image that is most like photo(seed), by the search that pages use."""
    answer = retrieve(Query(picture=decode(encode(photo(seed)))), AnonymousUser(), engines=[KIND])
    return (answer.found + answer.weak)[0].image.pk


def age(generation: Generation) -> None:
    """It is two days since it answered."""
    Generation.objects.filter(pk=generation.pk).update(answered_until=Now() - timedelta(days=2))


def end_lease() -> None:
    """Of a worker that is dead; nobody waits for ten minutes here."""
    Generation.objects.update(lease_until=Now() - timedelta(seconds=1))


@pytest.fixture
def put(transactional_db):
    """put(seed) -> an image that is ready, with its renditions; in a fiftieth of the time that an import takes."""

    def put(seed: int, width: int = 320, height: int = 240) -> Image:
        data = encode(photo(seed, width, height))
        named = {"sha256": hashlib.sha256(data).hexdigest(), "name": f"{seed}.jpg", "format": "JPEG"}
        sized = {"bytes": len(data), "width": width, "height": height}
        image = Image.objects.create(**named, **sized, state=Image.State.READY)
        for rendition in image.renditions:
            rendition.path.parent.mkdir(parents=True, exist_ok=True)
            rendition.path.write_bytes(data)
        return image

    return put


@pytest.fixture
def six(put):
    return [put(seed) for seed in range(6)]


@pytest.fixture
def answering(engine, tiles, six):
    """tiles:a answers about six pictures."""
    tiles("a", seed=1)
    begin_wanted()
    fill_all()
    return current()


def test_it_works(answering, six, tiles):
    assert seen(answering) == {image.pk for image in six}
    assert finds(3) == six[3].pk
    assert [*tiles("a").asked[:2]] == [4, 2]


class TestTheFirst:
    def test_it_answers_while_it_is_made_and_says_how_much_it_knows(self, engine, tiles, six):
        tiles("a", seed=1)
        begin_wanted()
        assert current().state == State.CURRENT
        assert fill(0)
        assert len(seen(current())) == 4
        answer = retrieve(Query(picture=decode(encode(photo(5)))), AnonymousUser(), engines=[KIND])
        assert (answer.found + answer.weak)[0].image == six[5]
        assert answer.notices == ["Same tiles: 66 % of the pictures are indexed, the others are on their way."]

    def test_without_weights_nothing_begins(self, engine, tiles, six):
        begin_wanted()
        assert not Generation.objects.exists()
        assert KIND not in current_engines()
        with pytest.raises(WeightsMissing, match="is not there"):
            begin(KIND, "tiles:a")

    def test_it_is_begun_once(self, answering):
        begin_wanted()
        assert Generation.objects.get() == answering

    def test_two_processes_begin_it_once(self, engine, tiles, six):
        tiles("a", seed=1)
        in_threads(4, begin_wanted)
        assert Generation.objects.count() == 1

    def test_the_best_that_is_there_is_begun(self, engine, tiles, settings, six):
        settings.NETWORKS = {KIND: ["tiles:b", "tiles:a"]}
        tiles("a", seed=1)
        begin_wanted()
        assert current().network == "tiles:a"
        tiles("b", seed=2)
        begin_wanted()
        assert beside().network == "tiles:b"


class TestAnother:
    @pytest.fixture
    def b(self, answering, tiles):
        tiles("b", seed=2)
        return begin(KIND, "tiles:b")

    def test_it_works(self, answering, b, six):
        assert fill(0)
        assert current() == answering
        assert finds(3) == six[3].pk
        fill_all()
        assert current() == b
        assert Generation.objects.former(KIND) == answering
        assert finds(3) == six[3].pk
        assert current_engine(KIND).version == b.pk

    def test_its_index_is_written_before_it_answers(self, b):
        fill_all()
        assert list((Path(django_settings.INDEX_ROOT)).rglob(f"*{b.pk}*"))
        assert len(live_index(KIND).fresh(60)) == 6

    def test_roll_back_and_forward(self, answering, b, put):
        fill_all()
        new = put(6)
        fill_all()
        assert new.pk in seen(b)
        assert switch(answering)
        assert (current(), Generation.objects.former(KIND)) == (answering, b)
        begin_wanted()
        assert not Generation.objects.beside(KIND)
        assert new.pk not in seen(answering)
        fill_all()
        assert new.pk in seen(answering)
        assert finds(6) == new.pk
        assert switch(b)
        assert (current(), Generation.objects.former(KIND)) == (b, answering)

    def test_pictures_come_and_go_meanwhile(self, answering, b, six, add):
        fill(0)
        new = add(7)
        new.trash()
        six[0].trash()
        six[0].purge()
        fill_all()
        assert seen(b) == {image.pk for image in six[1:]}
        new.restore()
        assert not b.missing().exists()  # it is being prepared
        complete(new)
        fill_all()
        assert new.pk in seen(b)

    def test_a_picture_trashed_before_it_is_read_is_not_set_aside_for_good(self, b, add, monkeypatch):
        """Its renditions are gone when they are to be read, and made again when it is taken out of the trash."""
        new = add(7)
        monkeypatch.setattr("search.filling.decode", lambda path: (new.trash(), decode(path))[1])
        fill_all()
        monkeypatch.setattr("search.filling.decode", decode)
        assert not b.unmade.exists()
        new.restore()
        complete(new)
        fill_all()
        assert new.pk in seen(b)

    def test_what_was_set_aside_is_tried_again_after_the_trash(self, answering, six):
        answering.give_up(six[0].pk, "too much for it")
        six[0].trash()
        assert not answering.unmade.exists()

    def test_a_picture_trashed_while_the_network_looks_at_it_gets_nothing(self, b, six, tiles, monkeypatch):
        ordinary = tiles("b").encode

        def trashing(pictures):
            six[1].trash()
            return ordinary(pictures)

        monkeypatch.setattr(tiles("b"), "encode", trashing)
        fill_all()
        assert six[1].pk not in set(Feature.objects.values_list("image_id", flat=True)) - {None}
        assert current() == b

    def test_stopped_while_it_works_it_never_answers(self, answering, b, tiles, monkeypatch):
        ordinary = tiles("b").encode

        def stopping(pictures):
            assert b.stop()
            return ordinary(pictures)

        monkeypatch.setattr(tiles("b"), "encode", stopping)
        fill_all()
        assert current() == answering
        assert Generation.objects.get(pk=b.pk).state == State.STOPPED

    def test_stopped_during_its_last_batch_it_never_answers(self, answering, b, tiles, monkeypatch):
        fill(0)
        ordinary = tiles("b").encode
        monkeypatch.setattr(tiles("b"), "encode", lambda pictures: (b.stop(), ordinary(pictures))[1])
        fill_all()
        assert current() == answering

    def test_a_stopped_one_is_no_way_back(self, answering, b, tiles):
        assert b.stop()
        assert Generation.objects.former(KIND) is None
        assert not switch(Generation.objects.get(pk=b.pk))
        assert current() == answering

    def test_a_stopped_one_goes_on_where_it_was(self, b, tiles):
        fill(0)
        b.stop()
        assert b.go_on()
        tiles("b").asked.clear()
        fill_all()
        assert current() == b
        assert sum(tiles("b").asked) == 2

    def test_it_does_not_go_on_beside_another(self, b, tiles):
        b.stop()
        tiles("c", seed=3)
        begin(KIND, "tiles:c")
        assert not b.go_on()

    def test_a_third_one_stops_the_second(self, answering, b, tiles):
        tiles("c", seed=3)
        begin(KIND, "tiles:c")
        assert Generation.objects.get(pk=b.pk).state == State.STOPPED
        fill_all()
        assert current().network == "tiles:c"
        assert Generation.objects.former(KIND) == answering

    def test_two_switch_at_once(self, answering, b):
        fill_all()
        in_threads(4, lambda: switch(Generation.objects.get(pk=answering.pk)))
        assert current() == answering
        assert Generation.objects.former(KIND) == b

    def test_in_an_empty_gallery_it_answers_at_once(self, engine, tiles, db):
        tiles("a", seed=1), tiles("b", seed=2)
        begin_wanted()
        begin(KIND, "tiles:b")
        fill_all()
        assert current().network == "tiles:b"


class TestAgain:
    def test_the_same_network_copies_what_it_has_made(self, answering, six, tiles):
        before = dict(answering.features.values_list("image_id", "data"))
        tiles("a").asked.clear()
        again = begin(KIND, "tiles:a")
        fill_all()
        assert current() == again
        assert dict(again.features.values_list("image_id", "data")) == before
        assert tiles("a").asked == []

    def test_other_weights_under_the_same_name_do_not(self, answering, tiles):
        tiles("a", seed=9)
        tiles("a").asked.clear()
        begin_wanted()
        fill_all()
        assert current() != answering
        assert sum(tiles("a").asked) == 6

    def test_other_weights_never_go_on_where_the_first_ones_were(self, engine, tiles, six):
        tiles("a", seed=1)
        begin_wanted()
        fill(0)
        tiles("a", seed=9)
        fill_all()
        assert len(seen(current())) == 4
        assert current().error == "The weights of Tiles a are not those that it was made with."

    def test_what_is_damaged_is_not_copied(self, answering, six, tiles):
        Feature.objects.filter(engine=KIND, image=six[2]).update(data=b"short")
        tiles("a").asked.clear()
        again = begin(KIND, "tiles:a")
        fill_all()
        assert len(bytes(again.features.get(image=six[2]).data)) == 2 * COUNT
        assert tiles("a").asked == [1]


class TestForgetting:
    @pytest.fixture
    def three(self, answering, tiles):
        """a and b have answered, c answers."""
        for model in "bc":
            tiles(model, seed=ord(model))
            begin(KIND, f"tiles:{model}", by_hand=True)
            fill_all()
        return [Generation.objects.get(network=f"tiles:{model}") for model in "abc"]

    def test_it_works(self, three):
        a, b, c = three
        age(a), age(b)
        while forget_former():
            pass
        assert [len(seen(each)) for each in three] == [0, 6, 6]
        a.refresh_from_db()
        assert a.state == State.GONE
        assert not switch(a)
        assert (current(), Generation.objects.former(KIND)) == (c, b)

    def test_not_on_the_first_day(self, three):
        assert not forget_former()
        assert [len(seen(each)) for each in three] == [6, 6, 6]

    def test_one_that_was_stopped_goes_after_a_day(self, answering, tiles):
        tiles("b", seed=2)
        b = begin(KIND, "tiles:b")
        fill(0)
        b.stop()
        assert not forget_former()
        age(b)
        while forget_former():
            pass
        assert not seen(b)
        assert len(seen(answering)) == 6

    def test_what_was_forgotten_is_not_begun_again_by_itself(self, three, settings):
        age(three[0])
        while forget_former():
            pass
        assert settings.NETWORKS == {KIND: ["tiles:a"]}
        begin_wanted()
        assert not Generation.objects.beside(KIND)


class TestFailing:
    def small(self, put, seed: int) -> Image:
        """A picture of a size that no other one has."""
        return put(seed, 200, 300)

    def test_one_picture_does_not_stop_the_others(self, engine, tiles, six, put, caplog):
        bad = self.small(put, 50)
        tiles("a", seed=1).poison = {(200, 300)}
        begin_wanted()
        with caplog.at_level(logging.CRITICAL):
            fill_all()
        assert seen(current()) == {image.pk for image in six}
        (unmade,) = current().unmade.all()
        assert (unmade.image, unmade.error) == (bad, "ArithmeticError: this picture is too much for it")
        assert not fill(0)

    def test_it_is_tried_again_when_somebody_says_so(self, engine, tiles, put, caplog):
        bad = self.small(put, 50)
        tiles("a", seed=1).poison = {(200, 300)}
        begin_wanted()
        with caplog.at_level(logging.CRITICAL):
            fill_all()
        tiles("a").poison.clear()
        assert current().try_again() == 1
        fill_all()
        assert seen(current()) == {bad.pk}

    def test_a_rendition_that_cannot_be_read_is_set_aside(self, engine, tiles, six):
        tiles("a", seed=1)
        for rendition in six[2].renditions:
            rendition.path.write_bytes(b"no picture")
        begin_wanted()
        fill_all()
        assert current().unmade.get().image == six[2]
        assert len(seen(current())) == 5

    def test_weights_that_vanish_are_a_reason_and_it_goes_on_when_they_are_back(self, engine, tiles, six):
        network = tiles("a", seed=1)
        begin_wanted()
        fill(0)
        kept = network.file.read_bytes()
        network.file.unlink()
        assert not fill(0)
        assert "is not there" in current().error
        assert len(seen(current())) == 4
        network.file.write_bytes(kept)
        fill_all()
        assert current().error == ""
        assert len(seen(current())) == 6

    def test_weights_that_vanish_in_the_middle_of_a_batch(self, engine, tiles, six, monkeypatch):
        network = tiles("a", seed=1)
        begin_wanted()
        ordinary = network.encode
        monkeypatch.setattr(network, "encode", lambda pictures: (network.file.unlink(), ordinary(pictures))[1])
        assert not fill(60)
        assert "is not there" in current().error
        assert not current().unmade.exists()

    @pytest.mark.parametrize("dimension", [COUNT - 1, COUNT // 2])
    def test_a_vector_of_the_wrong_length_is_not_stored(self, engine, tiles, six, monkeypatch, dimension):
        network = tiles("a", seed=1)
        ordinary = network.encode
        monkeypatch.setattr(network, "encode", lambda pictures: ordinary(pictures)[:, :dimension])
        begin_wanted()
        fill_all()
        assert not seen(current())
        assert current().unmade.count() == 6
        assert current().unmade.first().error == f"a feature of Tiles a has {2 * COUNT} bytes"

    def test_what_is_no_number_is_not_stored(self, engine, tiles, six, monkeypatch):
        network = tiles("a", seed=1)
        ordinary = network.encode
        monkeypatch.setattr(network, "encode", lambda pictures: ordinary(pictures) * np.nan)
        begin_wanted()
        fill_all()
        assert not seen(current())
        assert current().unmade.count() == 6

    def test_a_stored_vector_of_the_wrong_length_never_reaches_the_index(self, answering, six, caplog):
        with caplog.at_level(logging.CRITICAL):
            Feature.objects.filter(engine=KIND, image=six[2]).update(data=b"12")
            index = live_index(KIND).fresh(60)
        assert len(index) == 5
        assert six[2].pk not in seen(answering)
        fill_all()
        assert len(live_index(KIND).fresh(60)) == 6
        assert finds(2) == six[2].pk


class TestDying:
    def test_what_was_in_work_is_done_one_by_one(self, engine, tiles, six):
        """A worker died over the first four."""
        tiles("a", seed=1)
        begin_wanted()
        Generation.objects.update(worker="dead", doing=[image.pk for image in six[:4]])
        end_lease()
        fill_all()
        assert tiles("a").asked == [1, 1, 1, 1, 2]
        assert not current().unmade.exists()
        assert current().suspects == []

    def test_the_one_that_kills_is_set_aside(self, engine, tiles, six):
        tiles("a", seed=1)
        begin_wanted()
        Generation.objects.update(worker="dead", doing=[image.pk for image in six[:4]])
        for _ in range(MAX_CRASHES):
            end_lease()
            assert current().claim("next")
            assert current().hold("next", [six[0].pk])
        end_lease()
        fill_all()
        unmade = current().unmade.get()
        assert (unmade.image, unmade.error) == (six[0], "The worker died 3 times on this picture.")
        assert seen(current()) == {image.pk for image in six[1:]}

    def test_a_suspect_that_was_purged_is_passed_over(self, engine, tiles, six):
        tiles("a", seed=1)
        begin_wanted()
        Generation.objects.update(worker="dead", doing=[image.pk for image in six[:4]])
        end_lease()
        six[1].trash()
        six[1].purge()
        fill_all()
        assert seen(current()) == {image.pk for image in [six[0], *six[2:]]}

    def test_real_workers_die_and_the_killer_is_found(self, engine, tiles, six, put):
        """kill -9 in the middle of a batch, by the network itself, in processes of their own."""
        killer = put(60, 200, 300)
        tiles("a", seed=1)
        begin_wanted()
        deaths = 0
        for _ in range(2 + MAX_CRASHES):
            end_lease()
            deaths += run_worker() == -9
        assert deaths == 1 + MAX_CRASHES
        assert current().unmade.get().image == killer
        assert seen(current()) == {image.pk for image in six}

    def test_another_worker_waits_for_the_lease(self, engine, tiles, six):
        tiles("a", seed=1)
        begin_wanted()
        assert current().claim("somebody else")
        assert not fill(0)
        assert not seen(current())

    def test_whoever_lost_the_lease_does_nothing_more(self, answering, tiles, monkeypatch):
        """It was only slow; another worker has taken over meanwhile, and has not finished."""
        tiles("b", seed=2)
        b = begin(KIND, "tiles:b")
        ordinary = tiles("b").encode
        monkeypatch.setattr(
            tiles("b"),
            "encode",
            lambda pictures: (Generation.objects.filter(pk=b.pk).update(worker="faster"), ordinary(pictures))[1],
        )
        assert not fill(60)
        assert tiles("b").asked == [4]
        assert current() == answering
        assert beside().worker == "faster"

    def test_two_workers_share_nothing(self, engine, tiles, put):
        for seed in range(12):
            put(seed)
        tiles("a", seed=1)
        begin_wanted()
        in_threads(3, fill_all)
        assert len(seen(current())) == 12
        assert sum(tiles("a").asked) == 12


class TestLearning:
    def test_what_learns_after_answers_when_it_has_learned(self, engine, tiles, six):
        engine(Whitened())
        tiles("a", seed=1)
        begin_wanted()
        assert KIND not in current_engines()
        fill_all()
        assert current().learned_from == 6
        assert finds(4) == six[4].pk

    def test_before_that_a_vector_of_the_wrong_length_is_refused_too(self, engine, tiles, six, monkeypatch):
        engine(Whitened())
        ordinary = tiles("a", seed=1).encode
        monkeypatch.setattr(tiles("a"), "encode", lambda pictures: ordinary(pictures)[:, :-1])
        begin_wanted()
        fill_all()
        assert not Generation.objects.current(KIND)
        assert beside().unmade.count() == 6

    def test_in_an_empty_gallery_it_waits(self, engine, tiles, db):
        engine(Whitened())
        tiles("a", seed=1)
        begin_wanted()
        fill_all()
        assert beside().learned_from == 0

    def test_it_learns_again_of_a_collection_that_has_outgrown_it(self, engine, tiles, put):
        engine(Whitened())
        tiles("a", seed=1)
        put(0)
        begin_wanted()
        fill_all()
        first = current()
        for seed in range(1, 4):
            put(seed)
        fill_all()
        tiles("a").asked.clear()
        begin_wanted()
        fill_all()
        assert (current() != first, current().learned_from) == (True, 4)
        assert tiles("a").asked == []  # the network had looked at all of them

    def test_what_learns_first_waits_for_enough(self, engine, tiles, put):
        engine(Learner())
        tiles("a", seed=1)
        put(0), put(1)
        begin_wanted()
        assert not fill(60)
        assert not seen(beside())
        put(2)
        fill_all()
        assert (current().learned_from, len(seen(current()))) == (3, 3)


def in_threads(count: int, work) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []


WORKER = """
import django; django.setup()
from django.conf import settings
from django.db import connection
connection.settings_dict["NAME"] = {database!r}
settings.MEDIA_ROOT, settings.INDEX_ROOT, settings.WEIGHTS = map(__import__("pathlib").Path, {folders!r})
settings.NETWORKS = {{"tiles": ["tiles:a"]}}
from search import current, filling, generations
from search.engines import all_engines
from tests.search.kinds import Tiles, TilesEngine
network = Tiles("a", settings.WEIGHTS)
network.deadly = {{(200, 300)}}
generations.get_network = current.get_network = lambda name, folder: network
all_engines()["tiles"] = TilesEngine()
while filling.fill(60):
    pass
"""


def run_worker() -> int:
    folders = [str(django_settings.MEDIA_ROOT), str(django_settings.INDEX_ROOT), str(django_settings.WEIGHTS)]
    program = WORKER.format(database=connections["default"].settings_dict["NAME"], folders=folders)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "gallery.settings"}
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment).returncode

"""Which network is begun, and when: what people decided stays, and what was good comes back."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser

from gallery.pictures import decode
from search import snapshots
from search.filling import fill
from search.generations import begin, begin_wanted, forget_former, switch
from search.models import Change, Feature, Generation, Snapshot
from search.networks import off
from search.query import Query
from search.retrieval import retrieve
from tests.pictures import encode, photo
from tests.search import kinds, test_generations
from tests.search.kinds import COUNT, KIND
from tests.search.test_generations import age, beside, current, fill_all, finds, seen

engine, tiles = kinds.engine, kinds.tiles
put, six, answering = test_generations.put, test_generations.six, test_generations.answering


def minute() -> None:
    begin_wanted()
    fill_all()


def test_it_works(answering, tiles, settings):
    settings.NETWORKS = {KIND: ["tiles:b", "tiles:a"]}
    tiles("b", seed=2)
    minute()
    assert current().network == "tiles:b"


class TestWhatWasDecided:
    def test_a_roll_back_stays(self, answering, tiles, settings):
        settings.NETWORKS = {KIND: ["tiles:b", "tiles:a"]}
        tiles("b", seed=2)
        minute()
        switch(answering)
        minute()
        assert current() == answering

    def test_a_stop_stays(self, answering, tiles, settings):
        settings.NETWORKS = {KIND: ["tiles:b", "tiles:a"]}
        tiles("b", seed=2)
        begin_wanted()
        assert beside().stop()
        minute()
        assert current() == answering
        assert not Generation.objects.beside(KIND)

    def test_a_network_that_somebody_chose_stays(self, answering, tiles):
        tiles("c", seed=3)
        begin(KIND, "tiles:c", by_hand=True)
        fill_all()
        minute()
        assert current().network == "tiles:c"


class TestWhatComesBack:
    def test_weights_that_are_again_as_they_were(self, answering, tiles, six, put):
        tiles("a", seed=7)
        minute()
        assert current() != answering
        tiles("a", seed=1)
        put(60)
        minute()
        assert current() == answering
        assert len(seen(current())) == 7

    def test_a_setting_that_is_again_as_it_was(self, answering, tiles, settings):
        tiles("b", seed=2)
        settings.NETWORKS = {KIND: ["tiles:b"]}
        minute()
        settings.NETWORKS = {KIND: ["tiles:a"]}
        minute()
        assert current() == answering

    def test_weights_that_are_away_for_a_minute_change_nothing(self, engine, tiles, six, settings):
        settings.NETWORKS = {KIND: ["tiles:a", "tiles:b"]}
        network = tiles("a", seed=1)
        minute()
        tiles("b", seed=2)
        kept = network.file.read_bytes()
        network.file.unlink()
        minute()
        assert Generation.objects.get().network == "tiles:a"
        network.file.write_bytes(kept)
        minute()
        assert Generation.objects.get().network == "tiles:a"


def test_the_last_resort_answers_while_the_best_is_made(engine, tiles, six, settings):
    settings.NETWORKS = {KIND: ["tiles:a", "tiles:b"]}
    tiles("a", seed=1), tiles("b", seed=2)
    begin_wanted()
    assert current().network == "tiles:b"
    begin_wanted()
    assert (current().network, beside().network) == ("tiles:b", "tiles:a")
    fill_all()
    assert current().network == "tiles:a"


class TestFaultsOfTheMachine:
    @pytest.mark.parametrize("fault", [MemoryError("full"), OSError(5, "Input/output error")])
    def test_they_condemn_no_picture(self, engine, tiles, six, monkeypatch, fault):
        network = tiles("a", seed=1)

        def fail(pictures):
            raise fault

        with monkeypatch.context() as patch:
            patch.setattr(network, "encode", fail)
            minute()
        assert str(fault) in current().error
        assert current().unmade.count() == 0
        fill_all()
        assert len(seen(current())) == 6
        assert current().error == ""

    def test_a_disk_that_is_away_is_no_fault_of_the_pictures(self, engine, tiles, six, settings, tmp_path):
        tiles("a", seed=1)
        there, settings.MEDIA_ROOT = settings.MEDIA_ROOT, tmp_path / "away"
        minute()
        assert current().unmade.count() == 0
        settings.MEDIA_ROOT = there
        minute()
        assert len(seen(current())) == 6

    def test_a_rendition_that_is_missing_is_set_aside(self, engine, tiles, six):
        tiles("a", seed=1)
        six[0].screen.path.unlink()
        minute()
        assert [each.image for each in current().unmade.all()] == [six[0]]


class TestAnotherSize:
    def test_another_network_in_its_place_takes_nothing_away(self, answering, tiles):
        """It may have vectors of another length: those that are here are not damaged."""
        network = tiles("a", seed=1)
        network.dimension = COUNT // 2
        fill(1)
        assert Feature.objects.filter(engine=KIND).count() == 6
        assert answering.dimension == COUNT


def test_what_is_forgotten_leaves_nothing_on_the_disk(answering, tiles):
    assert finds(1)
    for model in "bc":
        tiles(model, seed=ord(model))
        begin(KIND, f"tiles:{model}", by_hand=True)
        fill_all()
    age(answering)
    while forget_former():
        pass
    mine = {"engine": KIND, "version": answering.pk}
    assert not Change.objects.filter(**mine).exists()
    assert not Snapshot.objects.filter(**mine).exists()
    assert not (django_settings.INDEX_ROOT / f"{KIND}-{answering.pk}").exists()
    assert snapshots.positions(django_settings.INDEX_ROOT / f"{KIND}-{current().pk}")


def test_no_question_is_asked_with_other_weights(answering, tiles):
    """Their vectors mean something else than those in the index."""
    tiles("a", seed=7)
    answer = retrieve(Query(picture=decode(encode(photo(3)))), AnonymousUser(), engines=[KIND])
    assert not answer.found + answer.weak
    assert "other weights have come" in " ".join(answer.notices)


def test_health_says_that_a_network_does_not_go_on(answering, tiles):
    tiles("b", seed=2)
    begin(KIND, "tiles:b")
    assert KIND not in off()
    Generation.objects.filter(network="tiles:b").update(error="Its memory is full at /srv/somewhere.")
    short, full = off()[KIND]
    assert "does not go on" in short
    assert "/srv" not in short
    assert "memory is full" in full

"""A feature that cannot be read is left out, reported, and made again from its picture."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from gallery.pictures import decode
from ingestion.models import Job
from ingestion.pipeline import complete
from search import live_index
from search.engines import get_engine
from search.models import Feature
from search.models.features import renew_damaged
from search.query import Query
from search.retrieval import retrieve
from tests.pictures import encode, photo

LOCAL = "local_features"


@pytest.fixture
def three(add):
    return [add(seed) for seed in (1, 2, 3)]


def local() -> live_index.LiveIndex:
    return live_index.live_index(LOCAL)


def contains(seed: int, notices: list[str] | None = None) -> list[int]:
    answer = retrieve(Query(picture=decode(encode(photo(seed)))), AnonymousUser(), engines=[LOCAL])
    assert notices is not None or answer.notices == []
    if notices is not None:
        notices += answer.notices
    return [f.image.pk for f in answer.found if f.match.certain]


def harm(image) -> bytes:
    """Behind the back of the change log, as a disk does it."""
    data = bytearray(Feature.objects.get(image=image, engine=LOCAL).data)
    data[1000] ^= 1
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE search_feature DISABLE TRIGGER USER")
        Feature.objects.filter(image=image, engine=LOCAL).update(data=bytes(data))
        cursor.execute("ALTER TABLE search_feature ENABLE TRIGGER USER")
    return bytes(data)


def is_whole(image) -> bool:
    feature = Feature.objects.filter(image=image, engine=LOCAL).first()
    return feature is not None and len(get_engine(LOCAL).rows([bytes(feature.data)])) == 1


def complete_jobs() -> list[int]:
    """Images that were sent to be completed, and are now."""
    jobs = list(Job.objects.open().select_related("image"))
    for job in jobs:
        assert complete(job.image) == []
        job.delete()
    return [job.image.pk for job in jobs]


def test_a_damaged_feature_is_left_out_reported_and_made_again(add, three, caplog):
    assert contains(2) == [three[1].pk]
    harm(three[1])
    assert contains(2, notices := []) == []
    assert notices == ["Contains or part of: 1 damaged entry is being made again."]
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
    assert f"{LOCAL} of image {three[1].pk} " in said[0]
    assert not Feature.objects.filter(image=three[1], engine=LOCAL).exists()
    assert complete_jobs() == [three[1].pk]
    assert is_whole(three[1])
    assert contains(2) == [three[1].pk]  # and the notice is gone


@pytest.mark.parametrize("begin", ["build", "catch up"])
def test_a_damaged_feature_does_not_stop_an_index_from_filling(add, three, begin):
    if begin == "catch up":
        local().fresh(60)
        Feature.objects.filter(engine=LOCAL).update(version=get_engine(LOCAL).version)  # all of them changed
    harm(three[0])
    harm(three[2])
    assert contains(2, notices := []) == [three[1].pk]
    assert notices == ["Contains or part of: 2 damaged entries are being made again."]
    assert sorted(complete_jobs()) == [three[0].pk, three[2].pk]
    assert [contains(seed) for seed in (1, 2, 3)] == [[image.pk] for image in three]


def test_a_feature_that_was_replaced_meanwhile_is_not_made_again(three):
    old = harm(three[0])
    Feature.objects.filter(image=three[0], engine=LOCAL).update(data=b"newer")
    renew_damaged(get_engine(LOCAL), three[0].pk, old, ValueError("altered"))
    assert bytes(Feature.objects.get(image=three[0], engine=LOCAL).data) == b"newer"
    assert not Job.objects.open().exists()


def test_the_notice_goes_when_another_process_made_the_feature_again(three, monkeypatch):
    harm(three[0])
    contains(1, notices := [])
    assert notices
    three[0].purge()
    monkeypatch.setattr(local(), "_look_at", 0.0)
    assert contains(2) == [three[1].pk]


def test_it_reads_few_large_features_at_once(add, three, monkeypatch):
    monkeypatch.setattr(live_index, "BATCH_BYTES", 2 * 40_000)
    pieces = []
    put = live_index.LiveIndex._add

    def watched(self, index, rows):
        pieces.append(len(rows))
        put(self, index, rows)

    monkeypatch.setattr(live_index.LiveIndex, "_add", watched)
    assert len(local().fresh(60)) == 3
    for image in three:
        image.features.filter(engine=LOCAL).update(version=get_engine(LOCAL).version)
    assert len(local().fresh(60)) == 3
    assert pieces == [2, 1, 2, 1]

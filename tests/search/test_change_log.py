"""The log by which indexes catch up: in the order of commits, one row for each feature, deletes included."""

import threading

import pytest
from django.db import connection, transaction

from gallery.models import Image
from search.models import Change, Feature

pytestmark = pytest.mark.django_db(transaction=True)


def image(n: int) -> Image:
    return Image.objects.create(sha256=f"{n:064x}", name=f"{n}", format="PNG", bytes=1, width=1, height=1)


def feature(owner: Image, data: bytes = b"x") -> Feature:
    return Feature.objects.create(image=owner, engine="test", version=1, data=data)


def log() -> list[tuple[int, int]]:
    return list(Change.objects.order_by("seq").values_list("image_id", "seq"))


def test_it_works():
    first, second = image(1), image(2)
    feature(first)
    feature(second)
    assert [image_id for image_id, _ in log()] == [first.pk, second.pk]


def test_a_changed_feature_moves_to_the_end():
    first, second = feature(image(1)), feature(image(2))
    Feature.objects.filter(pk=first.pk).update(data=b"y")
    assert [image_id for image_id, _ in log()] == [second.image_id, first.image_id]


def test_a_deleted_feature_leaves_its_row_behind():
    owner = feature(image(1)).image
    ((kept, before),) = log()
    owner.delete()
    ((image_id, after),) = log()
    assert image_id == kept
    assert after > before


def test_nothing_is_logged_for_what_is_rolled_back():
    owner = image(1)
    with transaction.atomic():
        feature(owner)
        transaction.set_rollback(True)
    assert log() == []


def test_a_reader_that_follows_the_log_misses_nothing():
    """Writers commit in another order than they wrote; a reader asks for everything after the last number it saw."""
    owners = [image(n) for n in range(120)]
    seen, position = set(), 0

    def write(mine: list[Image]) -> None:
        try:
            for i, owner in enumerate(mine):
                with transaction.atomic(), connection.cursor() as cursor:
                    feature(owner)
                    cursor.execute("SELECT pg_sleep(%s)", [0.02 * (i % 3 == 0)])
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(owners[n::6],)) for n in range(6)]
    for writer in writers:
        writer.start()
    while True:
        last_round = not any(writer.is_alive() for writer in writers)
        for image_id, seq in Change.objects.filter(seq__gt=position).order_by("seq").values_list("image_id", "seq"):
            seen.add(image_id)
            position = seq
        if last_round:
            break
    assert seen == {owner.pk for owner in owners}

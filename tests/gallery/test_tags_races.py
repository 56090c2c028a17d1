"""Who writes tags and who changes them at the same moment: nobody is refused, and nothing is lost."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from gallery.models import Image, ImageTag, Tag, TagAlias
from gallery.opinions import add_tag
from gallery.tag_rules import Kind, TagError, begin, plan
from gallery.tag_slices import at_once as done_at_once
from gallery.tags import FOLD_LOCK
from tests.gallery.made import rows, tag_called
from tests.ingestion.scene import at_once, wait_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


def merge(stays: Tag, goes: str) -> bool:
    return done_at_once(begin(Kind.MERGE, stays, goes, plan(Kind.MERGE, stays, goes).seen, None))


def test_it_works():
    """Somebody has found the tag, and writes it when it would be gone."""
    (one,) = rows(1)
    dog = Tag.objects.create(name="dog")
    doggy = Tag.objects.create(name="doggy")
    found, merged = threading.Event(), threading.Event()

    def act(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                tag = tag_called("doggy")
                found.set()
                merged.wait(0.5)
                ImageTag.objects.create(image_id=one, tag=tag)
        else:
            assert found.wait(60)
            assert merge(dog, "doggy")
            merged.set()

    at_once(2, act)
    assert not Tag.objects.filter(pk=doggy.pk).exists()
    assert Image.objects.values_list("tag_ids", flat=True).get(pk=one) == [dog.pk]


def test_the_same_new_tags_in_another_order(member):
    there = list(Image.objects.filter(pk__in=rows(4)).order_by("pk"))
    for attempt in range(5):
        names = [f"tag {attempt} {number}" for number in range(20)]
        orders = [names, names[::-1], names, names[::-1]]
        at_once(4, lambda n, orders=orders: add_tag(there[n], ", ".join(orders[n]), member))
    assert ImageTag.objects.count() == 4 * 100


def test_a_tag_and_another_name_of_one():
    dog = Tag.objects.create(name="dog")
    seen = plan(Kind.ALIAS, dog, "doggy").seen
    found, begun = threading.Event(), threading.Event()

    def act(number: int) -> str:
        if number == 0:
            with transaction.atomic():
                tag_called("doggy")
                found.set()
                begun.wait(0.5)
            return "made"
        assert found.wait(60)
        try:
            begin(Kind.ALIAS, dog, "doggy", seen, None)
        except TagError as error:
            return str(error)
        finally:
            begun.set()
        return "alias"

    made, said = at_once(2, act)
    assert made == "made"
    assert not (Tag.objects.filter(name="doggy").exists() and TagAlias.objects.filter(name="doggy").exists()), said


def test_a_merge_and_who_counts():
    dog, doggy = Tag.objects.create(name="dog"), Tag.objects.create(name="doggy")
    ImageTag.objects.create(image_id=rows(1)[0], tag=doggy)
    counting = threading.Event()

    def act(number: int) -> None:
        if number == 1:
            assert counting.wait(60)
            assert merge(dog, "doggy")
            return
        with transaction.atomic(), connection.cursor() as cursor:  # as fold_tallies, slowly
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FOLD_LOCK])
            cursor.execute("DELETE FROM gallery_tagtally")
            counting.set()
            wait_for_a_lock()
            cursor.execute("UPDATE gallery_tag SET count = count + 1 WHERE id = %s", [doggy.pk])

    at_once(2, act)
    assert not Tag.objects.filter(pk=doggy.pk).exists()

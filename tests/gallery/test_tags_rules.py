"""What the staff does to tags, and the way back: the rules, and the pictures that follow them."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from gallery import tag_slices
from gallery.models import Image, ImageTag, Tag, TagAlias, TagImplication, TagMove, TagWork
from gallery.tag_rules import Kind, TagError, TagOvertaken, begin, plan
from gallery.tag_slices import at_once, one_slice, work_on
from gallery.tag_undo import undo
from gallery.tags import fold_tallies, tags_called
from tests.gallery.made import counts_of, rows, tag_called

pytestmark = pytest.mark.django_db


def tag(name: str, images: list[int] = (), **values: object) -> Tag:
    found = Tag.objects.get_or_create(name=name)[0]
    ImageTag.objects.bulk_create([ImageTag(image_id=pk, tag=found, **values) for pk in images])
    return found


def do(kind: str, of: Tag, written: str) -> TagWork:
    work = begin(kind, of, written, plan(kind, of, written).seen, None)
    assert at_once(work)
    return work


def tags_of(pk: int) -> set[str]:
    ids = Image.objects.values_list("tag_ids", flat=True).get(pk=pk)
    return set(Tag.objects.filter(pk__in=ids).values_list("name", flat=True))


def everything() -> list[object]:
    """All that a tag is, to compare: exactly as before."""
    return [
        list(Tag.objects.order_by("pk").values_list("pk", "name", "category")),
        list(TagAlias.objects.values_list("name", "tag_id")),
        sorted(TagImplication.objects.values_list("tag_id", "implied_id")),
        list(ImageTag.objects.order_by("pk").values_list("pk", "image", "tag", "state", "decision", "confidence")),
        list(Image.objects.order_by("pk").values_list("pk", "tag_ids")),
        sorted(Tag.objects.counted().values_list("pk", "pictures")),
    ]


def test_it_works():
    """A merge, with everything that can lie in its way; and exactly back."""
    one, two, three, four = rows(4)
    animal, dog, doggy = tag("animal"), tag("dog", [three]), tag("doggy", [one, two])
    tag("dog", [one], origin="net", generation=7, state="suggested", confidence=0.2, offered=False)
    tag("doggy", [one, four], origin="net", generation=7, state="suggested", confidence=0.9)
    tag("dog", [two], state="rejected", decision=12)
    TagAlias.objects.create(name="doggie", tag=doggy)
    do(Kind.IMPLY, doggy, "animal")
    before = everything()
    foreseen = plan(Kind.MERGE, dog, "doggy")
    assert foreseen.pictures == 4  # number three gets the animal
    work = do(Kind.MERGE, dog, "doggy")
    assert [tags_of(pk) for pk in (one, two, three, four)] == [{"dog", "animal"}] * 4
    assert not Tag.objects.filter(name="doggy").exists()
    assert {tag_called(name).pk for name in ("dog", "doggy", "doggie")} == {dog.pk}
    kept = ImageTag.objects.get(image=one, generation=7)
    assert (kept.confidence, kept.state) == (0.9, "accepted")  # a person has said so as well
    assert counts_of(dog, animal) == {dog.pk: 4, animal.pk: 4}
    assert at_once(undo(work, None))
    assert everything() == before
    assert not TagMove.objects.exists()


def test_what_changed_since_stays():
    one, two = rows(2)
    dog = tag("dog")
    tag("doggy", [one, two])
    work = do(Kind.MERGE, dog, "doggy")
    ImageTag.objects.filter(image=one).update(state="rejected", decision=5)
    at_once(undo(work, None))
    assert [tags_of(one), tags_of(two)] == [set(), {"doggy"}]
    assert ImageTag.objects.get(image=one).tag == dog


class TestDecisions:
    @pytest.mark.parametrize(
        ("going", "staying", "wins"),
        [
            ({"state": "rejected", "decision": 3, "origin": "net"}, {"state": "suggested", "origin": "n"}, "rejected"),
            ({"state": "suggested", "origin": "net"}, {"state": "rejected", "decision": 3, "origin": "n"}, "rejected"),
            ({"state": "accepted"}, {"state": "rejected", "decision": 3, "origin": "net"}, "accepted"),
            ({"state": "accepted", "origin": "file"}, {"state": "rejected", "decision": 3, "origin": "n"}, "rejected"),
        ],
    )
    def test_a_person_wins_over_a_machine(self, going, staying, wins):
        (pk,) = rows(1)
        tag("doggy", [pk], **going)
        dog = tag("dog", [pk], **staying)
        do(Kind.MERGE, dog, "doggy")
        assert set(ImageTag.objects.values_list("tag", "state")) == {(dog.pk, wins)}


class TestImplications:
    def test_they_are_followed_and_taken_back(self):
        one, two, three = rows(3)
        husky, dog = tag("husky", [one, two]), tag("dog", [two])
        animal = tag("animal")
        tag("dog", [three], state="rejected", decision=3)
        tag("husky", [three])
        do(Kind.IMPLY, husky, "dog")
        assert [tags_of(pk) for pk in (one, two, three)] == [{"husky", "dog"}, {"husky", "dog"}, {"husky"}]
        foreseen = plan(Kind.IMPLY, dog, "animal")
        assert foreseen.pictures == 3
        work = do(Kind.IMPLY, dog, "animal")
        assert [tags_of(pk) for pk in (one, three)] == [{"husky", "dog", "animal"}, {"husky", "animal"}]
        at_once(undo(work, None))
        assert counts_of(animal)[animal.pk] == 0
        assert plan(Kind.NO_IMPLY, husky, "dog").pictures == 1  # the other is tagged so itself
        work = do(Kind.NO_IMPLY, husky, "dog")
        assert [tags_of(one), tags_of(two)] == [{"husky"}, {"husky", "dog"}]
        at_once(undo(work, None))
        assert tags_of(one) == {"husky", "dog"}

    def test_circles_are_refused(self):
        husky, dog, animal = tag("husky"), tag("dog"), tag("animal")
        do(Kind.IMPLY, husky, "dog")
        do(Kind.IMPLY, dog, "animal")
        with pytest.raises(TagError, match="in a circle"):
            plan(Kind.IMPLY, animal, "husky")
        with pytest.raises(TagError, match="this tag itself"):
            plan(Kind.IMPLY, dog, "dog")
        with pytest.raises(TagError, match="in a circle"):
            plan(Kind.MERGE, animal, "husky")  # animal would imply the dog that implies it
        assert plan(Kind.MERGE, dog, "husky")


class TestNames:
    def test_a_rename_keeps_the_old_name(self):
        dogs = tag("dogs")
        work = do(Kind.RENAME, dogs, " Dog ")
        assert tag_called("dogs").name == "dog"
        undo(work, None)
        assert (tag_called("dogs").name, TagAlias.objects.count()) == ("dogs", 0)

    def test_another_name_of_it_becomes_the_name(self):
        dogs = tag("dogs")
        do(Kind.ALIAS, dogs, "dog")
        before = everything()
        work = do(Kind.RENAME, dogs, "dog")
        assert list(TagAlias.objects.values_list("name", flat=True)) == ["dogs"]
        undo(work, None)
        assert everything() == before

    def test_other_names(self):
        dog = tag("dog")
        work = do(Kind.ALIAS, dog, "doggy")
        assert tags_called(["doggy", "dog", "cat"])["doggy"] == dog.pk
        with pytest.raises(TagError, match="another name of “dog”"):
            plan(Kind.ALIAS, tag("cat"), "doggy")
        with pytest.raises(TagError, match="name already"):
            plan(Kind.ALIAS, dog, "dog")
        taken = do(Kind.NO_ALIAS, dog, "doggy")
        undo(taken, None)
        undo(work, None)
        assert not TagAlias.objects.exists()

    def test_a_taken_name_is_refused(self):
        tag("cat")
        with pytest.raises(TagError, match="merge them"):
            plan(Kind.RENAME, tag("dog"), "cat")

    def test_categories(self):
        dog = tag("dog")
        work = do(Kind.CATEGORY, dog, "Animal")
        dog.refresh_from_db()
        assert dog.category == "animal"
        with pytest.raises(TagError, match="at most 32"):
            plan(Kind.CATEGORY, dog, "x" * 33)
        undo(work, None)
        dog.refresh_from_db()
        assert dog.category == ""
        with pytest.raises(TagOvertaken, match="undone already"):
            undo(work, None)

    def test_a_tag_beside_its_own_name_can_be_merged(self):
        """It came there by a race, or from before: merging is the way out."""
        (pk,) = rows(1)
        dog, doggy = tag("dog"), tag("doggy", [pk])
        TagAlias.objects.create(name="doggy", tag=dog)
        assert do(Kind.MERGE, dog, "doggy").other == doggy.pk
        assert tags_of(pk) == {"dog"}


class TestTwoPeople:
    def test_who_comes_second_is_told(self):
        dog = tag("dog")
        seen = plan(Kind.RENAME, dog, "hound").seen
        do(Kind.ALIAS, dog, "doggy")
        with pytest.raises(TagOvertaken, match="Somebody was faster"):
            begin(Kind.RENAME, dog, "hound", seen, None)
        with pytest.raises(TagOvertaken):
            begin(Kind.ALIAS, dog, "doggy", plan(Kind.RENAME, dog, "hound").seen, None)

    def test_a_tag_at_work_waits(self):
        dog, husky = tag("dog"), tag("husky", rows(2))
        begin(Kind.IMPLY, husky, "dog", plan(Kind.IMPLY, husky, "dog").seen, None)
        with pytest.raises(TagError, match="still being changed"):
            begin(Kind.RENAME, husky, "wolf", plan(Kind.RENAME, husky, "wolf").seen, None)
        with pytest.raises(TagError, match="still being changed"):
            begin(Kind.RENAME, dog, "wolf", plan(Kind.RENAME, dog, "wolf").seen, None)


class TestSlices:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(tag_slices, "SLICE", 3)
        monkeypatch.setattr(tag_slices, "AT_ONCE", 2)

    def test_a_killed_worker_loses_nothing(self):
        """One slice is done, then its worker is gone; another one goes on when the lease is over."""
        images = rows(8)
        dog, doggy = tag("dog"), tag("doggy", images)
        work = begin(Kind.MERGE, dog, "doggy", plan(Kind.MERGE, dog, "doggy").seen, None)
        assert not at_once(work)
        one_slice(TagWork.objects.claim("first"), "first")
        work.refresh_from_db()
        assert (work.looked, work.total) == (3, 8)
        assert [len(tags_of(pk) & {"dog"}) for pk in images] == [1] * 3 + [0] * 5
        assert TagWork.objects.claim("second") is None
        assert not work_on(1)
        TagWork.objects.update(lease_until="2000-01-01T00:00Z")
        ImageTag.objects.create(image_id=images[0], tag=doggy, origin="late")  # by somebody who knew the old tag
        assert not work_on(9)
        work.refresh_from_db()
        assert (work.state, {frozenset(tags_of(pk)) for pk in images}) == ("done", {frozenset({"dog"})})
        assert not Tag.objects.filter(pk=doggy.pk).exists()

    def test_it_is_undone_while_at_work(self):
        images = rows(8)
        dog = tag("dog")
        tag("doggy", images)
        before = everything()
        work = begin(Kind.MERGE, dog, "doggy", plan(Kind.MERGE, dog, "doggy").seen, None)
        one_slice(TagWork.objects.claim("first"), "first")
        undo(work, None)
        assert not one_slice(work, "first")
        work_on(9)
        assert everything() == before


class TestCounts:
    def test_tallies_are_added_up(self):
        images = rows(3)
        dog = tag("dog", images)
        dog.refresh_from_db()
        assert (dog.count, counts_of(dog)) == (0, {dog.pk: 3})
        assert fold_tallies()
        Image.objects.filter(pk=images[0]).update(trashed_at="2026-01-01T00:00Z")
        dog.refresh_from_db()
        assert (dog.count, counts_of(dog)) == (3, {dog.pk: 2})
        fold_tallies()
        assert counts_of(dog) == {dog.pk: 2}


@pytest.mark.django_db(transaction=True)
def test_one_counts_at_a_time():
    tag("dog", rows(2))
    outcome = []

    def fold() -> None:
        outcome.append(fold_tallies())
        connection.close()

    from gallery.tags import FOLD_LOCK

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [FOLD_LOCK])
        thread = threading.Thread(target=fold)
        thread.start()
        thread.join()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [FOLD_LOCK])
    fold()
    assert outcome == [False, True]

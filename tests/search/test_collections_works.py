"""What is done to collections in the background: added, taken out, thinned out, sampled; killed, stopped, undone."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db.models.functions import Now

from gallery.models import Image, User
from search.datasets import adding, wishes, works
from search.datasets.answers import address_of
from search.datasets.errors import CollectionError
from search.datasets.saying import sentence
from search.datasets.scores import Line
from search.datasets.scoring import note_scores
from search.models import Collection, CollectionItem, CollectionWork
from tests.search.collected import collection_of, coloured, done, hashed, hashes, inside, private, some

pytestmark = pytest.mark.django_db
State = CollectionWork.State


@pytest.fixture
def alice(db) -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def eve(db) -> User:
    return User.objects.create(username="eve")


def test_it_works(alice):
    images = some(30)
    cars = collection_of(alice, [])
    work = done(wishes.add(cars, alice, address=address_of("width>0 sort:oldest"), limit=20))
    assert (work.state, work.done, work.outcome) == (State.DONE, 20, {"added": 20, "asked": 20})
    assert inside(cars) == images[:20]
    assert set(CollectionItem.objects.values_list("via", flat=True)) == {"width>0 sort:oldest"}
    assert works.undo(work) == "Undone: 20 pictures taken out again."
    assert inside(cars) == []


class TestAdd:
    def test_nothing_is_doubled(self, alice):
        images = some(10)
        cars = collection_of(alice, images[:4])
        work = done(wishes.add(cars, alice, images))
        assert (work.outcome["added"], inside(cars)) == (6, images)
        works.undo(work)
        assert inside(cars) == images[:4]

    def test_a_killed_worker_loses_nothing(self, alice, monkeypatch):
        monkeypatch.setattr(adding, "SLICE", 4)
        images = some(10)
        cars = collection_of(alice, [])
        work = wishes.add(cars, alice, images)
        dead = CollectionWork.objects.claim_one(work.pk, "dead")
        adding.step(dead, "dead")
        assert len(inside(cars)) == 4
        assert CollectionWork.objects.claim("other") is None
        CollectionWork.objects.update(lease_until=Now() - timedelta(seconds=1))
        done(work)
        assert inside(cars) == images
        # It wakes up again, and believes to hold the work still.
        dead.refresh_from_db()
        adding.step(dead, "dead")
        work.refresh_from_db()
        assert (inside(cars), work.outcome["added"], work.state) == (images, 10, State.DONE)

    def test_private_pictures_of_others_do_not_come_in(self, alice, eve):
        images = some(3)
        private(images[1], eve)
        cars = collection_of(alice, [])
        assert done(wishes.add(cars, alice, images)).outcome["added"] == 2
        assert done(wishes.add(cars, alice, address=address_of("width>0"))).outcome["asked"] == 2
        assert inside(cars) == [images[0], images[2]]

    def test_what_becomes_private_is_not_shown(self, alice, eve):
        images = some(3)
        cars = collection_of(alice, images)
        private(images[0], eve)
        assert inside(cars, alice) == images[1:]
        assert list(cars.images_for(alice).order_by("pk").values_list("pk", flat=True)) == images[1:]

    @pytest.mark.parametrize(
        ("address", "why"),
        [
            ("/search/?q=a%26%26(", "cannot be read"),
            ("/search/?q=cars&orientation=nonsense", "nonsense"),
            ("/search/", "Nothing was asked"),
            ("/search/like/999999/", "no such picture"),
            ("/search/q/unknown/", "This query is over"),
            ("/collections/unknown/", "no such collection"),
        ],
    )
    def test_what_cannot_be_found_fails_with_a_sentence(self, alice, address, why):
        some(2)
        cars = collection_of(alice, [])
        work = done(wishes.add(cars, alice, address=address))
        assert (work.state, inside(cars)) == (State.FAILED, [])
        assert why in work.problem

    @pytest.mark.parametrize(
        "address", ["https://example.org/search/?q=a", "//x/", "/admin/", "search", "/nowhere/", ""]
    )
    def test_it_rejects_other_addresses(self, alice, address):
        with pytest.raises(CollectionError):
            wishes.add(collection_of(alice, []), alice, address=address)

    def test_of_another_collection(self, alice, eve):
        images = some(4)
        theirs = collection_of(eve, images[:2], is_shared=True)
        hidden = collection_of(eve, images[2:], "Hidden")
        cars = collection_of(alice, [])
        assert done(wishes.add(cars, alice, address=theirs.get_absolute_url())).outcome["added"] == 2
        assert "no such collection" in done(wishes.add(cars, alice, address=hidden.get_absolute_url())).problem
        assert inside(cars) == images[:2]

    def test_a_deleted_collection_takes_nothing(self, alice):
        cars = collection_of(alice, [])
        work = wishes.add(cars, alice, some(2))
        Collection.objects.update(deleted_at=Now())
        assert "deleted meanwhile" in done(work).problem

    def test_what_is_begun_again_and_again_is_given_up(self, alice):
        work = wishes.add(collection_of(alice, []), alice, some(2))
        CollectionWork.objects.update(attempts=works.MOST_ATTEMPTS)
        assert "never came to its end" in done(work).problem

    def test_a_stopped_work_stays_stopped(self, alice, monkeypatch):
        monkeypatch.setattr(adding, "SLICE", 4)
        images = some(10)
        cars = collection_of(alice, [])
        work = wishes.add(cars, alice, images)
        held = CollectionWork.objects.claim_one(work.pk, "w")
        adding.step(held, "w")
        assert works.stop(work)
        adding.step(held, "w")
        assert done(work).state == State.STOPPED
        assert inside(cars) == images[:4]
        works.undo(work)
        assert inside(cars) == []

    def test_nobody_has_too_many_at_work(self, alice):
        cars, images = collection_of(alice, []), some(1)
        for _ in range(works.MOST_AT_WORK):
            wishes.add(cars, alice, images)
        with pytest.raises(CollectionError, match="not done yet"):
            wishes.add(cars, alice, images)


class TestRemove:
    def test_it_is_undone(self, alice):
        images = some(5)
        cars = collection_of(alice, images)
        work = done(wishes.remove(cars, alice, images[1:3]))
        assert inside(cars) == [images[0], *images[3:]]
        assert works.undo(work) == "Undone: 2 pictures put back."
        assert inside(cars) == images
        with pytest.raises(CollectionError):
            works.undo(work)

    def test_what_came_in_again_is_not_doubled(self, alice):
        images = some(2)
        cars = collection_of(alice, images)
        work = done(wishes.remove(cars, alice, images))
        done(wishes.add(cars, alice, images[:1]))
        works.undo(work)
        assert sorted(inside(cars)) == images

    def test_after_thirty_days_it_is_forgotten(self, alice):
        images = some(2)
        cars = collection_of(alice, images)
        done(wishes.remove(cars, alice, images[:1]))
        CollectionWork.objects.update(ended_at=Now() - timedelta(days=31))
        works.sweep()
        assert list(CollectionItem.objects.values_list("image", flat=True)) == images[1:]


class TestThin:
    def test_the_best_stays(self, alice):
        images = some(6)
        bits = hashes(images)
        bits[4] = bits[1]
        bits[4, :4] ^= 255  # 32 bits differ
        hashed(images, bits)
        Image.objects.filter(pk=images[4]).update(width=4000, height=3000)
        cars = collection_of(alice, images)
        preview = done(wishes.thin(cars, alice, bits=128, dry_run=True))
        assert preview.outcome["would_remove"] == 1
        assert preview.outcome["examples"] == [[images[1], images[4], "phash", 32]]
        assert inside(cars) == images
        assert not preview.can_be_undone
        work = done(wishes.thin_as_seen(preview, alice))
        assert work.outcome["removed"] == 1
        assert inside(cars) == [images[0], *images[2:]]
        works.undo(work)
        assert inside(cars) == images

    def test_flat_pictures_have_the_same_hash_and_stay(self, alice):
        images = some(3)
        hashed(images, np.zeros((3, 72), np.uint8), detail=10)
        cars = collection_of(alice, images)
        assert done(wishes.thin(cars, alice, bits=128, dry_run=True)).outcome["would_remove"] == 0

    def test_by_likeness(self, alice):
        images = some(4)
        vectors = np.eye(4, 512) * 200
        vectors[2] = vectors[0]
        vectors[2, 3] = 40
        coloured(images, vectors)
        cars = collection_of(alice, images)
        work = done(wishes.thin(cars, alice, bits=0, likeness=0.95, engine="color"))
        assert (work.problem, inside(cars)) == ("", [images[0], images[1], images[3]])

    def test_pictures_of_others_are_not_touched(self, alice, eve):
        images = some(3)
        hashed(images, np.repeat(hashes(images[:1]), 3, axis=0))
        cars = collection_of(alice, images)
        private(images[1], eve)
        assert done(wishes.thin(cars, alice)).outcome["removed"] == 1
        assert inside(cars) == images[:2]

    def test_without_features_it_says_so(self, alice):
        cars = collection_of(alice, some(2))
        assert "being prepared" in done(wishes.thin(cars, alice, bits=0, likeness=0.9)).problem


class TestSample:
    def test_the_rest_is_taken_out(self, alice):
        images = some(9)
        vectors = np.zeros((9, 512))
        vectors[np.arange(9), np.arange(9) // 3] = 200  # three heaps
        coloured(images, vectors)
        cars = collection_of(alice, images)
        work = done(wishes.sample(cars, alice, "diverse", 3))
        assert (work.outcome["chosen"], work.outcome["removed"], work.outcome["engine"]) == (3, 6, "color")
        assert work.outcome["radius"] == 0
        assert "differs from the chosen one that is most like it by 0% of what two pictures" in sentence(work)
        assert {images.index(pk) // 3 for pk in inside(cars)} == {0, 1, 2}
        works.undo(work)
        assert inside(cars) == images

    def test_a_new_collection(self, alice):
        images = some(9)
        cars = collection_of(alice, images)
        work = done(wishes.sample(cars, alice, "random", 4, seed=7, into="Four"))
        four = Collection.objects.get(token=work.outcome["collection"])
        assert (four.name, len(inside(four)), inside(cars)) == ("Four", 4, images)
        again = done(wishes.sample(cars, alice, "random", 4, seed=7, into="Again"))
        assert inside(Collection.objects.get(token=again.outcome["collection"])) == inside(four)
        works.undo(work)
        assert not Collection.objects.alive().filter(name="Four").exists()

    def test_where_a_model_is_not_sure(self, alice):
        images = some(6)
        cars = collection_of(alice, images)
        names = dict(Image.objects.values_list("pk", "name"))
        shas = dict(Image.objects.values_list("pk", "sha256"))
        written = [
            str(images[0]),
            names[images[1]],
            shas[images[2]],
            f"images/{images[3]}-some-name.jpg",
            "nothing.jpg",
        ]
        scores = [0.5, 0.31, 0.9, 0.7, 0.5]
        lines = [Line(n, name, score) for n, (name, score) in enumerate(zip(written, scores, strict=True), 1)]
        matched, unmatched = note_scores(cars, alice, lines)
        assert (matched, [each["line"] for each in unmatched]) == (4, [5])
        work = done(wishes.sample(cars, alice, "uncertain", into="Unsure"))
        unsure = Collection.objects.get(token=work.outcome["collection"])
        assert inside(unsure) == [images[0], images[1], images[3]]
        assert dict(unsure.items.values_list("image", "score")) == {images[0]: 0.5, images[1]: 0.31, images[3]: 0.7}

    def test_a_name_twice_is_reported(self, alice):
        images = some(2)
        Image.objects.update(name="car.jpg")
        cars = collection_of(alice, images)
        _, unmatched = note_scores(
            cars, alice, [Line(1, "car.jpg", 0.5), Line(2, str(images[0]), 0.4), Line(3, str(images[0]), 0.6)]
        )
        assert [each["why"].split(":")[0] for each in unmatched] == [
            "2 pictures of the collection have this name",
            "The same picture stands in a line before.",
        ]

    def test_without_scores_it_says_so(self, alice):
        cars = collection_of(alice, some(2))
        assert "send in the scores" in done(wishes.sample(cars, alice, "uncertain")).problem

    @pytest.mark.parametrize(
        "asked",
        [{"how": "nonsense"}, {"how": "random"}, {"how": "random", "count": 0}, {"how": "uncertain", "low": 0.8}],
    )
    def test_it_rejects_nonsense(self, alice, asked):
        with pytest.raises(CollectionError):
            wishes.sample(collection_of(alice, []), alice, **asked)

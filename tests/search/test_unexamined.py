"""A search by an image that was examined looks closely at nothing but what was not examined yet."""

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser

from gallery.models import Image, User
from search import proven, unexamined
from search.engines import get_engine
from search.engines.local_features import LocalFeatures
from search.models import Change, Examination, Feature
from search.query import Query
from search.retrieval import retrieve
from search.unexamined import unknown_to
from tests.gallery.made import rows
from tests.pictures import photo

ANYBODY = AnonymousUser()
CROP = (40, 30, 280, 210)


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(unexamined, "_known", None)
    monkeypatch.setattr(unexamined, "_CHECKED", 0.0)


def examined(*images: int, **values) -> None:
    for pk in images:
        known = {"versions": proven.versions(), "notice": ""} | values
        Examination.objects.update_or_create(image_id=pk, defaults=known)


def with_features(count: int) -> list[int]:
    images = rows(count)
    engine = get_engine(proven.CLOSE)
    Feature.objects.bulk_create(
        Feature(image_id=pk, engine=engine.name, version=engine.version, data=b"") for pk in images
    )
    return images


def logged(image: int, seq: int) -> int:
    """As the trigger does at the commit."""
    version = get_engine(proven.CLOSE).version
    Change.objects.update_or_create(engine=proven.CLOSE, version=version, image_id=image, defaults={"seq": seq})
    return seq


def unknown(image: int, last: int = 0, user: object = ANYBODY) -> list[int] | None:
    ids = unknown_to(image, user, last)  # type: ignore[arg-type]
    return None if ids is None else ids.tolist()


def looks(monkeypatch) -> list[list[int] | None]:
    """What LocalFeatures is asked to look among, search by search."""
    seen: list[list[int] | None] = []
    search = LocalFeatures.search

    def spied(self, probe, index, k, among=None):
        seen.append(None if among is None else among.tolist())
        return search(self, probe, index, k, among)

    monkeypatch.setattr(LocalFeatures, "search", spied)
    return seen


def certain(image: int, user: object = ANYBODY) -> list[int]:
    answer = retrieve(Query(image_id=image), user)  # type: ignore[arg-type]
    assert answer.notices == []
    return [found.image.pk for found in answer.found if found.match.certain]


def test_it_works(add, monkeypatch):
    old, other = add(1), add(2)
    examined(old.pk, other.pk)
    asked = looks(monkeypatch)
    assert certain(old.pk) == []
    assert asked == []  # nothing can be there that its pairs do not tell
    new = add(photo(1).crop(CROP), name="part.jpg")
    assert certain(old.pk) == [new.pk]
    assert certain(new.pk) == [old.pk]
    assert asked == [[new.pk], None]  # itself not examined, it is compared with all


def test_one_that_came_back_from_the_trash_is_looked_at_again(add):
    from ingestion.pipeline import complete

    old, part = add(1), add(photo(1).crop(CROP), name="part.jpg")
    examined(old.pk, part.pk)
    assert certain(old.pk) == []
    part.trash()
    assert certain(old.pk) == []
    part.restore()
    complete(part)
    assert certain(old.pk) == [part.pk]


def test_a_private_picture_finds_and_is_found_for_its_owner_only(add, member):
    old, mine = add(1), add(photo(1).crop(CROP), name="part.jpg")
    examined(old.pk)
    mine.owners.add(member)
    assert mine.set_private(True)
    assert certain(old.pk, member) == [mine.pk]
    assert certain(mine.pk, member) == [old.pk]
    assert certain(old.pk) == []
    mine.set_private(False)
    assert certain(old.pk) == [mine.pk]


def test_a_feature_that_is_missing_is_said(add):
    image = add(1)
    examined(image.pk)
    image.features.all().delete()
    notices = retrieve(Query(image_id=image.pk), ANYBODY).notices
    assert all("still being prepared" in notice for notice in notices)
    assert any(notice.startswith(get_engine(proven.CLOSE).label) for notice in notices)


@pytest.mark.django_db
class TestUnknown:
    def test_what_failed_and_what_other_versions_saw_is_not_examined(self):
        one, failed, outdated, done = with_features(4)
        examined(one, done)
        examined(failed, notice="An engine did not answer.")
        examined(outdated, versions="local_features 0, phash 0")
        assert unknown(one) == [failed, outdated]
        examined(failed)
        assert unknown(one) == [outdated]
        assert unknown(outdated) is None

    def test_the_log_says_what_came(self):
        one, other = with_features(2)
        examined(one, other)
        assert unknown(one, 0) == []
        (new,) = with_features(1)
        last = logged(new, 7)
        assert unknown(one, last) == [new]
        assert unknown(new, last) is None
        examined(new)
        assert unknown(one, last) == []
        Examination.objects.filter(image=other).delete()  # the trash
        assert unknown(one, logged(other, 8)) == [other]
        assert unknown(one, last) == [other]  # whoever has read the log before

    def test_another_version_begins_again(self, monkeypatch):
        one, other = with_features(2)
        examined(one, other)
        assert unknown(one) == []
        monkeypatch.setattr(unexamined, "versions", lambda: "local_features 99")
        assert unknown(one) is None

    def test_a_database_that_was_restored_is_read_again(self):
        one, other = with_features(2)
        examined(one, other)
        assert unknown(one, logged(one, 9)) == []
        Change.objects.all().delete()
        Examination.objects.filter(image=other).delete()
        assert unknown(one, 0) == [other]

    def test_what_was_private_meanwhile_is_noticed_within_a_minute(self, monkeypatch):
        one, other = with_features(2)
        examined(one, other)
        assert unknown(one) == []
        Examination.objects.filter(image=other).delete()
        monkeypatch.setattr(unexamined, "_READ", 0.0)
        assert unknown(one) == [other]

    def test_of_many_none_is_left_out(self, monkeypatch):
        one, *others = with_features(4)
        examined(one)
        assert unknown(one) == others
        monkeypatch.setattr(unexamined, "FEW", 2)
        assert unknown(one) is None
        monkeypatch.setattr(unexamined, "_known", None)
        monkeypatch.setattr(unexamined, "FEW", 9)
        monkeypatch.setattr(unexamined, "_HELD", 2)
        assert unknown(one) is None
        (new,) = with_features(1)
        assert unknown(one, logged(new, 3)) is None

    def test_others_private_ones_are_left_out(self):
        one, private, public = with_features(3)
        examined(one)
        owner = User.objects.create_user("carol", password="open sesame 12")
        Image.objects.filter(pk=private).update(private=True)
        Image.objects.get(pk=private).owners.add(owner)
        assert unknown(one) == [public]
        assert unknown(one, user=owner) == [private, public]
        assert np.array_equal(unknown_to(one, User.objects.create_user("dave"), 0), [public])

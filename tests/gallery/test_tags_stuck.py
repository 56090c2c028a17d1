"""A merge always ends: it is done, or it is given up with a sentence, and can be undone."""

from __future__ import annotations

import pytest

from gallery import tag_slices
from gallery.models import Image, ImageTag, Tag, TagImplication, TagWork
from gallery.tag_rules import Kind, TagError, begin, plan
from gallery.tag_slices import at_once, work_on
from gallery.tag_undo import undo
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


def tag(name: str, images: list[int] = ()) -> Tag:
    found = Tag.objects.get_or_create(name=name)[0]
    ImageTag.objects.bulk_create([ImageTag(image_id=pk, tag=found) for pk in images])
    return found


def begun(kind: str, of: Tag, written: str) -> TagWork:
    return begin(kind, of, written, plan(kind, of, written).seen, None)


def tags_of(pk: int) -> set[str]:
    ids = Image.objects.values_list("tag_ids", flat=True).get(pk=pk)
    return {Tag.objects.get(pk=tag).name for tag in ids}


def test_it_works():
    """An undo would tie what comes back to a tag that is just being merged: that would have to go, and could not."""
    (one,) = rows(1)
    forest, sky = tag("forest", [one]), tag("sky")
    assert at_once(begun(Kind.IMPLY, forest, "sky"))
    first = begun(Kind.MERGE, tag("wood"), "forest")
    assert at_once(first)
    second = begun(Kind.MERGE, tag("cloud"), "sky")
    with pytest.raises(TagError, match="still being changed"):
        undo(first, None)
    assert at_once(second)
    assert tags_of(one) == {"wood", "cloud"}
    assert not Tag.objects.filter(pk=sky.pk).exists()
    assert at_once(undo(first, None))


def test_what_was_implied_by_a_tag_that_was_deleted():
    (one,) = rows(1)
    husky, dog, animal = tag("husky", [one]), tag("dog"), tag("animal")
    assert at_once(begun(Kind.IMPLY, husky, "dog"))
    assert at_once(begun(Kind.IMPLY, dog, "animal"))
    dog.delete()
    assert animal.pk in Image.objects.values_list("tag_ids", flat=True).get(pk=one)
    assert at_once(begun(Kind.MERGE, tag("creature"), "animal"))
    assert tags_of(one) == {"husky"}


def test_the_tag_that_stays_is_deleted_meanwhile(as_admin):
    dog, images = tag("dog"), rows(3)
    tag("doggy", images)
    work = begun(Kind.MERGE, dog, "doggy")
    dog.delete()
    assert not work_on(5)
    work.refresh_from_db()
    assert work.state == "failed"
    assert tags_of(images[0]) == {"doggy"}
    page = as_admin.get("/tags/changes/").content.decode()
    assert "given up: “dog” was deleted meanwhile" in page
    assert "“dog” was deleted" in as_admin.get(f"/tags/changes/{work.pk}/").content.decode()


def test_somebody_writes_the_tag_again_and_again():
    (one,) = rows(1)
    dog, doggy, husky = tag("dog"), tag("doggy", [one]), tag("husky", [one])
    work = begun(Kind.MERGE, dog, "doggy")
    TagImplication.objects.create(tag=husky, implied=doggy)  # not by our rules
    assert at_once(work)
    assert (work.state, work.rounds) == ("failed", tag_slices.MOST_ROUNDS)
    assert "again and again" in work.problem
    TagImplication.objects.all().delete()
    assert at_once(undo(work, None))
    assert work.moves.count() == 0
    again = begun(Kind.MERGE, dog, "doggy")
    assert at_once(again)
    assert (again.state, tags_of(one)) == ("done", {"husky", "dog"})


def test_a_request_is_not_held(monkeypatch):
    monkeypatch.setattr(tag_slices, "AT_ONCE_SECONDS", -1)
    dog = tag("dog")
    tag("doggy", rows(3))
    work = begun(Kind.MERGE, dog, "doggy")
    assert not at_once(work)
    assert (work.state, work.lease_until) == ("working", None)
    assert not work_on(5)
    work.refresh_from_db()
    assert work.state == "done"


def test_an_undo_that_was_given_up_goes_on():
    (one,) = rows(1)
    dog = tag("dog")
    tag("doggy", [one])
    work = begun(Kind.MERGE, dog, "doggy")
    assert at_once(work)
    undo(work, None)
    TagWork.objects.update(state="stuck", problem="The database refused it.")
    work = undo(work, None)
    assert at_once(work)
    assert (work.state, work.problem, tags_of(one)) == ("undone", "", {"doggy"})

"""Many people at once, on the page of a picture, with a selection, and in its history: no edit is lost."""

from __future__ import annotations

import pytest

from gallery.bulk import apply, plan
from gallery.history import take_back
from gallery.models import Batch, Edit, Image, ImageTag, Tag, User
from gallery.opinions import Overtaken, add_tag, decide_tag
from gallery.revert import revert_batch
from tests.gallery.made import rows
from tests.ingestion.scene import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def told(image: int) -> list[str]:
    return [edit.sentence for edit in Edit.objects.filter(image=image).order_by("pk")]


def test_it_works(member: User):
    """The same selection, in whatever order: each picture gets it once."""
    there = rows(20)
    seen = plan("add", there, "sea", member).seen
    orders = [there, there[::-1], there[10:] + there[:10], there[::2] + there[1::2]]
    done = at_once(4, lambda n: apply("add", orders[n], "sea", seen, member))
    assert sum(one.batch is not None for one in done) == 1
    assert ImageTag.objects.count() == Edit.objects.count() == 20
    told_so = [one.sentence for one in done if one.batch is None]
    assert told_so == ["Nothing was done. Somebody has changed 20 pictures meanwhile: left as they are."] * 3


def test_a_selection_and_a_person(member: User, admin: User):
    there = rows(5)
    tag = Tag.objects.create(name="sea")
    for image in Image.objects.filter(pk__in=there):
        add_tag(image, "sea", admin)
    seen = plan("remove", there, "sea", member).seen

    def act(number: int) -> str:
        if number == 0:
            return apply("remove", there, "sea", seen, member).sentence
        try:
            change = decide_tag(Image.objects.get(pk=there[2]), tag.pk, "rejected", "accepted", admin)
        except Overtaken:
            return "told"
        return "done" if change else "was so"

    at_once(2, act)
    assert not ImageTag.objects.filter(state="accepted").exists()
    assert told(there[2]) == ["added the tag “sea”", "removed the tag “sea”"]


def test_one_entry_is_taken_back_once(member: User):
    (there,) = rows(1)
    image = Image.objects.get(pk=there)
    add_tag(image, "sea", member)
    first = Edit.objects.get()
    done = at_once(5, lambda _: take_back(Edit.objects.get(pk=first.pk), member))
    assert sum(edit is not None for edit in done) == 1
    assert told(there) == ["added the tag “sea”", "took away the tag “sea”"]


def test_a_batch_is_taken_back_once(member: User):
    there = rows(10)
    apply("add", there, "sea", plan("add", there, "sea", member).seen, member)
    batch = Batch.objects.get()
    done = at_once(4, lambda _: revert_batch(batch, member))
    assert sorted(len(outcome.undone) for outcome in done) == [0, 0, 0, 10]
    assert not ImageTag.objects.exists()


def test_many_add_different_tags(member: User):
    (there,) = rows(1)
    at_once(6, lambda n: add_tag(Image.objects.get(pk=there), f"tag {n}, all", member))
    assert set(ImageTag.objects.values_list("tag__name", flat=True)) == {"all", *(f"tag {n}" for n in range(6))}
    assert Edit.objects.count() == 7

"""Edits of tags that are one by now: nobody's decision is taken back with another's."""

from __future__ import annotations

import pytest

from gallery.history import Overtaken, take_back
from gallery.models import Edit, Image, Tag, User
from gallery.opinions import add_tag
from gallery.revert import revert_many
from gallery.tag_rules import Kind, begin, plan
from gallery.tag_slices import at_once
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def image() -> Image:
    return Image.objects.get(pk=rows(1)[0])


def merge(stays: str, goes: str) -> None:
    tag = Tag.objects.get(name=stays)
    assert at_once(begin(Kind.MERGE, tag, goes, plan(Kind.MERGE, tag, goes).seen, None))


def tags(image: Image) -> dict[str, str]:
    return dict(image.image_tags.values_list("tag__name", "state"))


@pytest.mark.parametrize("first", ["doggy", "dog"])
def test_it_works(image: Image, member: User, admin: User, first: str):
    """Whoever came first: what alice takes back is what bob has said, too."""
    for name in sorted(("dog", "doggy"), key=lambda name: name != first):
        add_tag(image, name, member if name == "doggy" else admin)
    hers = Edit.objects.get(by=member)
    merge("dog", "doggy")
    with pytest.raises(Overtaken, match="bob added the tag “dog”: nothing was undone"):
        take_back(hers, member)
    outcome = revert_many([hers], admin, "took back what alice did")
    assert (outcome.undone, outcome.left, outcome.batch) == ([], [hers], None)
    his = Edit.objects.get(by=admin)
    assert revert_many([his], member, "took back what bob did").left == [his]
    assert tags(image) == {"dog": "accepted"}


def test_who_has_seen_it_may(image: Image, member: User, admin: User):
    add_tag(image, "doggy", member)
    add_tag(image, "dog", admin)
    merge("dog", "doggy")
    hers = Edit.objects.get(by=member)
    with pytest.raises(Overtaken) as refusal:
        take_back(hers, member)
    back = take_back(hers, member, refusal.value.seen)
    assert back
    assert tags(image) == {}
    assert back.things == [f"tag:{Tag.objects.get().pk}"]
    assert take_back(back, member)
    assert tags(image) == {"dog": "accepted"}


def test_alone_it_goes_on(image: Image, member: User):
    """Through two merges, and although the first tag that stayed is gone as well."""
    add_tag(image, "doggy", member)
    for name in ("dog", "canine"):
        Tag.objects.create(name=name)
    merge("dog", "doggy")
    merge("canine", "dog")
    assert tags(image) == {"canine": "accepted"}
    edit = Edit.objects.get()
    assert len(revert_many([edit], member, "took it back").undone) == 1
    assert tags(image) == {}
    assert len(revert_many(list(Edit.objects.exclude(pk=edit.pk)), member, "took it back").undone) == 1
    assert tags(image) == {"canine": "accepted"}


def test_through_two_merges_it_is_still_asked(image: Image, member: User, admin: User):
    add_tag(image, "doggy", member)
    Tag.objects.create(name="dog")
    merge("dog", "doggy")
    add_tag(Image.objects.get(pk=rows(1)[0]), "canine", admin)  # elsewhere
    merge("canine", "dog")
    hers = Edit.objects.get(by=member)
    add_tag(image, "hound", admin)
    merge("hound", "canine")
    with pytest.raises(Overtaken, match="bob added the tag “hound”"):
        take_back(hers, member)


def test_both_of_one_person(image: Image, member: User):
    add_tag(image, "doggy, dog", member)
    merge("dog", "doggy")
    outcome = revert_many(list(Edit.objects.all()), member, "took it back")
    assert (len(outcome.undone), outcome.left) == (2, [])
    assert tags(image) == {}

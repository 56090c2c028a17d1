"""The recent changes of all pictures, for the staff: by person, and all of a person's taken back at once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from gallery.bulk import apply, plan
from gallery.models import Batch, Caption, Edit, Image, ImageTag, Tag, User
from gallery.opinions import Said, add_tag, decide_tag, mark, write_caption
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def vandal() -> User:
    return User.objects.create_user("eve")


@pytest.fixture
def images() -> list[Image]:
    return list(Image.objects.filter(pk__in=rows(4)).order_by("pk"))


def words() -> tuple[set, set]:
    tags = ImageTag.objects.exclude(state="rejected").values_list("image_id", "tag__name", "origin", "state")
    return set(tags), set(Caption.objects.values_list("image_id", "text", "origin", "state"))


def number(name: str) -> int:
    return Tag.objects.get(name=name).pk


def damage(images: list[Image], member: User, vandal: User) -> tuple[set, set]:
    """How it was before eve came."""
    for image in images:
        add_tag(image, "sea", member)
    write_caption(images[0], "Sails", "", by=member)
    boat = Caption.objects.create(image=images[1], text="a boat", origin="net:1", generation=1, state="suggested")
    before = words()
    for image in images[:2]:
        decide_tag(image, number("sea"), "rejected", "accepted", vandal)
        add_tag(image, "sea", vandal)
        decide_tag(image, number("sea"), "rejected", "accepted", vandal)
        add_tag(image, "spam, more spam", vandal)
    write_caption(images[0], "spam", mark("Sails"), by=vandal)
    write_caption(images[0], "more spam", mark("spam"), by=vandal)
    write_caption(images[1], "buy this", "", boat.pk, Said([boat]).seen, vandal)
    everywhere = [image.pk for image in images]
    apply("add", everywhere, "spam", plan("add", everywhere, "spam", vandal).seen, vandal)
    return before


def revert(client: Client):
    page = client.get("/changes/revert/?by=eve").content.decode()
    (last,) = re.findall(r'name="last" value="(\d+)"', page)
    return page, client.post("/changes/revert/", {"by": "eve", "last": last}, follow=True).content.decode()


def test_it_works(images: list[Image], member: User, vandal: User, as_admin: Client):
    before = damage(images, member, vandal)
    after = words()
    page, done = revert(as_admin)
    assert "15 changes to 4 pictures would be taken back." in page
    assert "Taken back: 15 changes to 4 pictures." in done
    assert words() == before
    undo = re.search(r'action="(/changes/\d+/undo/)"', done)
    assert undo
    as_admin.post(undo[1])
    assert words() == after


def test_what_others_did_since_stays(images: list[Image], member: User, vandal: User, as_admin: Client):
    damage(images, member, vandal)
    add_tag(images[0], "sea", member)  # mended by hand
    write_caption(images[0], "Black sails", mark("more spam"), by=member)
    _, done = revert(as_admin)
    assert "5 changes stay: somebody has changed the same again since." in done
    assert dict(images[0].image_tags.values_list("tag__name", "state"))["sea"] == "accepted"
    assert images[0].captions.get().text == "Black sails"
    assert not ImageTag.objects.filter(tag__name__contains="spam").exists()


def test_what_was_done_after_the_preview_stays(images: list[Image], vandal: User, as_admin: Client):
    add_tag(images[0], "spam", vandal)
    page = as_admin.get("/changes/revert/?by=eve").content.decode()
    (last,) = re.findall(r'name="last" value="(\d+)"', page)
    add_tag(images[1], "spam", vandal)
    as_admin.post("/changes/revert/", {"by": "eve", "last": last})
    assert ImageTag.objects.get().image == images[1]


def test_what_is_older_than_a_day_stays(images: list[Image], vandal: User, as_admin: Client):
    add_tag(images[0], "old", vandal)
    Edit.objects.update(at=timezone.now() - timedelta(hours=25))
    add_tag(images[0], "new", vandal)
    revert(as_admin)
    assert ImageTag.objects.get().tag.name == "old"


def test_the_page_lists_them(images: list[Image], member: User, vandal: User, as_admin: Client):
    damage(images, member, vandal)
    page = as_admin.get("/changes/").content.decode()
    assert page.count('class="edit with-picture"') == 5 + 14  # the batch is one
    assert re.search(r"eve</a> added “spam” to 2 pictures", page)
    assert f"/changes/{Batch.objects.get().pk}/undo/" in page
    alone = as_admin.get("/changes/?by=alice").content.decode()
    assert alone.count('class="edit with-picture"') == 5
    assert "eve</a>" not in alone
    assert "There is nobody called “zoe”." in as_admin.get("/changes/?by=zoe").content.decode()
    for by in ("\x00", "x" * 9000, "<b>"):
        assert as_admin.get("/changes/", {"by": by}).status_code == 200


def test_requires_staff(images: list[Image], vandal: User, as_member: Client, client: Client):
    add_tag(images[0], "spam", vandal)
    for address in ("/changes/", "/changes/revert/?by=eve"):
        assert "/login/" in client.get(address)["Location"]
        assert as_member.get(address).status_code == 403
    form = {"by": "eve", "last": Edit.objects.get().pk}
    assert [each.post("/changes/revert/", form).status_code for each in (client, as_member)] == [302, 403]
    assert ImageTag.objects.count() == 1


def test_handles_nonsense(vandal: User, as_admin: Client):
    assert as_admin.get("/changes/revert/").status_code == 404
    assert as_admin.get("/changes/revert/?by=nobody").status_code == 404
    assert "There is nothing" in as_admin.get("/changes/revert/?by=eve").content.decode()
    assert as_admin.post("/changes/revert/", {"by": "eve", "last": "x"}).status_code == 400
    assert as_admin.get("/changes/?before=x").status_code == 400

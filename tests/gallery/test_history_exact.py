"""What is taken back is as it was, row by row: who has said so, and who had decided."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.bulk import apply, plan
from gallery.history import take_back
from gallery.models import Caption, Edit, Image, ImageTag, OcrText, Tag, User
from gallery.opinions import Overtaken, Said, add_tag, decide_caption, decide_tag, decide_text, mark, write_caption
from gallery.revert import revert_batch
from gallery.tag_rules import Kind, begin
from gallery.tag_rules import plan as plan_of_tags
from gallery.tag_slices import at_once
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def image() -> Image:
    return Image.objects.get(pk=rows(1)[0])


def everything() -> list[tuple]:
    found: list[tuple] = []
    for model, more in ((ImageTag, "tag__name"), (Caption, "text"), (OcrText, "text")):
        found += sorted(model.objects.values_list(more, "origin", "generation", "state", "decision"))
    return found


def said_twice(image: Image, model: type, **values: object) -> int:
    """By a file, which needs nobody's agreement, by a network, and by one with which somebody has disagreed."""
    model.objects.create(image=image, origin="sidecar", state="accepted", **values)
    model.objects.create(image=image, origin="old", generation=1, state="rejected", decision=7, **values)
    return model.objects.create(image=image, origin="net", generation=2, state="suggested", **values).pk


def latest() -> Edit:
    return Edit.objects.latest("pk")


def test_it_works(image: Image, member: User):
    tag = Tag.objects.create(name="dog")
    said_twice(image, ImageTag, tag=tag)
    before = everything()
    assert decide_tag(image, tag.pk, "rejected", "accepted", member)
    after = everything()
    assert take_back(latest(), member)
    assert everything() == before
    assert take_back(latest(), member)
    assert everything() == after


def test_many_at_once(image: Image, member: User):
    said_twice(image, ImageTag, tag=Tag.objects.create(name="dog"))
    before = everything()
    done = apply("remove", [image.pk], "dog", plan("remove", [image.pk], "dog", member).seen, member)
    after = everything()
    assert {row[3] for row in after} == {"rejected"}
    assert done.batch
    back = revert_batch(done.batch, member)
    assert everything() == before
    assert back.batch
    revert_batch(back.batch, member)
    assert everything() == after


def test_captions_and_texts(image: Image, member: User):
    caption = Caption.objects.get(pk=said_twice(image, Caption, text="a boat"))
    text = said_twice(image, OcrText, text="STOP")
    write_caption(image, "Sails", "", by=member)
    before = everything()
    rows_of_it = list(image.captions.filter(text=caption.text))
    assert decide_caption(image, caption.pk, "rejected", Said(rows_of_it).seen, member)
    assert take_back(latest(), member)
    assert decide_text(image, text, "rejected", "accepted", member)
    assert take_back(latest(), member)
    assert write_caption(image, "White sails", mark("Sails"), by=member)
    assert take_back(latest(), member)
    assert everything() == before


class TestImplied:
    """The picture has a dog since it has a husky: nobody has said so, and still it can be wrong."""

    @pytest.fixture
    def dog(self, image: Image) -> Tag:
        dog, husky = Tag.objects.create(name="dog"), Tag.objects.create(name="husky")
        ImageTag.objects.create(image=image, tag=husky)
        assert at_once(begin(Kind.IMPLY, husky, "dog", plan_of_tags(Kind.IMPLY, husky, "dog").seen, None))
        return dog

    def has(self, image: Image, dog: Tag) -> bool:
        return Image.objects.filter(pk=image.pk, tag_ids__contains=[dog.pk]).exists()

    def test_it_is_rejected_and_comes_back(self, image: Image, dog: Tag, member: User):
        assert self.has(image, dog)
        assert decide_tag(image, dog.pk, "rejected", "", member)
        assert not self.has(image, dog)
        assert latest().sentence == "removed the tag “dog”"
        assert take_back(latest(), member)
        assert self.has(image, dog)
        with pytest.raises(Overtaken, match="not there any more"):
            decide_tag(image, Tag.objects.create(name="cat").pk, "rejected", "", member)

    def test_many_at_once(self, image: Image, dog: Tag, member: User):
        planned = plan("remove", [image.pk], "dog", member)
        assert planned.sentence == "The picture loses “dog”."
        assert planned.count == 1
        assert plan("add", [image.pk], "dog", member).sentence == "The picture has “dog” already."
        done = apply("remove", [image.pk], "dog", planned.seen, member)
        assert done.batch
        assert not self.has(image, dog)
        revert_batch(done.batch, member)
        assert self.has(image, dog)

    def test_on_the_page_of_the_picture(self, image: Image, dog: Tag, as_member: Client):
        page = as_member.get(f"/image/{image.pk}/").content.decode()
        assert f"/image/{image.pk}/tags/{dog.pk}/reject/" in page
        as_member.post(f"/image/{image.pk}/tags/{dog.pk}/reject/", {"seen": ""})
        assert not self.has(image, dog)


def test_lists_leave_out_what_they_do_not_show(image: Image, member: User, as_admin: Client):
    add_tag(image, "sea", member)
    for address in ("/changes/", "/changes/revert/?by=alice", f"/image/{image.pk}/history/"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert as_admin.get(address).status_code == 200
        of_edits = [query["sql"] for query in queries if 'FROM "gallery_edit"' in query["sql"]]
        assert of_edits
        assert not [sql for sql in of_edits if '"gallery_image"."document"' in sql]

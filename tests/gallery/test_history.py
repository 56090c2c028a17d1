"""What people did to the words of a picture is written down, told in sentences, and taken back."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from gallery import opinions
from gallery.history import Overtaken, take_back
from gallery.models import Caption, Edit, Image, ImageTag, OcrText, Opinion, Tag, User
from gallery.opinions import Change, Said, add_tag, decide_caption, decide_tag, decide_text, mark, write_caption
from gallery.word_states import plain
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def image() -> Image:
    return Image.objects.get(pk=rows(1)[0])


def suggest(image: Image, name: str, **more: object) -> ImageTag:
    tag, _ = Tag.objects.get_or_create(name=name)
    values = {"origin": "net:1", "generation": 1, "confidence": 0.8, "state": "suggested", **more}
    return ImageTag.objects.create(image=image, tag=tag, **values)


def captioned(image: Image, text: str) -> Caption:
    return Caption.objects.create(image=image, text=text, origin="net:1", generation=1, state="suggested")


def told(image: Image) -> list[str]:
    return [edit.sentence for edit in Edit.objects.filter(image=image).order_by("pk")]


def latest(image: Image) -> Edit:
    return Edit.objects.filter(image=image)[0]


def tags(image: Image) -> dict[str, str]:
    return dict(image.image_tags.values_list("tag__name", "state"))


def captions(image: Image) -> set[tuple[str, str, str]]:
    return set(image.captions.values_list("origin", "text", "state"))


def test_it_works(image: Image, as_member: Client, member: User):
    as_member.post(f"/image/{image.pk}/tags/", {"tag": "sea"})
    page = as_member.get(f"/image/{image.pk}/history/").content.decode()
    assert re.search(r"alice</strong> added the tag “sea”", page)
    (edit,) = Edit.objects.all()
    assert (edit.by, edit.image, edit.about) == (member, image, "sea")
    assert (edit.before, plain(edit.after)) == ({"state": "", "own": False}, {"state": "accepted", "own": True})
    as_member.post(f"/image/{image.pk}/history/{edit.pk}/revert/")
    assert tags(image) == {}
    assert told(image) == ["added the tag “sea”", "took away the tag “sea”"]
    assert latest(image).takes_back == edit
    as_member.post(f"/image/{image.pk}/history/{latest(image).pk}/revert/")
    assert tags(image) == {"sea": "accepted"}


def test_every_decision_is_a_sentence(image: Image, member: User):
    one, wrong = suggest(image, "dog"), captioned(image, "a boat")
    text = OcrText.objects.create(image=image, text="SECURITY", origin="ocr", state="suggested")
    decide_tag(image, one.tag_id, Opinion.ACCEPTED, "suggested", member)
    decide_tag(image, one.tag_id, Opinion.REJECTED, "accepted", member)
    add_tag(image, "dog, cat", member)
    write_caption(image, "Sails", "", wrong.pk, Said([wrong]).seen, member)
    write_caption(image, "White sails", mark("Sails"), by=member)
    mine = image.captions.get(origin="person")
    decide_caption(image, mine.pk, Opinion.REJECTED, Said([mine]).seen, member)
    decide_text(image, text.pk, Opinion.REJECTED, "suggested", member)
    change = decide_text(image, text.pk, Opinion.ACCEPTED, "rejected", member)
    assert change
    opinions.undo(image, change, member)
    assert told(image) == [
        "accepted the tag “dog”",
        "removed the tag “dog”",
        "brought back the tag “dog”",
        "added the tag “cat”",
        "wrote the caption “Sails” and rejected the suggested caption “a boat”",
        "changed the caption from “Sails” to “White sails”",
        "removed the caption “White sails”",
        "rejected the text in the picture, “SECURITY”",
        "accepted the text in the picture, “SECURITY”",
        "rejected the text in the picture, “SECURITY”",
    ]
    assert set(Edit.objects.values_list("by", flat=True)) == {member.pk}


def test_it_goes_back_one_by_one_to_where_it_began(image: Image, member: User):
    one, wrong = suggest(image, "dog"), captioned(image, "a boat")
    add_tag(image, "sea", member)
    decide_tag(image, one.tag_id, Opinion.REJECTED, "suggested", member)
    add_tag(image, "dog", member)
    write_caption(image, "Sails", "", wrong.pk, Said([wrong]).seen, member)
    write_caption(image, "White sails", mark("Sails"), by=member)
    assert captions(image) == {("person", "White sails", "accepted"), ("net:1", "a boat", "rejected")}
    edits = list(Edit.objects.all())
    for number, edit in enumerate(edits):
        # Each was taken back in turn, so that what came later about the same is no obstacle when it is passed over.
        newer = [newer.pk for newer in Edit.objects.filter(pk__gt=edit.pk)]
        assert take_back(edit, member, passing=newer), number
    assert tags(image) == {"dog": "suggested"}
    assert captions(image) == {("net:1", "a boat", "suggested")}


def test_what_was_changed_since_is_asked_about_first(image: Image, as_member: Client, admin: User):
    add_tag(image, "sea", admin)
    first = latest(image)
    decide_tag(image, image.image_tags.get().tag_id, Opinion.REJECTED, "accepted", admin)
    address = f"/image/{image.pk}/history/{first.pk}/revert/"
    for headers in ({}, {"HX-Request": "true"}):
        answer = as_member.post(address, headers=headers)
        assert answer.status_code == 409
        assert "Since then bob removed the tag “sea”: nothing was undone." in answer.content.decode()
    assert tags(image) == {"sea": "rejected"}
    seen = re.search(r'name="seen" value="(\w+)"', answer.content.decode())[1]
    add_tag(image, "sea", admin)
    again = as_member.post(address, {"seen": seen})  # it is not what they have seen
    assert again.status_code == 409
    assert "brought back the tag “sea”, after 1 other change: nothing was undone." in again.content.decode()
    seen = re.search(r'name="seen" value="(\w+)"', again.content.decode())[1]
    assert as_member.post(address, {"seen": seen}).status_code == 302
    assert tags(image) == {}


def test_what_was_changed_elsewhere_is_asked_about_too(image: Image, as_member: Client):
    """In the back office, or by a merge: there is no entry of it."""
    write_caption(image, "Sails", "")
    first = latest(image)
    write_caption(image, "White sails", mark("Sails"))
    image.captions.update(text="Black sails")
    address = f"/image/{image.pk}/history/{latest(image).pk}/revert/"
    answer = as_member.post(address)
    assert answer.status_code == 409
    assert "not by a decision that is listed here" in answer.content.decode()
    assert captions(image) == {("person", "Black sails", "accepted")}
    assert as_member.post(f"/image/{image.pk}/history/{first.pk}/revert/").status_code == 409


def test_other_things_of_the_picture_do_not_matter(image: Image, member: User):
    add_tag(image, "sea", member)
    first = latest(image)
    add_tag(image, "harbour", member)
    write_caption(image, "Sails", "", by=member)
    assert take_back(first, member)
    assert tags(image) == {"harbour": "accepted"}
    assert take_back(first, member) is None  # it is so already


def test_an_undo_in_place_is_an_entry(image: Image, member: User):
    change = add_tag(image, "sea, harbour", member)
    assert change
    opinions.undo(image, Change.read(change.token), member)
    assert tags(image) == {}
    assert told(image)[2:] == ["took away the tag “harbour”", "took away the tag “sea”"]


def test_an_undo_of_several_is_all_or_nothing(image: Image, member: User):
    change = add_tag(image, "sea, harbour", member)
    assert change
    decide_tag(image, Tag.objects.get(name="sea").pk, Opinion.REJECTED, "accepted")
    with pytest.raises(Overtaken):
        opinions.undo(image, Change.read(change.token), member)
    assert tags(image) == {"sea": "rejected", "harbour": "accepted"}


def test_a_refused_decision_leaves_no_entry(image: Image, as_member: Client):
    one = suggest(image, "dog")
    decide_tag(image, one.tag_id, Opinion.REJECTED, "suggested")
    address = f"/image/{image.pk}/tags/{one.tag_id}/accept/"
    assert as_member.post(address, {"seen": "suggested"}, headers={"HX-Request": "true"}).status_code == 409
    assert Edit.objects.count() == 1


def test_a_tag_that_was_deleted_comes_back_by_its_name(image: Image, member: User):
    add_tag(image, "sea", member)
    tag = Tag.objects.get()
    decide_tag(image, tag.pk, Opinion.REJECTED, "accepted", member)
    removed = latest(image)
    tag.delete()
    with pytest.raises(Overtaken) as refusal:
        take_back(removed, member)
    assert take_back(removed, member, refusal.value.seen)
    assert tags(image) == {"sea": "accepted"}


def test_the_entries_of_a_removed_account_stay(image: Image, as_admin: Client, member: User):
    add_tag(image, "sea", member)
    member.delete()
    assert "a removed account</strong> added" in as_admin.get(f"/image/{image.pk}/history/").content.decode()


def test_it_is_paged(image: Image, as_member: Client):
    Edit.objects.bulk_create(
        Edit(
            image=image,
            kind="tag",
            about=f"tag {number}",
            things=["tag:1"],
            before={"state": "", "own": False},
            after={"state": "accepted", "own": True},
        )
        for number in range(65)
    )
    address, seen = f"/image/{image.pk}/history/", list[str]()
    link = ""
    for _ in range(4):
        page = as_member.get(address + link, headers={"HX-Request": "true"} if link else {}).content.decode()
        seen += re.findall(r"<p><strong>a removed account</strong> added the tag “(tag \d+)”", page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        if not found:
            break
        link = found[1]
    assert seen == [f"tag {number}" for number in reversed(range(65))]
    for broken in ("x", "-1", "9" * 30, "²"):
        assert as_member.get(f"{address}?before={broken}").status_code == 400


def test_it_shows_hostile_words_as_text(image: Image, as_member: Client):
    hostile = "<script>alert(1)</script>"
    add_tag(image, hostile)
    write_caption(image, hostile + '" onload="x', "")
    page = as_member.get(f"/image/{image.pk}/history/").content.decode()
    assert "<script>alert" not in page
    assert '" onload' not in page


class TestRights:
    def test_strangers_see_no_names(self, image: Image, client: Client):
        add_tag(image, "sea")
        assert client.get(f"/image/{image.pk}/history/").status_code == 403
        assert client.post(f"/image/{image.pk}/history/{latest(image).pk}/revert/").status_code == 403
        assert "/history/" not in client.get(f"/image/{image.pk}/").content.decode()
        assert tags(image) == {"sea": "accepted"}

    def test_of_another_picture(self, image: Image, as_member: Client):
        add_tag(image, "sea")
        other = rows(1)[0]
        assert as_member.post(f"/image/{other}/history/{latest(image).pk}/revert/").status_code == 404
        assert as_member.post(f"/image/{image.pk}/history/{2**64}/revert/").status_code == 404
        assert as_member.get(f"/image/{image.pk}/history/{latest(image).pk}/revert/").status_code == 405

    def test_a_picture_in_the_trash_has_none(self, image: Image, as_member: Client, as_admin: Client):
        Image.objects.update(trashed_at="2026-01-01T00:00Z")
        assert as_member.get(f"/image/{image.pk}/history/").status_code == 404
        assert as_admin.get(f"/image/{image.pk}/history/").status_code == 200


class TestTexts:
    def test_it_works(self, image: Image, as_member: Client):
        both = [
            OcrText.objects.create(image=image, text="STOP", origin=f"ocr:{n}", state="suggested") for n in range(2)
        ]
        address = f"/image/{image.pk}/text/{both[0].pk}"
        as_member.post(f"{address}/reject/", {"seen": "suggested"})
        assert set(image.ocr_texts.values_list("state", flat=True)) == {"rejected"}
        refusal = as_member.post(f"{address}/accept/", {"seen": "suggested"})
        assert refusal.status_code == 409
        assert "Meanwhile somebody has rejected this text." in refusal.content.decode()
        as_member.post(f"/image/{image.pk}/history/{latest(image).pk}/revert/")
        assert set(image.ocr_texts.values_list("state", flat=True)) == {"suggested"}

    def test_one_that_is_gone(self, image: Image, as_member: Client, client: Client):
        assert as_member.post(f"/image/{image.pk}/text/1/accept/", {"seen": "suggested"}).status_code == 409
        assert client.post(f"/image/{image.pk}/text/1/accept/", {"seen": "suggested"}).status_code == 403

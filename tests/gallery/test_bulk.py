"""Tags of many pictures at once: a sentence first, then all of it or none, and an undo of exactly that."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from gallery import bulk
from gallery.bulk import Done, SelectionError, apply, plan
from gallery.models import Batch, Edit, Image, ImageTag, Opinion, Tag, TagAlias, User
from gallery.opinions import add_tag, decide_tag
from gallery.revert import revert_batch
from gallery.words import WordError
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def suggest(image: int, name: str, state: str = "suggested", **more: object) -> ImageTag:
    tag, _ = Tag.objects.get_or_create(name=name)
    values = {"origin": "net:1", "generation": 1, "confidence": 0.8, "state": state, **more}
    return ImageTag.objects.create(image_id=image, tag=tag, **values)


def having(name: str) -> set[int]:
    return set(ImageTag.objects.filter(tag__name=name, shown=True).values_list("image_id", flat=True))


def everything() -> list[tuple]:
    return sorted(ImageTag.objects.values_list("image_id", "tag__name", "origin", "state"))


def do(action: str, images: list[int], tags: str, by: User) -> Done:
    """As somebody who looks at the preview first."""
    return apply(action, images, tags, plan(action, images, tags, by).seen, by)


def hidden(page: str) -> dict[str, str]:
    """The form that confirms."""
    form = re.search(r'<form method="post" action="/select/apply/".*?</form>', page, re.DOTALL)
    assert form
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))


def test_it_works(as_member: Client, member: User):
    there = rows(30)
    for image in there[:18]:
        add_tag(Image.objects.get(pk=image), "sea")
    before = everything()
    preview = as_member.post("/select/", {"image": there, "action": "add", "tags": "Sea", "next": "/?sort=oldest"})
    page = preview.content.decode()
    assert "12 of 30 pictures get “sea”; 18 have it." in page
    assert everything() == before
    answer = as_member.post("/select/apply/", hidden(page), follow=True)
    assert answer.redirect_chain == [("/?sort=oldest", 302)]
    assert "Added “sea” to 12 pictures." in answer.content.decode()
    assert having("sea") == set(there)
    batch = Batch.objects.get()
    assert (batch.by, batch.edits.count()) == (member, 12)
    undo = re.search(r'action="(/changes/\d+/undo/)"', answer.content.decode())
    assert undo
    as_member.post(undo[1])
    assert everything() == before


class TestAdd:
    def test_what_was_suggested_is_accepted_and_back(self, member: User):
        one, two, three = rows(3)
        suggest(one, "sea")
        suggest(two, "sea", "rejected")
        suggest(three, "sea", offered=False)
        before = everything()
        planned = plan("add", [one, two, three], "sea", member)
        assert planned.sentence == "All 3 pictures get “sea” (1 had it suggested, 1 had it rejected)."
        done = do("add", [one, two, three], "sea", member)
        assert having("sea") == {one, two, three}
        assert set(ImageTag.objects.values_list("state", flat=True)) == {"accepted"}
        assert done.batch
        revert_batch(done.batch, member)
        assert everything() == before

    def test_several_tags(self, member: User):
        one, two = rows(2)
        add_tag(Image.objects.get(pk=one), "sea")
        planned = plan("add", [one, two], "sea, boat , SEA,", member)
        assert planned.sentence == "1 of 2 pictures gets “sea”; 1 has it. All 2 pictures get “boat”, a new tag."
        assert planned.count == 2
        assert not Tag.objects.filter(name="boat").exists()
        assert do("add", [one, two], "sea, boat", member).sentence == "Added “sea”, “boat” to 2 pictures."
        assert having("sea") == having("boat") == {one, two}
        assert Edit.objects.filter(batch__isnull=False).count() == 3

    def test_another_name_means_the_tag(self, member: User):
        there = rows(2)
        TagAlias.objects.create(name="ocean", tag=Tag.objects.create(name="sea"))
        assert plan("add", there, "ocean, sea", member).tags == "sea"
        do("add", there, "Ocean", member)
        assert having("sea") == set(there)
        assert not Tag.objects.filter(name="ocean").exists()

    def test_twice_is_once(self, member: User):
        there = rows(2)
        do("add", there, "sea", member)
        assert plan("add", there, "sea", member).sentence == "All 2 pictures have “sea” already."
        assert do("add", there, "sea", member) == Done("It was so already.")
        assert Batch.objects.count() == 1


class TestRemove:
    def test_it_works(self, member: User):
        one, two, three = rows(3)
        suggest(one, "sea")
        add_tag(Image.objects.get(pk=two), "sea")
        before = everything()
        assert plan("remove", [one, two, three], "sea", member).sentence == (
            "2 of 3 pictures lose “sea”; 1 does not have it."
        )
        done = do("remove", [one, two, three], "sea", member)
        assert done.sentence == "Removed “sea” from 2 pictures."
        assert having("sea") == set()
        assert list(Image.objects.filter(pk=two).values_list("tag_ids", flat=True)) == [[]]
        assert done.batch
        revert_batch(done.batch, member)
        assert everything() == before

    def test_an_unknown_one(self, member: User):
        there = rows(2)
        assert plan("remove", there, "zoo", member).sentence == "None of the 2 pictures has “zoo”."
        assert do("remove", there, "zoo", member).batch is None
        assert not Tag.objects.exists()


class TestMeanwhile:
    def test_what_somebody_changed_after_the_preview_stays(self, member: User, admin: User):
        one, two, three = rows(3)
        suggest(two, "sea")
        seen = plan("add", [one, two, three], "sea", member).seen
        decide_tag(Image.objects.get(pk=two), Tag.objects.get().pk, Opinion.REJECTED, "suggested", admin)
        done = apply("add", [one, two, three], "sea", seen, member)
        assert done.sentence == ("Added “sea” to 2 pictures. Somebody has changed 1 picture meanwhile: left as it is.")
        assert having("sea") == {one, three}

    def test_a_picture_that_is_gone_is_left_out(self, member: User):
        one, two = rows(2)
        seen = plan("add", [one, two], "sea", member).seen
        Image.objects.filter(pk=one).update(trashed_at="2026-01-01T00:00Z")
        done = apply("add", [one, two], "sea", seen, member)
        assert "Added “sea” to 1 picture." in done.sentence
        assert having("sea") == {two}

    def test_an_undo_leaves_alone_what_was_changed_since(self, member: User, admin: User):
        there = rows(4)
        done = do("add", there, "sea, boat", member)
        decide_tag(Image.objects.get(pk=there[0]), Tag.objects.get(name="sea").pk, "rejected", "accepted", admin)
        again = Image.objects.get(pk=there[1])
        decide_tag(again, Tag.objects.get(name="sea").pk, "rejected", "accepted", admin)
        add_tag(again, "sea", admin)  # looks as it was, and is another's decision
        assert done.batch
        outcome = revert_batch(done.batch, member)
        assert (len(outcome.undone), len(outcome.left)) == (6, 2)
        assert having("sea") == {there[1]}
        assert having("boat") == set()

    def test_an_undo_is_undone(self, member: User):
        there = rows(3)
        done = do("add", there, "sea", member)
        after = everything()
        assert done.batch
        back = revert_batch(done.batch, member)
        assert everything() == []
        assert len(revert_batch(done.batch, member).left) == 3  # once is enough
        assert back.batch
        revert_batch(back.batch, member)
        assert everything() == after

    def test_nobody_does_what_they_have_not_seen(self, member: User):
        there = rows(2)
        for seen in ("", "-", "--.--", "---"):
            with pytest.raises(SelectionError):
                apply("add", there, "sea", seen, member)
        assert not ImageTag.objects.exists()


class TestTrash:
    def test_it_works(self, add, as_admin: Client):
        there = [add(seed).pk for seed in (1, 2)]
        page = as_admin.post("/select/", {"images": f"{there[0]},{there[1]}", "action": "trash"}, headers=HTMX)
        assert "All 2 pictures go to the trash for 30 days." in page.content.decode()
        done = as_admin.post("/select/apply/", hidden(page.content.decode()), headers=HTMX).content.decode()
        assert "Moved 2 pictures to the trash." in done
        assert f'data-gone="{there[0]},{there[1]}"' in done
        assert Image.objects.trashed().count() == 2
        undo = re.search(r'action="(/changes/\d+/undo/)"', done)
        assert undo
        Image.objects.get(pk=there[0]).restore()
        answer = as_admin.post(undo[1], headers=HTMX).content.decode()
        assert "1 change stays: somebody has changed the same again since." in answer
        assert not Image.objects.trashed().exists()

    def test_requires_staff(self, as_member: Client, member: User, admin: User):
        there = rows(2)
        for address in ("/select/", "/select/apply/"):
            assert as_member.post(address, {"image": there, "action": "trash"}).status_code == 403
        assert not Image.objects.trashed().exists()
        done = do("trash", there, "", admin)
        Batch.objects.update(by=member)
        assert done.batch
        assert as_member.post(f"/changes/{done.batch.pk}/undo/").status_code == 403
        assert Image.objects.trashed().count() == 2


class TestRefused:
    def test_strangers(self, client: Client, as_member: Client, member: User):
        there = rows(2)
        done = do("add", there, "sea", member)
        assert done.batch
        for address in ("/select/", "/select/apply/", f"/changes/{done.batch.pk}/undo/"):
            assert client.post(address, {"image": there, "action": "add", "tags": "boat"}).status_code == 403
            assert as_member.get(address).status_code == 405
        assert "data-select" not in client.get("/").content.decode()
        assert as_member.get("/").content.decode().count("data-select=") == 2

    def test_another_persons(self, client: Client, member: User):
        done = do("add", rows(2), "sea", member)
        client.force_login(User.objects.create_user("eve"))
        assert done.batch
        assert client.post(f"/changes/{done.batch.pk}/undo/").status_code == 403
        assert client.post(f"/changes/{2**64}/undo/").status_code == 404
        assert len(having("sea")) == 2

    @pytest.mark.parametrize(
        ("asked", "why"),
        [
            ({"action": "add", "tags": "sea"}, "Select some pictures first."),
            ({"action": "add", "tags": " ,, ", "image": "1"}, "Write a tag"),
            ({"action": "add", "tags": "x" * 101, "image": "1"}, "at most 100 characters"),
            ({"action": "add", "tags": ",".join(map(str, range(21))), "image": "1"}, "at most 20 tags"),
            ({"action": "burn", "image": "1"}, "Choose what to do"),
            ({"action": "add", "tags": "sea", "images": "99999999,x,-1,²," + "9" * 40}, "not there any more"),
            ({"action": "add", "tags": "sea", "images": ",".join(map(str, range(1001)))}, "At most 1,000 pictures"),
        ],
    )
    def test_says_why(self, as_member: Client, asked: dict, why: str):
        (there,) = rows(1)
        sent = {key: there if key == "image" else value for key, value in asked.items()}
        for headers in (HTMX, {}):
            answer = as_member.post("/select/", sent, headers=headers)
            assert answer.status_code == 400
            assert why in answer.content.decode()
        assert not Tag.objects.exists()

    def test_what_was_written_is_still_there(self, as_member: Client):
        (there,) = rows(1)
        page = as_member.post("/select/", {"image": there, "action": "add", "tags": "x" * 101}).content.decode()
        assert f'value="{"x" * 101}"' in page
        assert f'name="images" value="{there}"' in page

    @pytest.mark.parametrize("address", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "x"])
    def test_it_leads_to_no_other_site(self, as_member: Client, address: str):
        there = rows(1)
        page = as_member.post("/select/", {"image": there, "action": "add", "tags": "a", "next": address})
        answer = as_member.post("/select/apply/", hidden(page.content.decode()) | {"next": address})
        assert answer["Location"] == "/"


def test_all_of_it_or_none(member: User, monkeypatch: pytest.MonkeyPatch):
    there = rows(3)
    seen = plan("add", there, "sea", member).seen

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bulk, "_record_tags", fail)
    with pytest.raises(ZeroDivisionError):
        apply("add", there, "sea", seen, member)
    assert not ImageTag.objects.exists()
    assert not Batch.objects.exists()


def test_a_thousand_pictures_in_few_statements(member: User, django_assert_max_num_queries):
    there = rows(1000)
    with django_assert_max_num_queries(40):
        done = do("add", there, "sea, boat", member)
    assert len(having("boat")) == 1000
    assert done.batch
    with django_assert_max_num_queries(40):
        outcome = revert_batch(done.batch, member)
    assert outcome.pictures == 1000
    assert everything() == []


def test_a_thousand_boxes_without_javascript(as_member: Client):
    there = rows(bulk.MOST)
    sent = {"image": there, "images": "", "action": "add", "tags": "sea", "next": "/"}
    answer = as_member.post("/select/", sent)
    assert answer.status_code == 200
    assert "All 1000 pictures get “sea”" in answer.content.decode()


def test_a_bad_tag_is_said(member: User):
    with pytest.raises(WordError):
        plan("add", rows(1), "\u200b", member)

"""Captions and tags of a picture, as people accept, correct, reject and write them."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from gallery.models import Caption, Image, ImageTag, Opinion, Tag, User
from gallery.opinions import Change, Overtaken, Said, add_tag, decide_tag, mark, undo
from gallery.words import WordError, caption_text, tag_name
from tests.ingestion.scene import at_once

HOSTILE = "<script>alert(1)</script>"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def image(add) -> Image:
    return add(1, "beach.jpg")


def suggest_tag(image: Image, name: str, confidence: float = 0.8, origin: str = "net:1", **more: object) -> ImageTag:
    tag, _ = Tag.objects.get_or_create(name=name)
    return ImageTag.objects.create(
        image=image, tag=tag, origin=origin, confidence=confidence, state="suggested", **{"generation": 1, **more}
    )


def suggest_caption(image: Image, text: str, confidence: float = 0.8, generation: int = 1, **more: object) -> Caption:
    values = {"origin": "net:1", "confidence": confidence, "state": "suggested", "generation": generation, **more}
    return Caption.objects.create(image=image, text=text, **values)


def page(client: Client, image: Image) -> str:
    return client.get(image.get_absolute_url()).content.decode()


def take_back(client: Client, response, **options):
    """Press the button Undo of an answer."""
    form = re.search(r'<form method="post" action="(/image/\d+/words/undo/[^"]*)".*?</form>', response.content.decode())
    assert form
    token = re.search(r'name="token" value="([^"]+)"', form[0])
    return client.post(form[1], {"token": token[1]} if token else {}, **options)


def seen(caption: Caption) -> str:
    """What somebody knows who looks at it now."""
    return Said(list(Caption.objects.filter(image=caption.image_id, text=caption.text))).seen


def shown_tags(image: Image) -> set[str]:
    return set(image.image_tags.filter(shown=True).values_list("tag__name", flat=True))


class TestTags:
    def test_it_works(self, image: Image, as_member: Client):
        tag = suggest_tag(image, "dog").tag
        assert "dog" in page(as_member, image)
        assert "80\xa0%" in page(as_member, image)
        response = as_member.post(f"/image/{image.pk}/tags/{tag.pk}/accept/", {"seen": "suggested"})
        assert response.headers["Location"] == f"/image/{image.pk}/#words"
        assert image.image_tags.get().state == Opinion.ACCEPTED
        assert "by 1, 80 % sure, accepted by a person" in page(as_member, image).replace("\xa0", " ")

    def test_a_member_adds_one(self, image: Image, as_member: Client):
        as_member.post(f"/image/{image.pk}/tags/", {"tag": "  Café\u0301  du  Port "})
        mine = image.image_tags.get()
        assert (mine.tag.name, mine.origin, mine.state, mine.confidence) == (
            "caf\u00e9\u0301 du port",
            "person",
            "accepted",
            None,
        )

    def test_adding_what_is_suggested_agrees_with_it(self, image: Image, as_member: Client):
        suggest_tag(image, "dog")
        as_member.post(f"/image/{image.pk}/tags/", {"tag": "Dog"})
        assert set(image.image_tags.values_list("origin", "state")) == {("net:1", "accepted"), ("person", "accepted")}

    def test_a_rejected_one_is_gone_whoever_suggests_it(self, image: Image, as_member: Client):
        one, _ = suggest_tag(image, "dog"), suggest_tag(image, "dog", 0.5, "net:2")
        as_member.post(f"/image/{image.pk}/tags/{one.tag_id}/reject/", {"seen": "suggested"})
        assert shown_tags(image) == set()
        page(as_member, image)  # the one that says so
        assert ">dog<" not in page(as_member, image)

    @pytest.mark.parametrize("before", ["suggested", "accepted"])
    def test_undo_brings_back_what_was_there(self, image: Image, as_member: Client, before: str):
        one = suggest_tag(image, "dog")
        image.image_tags.update(state=before)
        response = as_member.post(f"/image/{image.pk}/tags/{one.tag_id}/reject/", {"seen": before}, headers=HTMX)
        assert shown_tags(image) == set()
        take_back(as_member, response)
        assert image.image_tags.get().state == before

    def test_undo_is_offered_without_javascript_too(self, image: Image, as_member: Client):
        response = as_member.post(f"/image/{image.pk}/tags/", {"tag": "dog"}, follow=True)
        assert "Tagged “dog”." in response.content.decode()
        take_back(as_member, response)
        assert not image.image_tags.exists()

    def test_own_ones_are_removed_and_come_back(self, image: Image, as_member: Client):
        add_tag(image, "dog")
        tag = image.image_tags.get().tag
        response = as_member.post(f"/image/{image.pk}/tags/{tag.pk}/reject/", {"seen": "accepted"}, headers=HTMX)
        assert shown_tags(image) == set()
        take_back(as_member, response, headers=HTMX)
        assert shown_tags(image) == {"dog"}

    def test_the_second_of_two_is_told(self, image: Image, as_member: Client):
        one = suggest_tag(image, "dog")
        decide_tag(image, one.tag_id, Opinion.REJECTED, "suggested")
        response = as_member.post(f"/image/{image.pk}/tags/{one.tag_id}/accept/", {"seen": "suggested"}, headers=HTMX)
        assert response.status_code == 409
        assert "somebody has rejected “dog”" in response.content.decode()
        assert image.image_tags.get().state == Opinion.REJECTED

    def test_the_same_twice_is_done_once(self, image: Image, as_member: Client):
        one = suggest_tag(image, "dog")
        for _ in range(2):
            response = as_member.post(
                f"/image/{image.pk}/tags/{one.tag_id}/accept/", {"seen": "suggested"}, headers=HTMX
            )
            assert response.status_code == 200
        assert image.image_tags.get().state == Opinion.ACCEPTED

    def test_undo_leaves_alone_what_was_changed_since(self, image: Image):
        change = add_tag(image, "dog")
        assert change
        decide_tag(image, change.tag_id, Opinion.REJECTED, "accepted")
        with pytest.raises(Overtaken):
            undo(image, Change.read(change.token))
        assert image.image_tags.get().state == Opinion.REJECTED

    def test_an_undo_cannot_be_forged(self, image: Image, as_member: Client):
        change = add_tag(image, "dog")
        assert change
        response = as_member.post(f"/image/{image.pk}/words/undo/", {"token": change.token[:-2] + "xx"}, headers=HTMX)
        assert response.status_code == 409
        assert shown_tags(image) == {"dog"}

    def test_many_at_once_add_it_once(self, image: Image):
        changes = at_once(6, lambda _: add_tag(image, "dog"))
        assert sum(change is not None for change in changes) == 1
        assert image.image_tags.count() == 1


class TestCaptions:
    def test_it_works(self, image: Image, client: Client, as_member: Client):
        caption = suggest_caption(image, "a dog on a beach")
        assert "a dog on a beach" in page(client, image)
        as_member.post(f"/image/{image.pk}/captions/{caption.pk}/accept/", {"seen": seen(caption)})
        caption.refresh_from_db()
        assert caption.state == Opinion.ACCEPTED

    def test_a_corrected_one_is_a_persons(self, image: Image, as_member: Client):
        wrong = suggest_caption(image, "a dog on a beach")
        form = {"text": " A seal\n on a beach ", "seen": "", "instead_of": wrong.pk, "instead_seen": seen(wrong)}
        response = as_member.post(f"/image/{image.pk}/captions/", form, headers=HTMX)
        assert set(image.captions.values_list("origin", "text", "state")) == {
            ("person", "A seal on a beach", "accepted"),
            ("net:1", "a dog on a beach", "rejected"),
        }
        take_back(as_member, response, headers=HTMX)
        assert set(image.captions.values_list("text", "state")) == {("a dog on a beach", "suggested")}

    def test_one_is_written_and_edited_and_removed(self, image: Image, as_member: Client):
        address = f"/image/{image.pk}/captions/"
        as_member.post(address, {"text": "first", "seen": ""})
        response = as_member.post(address, {"text": "second", "seen": mark("first")}, headers=HTMX)
        assert image.captions.get().text == "second"
        take_back(as_member, response)
        assert image.captions.get().text == "first"
        as_member.post(f"{address}{image.captions.get().pk}/reject/", {"seen": seen(image.captions.get())})
        image.refresh_from_db()
        assert image.caption == ""
        as_member.post(address, {"text": "third", "seen": ""})
        assert image.captions.get().text == "third"

    def test_no_edit_is_lost(self, image: Image, as_member: Client):
        """Both began with the same words."""
        address = f"/image/{image.pk}/captions/"
        as_member.post(address, {"text": "first", "seen": ""})
        as_member.post(address, {"text": "hers", "seen": mark("first")})
        for headers in (HTMX, {}):
            response = as_member.post(address, {"text": "his", "seen": mark("first")}, headers=headers)
            assert response.status_code == 409
            answer = response.content.decode()
            assert "Meanwhile somebody has written “hers”" in answer
            assert ">his</textarea>" in answer
            assert f'name="seen" value="{mark("hers")}"' in answer
        assert image.captions.get().text == "hers"

    def test_of_many_at_once_one_is_kept_and_the_others_are_told(self, image: Image):
        from gallery.opinions import write_caption

        def write(number: int) -> str:
            try:
                write_caption(image, f"number {number}", seen="")
            except Overtaken:
                return "told"
            return "kept"

        assert sorted(at_once(6, write)) == ["kept"] + ["told"] * 5
        assert image.captions.count() == 1


class TestAlt:
    """The words in place of a picture."""

    def test_it_works(self, image: Image, client: Client):
        suggest_caption(image, "a dog on a beach")
        assert 'alt="a dog on a beach"' in client.get("/").content.decode()
        assert 'alt="a dog on a beach"' in page(client, image)

    def test_it_is_the_best_of_those_shown(self, image: Image):
        suggest_caption(image, "hidden", 0.99, 1, offered=False)
        suggest_caption(image, "unsure", 0.3, 2)
        assert self.alt(image) == "unsure"
        sure = suggest_caption(image, "sure", 0.6, 3)
        assert self.alt(image) == "sure"
        Caption.objects.filter(text="unsure").update(state="accepted")
        assert self.alt(image) == "unsure"
        mine = Caption.objects.create(image=image, text="a person's")
        assert self.alt(image) == "a person's"
        mine.delete()
        Caption.objects.filter(text="unsure").update(state="rejected")
        assert self.alt(image) == "sure"
        sure.delete()
        assert self.alt(image) == "beach.jpg"

    def alt(self, image: Image) -> str:
        return Image.objects.get(pk=image.pk).alt

    def test_it_costs_no_query(self, add, client: Client, django_assert_num_queries):
        for seed in range(4):
            suggest_caption(add(seed), f"caption {seed}")
        with django_assert_num_queries(1):
            answer = client.get("/").content.decode()
        assert all(f'alt="caption {seed}"' in answer for seed in range(4))


class TestRights:
    ACTIONS = (
        "tags/",
        "tags/{tag}/accept/",
        "tags/{tag}/reject/",
        "captions/",
        "captions/{caption}/accept/",
        "captions/{caption}/reject/",
        "words/undo/",
    )

    def test_strangers_see_and_have_no_buttons(self, image: Image, client: Client):
        tag, caption = suggest_tag(image, "dog"), suggest_caption(image, "a dog")
        change = add_tag(image, "sea")
        assert change
        assert "dog" in page(client, image)
        assert f"/image/{image.pk}/tags/" not in page(client, image)
        for action in self.ACTIONS:
            address = f"/image/{image.pk}/{action.format(tag=tag.tag_id, caption=caption.pk)}"
            said = seen(caption) if "captions/" in action else "suggested"
            form = {"seen": said, "tag": "cat", "text": "mine", "token": change.token}
            for headers in (HTMX, {}):
                assert client.post(address, form, headers=headers).status_code == 403
            assert client.get(address).status_code == 405
        assert shown_tags(image) == {"dog", "sea"}
        assert image.image_tags.get(tag=tag.tag).state == image.captions.get().state == "suggested"

    def test_strangers_get_no_empty_region(self, image: Image, client: Client):
        assert 'id="words"' not in page(client, image)
        suggest_tag(image, "dog")
        assert 'id="words"' in page(client, image)

    def test_what_is_in_the_trash_is_not_described(self, image: Image, as_member: Client, as_admin: Client):
        image.trash()
        for headers in (HTMX, {}):
            assert as_member.post(f"/image/{image.pk}/tags/", {"tag": "dog"}, headers=headers).status_code == 404
        assert as_admin.post(f"/image/{image.pk}/tags/", {"tag": "dog"}).status_code == 302

    def test_another_pictures_words_are_not_touched(self, add, as_member: Client):
        one, other = add(1), add(2)
        caption, tag = suggest_caption(other, "a dog"), suggest_tag(other, "dog")
        for what in (f"captions/{caption.pk}", f"tags/{tag.tag_id}"):
            response = as_member.post(f"/image/{one.pk}/{what}/reject/", {"seen": "suggested"}, headers=HTMX)
            assert response.status_code == 409
        assert shown_tags(other) == {"dog"}

    def test_forged_forms_are_refused(self, image: Image, member: User):
        client = Client(enforce_csrf_checks=True)
        client.force_login(member)
        assert client.post(f"/image/{image.pk}/tags/", {"tag": "dog"}).status_code == 403


class TestWhatIsWritten:
    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("Dog", "dog"),
            (" a \t b\n", "a b"),
            ("e\u0301", "é"),
            ("STRASSE", "strasse"),
            ("İ", "i\u0307"),
            ("a\u202eb\x00c", "abc"),
            ("日本", "日本"),
            ("cat\u200d", "cat"),
            ("\ufe0f \u2800cat \u034f", "cat"),
            ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
            (HOSTILE, HOSTILE),
            ("x" * 100, "x" * 100),
        ],
    )
    def test_a_tag_is_one_line_in_lower_case(self, written: str, kept: str):
        assert tag_name(written) == kept
        assert tag_name(kept) == kept

    @pytest.mark.parametrize(
        "written", ["", "  ", "\u200b", "\x00", "x" * 101, *"\u200d\u200c\u2800\u3164\ufe0f\u034f"]
    )
    def test_rejects_what_is_no_tag(self, written: str):
        with pytest.raises(WordError):
            tag_name(written)

    @pytest.mark.parametrize("written", ["", "\n", "\u2800", "x" * 1001])
    def test_rejects_what_is_no_caption(self, written: str):
        with pytest.raises(WordError):
            caption_text(written)

    @pytest.mark.parametrize("field", [("tags/", "tag", 101), ("captions/", "text", 1001)])
    def test_says_why_where_it_was_written(self, image: Image, as_member: Client, field: tuple):
        action, name, length = field
        for headers in (HTMX, {}):
            for written in ("", "x" * length):
                response = as_member.post(f"/image/{image.pk}/{action}", {name: written}, headers=headers)
                assert response.status_code == 400
                assert 'role="alert"' in response.content.decode()
        assert not Tag.objects.exists()

    def test_it_is_shown_as_text(self, image: Image, as_member: Client):
        as_member.post(f"/image/{image.pk}/tags/", {"tag": HOSTILE})
        as_member.post(f"/image/{image.pk}/captions/", {"text": HOSTILE + '" onload="x', "seen": ""})
        for answer in (page(as_member, image), as_member.get("/").content.decode()):
            assert "<script>alert" not in answer
            assert '" onload' not in answer

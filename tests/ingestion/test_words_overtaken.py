"""Words of a picture that somebody else decides about meanwhile, or that are there twice."""

from __future__ import annotations

import pytest
from django.test import Client

from gallery.models import Caption, Image, ImageTag, Opinion
from gallery.opinions import Change, Overtaken, add_tag, decide_caption, decide_tag, mark, undo, write_caption
from tests.ingestion.test_words import HTMX, page, seen, shown_tags, suggest_caption, suggest_tag, take_back


@pytest.fixture
def image(add) -> Image:
    return add(1, "beach.jpg")


def done(change: Change | None) -> Change:
    assert change
    return change


def refused(image: Image, change: Change) -> None:
    with pytest.raises(Overtaken):
        undo(image, Change.read(change.token))


def states(image: Image) -> set[tuple[str, str, str]]:
    return set(image.captions.values_list("origin", "text", "state"))


def test_it_works(image: Image):
    """A decision is undone once."""
    suggest_tag(image, "dog")
    change = done(decide_tag(image, image.image_tags.get().tag_id, Opinion.ACCEPTED, "suggested"))
    undo(image, Change.read(change.token))
    assert image.image_tags.get().state == Opinion.SUGGESTED
    refused(image, change)


class TestUndo:
    def test_what_was_accepted_again_stays(self, image: Image):
        tag = suggest_tag(image, "dog").tag_id
        first = done(decide_tag(image, tag, Opinion.ACCEPTED, "suggested"))
        undo(image, Change.read(first.token))
        decide_tag(image, tag, Opinion.ACCEPTED, "suggested")
        refused(image, first)
        assert image.image_tags.get().state == Opinion.ACCEPTED

    def test_what_was_added_again_stays(self, image: Image):
        first = done(add_tag(image, "dog"))
        undo(image, Change.read(first.token))
        add_tag(image, "dog")
        refused(image, first)
        assert shown_tags(image) == {"dog"}

    def test_a_caption_that_was_accepted_again_stays(self, image: Image):
        caption = suggest_caption(image, "a dog")
        first = done(decide_caption(image, caption.pk, Opinion.ACCEPTED, seen(caption)))
        undo(image, Change.read(first.token))
        decide_caption(image, caption.pk, Opinion.ACCEPTED, seen(caption))
        refused(image, first)
        assert image.captions.get().state == Opinion.ACCEPTED

    def test_a_caption_that_was_written_again_stays(self, image: Image):
        first = done(write_caption(image, "mine", ""))
        undo(image, Change.read(first.token))
        write_caption(image, "mine", "")
        refused(image, first)
        assert image.captions.get().text == "mine"

    def test_a_removed_caption_that_was_edited_in_the_back_office_stays(self, image: Image):
        write_caption(image, "mine", "")
        removed = done(decide_caption(image, image.captions.get().pk, Opinion.REJECTED, seen(image.captions.get())))
        Caption.objects.update(text="hers")
        refused(image, removed)
        assert image.captions.get().state == Opinion.REJECTED

    def test_it_takes_along_what_a_network_has_said_since(self, image: Image):
        tag = suggest_tag(image, "dog").tag_id
        change = done(decide_tag(image, tag, Opinion.REJECTED, "suggested"))
        ImageTag.objects.create(image=image, tag_id=tag, origin="net:2", generation=2, state="rejected")
        undo(image, Change.read(change.token))
        assert set(image.image_tags.values_list("state", flat=True)) == {"suggested"}

    def test_the_token_is_in_no_address_and_holds_few_words(self, image: Image, as_member: Client):
        long = "a picture of everything there is " * 25
        wrong = suggest_caption(image, long)
        form = {"text": long.upper(), "seen": "", "instead_of": wrong.pk, "instead_seen": seen(wrong)}
        response = as_member.post(f"/image/{image.pk}/captions/", form, follow=True)
        assert "words/undo/?of=" in response.content.decode()
        assert len(done(write_caption(image, "short", mark(image.captions.get(origin="person").text))).token) < 1_500
        refusal = as_member.post(f"/image/{image.pk}/words/undo/?of=another", headers=HTMX)
        assert refusal.status_code == 409

    def test_it_undoes_what_the_message_was_about(self, image: Image, as_member: Client):
        first = as_member.post(f"/image/{image.pk}/tags/", {"tag": "dog"}, follow=True)
        as_member.post(f"/image/{image.pk}/tags/", {"tag": "cat"}, follow=True)
        assert take_back(as_member, first).status_code == 409
        assert shown_tags(image) == {"dog", "cat"}


class TestCaptions:
    @pytest.mark.parametrize("sent", ["one\r\ntwo", "one\ntwo"])
    def test_one_with_a_line_break_can_be_edited(self, image: Image, as_member: Client, sent: str):
        """As a merge makes them; browsers send other line breaks than they got."""
        Caption.objects.create(image=image, text=sent)
        assert f'name="seen" value="{mark(sent)}"' in page(as_member, image)
        as_member.post(f"/image/{image.pk}/captions/", {"text": "three", "seen": mark(sent)})
        assert image.captions.get().text == "three"

    def test_nobody_removes_what_they_have_not_seen(self, image: Image, as_member: Client):
        write_caption(image, "first", "")
        before = seen(image.captions.get())
        write_caption(image, "second", mark("first"))
        response = as_member.post(
            f"/image/{image.pk}/captions/{image.captions.get().pk}/reject/", {"seen": before}, headers=HTMX
        )
        assert response.status_code == 409
        assert "Meanwhile somebody has written “second”" in response.content.decode()
        assert image.captions.get().state == Opinion.ACCEPTED

    def test_a_correction_does_not_reject_what_was_accepted_meanwhile(self, image: Image, as_member: Client):
        caption = suggest_caption(image, "a dog")
        form = {"text": "a seal", "seen": "", "instead_of": caption.pk, "instead_seen": seen(caption)}
        decide_caption(image, caption.pk, Opinion.ACCEPTED, seen(caption))
        response = as_member.post(f"/image/{image.pk}/captions/", form, headers=HTMX)
        assert response.status_code == 409
        assert "Meanwhile somebody has accepted “a dog”" in response.content.decode()
        assert states(image) == {("net:1", "a dog", "accepted")}

    def test_the_same_sentence_is_shown_and_decided_once(self, image: Image, as_member: Client):
        rows = [suggest_caption(image, "a dog", generation=n, origin=f"net:{n}") for n in (1, 2)]
        suggest_caption(image, "a cat", 0.1, 3)
        Caption.objects.filter(text="a dog").update(state="accepted")
        words = page(as_member, image).split('id="words"')[1]
        assert words.count(">a dog</p>") == 1
        response = as_member.post(
            f"/image/{image.pk}/captions/{rows[0].pk}/reject/", {"seen": seen(rows[0])}, headers=HTMX
        )
        assert "a dog</p>" not in response.content.decode()
        assert {text for _, text, state in states(image) if state != "rejected"} == {"a cat"}
        take_back(as_member, response)
        assert [state for _, text, state in states(image) if text == "a dog"] == ["accepted"] * 2

    def test_a_correction_in_the_same_words_rejects_nothing(self, image: Image):
        caption = suggest_caption(image, "a dog")
        write_caption(image, "a dog", "", caption.pk, seen(caption))
        assert states(image) == {("net:1", "a dog", "suggested"), ("person", "a dog", "accepted")}


class TestTags:
    @pytest.mark.parametrize("wanted", [Opinion.ACCEPTED, Opinion.REJECTED])
    def test_one_of_which_a_row_was_rejected_is_decided(self, image: Image, as_member: Client, wanted: str):
        tag = suggest_tag(image, "dog").tag_id
        other = suggest_tag(image, "dog", origin="net:2")
        ImageTag.objects.filter(pk=other.pk).update(state="rejected")
        assert shown_tags(image) == {"dog"}
        word = {"accepted": "accept", "rejected": "reject"}[wanted]
        as_member.post(f"/image/{image.pk}/tags/{tag}/{word}/", {"seen": "suggested"})
        assert set(image.image_tags.values_list("state", flat=True)) == {wanted}

    def test_a_refused_one_says_what_the_field_is_about(self, image: Image, as_member: Client):
        answer = as_member.post(f"/image/{image.pk}/tags/", {"tag": "x" * 101}, headers=HTMX).content.decode()
        assert 'aria-describedby="words-refused"' in answer
        assert 'id="words-refused">A tag has at most 100' in answer

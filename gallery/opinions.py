"""What people decide about the words of a picture: accept, reject, add, correct; and take it back.

A decision is about a tag of a picture, not about one row: all that suggest the tag get it, and so does whatever a
network suggests later. A tag that a person has rejected is thereby not suggested again for this picture by anybody.
Nobody's decision is overwritten unseen: who decides says what they saw (``seen``), and Overtaken says what it is now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from django.core import signing
from django.db import transaction

from gallery.models import PERSON, Caption, Image, ImageTag, Opinion, Tag, Word
from gallery.words import LONGEST_CAPTION, LONGEST_TAG, caption_text, tag_name

UNDO_SECONDS = 24 * 3600
_SALT = "gallery.opinions"
NO_WORD = ""
"""The state of a tag that the picture does not have; the text of a caption that nobody has written."""
DONE = {
    Opinion.ACCEPTED.value: "accepted",
    Opinion.REJECTED.value: "rejected",
    Opinion.SUGGESTED.value: "taken back a decision about",
}


class Overtaken(Exception):
    """Somebody has changed it since the reader saw it: a sentence that says so. Nothing was done."""


@dataclass(frozen=True)
class Change:
    """Something that was done, and all that taking it back needs."""

    image_id: int
    sentence: str
    tag_id: int = 0
    before: str = NO_WORD
    after: str = NO_WORD
    added: bool = False
    """A row of the person came into being with it."""
    text: str = NO_WORD
    """The person's caption before, if there was one, and its state."""
    text_state: str = ""
    written: str = NO_WORD
    """The person's caption after it."""
    caption_id: int = 0
    """The caption that was decided about: from state ``before`` to ``after``."""

    @property
    def token(self) -> str:
        """Signed, fit for an address."""
        return signing.dumps(asdict(self), salt=_SALT, compress=True)

    @classmethod
    def read(cls, token: str) -> Change:
        """Overtaken if it is too old or not ours."""
        try:
            return cls(**signing.loads(token, salt=_SALT, max_age=UNDO_SECONDS))
        except (signing.BadSignature, TypeError) as error:
            raise Overtaken("This can no longer be undone here; the buttons beside the words still can.") from error


def opinion_of(words: Iterable[Word]) -> str:
    """Of all rows of one tag of a picture."""
    states = {word.state for word in words}
    found = next((s for s in (Opinion.ACCEPTED, Opinion.REJECTED, Opinion.SUGGESTED) if s in states), NO_WORD)
    return str(found)


# --- as they are shown
def words_of(image: Image) -> dict[str, Any]:
    """For gallery/_words.html: captions, and for each tag the rows that say so, the best first."""
    rows = list(image.image_tags.filter(shown=True).select_related("tag").best_first())
    by_tag = sorted(rows, key=lambda row: row.tag.name)  # stable: the best of each tag stays first
    tags = [list(of_tag) for _, of_tag in groupby(by_tag, key=lambda row: row.tag_id)]
    captions = list(image.captions.filter(shown=True).best_first())
    return {
        "tags": sorted(tags, key=_rank),
        "captions": captions,
        "written": next((caption.text for caption in captions if caption.is_of_person), ""),
        "longest_caption": LONGEST_CAPTION,
        "longest_tag": LONGEST_TAG,
    }


def _rank(rows: list[ImageTag]) -> tuple[bool, float]:
    """What people agreed with first, then the surest."""
    agreed = opinion_of(rows) == Opinion.ACCEPTED
    return not agreed, 0.0 if agreed else -max(row.confidence or 0.0 for row in rows)


# --- tags
def add_tag(image: Image, written: str) -> Change | None:
    """None if the picture has the tag already, by a person or by one who agreed. WordError."""
    name = tag_name(written)
    with transaction.atomic():
        _lock(image)
        tag, _ = Tag.objects.get_or_create(name=name)
        now = opinion_of(image.image_tags.filter(tag=tag))
        if now == Opinion.ACCEPTED:
            return None
        _, added = ImageTag.objects.get_or_create(image=image, tag=tag, origin=PERSON, generation=0)
        image.image_tags.filter(tag=tag).update(state=Opinion.ACCEPTED)
    return Change(image.pk, f"Tagged “{name}”.", tag.pk, now, Opinion.ACCEPTED, added)


def decide_tag(image: Image, tag_id: int, wanted: str, seen: str) -> Change | None:
    """Accept or reject; None if that is what it is already. Overtaken."""
    with transaction.atomic():
        _lock(image)
        rows = list(image.image_tags.filter(tag_id=tag_id).select_related("tag"))
        now = opinion_of(rows)
        if not rows:
            raise Overtaken("This tag is not there any more.")
        if now == wanted:
            return None
        if now != seen:
            raise Overtaken(f"Meanwhile somebody has {DONE[now]} “{rows[0].tag}”. Look again, and decide again.")
        image.image_tags.filter(tag_id=tag_id).update(state=wanted)
    return Change(image.pk, f"“{rows[0].tag}” is {DONE[wanted]}.", tag_id, now, wanted)


def _undo_tag(image: Image, change: Change) -> None:
    rows = image.image_tags.filter(tag_id=change.tag_id)
    if opinion_of(rows) != change.after:
        raise Overtaken("This tag was changed again since: nothing was undone.")
    if change.added:
        rows.filter(origin=PERSON, generation=0).delete()
    rows.update(state=change.before or Opinion.SUGGESTED)


# --- captions
def write_caption(image: Image, written: str, seen: str, instead_of: int = 0) -> Change | None:
    """A person's caption, new or edited; ``seen``: the person's caption that the writer saw, or "".

    ``instead_of``: the caption that it corrects, which stays as rejected. None if it says so already. WordError,
    Overtaken.
    """
    text = caption_text(written)
    with transaction.atomic():
        _lock(image)
        mine = _of_person(image)
        here = mine.text if mine and mine.state == Opinion.ACCEPTED else NO_WORD
        if here == text:
            return None
        if here != seen:
            now = f"written “{here}”" if here else "removed the caption"
            raise Overtaken(f"Meanwhile somebody has {now}. Your words are still in the field.")
        corrected = image.captions.exclude(origin=PERSON).exclude(state=Opinion.REJECTED).filter(pk=instead_of).first()
        before: dict[str, Any] = {"text": mine.text, "text_state": mine.state} if mine else {}
        values = {"text": text, "state": Opinion.ACCEPTED}
        Caption.objects.update_or_create(image=image, origin=PERSON, generation=0, defaults=values)
        decided: dict[str, Any] = {}
        if corrected:
            decided = {"caption_id": corrected.pk, "before": corrected.state, "after": Opinion.REJECTED}
            image.captions.filter(pk=corrected.pk).update(state=Opinion.REJECTED)
    return Change(image.pk, "The caption is saved.", written=text, added=mine is None, **before, **decided)


def decide_caption(image: Image, caption_id: int, wanted: str, seen: str) -> Change | None:
    """Accept or reject one; ``seen``: its state. None if that is what it is already. Overtaken."""
    with transaction.atomic():
        _lock(image)
        caption = image.captions.filter(pk=caption_id).first()
        if caption is None:
            raise Overtaken("This caption is not there any more.")
        if caption.state == wanted:
            return None
        if caption.state != seen:
            raise Overtaken(f"Meanwhile somebody has {DONE[caption.state]} this caption. Look again, and decide again.")
        image.captions.filter(pk=caption_id).update(state=wanted)
    sentence = f"The caption is {'removed' if caption.is_of_person else DONE[wanted]}."
    return Change(image.pk, sentence, caption_id=caption_id, before=seen, after=wanted)


def _undo_caption(image: Image, change: Change) -> None:
    mine, decided = _of_person(image), image.captions.filter(pk=change.caption_id)
    if change.written:
        if mine is None or (mine.text, mine.state) != (change.written, Opinion.ACCEPTED):
            raise Overtaken("The caption was changed again since: nothing was undone.")
        if change.added:
            mine.delete()
        else:
            image.captions.filter(pk=mine.pk).update(text=change.text, state=change.text_state)
    elif not decided.filter(state=change.after).exists():
        raise Overtaken("The caption was changed again since: nothing was undone.")
    decided.filter(state=change.after).update(state=change.before)


def _of_person(image: Image) -> Caption | None:
    return image.captions.filter(origin=PERSON, generation=0).first()


def undo(image: Image, change: Change) -> None:
    """Overtaken if somebody has changed it since."""
    with transaction.atomic():
        _lock(image)
        if change.image_id != image.pk:
            raise Overtaken("This was done to another picture.")
        (_undo_tag if change.tag_id else _undo_caption)(image, change)


def _lock(image: Image) -> None:
    """One at a time, and before its words, as annotators do."""
    if not Image.objects.select_for_update(no_key=True).filter(pk=image.pk).exists():
        raise Overtaken("This picture is gone.")

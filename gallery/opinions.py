"""What people decide about the words of a picture: accept, reject, add, correct; and take it back.

A decision is about a tag of a picture, not about one row: all that suggest the tag get it, and so does whatever a
network suggests later. A tag that a person has rejected is thereby not suggested again for this picture by anybody.
A decision about a sentence is about all captions that say the same. Nobody's decision is overwritten unseen: who
decides says what they saw (``seen``), and Overtaken says what it is now.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
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
    decision: int
    """The number that the rows got with it: any later decision gives them another."""
    tag_id: int = 0
    before: str = NO_WORD
    after: str = NO_WORD
    added: bool = False
    """A row of the person came into being with it."""
    text: str = NO_WORD
    """The person's caption before, if there was one, and its state."""
    text_state: str = ""
    written: str = NO_WORD
    """The mark of the person's caption after it."""
    decided: str = NO_WORD
    """The mark of the caption that was decided about: from state ``before`` to ``after``."""

    @property
    def token(self) -> str:
        """Signed, for a hidden field."""
        known = {name: value for name, value in asdict(self).items() if value and name != "sentence"}
        return signing.dumps(known, salt=_SALT, compress=True)

    @classmethod
    def read(cls, token: str) -> Change:
        """Overtaken if it is too old or not ours."""
        try:
            return cls(sentence="", **signing.loads(token, salt=_SALT, max_age=UNDO_SECONDS))
        except (signing.BadSignature, TypeError) as error:
            raise Overtaken("This can no longer be undone here; the buttons beside the words still can.") from error


@dataclass(frozen=True)
class Said:
    """A sentence about a picture, and all captions that say it, the best first."""

    rows: list[Caption]

    @property
    def best(self) -> Caption:
        return self.rows[0]

    @property
    def seen(self) -> str:
        """What a reader of it knows: its state and its text, for a hidden field."""
        return f"{_state_of(self.rows)} {mark(self.best.text)}"


def mark(text: str) -> str:
    """Stands for a text in a form, which turns its line breaks into others; "" for none."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else NO_WORD


def opinion_of(words: Iterable[Word]) -> str:
    """Of all rows of one tag of a picture."""
    states = {word.state for word in words}
    found = next((s for s in (Opinion.ACCEPTED, Opinion.REJECTED, Opinion.SUGGESTED) if s in states), NO_WORD)
    return str(found)


def _state_of(rows: Sequence[Word]) -> str:
    """As readers see it: of rows that are shown, if any is."""
    return opinion_of([row for row in rows if row.shown] or rows)


def _new_decision() -> int:
    return secrets.randbelow(2**31 - 1) + 1


# --- as they are shown
def words_of(image: Image) -> dict[str, Any]:
    """For gallery/_words.html: what captions say, and for each tag the rows that say so, the best first."""
    rows = list(image.image_tags.filter(shown=True).select_related("tag").best_first())
    by_tag = sorted(rows, key=lambda row: row.tag.name)  # stable: the best of each tag stays first
    tags = [list(of_tag) for _, of_tag in groupby(by_tag, key=lambda row: row.tag_id)]
    captions: dict[str, list[Caption]] = {}
    for caption in image.captions.filter(shown=True).best_first():
        captions.setdefault(caption.text, []).append(caption)
    written = next((text for text, same in captions.items() if same[0].is_of_person), NO_WORD)
    return {
        "tags": sorted(tags, key=_rank),
        "captions": [Said(same) for same in captions.values()],
        "written": mark(written),
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
    decision = _new_decision()
    with transaction.atomic():
        _lock(image)
        tag, _ = Tag.objects.get_or_create(name=name)
        now = opinion_of(image.image_tags.filter(tag=tag))
        if now == Opinion.ACCEPTED:
            return None
        _, added = ImageTag.objects.get_or_create(image=image, tag=tag, origin=PERSON, generation=0)
        image.image_tags.filter(tag=tag).update(state=Opinion.ACCEPTED, decision=decision)
    return Change(image.pk, f"Tagged “{name}”.", decision, tag.pk, now, Opinion.ACCEPTED, added)


def decide_tag(image: Image, tag_id: int, wanted: str, seen: str) -> Change | None:
    """Accept or reject; None if that is what it is already. Overtaken."""
    decision = _new_decision()
    with transaction.atomic():
        _lock(image)
        rows = list(image.image_tags.filter(tag_id=tag_id).select_related("tag"))
        if not rows:
            raise Overtaken("This tag is not there any more.")
        if all(row.state == wanted for row in rows):
            return None
        now = _state_of(rows)
        if now != seen:
            raise Overtaken(f"Meanwhile somebody has {DONE[now]} “{rows[0].tag}”. Look again, and decide again.")
        image.image_tags.filter(tag_id=tag_id).update(state=wanted, decision=decision)
    return Change(image.pk, f"“{rows[0].tag}” is {DONE[wanted]}.", decision, tag_id, now, wanted)


def _undo_tag(image: Image, change: Change) -> None:
    rows = image.image_tags.filter(tag_id=change.tag_id)
    if opinion_of(rows) != change.after or not rows.filter(decision=change.decision).exists():
        raise Overtaken("This tag was changed again since: nothing was undone.")
    if change.added:
        rows.filter(origin=PERSON, generation=0, decision=change.decision).delete()
    rows.update(state=change.before or Opinion.SUGGESTED, decision=_new_decision())


# --- captions
def write_caption(
    image: Image, written: str, seen: str, instead_of: int = 0, instead_seen: str = NO_WORD
) -> Change | None:
    """A person's caption, new or edited; ``seen``: the mark of the person's caption that the writer saw, or "".

    ``instead_of``: the caption that it corrects, which stays as rejected; ``instead_seen``: Said.seen of it. None if
    it says so already. WordError, Overtaken.
    """
    text = caption_text(written)
    decision = _new_decision()
    with transaction.atomic():
        _lock(image)
        mine = _of_person(image)
        here = mine.text if mine and mine.state == Opinion.ACCEPTED else NO_WORD
        if here == text:
            return None
        if mark(here) != seen:
            now = f"written “{here}”" if here else "removed the caption"
            raise Overtaken(f"Meanwhile somebody has {now}. Your words are still in the field.")
        before: dict[str, Any] = {"text": mine.text, "text_state": mine.state} if mine else {}
        decided = _corrected(image, instead_of, text, instead_seen, decision)
        values = {"text": text, "state": Opinion.ACCEPTED, "decision": decision}
        Caption.objects.update_or_create(image=image, origin=PERSON, generation=0, defaults=values)
    done = {"written": mark(text), "added": mine is None, **before, **decided}
    return Change(image.pk, "The caption is saved.", decision, **done)


def _corrected(image: Image, caption_id: int, text: str, seen: str, decision: int) -> dict[str, str]:
    """Reject all that says the same as this caption, unless that is the text; what of it belongs into the Change."""
    machines = image.captions.exclude(origin=PERSON)
    wrong = machines.exclude(state=Opinion.REJECTED).exclude(text=text).filter(pk=caption_id).first()
    if not wrong:
        return {}
    said = Said(list(machines.filter(text=wrong.text)))
    before = _state_of(said.rows)
    if said.seen != seen:
        raise Overtaken(f"Meanwhile somebody has {DONE[before]} “{wrong.text}”. Your words are still in the field.")
    machines.filter(text=wrong.text).update(state=Opinion.REJECTED, decision=decision)
    return {"decided": mark(wrong.text), "before": before, "after": Opinion.REJECTED}


def decide_caption(image: Image, caption_id: int, wanted: str, seen: str) -> Change | None:
    """Accept or reject what one says; ``seen``: Said.seen of it. None if that is what it is already. Overtaken."""
    decision = _new_decision()
    with transaction.atomic():
        _lock(image)
        caption = image.captions.filter(pk=caption_id).first()
        if caption is None:
            raise Overtaken("This caption is not there any more.")
        said = Said(list(image.captions.filter(text=caption.text)))
        if all(row.state == wanted for row in said.rows):
            return None
        now = _state_of(said.rows)
        if said.seen != seen:
            done = DONE[now] + " this caption" if seen.endswith(mark(caption.text)) else f"written “{caption.text}”"
            raise Overtaken(f"Meanwhile somebody has {done}. Look again, and decide again.")
        image.captions.filter(text=caption.text).update(state=wanted, decision=decision)
    sentence = f"The caption is {'removed' if caption.is_of_person else DONE[wanted]}."
    return Change(image.pk, sentence, decision, decided=mark(caption.text), before=now, after=wanted)


def _undo_caption(image: Image, change: Change) -> None:
    changed = Overtaken("The caption was changed again since: nothing was undone.")
    decided = list(image.captions.filter(decision=change.decision))
    if change.written:
        mine = next((row for row in decided if row.is_of_person), None)
        if mine is None or (mark(mine.text), mine.state) != (change.written, Opinion.ACCEPTED):
            raise changed
        decided.remove(mine)
        if change.added:
            mine.delete()
        else:
            before = {"text": change.text, "state": change.text_state, "decision": _new_decision()}
            image.captions.filter(pk=mine.pk).update(**before)
    same = {row.text for row in decided if mark(row.text) == change.decided and row.state == change.after}
    if not same and not change.written:
        raise changed
    rows = image.captions.filter(text__in=same, state=change.after)
    rows = rows.exclude(origin=PERSON) if change.written else rows
    rows.update(state=change.before, decision=_new_decision())


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

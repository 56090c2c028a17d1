"""What people decide about the words of a picture: accept, reject, add, correct; and take it back.

A decision is about a tag of a picture, not about one row: all that suggest the tag get it, and so does whatever a
network suggests later. A tag that a person has rejected is thereby not suggested again for this picture by anybody.
A decision about a sentence is about all captions that say the same. Nobody's decision is overwritten unseen: who
decides says what they saw (``seen``), and Overtaken says what it is now. All are written down: gallery/history.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet

from gallery import history
from gallery.history import Overtaken, lock, record
from gallery.models import PERSON, Caption, Edit, Image, ImageTag, Opinion, Tag, User
from gallery.tags import tags_called
from gallery.word_states import (
    NO_WORD,
    caption_state,
    caption_things,
    mark,
    new_decision,
    of_person,
    opinion_of,
    put_tags,
    state_of,
    tag_state,
    text_rows,
    text_state,
)
from gallery.words import LONGEST_CAPTION, LONGEST_TAG, MOST_TAGS, caption_text, tag_names

__all__ = ["NO_WORD", "Change", "Overtaken", "Said", "mark", "opinion_of", "words_of"]

UNDO_SECONDS = 24 * 3600
_SALT = "gallery.opinions"
_SHOWN = 200
"""Characters of a text in the picture that its history shows."""
DONE = {
    Opinion.ACCEPTED.value: "accepted",
    Opinion.REJECTED.value: "rejected",
    Opinion.SUGGESTED.value: "taken back a decision about",
}


@dataclass(frozen=True)
class Change:
    """Something that was done at once, and all that taking it back needs."""

    sentence: str
    edits: list[int]
    tag_ids: list[int] = field(default_factory=list)

    @property
    def tag_id(self) -> int:
        return self.tag_ids[0]

    @property
    def token(self) -> str:
        """Signed, for a hidden field."""
        return signing.dumps(self.edits, salt=_SALT)

    @classmethod
    def read(cls, token: str) -> Change:
        """Overtaken if it is too old or not ours."""
        try:
            return cls("", signing.loads(token, salt=_SALT, max_age=UNDO_SECONDS))
        except signing.BadSignature as error:
            raise Overtaken("This can no longer be undone here; the history of the picture still can.") from error


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
        return f"{state_of(self.rows)} {mark(self.best.text)}"


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
        "implied": list(_implied(image, {row.tag_id for row in rows})),
        "captions": [Said(same) for same in captions.values()],
        "written": mark(written),
        "longest_caption": LONGEST_CAPTION,
        "longest_tags": MOST_TAGS * (LONGEST_TAG + 2),
    }


def _implied(image: Image, said: set[int]) -> QuerySet[Tag]:
    """Tags that it has because others imply them."""
    (have,) = Image.objects.filter(pk=image.pk).values_list("tag_ids", flat=True) or [[]]
    return Tag.objects.filter(pk__in=set(have) - said)


def _rank(rows: list[ImageTag]) -> tuple[bool, float]:
    """What people agreed with first, then the surest."""
    agreed = opinion_of(rows) == Opinion.ACCEPTED
    return not agreed, 0.0 if agreed else -max(row.confidence or 0.0 for row in rows)


# --- tags
def add_tag(image: Image, written: str, by: User | None = None) -> Change | None:
    """One, or several with commas between them. None if people have said so already of all. WordError."""
    names = tag_names(written)
    added = []
    with transaction.atomic():
        lock(image)
        numbers = tags_called(names)
        tags = Tag.objects.in_bulk(numbers.values())
        for tag in (tags[pk] for pk in dict.fromkeys(numbers[name] for name in names)):
            before = tag_state(image, tag.pk)
            if before["state"] != Opinion.ACCEPTED:
                put_tags({(image.pk, tag.pk): {"state": Opinion.ACCEPTED.value, "own": True}})
                states = (before, tag_state(image, tag.pk))
                added.append((tag, _record_tag(image, tag.pk, tag.name, states, by)))
    if not added:
        return None
    sentence = f"Tagged {', '.join(f'“{tag}”' for tag, _ in added)}."
    return Change(sentence, [edit.pk for _, edit in added], [tag.pk for tag, _ in added])


def _record_tag(image: Image, tag_id: int, name: str, states: tuple[Any, Any], by: User | None) -> Edit:
    return record(image, Edit.Kind.TAG, [f"tag:{tag_id}"], states, about=name, by=by)


def decide_tag(image: Image, tag_id: int, wanted: str, seen: str, by: User | None = None) -> Change | None:
    """Accept or reject; None if that is what it is already. Overtaken."""
    with transaction.atomic():
        lock(image)
        rows = list(image.image_tags.filter(tag_id=tag_id).select_related("tag"))
        if not rows and wanted == Opinion.REJECTED and seen == NO_WORD:
            return _reject_implied(image, tag_id, by)
        if not rows:
            raise Overtaken("This tag is not there any more.")
        if all(row.state == wanted for row in rows):
            return None
        now, name = state_of(rows), rows[0].tag.name
        if now != seen:
            raise Overtaken(f"Meanwhile somebody has {DONE[now]} “{name}”. Look again, and decide again.")
        before = tag_state(image, tag_id)
        image.image_tags.filter(tag_id=tag_id).update(state=wanted, decision=new_decision())
        edit = _record_tag(image, tag_id, name, (before, tag_state(image, tag_id)), by)
    return Change(f"“{name}” is {DONE[wanted]}.", [edit.pk], [tag_id])


def _reject_implied(image: Image, tag_id: int, by: User | None) -> Change:
    """A tag that the picture has because others imply it: a person's "no" keeps it away."""
    tag = Tag.objects.filter(pk=tag_id).first()
    if tag is None or not Image.objects.filter(pk=image.pk, tag_ids__contains=[tag_id]).exists():
        raise Overtaken("This tag is not there any more.")
    before = tag_state(image, tag_id)
    put_tags({(image.pk, tag_id): {"state": Opinion.REJECTED.value, "own": True}})
    edit = _record_tag(image, tag_id, tag.name, (before, tag_state(image, tag_id)), by)
    return Change(f"“{tag}” is {DONE[Opinion.REJECTED]}.", [edit.pk], [tag_id])


# --- captions
def write_caption(
    image: Image,
    written: str,
    seen: str,
    instead_of: int = 0,
    instead_seen: str = NO_WORD,
    by: User | None = None,
) -> Change | None:
    """A person's caption, new or edited; ``seen``: the mark of the person's caption that the writer saw, or "".

    ``instead_of``: the caption that it corrects, which stays as rejected; ``instead_seen``: Said.seen of it. None if
    it says so already. WordError, Overtaken.
    """
    text = caption_text(written)
    with transaction.atomic():
        lock(image)
        mine = of_person(image)
        here = mine.text if mine and mine.state == Opinion.ACCEPTED else NO_WORD
        if here == text:
            return None
        if mark(here) != seen:
            now = f"written “{here}”" if here else "removed the caption"
            raise Overtaken(f"Meanwhile somebody has {now}. Your words are still in the field.")
        wrong = _wrong(image, instead_of, text, instead_seen)
        values = {"text": text, "state": Opinion.ACCEPTED, "decision": new_decision()}

        def write() -> None:
            if wrong:
                _decide_sentence(_machines(image), wrong, Opinion.REJECTED)
            Caption.objects.update_or_create(image=image, origin=PERSON, generation=0, defaults=values)

        edit = _record_caption(image, {"own": None} | _said(wrong), write, text, by)
    return Change("The caption is saved.", [edit.pk])


def _wrong(image: Image, caption_id: int, text: str, seen: str) -> str:
    """What the caption says that is corrected, unless that is the text. Overtaken."""
    machines = _machines(image)
    wrong = machines.exclude(state=Opinion.REJECTED).exclude(text=text).filter(pk=caption_id).first()
    if not wrong:
        return NO_WORD
    said = Said(list(machines.filter(text=wrong.text)))
    if said.seen != seen:
        done = DONE[state_of(said.rows)]
        raise Overtaken(f"Meanwhile somebody has {done} “{wrong.text}”. Your words are still in the field.")
    return str(wrong.text)


def _machines(image: Image) -> Any:
    return image.captions.exclude(origin=PERSON)


def _said(text: str) -> dict[str, Any]:
    return {"said": {"text": text}} if text else {}


def _decide_sentence(captions: Any, text: str, wanted: str) -> None:
    captions.filter(text=text).update(state=wanted, decision=new_decision())


def _record_caption(image: Image, like: dict[str, Any], write: Callable[[], None], about: str, by: User | None) -> Edit:
    """Do it between two looks at the parts that ``like`` has."""
    before = caption_state(image, like)
    write()
    states = before, caption_state(image, like)
    return record(image, Edit.Kind.CAPTION, caption_things(before), states, about=about, by=by)


def decide_caption(image: Image, caption_id: int, wanted: str, seen: str, by: User | None = None) -> Change | None:
    """Accept or reject what one says; ``seen``: Said.seen of it. None if that is what it is already. Overtaken."""
    with transaction.atomic():
        lock(image)
        caption = image.captions.filter(pk=caption_id).first()
        if caption is None:
            raise Overtaken("This caption is not there any more.")
        said = Said(list(image.captions.filter(text=caption.text)))
        if all(row.state == wanted for row in said.rows):
            return None
        if said.seen != seen:
            meanwhile = DONE[state_of(said.rows)] + " this caption"
            done = meanwhile if seen.endswith(mark(caption.text)) else f"written “{caption.text}”"
            raise Overtaken(f"Meanwhile somebody has {done}. Look again, and decide again.")
        edit = _record_caption(
            image,
            _parts(said.rows),
            lambda: _decide_sentence(image.captions, caption.text, wanted),
            caption.text,
            by,
        )
    return Change(f"The caption is {'removed' if caption.is_of_person else DONE[wanted]}.", [edit.pk])


def _parts(rows: Sequence[Caption]) -> dict[str, Any]:
    """Who says a sentence: a person, networks, or both."""
    own = {"own": None} if any(row.is_of_person for row in rows) else {}
    return own | (_said(rows[0].text) if any(not row.is_of_person for row in rows) else {})


# --- texts in the picture
def decide_text(image: Image, text_id: int, wanted: str, seen: str, by: User | None = None) -> Change | None:
    """Accept or reject a text found in the picture, and all that say the same; ``seen``: its state as it was shown.

    None if that is what it is already. Overtaken.
    """
    with transaction.atomic():
        lock(image)
        text = image.ocr_texts.filter(pk=text_id).first()
        if text is None:
            raise Overtaken("This text is not there any more: the picture was read again.")
        of = mark(text.text)
        rows = text_rows(image, of)
        if all(row.state == wanted for row in rows):
            return None
        before = text_state(image, of)
        if before["state"] != seen:
            raise Overtaken(f"Meanwhile somebody has {DONE[before['state']]} this text. Look again, and decide again.")
        image.ocr_texts.filter(pk__in=_ids(rows)).update(state=wanted, decision=new_decision())
        states, about = (before, text_state(image, of)), text.text[:_SHOWN]
        edit = record(image, Edit.Kind.TEXT, [f"text:{of}"], states, about=about, by=by)
    return Change(f"The text in the picture is {DONE[wanted]}.", [edit.pk])


def _ids(rows: Iterable[Any]) -> list[int]:
    return [row.pk for row in rows]


def undo(image: Image, change: Change, by: User | None = None) -> None:
    """All of it or nothing. Overtaken if somebody has changed it since."""
    with transaction.atomic():
        lock(image)
        for edit in Edit.objects.filter(pk__in=change.edits).order_by("-pk"):
            if edit.image_id != image.pk:
                raise Overtaken("This was done to another picture.")
            found = history.standing(edit)
            if not found.is_as_left:
                raise Overtaken(found.sentence)
            history.take_back(edit, by)

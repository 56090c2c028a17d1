"""Every decision about the words of a picture is written down, in its own transaction, and can be taken back.

Whoever decides locks the image first. What was changed again since is not overwritten, unless the reader says what they
have seen of it (``seen``): Overtaken tells them what it is now. To take something back is an edit like any other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from gallery import history_tags, word_states
from gallery.models import Edit, Image, User
from gallery.word_states import State, agrees, mark, plain


class Overtaken(Exception):
    """Somebody has changed it since the reader saw it: a sentence that says so. Nothing was done."""

    def __init__(self, sentence: str, seen: str = "") -> None:
        super().__init__(sentence)
        self.seen = seen
        """Who sends this back has seen it; "" if that would not help."""


@dataclass(frozen=True)
class Standing:
    """What became of an edit."""

    edit: Edit
    later: list[Edit]
    """What was done to the same thing since, newest first; gallery/history_tags.py says what else."""
    now: State
    is_as_left: bool
    """Nobody has touched it since."""

    @property
    def seen(self) -> str:
        return mark(f"{self.later[0].pk if self.later else 0} {sorted(plain(self.now).items())}")

    @property
    def sentence(self) -> str:
        if not self.later:
            return "This was changed since, not by a decision that is listed here: nothing was undone."
        number = len(self.later) - 1
        more = f", after {number} other change{'' if number == 1 else 's'}" if number else ""
        did = f"{who(self.later[0].by)} {self.later[0].sentence}{more}: nothing was undone."
        # Before it: then these were two tags.
        return f"Since then {did}" if self.later[0].pk > self.edit.pk else f"Of what is one tag by now, {did}"


def who(person: User | None) -> str:
    return person.get_username() if person else "a removed account"


def lock(image: Image) -> None:
    """One at a time, and before its words, as annotators do."""
    if not Image.objects.select_for_update(no_key=True).filter(pk=image.pk).exists():
        raise Overtaken("This picture is gone.")


def record(image: Image, kind: Edit.Kind, things: list[str], states: tuple[State, State], **more: Any) -> Edit:
    """``states``: before and after. Within the transaction that makes the change, and under the lock of the image."""
    before, after = states
    return Edit.objects.create(image=image, kind=kind, things=things, before=before, after=after, **more)


# --- one edit
def tag_of(edit: Edit) -> int:
    """The tag that an edit was about. One that was merged is what it became, one that was deleted comes back."""
    return history_tags.tags_of([edit], make=True)[edit.things[0]]


def now_of(edit: Edit) -> State:
    """What the thing of the edit is now."""
    if edit.kind == Edit.Kind.TAG:
        return word_states.tag_state(edit.image, tag_of(edit))
    if edit.kind == Edit.Kind.CAPTION:
        return word_states.caption_state(edit.image, edit.after)
    if edit.kind == Edit.Kind.TEXT:
        return word_states.text_state(edit.image, edit.after["mark"])
    if edit.kind == Edit.Kind.PRIVATE:
        return word_states.private_states([edit.image_id])[edit.image_id]
    return word_states.trash_states([edit.image_id])[edit.image_id]


def _put(edit: Edit, state: State) -> None:
    if edit.kind == Edit.Kind.TAG:
        word_states.put_tags({(edit.image_id, tag_of(edit)): state})
    elif edit.kind == Edit.Kind.CAPTION:
        word_states.put_caption(edit.image, state)
    elif edit.kind == Edit.Kind.TEXT:
        word_states.put_text(edit.image, state)
    elif edit.kind == Edit.Kind.PRIVATE:
        word_states.put_private(edit.image, state)
    else:
        word_states.put_trash(edit.image, state)


def standing(edit: Edit, passing: Collection[int] = ()) -> Standing:
    """``passing``: ids of later edits that do not count."""
    later = list(history_tags.since(edit).exclude(pk__in=passing).select_related("by")[:100])
    now = now_of(edit)
    return Standing(edit, later, now, not later and agrees(now, edit.after))


def take_back(edit: Edit, by: User | None, seen: str = "", passing: Collection[int] = (), **more: Any) -> Edit | None:
    """The state before it comes back. None if it is that already. Overtaken, with what to have ``seen``."""
    with transaction.atomic():
        lock(edit.image)
        found = standing(edit, passing)
        if not found.is_as_left and agrees(found.now, edit.before):
            return None
        if not found.is_as_left and seen != found.seen:
            raise Overtaken(found.sentence, found.seen)
        _put(edit, edit.before)
        states = (found.now, now_of(edit))
        more |= {"about": edit.about, "by": by, "takes_back": edit}
        things = [f"tag:{tag_of(edit)}"] if edit.kind == Edit.Kind.TAG else edit.things
        return record(edit.image, Edit.Kind(edit.kind), things, states, **more)

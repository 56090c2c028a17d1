"""What a program may change of a picture: as the buttons of its page do, with the same history, so that it can be
reverted there. A button says what its reader saw; a program says what should be, and the last one is right."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from gallery import bulk, opinions
from gallery.history import lock
from gallery.models import Image, Opinion, User
from gallery.opinions import NO_WORD, mark
from gallery.refusal import Refusal
from gallery.sharing import SharingError, share
from gallery.tag_names import find_tag
from gallery.views import NOT_YOURS
from gallery.word_states import of_person, tag_state


def caption(image: Image, text: str, by: User) -> None:
    """This is what the person says of it; "" takes it back. WordError."""
    with transaction.atomic():
        lock(image)
        mine = of_person(image)
        here = mine if mine and mine.state == Opinion.ACCEPTED else None
        if text.strip():
            opinions.write_caption(image, text, mark(here.text if here else NO_WORD), by=by)
        elif here:
            same = opinions.Said(list(image.captions.filter(text=here.text)))
            opinions.decide_caption(image, here.pk, Opinion.REJECTED, same.seen, by)


def tag(image: Image, add: Sequence[str], remove: Sequence[str], by: User) -> None:
    """WordError."""
    with transaction.atomic():
        lock(image)
        for written in remove:
            found = find_tag(written)
            if found and _has(image, found.pk):
                opinions.decide_tag(image, found.pk, Opinion.REJECTED, tag_state(image, found.pk)["state"], by)
        if add:
            opinions.add_tag(image, ", ".join(add), by)


def _has(image: Image, tag_id: int) -> bool:
    """Somebody says so, or another tag implies it."""
    implied = Image.objects.filter(pk=image.pk, tag_ids__contains=[tag_id])
    return implied.exists() or image.image_tags.filter(tag=tag_id).exists()


def make_private(image: Image, private: bool, by: User) -> None:
    """Refusal; Overtaken if it is gone."""
    try:
        share(image, private, by)
    except SharingError as error:
        raise Refusal(403, "forbidden", str(error)) from error


def trash(image: Image, by: User) -> None:
    """In the history too, unless it is still being prepared. Nothing happens if it is there already."""
    _require_right(image, by)
    if image.trashed_at is None and image.state == Image.State.READY:
        bulk.apply("trash", [image.pk], "", "", by)
    else:
        image.trash()


def restore(image: Image, by: User) -> None:
    _require_right(image, by)
    image.restore()


def _require_right(image: Image, by: User) -> None:
    if not image.may_change(by):
        raise Refusal(403, "forbidden", NOT_YOURS)

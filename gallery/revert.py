"""Taking back many edits at once: a whole batch, or what one person did. What was changed since stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from gallery import word_states
from gallery.history_tags import Things, mixed, tags_of
from gallery.models import Batch, Edit, Image, User
from gallery.word_states import NO_TAG, State, plain

MOST = 1_000
"""Edits that are taken back at once."""
Place = tuple[int, str]
"""(id of an image, thing)"""
Known = dict[Place, Any]


@dataclass(frozen=True)
class Outcome:
    undone: list[Edit]
    """Newest first."""
    left: list[Edit]
    """Somebody has changed the same since."""
    batch: Batch | None = None

    @property
    def pictures(self) -> int:
        return len({edit.image_id for edit in self.undone})


def lock_all(images: Collection[int]) -> list[Image]:
    """In the order of their ids, as all do. Those that are gone are not among them."""
    rows = Image.objects.select_for_update(no_key=True).filter(pk__in=images)
    return list(rows.order_by("pk"))


def sorted_out(edits: Sequence[Edit], make: bool = False) -> tuple[Outcome, Known, Known]:
    """What can be taken back of these edits, newest first; how things are now, and how they will be.

    A thing that was edited several times is taken back to what was before the first of these edits. ``make``: tags
    that are gone come back, by name.
    """
    tags = tags_of(edits, make)
    now = _now(edits, tags)
    later = _overtaken(edits) | mixed(edits, tags)
    known, wanted, closed = dict(now), Known(), set[Place]()
    outcome = Outcome([], [])
    for edit in edits:
        after, before = _parts(edit, edit.after), _parts(edit, edit.before)
        places = {(edit.image_id, thing) for thing in edit.things}
        if edit.pk in later or places & closed or not _agrees(edit.image_id, known, after):
            closed |= places
            outcome.left.append(edit)
            continue
        fresh = {(edit.image_id, thing): value for thing, value in before.items() if (edit.image_id, thing) in known}
        known |= fresh
        wanted |= fresh
        outcome.undone.append(edit)
    return outcome, now, wanted


def _overtaken(edits: Sequence[Edit]) -> set[int]:
    """Ids of those after which others have changed the same."""
    ids = [edit.pk for edit in edits]
    same = Edit.objects.filter(
        image=OuterRef("image"), pk__gt=OuterRef("pk"), things__overlap=OuterRef("things")
    ).exclude(pk__in=ids)
    return set(Edit.objects.filter(Exists(same), pk__in=ids).values_list("pk", flat=True))


def _agrees(image: int, known: Known, after: State) -> bool:
    here = [thing for thing in after if (image, thing) in known]
    return bool(here) and all(plain(known[image, thing]) == plain(after[thing]) for thing in here)


def revert_many(edits: Sequence[Edit], by: User | None, sentence: str, takes_back: Batch | None = None) -> Outcome:
    """``edits``: newest first. ``sentence``: of the batch that this becomes, if anything is done."""
    with transaction.atomic():
        images = {image.pk: image for image in lock_all({edit.image_id for edit in edits})}
        outcome, now, wanted = sorted_out([edit for edit in edits if edit.image_id in images], make=True)
        if not outcome.undone:
            return outcome
        _put(wanted, images, tags_of(outcome.undone, make=True))
        batch = Batch.objects.create(by=by, sentence=sentence, takes_back=takes_back)
        _record(outcome.undone, now, batch)
    return Outcome(outcome.undone, outcome.left, batch)


def revert_batch(batch: Batch, by: User) -> Outcome:
    """As far as ``by`` may see what was done."""
    edits = list(batch.edits.visible_to(by).with_images().order_by("-pk"))
    return revert_many(edits, by, f"took back: {batch.sentence}", batch)


# --- how things are
def _parts(edit: Edit, state: State) -> State:
    """{thing: its state}"""
    if edit.kind != Edit.Kind.CAPTION:
        return {edit.things[0]: state}
    said = {edit.things[-1]: state["said"]} if "said" in state else {}
    return ({"caption": state["own"]} if "own" in state else {}) | said


def _now(edits: Sequence[Edit], tags: Things) -> Known:
    known: Known = {}
    states = word_states.tag_states({edit.image_id for edit in edits}, set(tags.values()))
    trash = word_states.trash_states({edit.image_id for edit in edits if edit.kind == Edit.Kind.TRASH})
    private = word_states.private_states({edit.image_id for edit in edits if edit.kind == Edit.Kind.PRIVATE})
    for edit in edits:
        if edit.kind == Edit.Kind.TAG:
            state = states.get((edit.image_id, tags[edit.things[0]]), NO_TAG)
        elif edit.kind == Edit.Kind.CAPTION:
            state = word_states.caption_state(edit.image, edit.after)
        elif edit.kind == Edit.Kind.TEXT:
            state = word_states.text_state(edit.image, edit.after["mark"])
        elif edit.kind == Edit.Kind.PRIVATE:
            state = private[edit.image_id]
        else:
            state = trash[edit.image_id]
        known |= {(edit.image_id, thing): value for thing, value in _parts(edit, state).items()}
    return known


def _put(wanted: Known, images: dict[int, Image], tags: Things) -> None:
    # Of two that are one tag by now, what says more about it is kept.
    of_tags = [((image, tags[thing]), state) for (image, thing), state in wanted.items() if thing in tags]
    word_states.put_tags(dict(sorted(of_tags, key=lambda item: len(item[1].get("rows", ())))))
    for (pk, thing), state in wanted.items():
        if thing == "trash":
            word_states.put_trash(images[pk], state)
        elif thing == "private":
            word_states.put_private(images[pk], state)
        elif thing == "caption":
            word_states.put_caption(images[pk], {"own": state})
        elif thing.startswith("caption:"):
            word_states.put_caption(images[pk], {"said": state})
        elif thing.startswith("text:"):
            word_states.put_text(images[pk], state)


def _record(edits: Sequence[Edit], known: Known, batch: Batch) -> None:
    """One for each that was taken back, in the order in which that was done."""
    tags = tags_of(edits)
    final = _now(edits, tags)
    last = {(edit.image_id, thing): edit.pk for edit in edits for thing in edit.things}
    rows: list[Edit] = []
    for edit in edits:
        before, after = edit.after, edit.before
        if len(edit.things) == 1 and last[edit.image_id, edit.things[0]] == edit.pk:
            after = _whole(edit, final[edit.image_id, edit.things[0]])
        more: dict[str, Any] = {"by": batch.by, "batch": batch, "leads": not rows, "takes_back": edit}
        things = [f"tag:{tags[edit.things[0]]}"] if edit.kind == Edit.Kind.TAG else edit.things
        about = {"kind": edit.kind, "about": edit.about, "things": things}
        rows.append(Edit(image_id=edit.image_id, before=before, after=after, **about, **more))
    Edit.objects.bulk_create(rows)


def _whole(edit: Edit, part: Any) -> State:
    """The state of an edit of one thing: _parts, backwards."""
    if edit.kind != Edit.Kind.CAPTION:
        return part
    return {"own": part} if edit.things == ["caption"] else {"said": part}

"""What is said of a picture, as its history keeps it (Edit.before, Edit.after): read, and put back.

tag      {"state": "accepted", "own": true}; the state of all who say so, "" if nobody does; a person is among them
caption  {"own": {"text": "Sails", "state": "accepted", "decision": 7} or null,
         "said": {"text": "a boat", "state": "rejected"}}:
         the person's caption, and what networks say; only the parts that the edit was about
text     {"mark": of the text, "state": "rejected"}
private  {"private": true or false}
trash    {"trashed_at": "2026-01-31T12:00:00+00:00" or null}

Beside a state of several rows stand "rows": [[origin, generation, state, decision], ...], so that each of them comes
back as it was. They are no part of what readers know: ``plain`` leaves them out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from gallery.models import PERSON, Caption, Image, ImageTag, OcrText, Opinion, Word

State = dict[str, Any]
Pair = tuple[int, int]
"""(id of an image, id of a tag)"""
NO_WORD = ""
"""The state of a tag that the picture does not have; the text of a caption that nobody has written."""
NO_TAG: State = {"state": NO_WORD, "own": False}


def mark(text: str) -> str:
    """Stands for a text in a form, which turns its line breaks into others; "" for none."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else NO_WORD


def opinion_of(words: Iterable[Word]) -> str:
    """Of all rows of one tag of a picture."""
    states = {word.state for word in words}
    found = next((s for s in (Opinion.ACCEPTED, Opinion.REJECTED, Opinion.SUGGESTED) if s in states), NO_WORD)
    return str(found)


def state_of(rows: Sequence[Word]) -> str:
    """As readers see it: of rows that are shown, if any is."""
    return opinion_of([row for row in rows if row.shown] or rows)


def new_decision() -> int:
    return secrets.randbelow(2**31 - 1) + 1


# --- tags
def tag_rows(images: Collection[int], tags: Collection[int]) -> dict[Pair, list[ImageTag]]:
    rows: dict[Pair, list[ImageTag]] = defaultdict(list)
    for row in ImageTag.objects.filter(image_id__in=images, tag_id__in=tags):
        rows[row.image_id, row.tag_id].append(row)
    return rows


def tag_states(images: Collection[int], tags: Collection[int]) -> dict[Pair, State]:
    """Of each pair that has one; NO_TAG for the others."""
    return {pair: _tag_state(rows) for pair, rows in tag_rows(images, tags).items()}


def _tag_state(rows: Sequence[ImageTag]) -> State:
    own = any(row.is_of_person and not row.generation for row in rows)
    return {"state": state_of(rows), "own": own, **_rows(rows)}


def _rows(rows: Iterable[Word]) -> State:
    kept = sorted([row.origin, row.generation, row.state, row.decision] for row in rows)
    return {"rows": kept} if kept else {}


def plain(state: Any) -> Any:
    """What readers know of it."""
    if not isinstance(state, dict):
        return state
    return {name: plain(value) for name, value in state.items() if name not in ("rows", "decision")}


def _put_rows(rows: Iterable[Word], state: State) -> list[Any]:
    """Each as it was then, in memory; who has come since gets the state of all. Returns those that change."""
    then = {(origin, generation): (was, number) for origin, generation, was, number in state.get("rows", ())}
    otherwise = (state["state"] or Opinion.SUGGESTED.value, new_decision())
    changed = []
    for row in rows:
        wanted = then.get((row.origin, row.generation), otherwise)
        if (row.state, row.decision) != wanted:
            row.state, row.decision = wanted
            changed.append(row)
    return changed


def _save(model: type[Word], rows: list[Any]) -> None:
    model._default_manager.bulk_update(rows, ["state", "decision"], batch_size=2_000)


def tag_state(image: Image, tag_id: int) -> State:
    return tag_states([image.pk], [tag_id]).get((image.pk, tag_id), NO_TAG)


def put_tags(wanted: Mapping[Pair, State]) -> None:
    """In a few statements, whatever their number. The images are locked by whoever calls it."""
    rows = tag_rows({image for image, _ in wanted}, {tag for _, tag in wanted})
    gone, new, changed = list[int](), list[ImageTag](), list[ImageTag]()
    for (image, tag), wish in wanted.items():
        here = list(rows.get((image, tag), ()))
        mine = [row for row in here if row.is_of_person and not row.generation]
        if not wish["own"]:
            gone += [row.pk for row in mine]
            here = [row for row in here if row not in mine]
        changed += _put_rows(here, wish)
        if wish["own"] and not mine:
            new.append(ImageTag(image_id=image, tag_id=tag, origin=PERSON, state=wish["state"]))
            _put_rows(new[-1:], wish)
    ImageTag.objects.filter(pk__in=gone).delete()
    _save(ImageTag, changed)
    ImageTag.objects.bulk_create(new, ignore_conflicts=True)


# --- captions
def of_person(image: Image) -> Caption | None:
    return image.captions.filter(origin=PERSON, generation=0).first()


def caption_state(image: Image, like: State) -> State:
    """The parts that ``like`` has. A sentence that no network says any more is left out beside a person's caption."""
    state: State = {}
    if "own" in like:
        mine = of_person(image)
        state["own"] = {"text": mine.text, "state": mine.state, "decision": mine.decision} if mine else None
    if "said" in like:
        text = like["said"]["text"]
        rows = list(image.captions.exclude(origin=PERSON).filter(text=text))
        if rows or "own" not in like:
            state["said"] = {"text": text, "state": state_of(rows), **_rows(rows)}
    return state


def put_caption(image: Image, state: State) -> None:
    if "said" in state and state["said"]["state"]:
        rows = image.captions.exclude(origin=PERSON).filter(text=state["said"]["text"])
        _save(Caption, _put_rows(rows, state["said"]))
    if "own" not in state:
        return
    if own := state["own"]:
        values = {"decision": new_decision(), **own}
        Caption.objects.update_or_create(image=image, origin=PERSON, generation=0, defaults=values)
    else:
        image.captions.filter(origin=PERSON, generation=0).delete()


def caption_things(state: State) -> list[str]:
    own = ["caption"] if "own" in state else []
    return own + (["caption:" + mark(state["said"]["text"])] if "said" in state else [])


# --- texts in the picture
def text_rows(image: Image, of: str) -> list[OcrText]:
    """All that say the text with this mark."""
    return [row for row in image.ocr_texts.all() if mark(row.text) == of]


def text_state(image: Image, of: str) -> State:
    rows = text_rows(image, of)
    return {"mark": of, "state": state_of(rows), **_rows(rows)}


def put_text(image: Image, state: State) -> None:
    _save(OcrText, _put_rows(text_rows(image, state["mark"]), state))


# --- the trash
def trash_states(images: Collection[int]) -> dict[int, State]:
    rows = Image.objects.filter(pk__in=images).values_list("pk", "trashed_at")
    return {pk: {"trashed_at": at.isoformat() if at else None} for pk, at in rows}


def put_trash(image: Image, state: State) -> None:
    image.trash() if state["trashed_at"] else image.restore()


# --- who sees it
def private_states(images: Collection[int]) -> dict[int, State]:
    rows = Image.objects.filter(pk__in=images).values_list("pk", "private")
    return {pk: {"private": private} for pk, private in rows}


def put_private(image: Image, state: State) -> None:
    image.set_private(state["private"])


def agrees(now: State, then: State) -> bool:
    """All that is known now is as it was then."""
    then = plain(then)
    return bool(now) and all(then.get(part) == value for part, value in plain(now).items())

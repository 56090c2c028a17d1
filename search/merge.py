"""One image is kept and gets what people said of the others; the others go to the trash. And all of it back.

Words are copied, not moved: a dropped image comes out of the trash with everything that it had. Each copy is noted in
``Resolution.given``, with what it looked like, so that undoing leaves alone what somebody has changed since.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Now

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Opinion, User
from search.groups import lock_images
from search.models import Dropped, Resolution

Given = dict[str, Any]
"""JSON: {"model", "pk", "from": id of the dropped image, "words", and either "values" of a row that was added, or
"field", "before" and "after" of one that was changed}"""

PERSON = "person"
_MODELS: dict[str, type[models.Model]] = {
    model.__name__: model for model in (Image, ImageSource, ImageTag, Caption, OcrText)
}


class MergeError(ValueError):
    """These images cannot be merged, or not be brought back: a sentence for the reader."""


def merge(keep: Image, drop: list[Image], by: User | None, rule: str, run: uuid.UUID | None) -> Resolution:
    """See Resolution.objects.merge."""
    with transaction.atomic():
        here = lock_images([keep.pk, *(image.pk for image in drop)])
        _check(keep, drop, here)
        kept, dropped = here[keep.pk], [here[image.pk] for image in drop]
        given = [entry for image in dropped for entry in _give(image, kept)]
        resolution = Resolution.objects.create(keep=kept, rule=rule, run=run, by=by, given=given)
        for image in dropped:
            Dropped.objects.create(resolution=resolution, image=image, sha256=image.sha256, name=image.name)
            image.trash()
    return resolution


def _check(keep: Image, drop: list[Image], here: dict[int, Image]) -> None:
    ids = [image.pk for image in drop]
    if not ids:
        raise MergeError("Choose at least one picture that is to go.")
    if keep.pk in ids:
        raise MergeError(f"{keep.name} cannot be kept and dropped at the same time.")
    if len(set(ids)) < len(ids):
        raise MergeError("The same picture was named twice.")
    for image in (keep, *drop):
        if image.pk not in here:
            trashed = Image.objects.filter(pk=image.pk).exists()
            raise MergeError(f"{image.name} {'is in the trash already' if trashed else 'is gone'}: nothing was merged.")


# --- handing on
def _give(source: Image, target: Image) -> Iterator[Given]:
    """Copy what people said of one image to another, and yield what was copied."""
    for entry in (*_tags(source, target), *_sources(source, target), *_texts(source, target), *_date(source, target)):
        yield entry | {"from": source.pk}


def _tags(source: Image, target: Image) -> Iterator[Given]:
    for given in source.image_tags.filter(state=Opinion.ACCEPTED).select_related("tag"):
        mine = list(target.image_tags.filter(tag=given.tag))
        if any(one.state != Opinion.SUGGESTED for one in mine):
            continue  # there already; or a person said that it does not fit
        words = f"tag “{given.tag}”"
        same = next((one for one in mine if one.origin == given.origin), None)
        if same:
            yield _change(same, "state", Opinion.ACCEPTED.value, words)
        else:
            values = {"tag_id": given.tag_id, "origin": given.origin, "state": given.state}
            yield _add(ImageTag, target, words, values, confidence=given.confidence)


def _sources(source: Image, target: Image) -> Iterator[Given]:
    for given in source.sources.all():
        if target.sources.filter(kind=given.kind, address=given.address).exists():
            continue
        values = {name: getattr(given, name) for name in ("kind", "address", "title", "author", "licence")}
        words = f"source {given.title or given.address}"
        yield _add(ImageSource, target, words, values, first_seen=given.first_seen, by_id=given.by_id)


def _texts(source: Image, target: Image) -> Iterator[Given]:
    for model, name in ((Caption, "caption"), (OcrText, "text")):
        for given in model.objects.filter(image=source, state=Opinion.ACCEPTED).order_by("pk"):
            mine = {one.origin: one for one in model.objects.filter(image=target)}
            yield from _text(model, target, given, mine, f"{name} “{given.text[:60]}”")


def _text(model: Any, target: Image, given: Any, mine: dict[str, Any], words: str) -> Iterator[Given]:
    """There is one text of each origin: what does not fit is added to that of the person."""
    like = [one for one in mine.values() if one.text == given.text]
    if like:
        if all(one.state == Opinion.SUGGESTED for one in like):
            yield _change(like[0], "state", Opinion.ACCEPTED.value, words)
    elif given.origin not in mine or PERSON not in mine:
        origin = given.origin if given.origin not in mine else PERSON
        values = {"origin": origin, "text": given.text, "state": given.state}
        yield _add(model, target, words, values, confidence=given.confidence)
    elif mine[PERSON].state == Opinion.ACCEPTED and given.text not in mine[PERSON].text:
        yield _change(mine[PERSON], "text", f"{mine[PERSON].text}\n{given.text}", words)


def _date(source: Image, target: Image) -> Iterator[Given]:
    if source.taken_at and not target.taken_at:
        yield _change(target, "taken_at", source.taken_at.isoformat(), f"date {source.taken_at:%Y-%m-%d}")
        target.refresh_from_db(fields=["taken_at"])


def _add(model: Any, target: Image, words: str, values: dict[str, Any], **more: Any) -> Given:
    row = model.objects.create(image=target, **values, **more)
    return {"model": model.__name__, "pk": row.pk, "values": values, "words": words}


def _change(row: models.Model, field: str, after: Any, words: str) -> Given:
    before = getattr(row, field)
    type(row)._default_manager.filter(pk=row.pk).update(**{field: after})
    return {
        "model": type(row).__name__,
        "pk": row.pk,
        "field": field,
        "before": before,
        "after": after,
        "words": words,
    }


# --- and back
def undo(resolution: Resolution) -> list[str]:
    """See Resolution.undo."""
    with transaction.atomic():
        now = Resolution.objects.select_for_update().filter(pk=resolution.pk).first()
        if now is None or now.undone_at:
            raise MergeError("This was undone already.")
        dropped = list(now.dropped.order_by("pk"))
        wanted = [one.image_id for one in dropped if one.image_id is not None]
        # Locked, in the order in which everybody locks: none can be purged between here and its restoring.
        back = list(Image.objects.filter(pk__in=wanted).order_by("pk").select_for_update(no_key=True))
        here = {image.pk for image in back}
        gone = [one.name for one in dropped if one.image_id not in here]
        if not back:
            raise MergeError(f"{_list(gone)} cannot come back: the trash was emptied meanwhile.")
        for entry in reversed(now.given):
            if entry["from"] in here:  # what came from a purged image is nowhere else any more
                _take_back(entry)
        for image in back:
            image.restore()
        Resolution.objects.filter(pk=now.pk).update(undone_at=Now())
    resolution.refresh_from_db()
    return [f"{name} cannot come back: it was purged. What the kept picture got from it stays there." for name in gone]


def _take_back(entry: Given) -> None:
    """Unless somebody has changed it since."""
    rows = _MODELS[entry["model"]]._default_manager.filter(pk=entry["pk"])
    if "values" in entry:
        rows.filter(**entry["values"]).delete()
    else:
        rows.filter(**{entry["field"]: entry["after"]}).update(**{entry["field"]: entry["before"]})


def _list(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

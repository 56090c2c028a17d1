"""One image is kept and gets what people said of the others; the others go to the trash. And all of it back.

Words are copied, not moved: a dropped image comes out of the trash with everything that it had. Each copy is noted in
``Resolution.given``, with what it looked like, so that undoing leaves alone what somebody has changed since. What the
kept image had only by an earlier copy is noted as well: it stays until the last image that had it goes back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from gallery.models import PERSON, Caption, Image, ImageSource, ImageTag, OcrText, Opinion, User
from search.groups import lock_images, regrouped_once
from search.models import Dropped, Resolution

Given = dict[str, Any]
"""JSON: {"model", "pk", "from": id of the dropped image, "words", and either "values" of a row that was added, or
"field", "before" and "after" of one that was changed, or neither: a claim to what another image had given already.
Of captions and texts also "text": what was handed on}"""

_PERSONS = PERSON, 0
"""(origin, generation)"""
_MODELS: dict[str, type[models.Model]] = {
    model.__name__: model for model in (Image, ImageSource, ImageTag, Caption, OcrText)
}


class MergeError(ValueError):
    """These images cannot be merged, or not be brought back: a sentence for the reader."""


def merge(keep: Image, drop: list[Image], by: User | None, rule: str, run: uuid.UUID | None) -> Resolution:
    """See Resolution.objects.merge."""
    with regrouped_once():
        here = lock_images([keep.pk, *(image.pk for image in drop)])
        _check(keep, drop, here)
        kept, dropped = here[keep.pk], [here[image.pk] for image in drop]
        given = _handed_on(dropped, kept)
        resolution = Resolution.objects.create(keep=kept, rule=rule, run=run, by=by, given=given)
        for image in dropped:
            image.trash()
            facts = {"sha256": image.sha256, "name": image.name, "trashed_at": image.trashed_at}
            Dropped.objects.create(resolution=resolution, image=image, **facts)
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
def _handed_on(sources: list[Image], target: Image) -> list[Given]:
    """Copy what people said of the images to another, and note what was copied."""
    standing = Resolution.objects.standing().filter(keep=target).order_by("pk")
    known = [entry for given in standing.values_list("given", flat=True) for entry in given]
    found: list[Given] = []
    for source in sources:
        found += [entry | {"from": source.pk} for entry in _give(source, target, [*known, *found])]
    return found


def _give(source: Image, target: Image, known: list[Given]) -> Iterator[Given]:
    """``known``: what others have given. What is there, but not given, is the image's own and needs no claim."""
    for entry in (*_tags(source, target), *_sources(source, target), *_texts(source, target), *_date(source, target)):
        if not _is_claim(entry) or any(_meets(entry, other) for other in known):
            yield entry


def _is_claim(entry: Given) -> bool:
    return "values" not in entry and "field" not in entry


def _meets(claim: Given, gift: Given) -> bool:
    """That is what the claim is about."""
    same = (claim["model"], claim["pk"]) == (gift["model"], gift["pk"])
    return same and not _is_claim(gift) and claim.get("text", "") in gift.get("text", "")


def _tags(source: Image, target: Image) -> Iterator[Given]:
    for given in source.image_tags.filter(state=Opinion.ACCEPTED).select_related("tag"):
        mine = list(target.image_tags.filter(tag=given.tag))
        words = f"tag “{given.tag}”"
        if any(one.state != Opinion.SUGGESTED for one in mine):  # there; or a person said that it does not fit
            yield from (_claim(one, words) for one in mine if one.state == Opinion.ACCEPTED)
            continue
        same = next((one for one in mine if one.origin == given.origin), None)
        if same:
            yield _change(same, "state", Opinion.ACCEPTED.value, words)
        else:
            values = {
                "tag_id": given.tag_id,
                "origin": given.origin,
                "generation": given.generation,
                "state": given.state,
            }
            yield _add(ImageTag, target, words, values, confidence=given.confidence)


def _sources(source: Image, target: Image) -> Iterator[Given]:
    for given in source.sources.all():
        words = f"source {given.title or given.address}"
        if mine := target.sources.filter(kind=given.kind, address=given.address).first():
            yield _claim(mine, words)
            continue
        values = {name: getattr(given, name) for name in ("kind", "address", "title", "author", "licence")}
        yield _add(ImageSource, target, words, values, first_seen=given.first_seen, by_id=given.by_id)


def _texts(source: Image, target: Image) -> Iterator[Given]:
    for model, name in ((Caption, "caption"), (OcrText, "text")):
        for given in model.objects.filter(image=source, state=Opinion.ACCEPTED).order_by("pk"):
            mine = {(one.origin, one.generation): one for one in model.objects.filter(image=target)}
            for entry in _text(model, target, given, mine, f"{name} “{given.text[:60]}”"):
                yield entry | {"text": given.text}


def _text(model: Any, target: Image, given: Any, mine: dict[tuple[str, int], Any], words: str) -> Iterator[Given]:
    """There is one text of each origin and generation: what does not fit is added to that of the person."""
    like = [one for one in mine.values() if one.text == given.text]
    if like:
        if all(one.state == Opinion.SUGGESTED for one in like):
            yield from (_change(one, "state", Opinion.ACCEPTED.value, words) for one in like)
        else:
            yield from (_claim(one, words) for one in like if one.state == Opinion.ACCEPTED)
        return
    # What the target's own network says of it keeps its place; there it can still be said by the network.
    places = [(given.origin, given.generation), (given.origin, 0), _PERSONS]
    if free := next((place for place in places if place not in mine), None):
        values = {"origin": free[0], "generation": free[1], "text": given.text, "state": given.state}
        yield _add(model, target, words, values, confidence=given.confidence)
    elif mine[_PERSONS].state == Opinion.ACCEPTED:
        if given.text in mine[_PERSONS].text:
            yield _claim(mine[_PERSONS], words)
        else:
            yield _change(mine[_PERSONS], "text", f"{mine[_PERSONS].text}\n{given.text}", words)


def _date(source: Image, target: Image) -> Iterator[Given]:
    if not source.taken_at:
        return
    words = f"date {source.taken_at:%Y-%m-%d}"
    if not target.taken_at:
        yield _change(target, "taken_at", source.taken_at.isoformat(), words)
        target.refresh_from_db(fields=["taken_at"])
    elif source.taken_at == target.taken_at:
        yield _claim(target, words)


def _add(model: Any, target: Image, words: str, values: dict[str, Any], **more: Any) -> Given:
    row = model.objects.create(image=target, **values, **more)
    return {"model": model.__name__, "pk": row.pk, "values": values, "words": words}


def _claim(row: models.Model, words: str) -> Given:
    return {"model": type(row).__name__, "pk": row.pk, "words": words}


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
    with regrouped_once():
        dropped = list(Dropped.objects.filter(resolution=resolution).order_by("pk"))
        wanted = [one.image_id for one in dropped if one.image_id is not None]
        # Images before decisions, as a merge and a purge do: none can be purged between here and its restoring, and
        # nothing is handed on to the kept one meanwhile.
        images = Image.objects.filter(Q(pk__in=wanted) | Q(pk=resolution.keep_id)).order_by("pk")
        here = {image.pk: image for image in images.select_for_update(no_key=True)}
        now, *others = _locked(resolution)
        missing = {one.image_id or -one.pk: why for one in dropped if (why := _missing(one, here))}
        back = [here[pk] for pk in wanted if pk not in missing]
        if not back:
            raise MergeError(" ".join(_shortened(list(missing.values()))))
        _take_all_back(now, others, {image.pk for image in back})
        for image in back:
            image.restore()
        Resolution.objects.filter(pk=now.pk).update(undone_at=Now(), given=now.given)
    resolution.refresh_from_db()
    return [f"{why} What the kept picture got from it stays there." for why in missing.values()]


def _locked(resolution: Resolution) -> list[Resolution]:
    """This decision as it is now, then the others that stand for the same kept image."""
    mine = Q(pk=resolution.pk)
    alike = mine | Q(keep=resolution.keep_id) if resolution.keep_id else mine
    found = list(Resolution.objects.standing().filter(alike).order_by("pk").select_for_update(no_key=True))
    if resolution.pk not in [one.pk for one in found]:
        raise MergeError("This was undone already.")
    return sorted(found, key=lambda one: one.pk != resolution.pk)


def _missing(dropped: Dropped, here: dict[int, Image]) -> str:
    """Why it does not come back, or ""."""
    image = here.get(dropped.image_id or 0)
    if image is None:
        return f"{dropped.name} cannot come back: it was purged."
    if image.trashed_at and dropped.trashed_at and image.trashed_at != dropped.trashed_at:
        return f"{dropped.name} stays in the trash: it was put there again since."
    return ""


def _take_all_back(now: Resolution, others: list[Resolution], back: set[int]) -> None:
    """What came from these images; unless one that does not go back has it too, which is the giver from then on."""
    claims = [(one, entry) for one in (now, *others) for entry in one.given if _is_claim(entry)]
    standing = [(one, entry) for one, entry in claims if one.pk != now.pk or entry["from"] not in back]
    for entry in reversed(now.given):
        if _is_claim(entry) or entry["from"] not in back:  # what came from a purged image is nowhere else any more
            continue
        heir = next(((one, claim) for one, claim in standing if _meets(claim, entry)), None)
        if heir is None:
            _take_back(entry)
        else:
            one, claim = heir
            claim.update({key: value for key, value in entry.items() if key not in ("from", "words")})
            if one.pk != now.pk:
                Resolution.objects.filter(pk=one.pk).update(given=one.given)


def _take_back(entry: Given) -> None:
    """Unless somebody has changed it since."""
    rows = _MODELS[entry["model"]]._default_manager.filter(pk=entry["pk"])
    if "values" in entry:
        rows.filter(**entry["values"]).delete()
    else:
        rows.filter(**{entry["field"]: entry["after"]}).update(**{entry["field"]: entry["before"]})


def _shortened(sentences: list[str]) -> list[str]:
    return sentences[:5] + ([f"And {len(sentences) - 5} more."] if len(sentences) > 5 else [])

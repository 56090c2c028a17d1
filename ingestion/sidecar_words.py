"""What files beside a picture say becomes its words: read when the picture comes, and again when they change.

The owner wrote them, so they need nobody's agreement; but what people have decided here stays as it is. What a file
does not say any more goes, unless another copy of the picture has a file that says it, or a person has agreed. A file
that was taken away counts for nothing from the next time on that one beside the picture is read, and until then nothing
disappears: neither by deleting the only one, nor when a disk is away.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection, transaction

from gallery.models import Caption, Image, ImageSource, ImageTag, Opinion
from gallery.tags import tags_called
from gallery.word_states import opinion_of
from ingestion.deadlocks import tried_again
from ingestion.models import KnownFile
from ingestion.pipeline import storable_address
from ingestion.sidecars import Sidecar, SidecarError, read

if TYPE_CHECKING:
    from ingestion.folders import Entry

logger = logging.getLogger(__name__)

ORIGIN = "sidecar"
WEB = "web"
"""The kind of a source that a sidecar names."""
_BESIDE = "/+/"


def key(picture: str, sidecar: str) -> str:
    """Under which a sidecar of a picture is known as a file: one may belong to several pictures."""
    return f"{picture}{_BESIDE}{stored_path(os.path.basename(sidecar))}"


def stored_path(path: str) -> str:
    """File names are bytes; PostgreSQL and readers want UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()


def take(image: Image, picture: str, beside: Sequence[Entry]) -> list[str]:
    """Read the sidecars of a picture that is here. A sentence for each that cannot be read or kept.

    ``picture``: its path as it is stored, in UTF-8. An OSError is one of the sentences, and so is what the database
    does not take: one file must not stop a whole folder.
    """
    mine, errors = Sidecar(), {}
    for entry in beside:
        try:
            mine.add(read(entry.path))
        except (SidecarError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            errors[entry.path] = f"{stored_path(os.path.basename(entry.path))} was not read: {reason}."
    others, is_all = _of_others(image, {key(picture, entry.path) for entry in beside})
    try:
        tried_again(partial(_write, image, picture, mine, others, is_all and not errors))
    except DatabaseError as error:
        if not connection.is_usable():
            raise
        logger.warning("What is beside %s was not kept: %s", picture, error)
        names = {entry.path: stored_path(os.path.basename(entry.path)) for entry in beside}
        errors = {path: f"{name} was not kept: the database does not take it." for path, name in names.items()} | errors
    for entry in beside:
        result = KnownFile.Result.REFUSED if entry.path in errors else KnownFile.Result.STORED
        reason = errors.get(entry.path, "")
        KnownFile.remember(key(picture, entry.path), entry.stamp, result=result, reason=reason, image=image)
    if mine.left_out:
        errors[""] = f"{os.path.basename(picture)}: {mine.left_out} of the tags beside it were left out."
    return list(errors.values())


def _of_others(image: Image, mine: set[str]) -> tuple[Sidecar, bool]:
    """What other sidecars say, those of its copies too; False if some cannot be read now."""
    said, is_all = Sidecar(), True
    for known in KnownFile.objects.filter(image=image, path__contains=_BESIDE).exclude(path__in=mine):
        picture, _, name = known.path.partition(_BESIDE)
        try:
            said.add(read(os.path.join(os.path.dirname(picture), name)))
        except (SidecarError, OSError) as error:
            if isinstance(error, FileNotFoundError) and os.path.exists(picture):
                known.delete()  # somebody took it away: it is not that the whole folder is away
            else:
                is_all = False
    return said, is_all


def _write(image: Image, picture: str, mine: Sidecar, others: Sidecar, is_all: bool) -> None:
    with transaction.atomic():
        if not Image.objects.select_for_update(no_key=True).filter(pk=image.pk).exists():
            return  # purged meanwhile
        _write_source(image, picture, mine)
        said = Sidecar()
        said.add(mine)
        said.add(others)
        _write_tags(image, said, is_all)
        _write_caption(image, said.caption, is_all)


def _write_tags(image: Image, said: Sidecar, is_all: bool) -> None:
    tags = set(tags_called(set(said.tags), said.tags).values()) if said.tags else set()
    rows = list(image.image_tags.all())
    there = {row.tag_id for row in rows if row.origin == ORIGIN}
    ImageTag.objects.bulk_create(list(_new_tags(image, tags - there, rows)), ignore_conflicts=True)
    if is_all and there - tags:
        image.image_tags.filter(origin=ORIGIN, decision=0, tag__in=there - tags).delete()


def _new_tags(image: Image, tags: set[int], rows: list[ImageTag]) -> Iterator[ImageTag]:
    for tag in sorted(tags):
        yield ImageTag(image=image, tag_id=tag, origin=ORIGIN, state=_state(row for row in rows if row.tag_id == tag))


def _state(rows: Iterator[ImageTag] | Iterator[Caption]) -> str:
    """Of what a sidecar says, beside what is said already: a person's "no" holds."""
    return Opinion.REJECTED if opinion_of(rows) == Opinion.REJECTED else Opinion.ACCEPTED


def _write_caption(image: Image, text: str, is_all: bool) -> None:
    rows = list(image.captions.all())
    mine = next((row for row in rows if row.origin == ORIGIN), None)
    if text and (mine is None or mine.text != text):
        values = {"text": text, "state": _state(row for row in rows if row.text == text), "decision": 0}
        Caption.objects.update_or_create(image=image, origin=ORIGIN, generation=0, defaults=values)
    elif mine and not text and is_all and not mine.decision:
        mine.delete()


def _write_source(image: Image, picture: str, said: Sidecar) -> None:
    """Title, author and licence belong to the page that the sidecar names, else to the file."""
    facts = {"title": said.title, "author": said.author, "licence": said.licence}
    given = {name: text for name, text in facts.items() if text}
    if said.source:
        ImageSource.objects.update_or_create(image=image, kind=WEB, address=said.source, defaults=given)
    elif given:
        here = image.sources.filter(kind=ImageSource.Kind.FOLDER, address=storable_address(picture))
        here.update(**given)

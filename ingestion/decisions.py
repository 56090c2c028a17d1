"""What somebody decides on an upload that is held. One decision wins; the second one gets a sentence.

A decision is one transaction: the picture is stored, what it replaces is merged into it, and the question is closed.
The held file goes when that is committed; a crash before leaves everything as it was, and the sweep removes the file
of a crash after it.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from gallery import originals
from gallery.models import Image, ImageSource, User
from gallery.originals import Incoming, StorageError
from gallery.pictures import DecoderBusy, PictureError
from ingestion.models import HeldQuerySet, HeldUpload, KnownFile, blocks_of
from ingestion.pipeline import IN_TRASH, Origin, Outcome, store
from search.merge import MergeError
from search.models import Resolution

logger = logging.getLogger(__name__)

LOST = "The file of this upload is lost. Do not store it, and bring the picture again."


class DecisionError(Exception):
    """Why a decision cannot be carried out. ``code``: decided, lost, gone, trashed, forbidden."""

    def __init__(self, code: str, sentence: str, status: int = 409) -> None:
        super().__init__(sentence)
        self.code, self.status = code, status


def keep(held: HeldUpload, by: User | None) -> Outcome:
    """Store it beside what is here. DecisionError; PictureError if the file is damaged or the disk is full."""
    return _settle(HeldUpload.objects.waiting(), held, by)


def replace(held: HeldUpload, pk: int, by: User | None) -> Outcome:
    """Store it in the place of an image, which goes to the trash: its tags and sources go over. Can be undone.

    DecisionError, PictureError as ``keep``.
    """
    return _settle(HeldUpload.objects.waiting(), held, by, instead_of=pk)


def drop(held: HeldUpload, by: Any) -> None:
    """Do not store it. For a day ``take_back`` undoes this."""
    if not HeldUpload.objects.filter(pk=held.pk).drop(by):
        raise decided_already(held)


def take_back(held: HeldUpload) -> None:
    if not HeldUpload.objects.filter(pk=held.pk).take_back():
        raise decided_already(held)


def undo_replace(held: HeldUpload) -> list[str]:
    """Bring the replaced image back; the new one stays. A sentence for what cannot come back."""
    with transaction.atomic():
        mine = HeldUpload.objects.select_for_update().get(pk=held.pk)
        resolution = Resolution.objects.filter(pk=mine.resolution).first() if mine.resolution else None
        if resolution is None:
            raise decided_already(held)
        try:
            sentences = resolution.undo()
        except MergeError as error:
            raise DecisionError("gone", str(error)) from error
        HeldUpload.objects.filter(pk=mine.pk).update(resolution=None)
    return sentences


def decided_already(held: HeldUpload) -> DecisionError:
    """What has become of it meanwhile, and by whom."""
    now = HeldUpload.objects.select_related("decided_by", "image").filter(pk=held.pk).first()
    if now is None:
        return DecisionError("decided", "It was not stored, and its file is deleted.", 410)
    who = f"{now.decided_by} has decided already" if now.decided_by else "This is decided already"
    if now.state == HeldUpload.State.STORED:
        return DecisionError("decided", f"{who}: it is stored{f' as #{now.image.pk}' if now.image else ''}.")
    if now.state == HeldUpload.State.KEEPING:
        return DecisionError("decided", f"{who}: it is being stored.")
    if now.state == HeldUpload.State.DROPPED:
        return DecisionError("decided", f"{who}: it is not stored.")
    return DecisionError("decided", "It waits for a decision again.")


def keep_next() -> bool:
    """Store one of those that are to be kept, many at once. False if none is left for this worker.

    One that cannot be stored waits again, and says why.
    """
    with transaction.atomic():
        held = HeldUpload.objects.keeping().select_for_update(skip_locked=True).first()
        if held is None:
            return False
        error = _keep_quietly(held)
        if error:
            held.state, held.error = HeldUpload.State.WAITING, error
            held.save(update_fields=["state", "error"])
    return True


def _keep_quietly(held: HeldUpload) -> str:
    try:
        with transaction.atomic():
            _settle(HeldUpload.objects.keeping(), held, held.decided_by)
    except (DecisionError, PictureError, DecoderBusy) as error:
        return str(error)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # whatever it is, the others get their turn
        logger.exception("The held upload %s could not be stored", held.pk)
        return "It could not be stored; the reason is in the log."
    return ""


def _settle(ready: HeldQuerySet, held: HeldUpload, by: User | None, instead_of: int | None = None) -> Outcome:
    with transaction.atomic():
        originals.lock(held.sha256)  # before the row: HeldUpload.hold locks in this order too
        mine = ready.filter(pk=held.pk).select_for_update().first()
        if mine is None:
            raise decided_already(held)
        old = _still_here(instead_of, by) if instead_of is not None else None
        outcome = _store(mine, by)
        assert outcome.image
        if old is not None:
            mine.resolution = _put_in_place(outcome.image, old, by)
        mine.state, mine.image, mine.error = HeldUpload.State.STORED, outcome.image, ""
        mine.decided_by = mine.decided_by or by
        mine.decided_at = Now()
        mine.save(update_fields=["state", "image", "error", "decided_by", "decided_at", "resolution"])
        _tell_the_folder(mine, outcome.image)
        transaction.on_commit(mine.forget_file, robust=True)
    return outcome


def _store(held: HeldUpload, by: User | None) -> Outcome:
    """From a copy: until the decision is committed, the held file stays where it is."""
    if not held.has_file:
        raise DecisionError("lost", LOST, 410)
    origin = Origin(**held.origin, by=held.by, may_restore=bool(by and by.is_staff))
    try:
        with Incoming(held.name) as incoming:
            incoming.fill(blocks_of(held))
            if incoming.sha256 != held.sha256:
                raise DecisionError("lost", LOST, 410)
            return store(incoming, origin)
    except OSError as error:
        raise StorageError(error) from error


def _still_here(pk: int, by: User | None) -> Image:
    """Locked, so that nobody trashes or purges it before it is replaced."""
    image = Image.objects.filter(pk=pk, trashed_at=None).select_for_update(no_key=True).first()
    if image is None:
        raise DecisionError("gone", f"#{pk} is not here any more, so there is nothing to replace. Keep yours instead?")
    if image.pk not in replaceable([image.pk], by):
        raise DecisionError("forbidden", f"Only staff, and whoever brought it, may replace #{pk}.", 403)
    return image


def replaceable(images: list[int], by: Any) -> set[int]:
    """Those of the images that this person may put into the trash: staff all, others what nobody else has brought."""
    if not by or not by.is_authenticated:
        return set()
    if by.is_staff:
        return set(images)
    brought: dict[int, set[int | None]] = {}
    for image, who in ImageSource.objects.filter(image__in=images).values_list("image", "by"):
        brought.setdefault(image, set()).add(who)
    return {image for image, whos in brought.items() if whos == {by.pk}}


def _put_in_place(new: Image, old: Image, by: User | None) -> int:
    if new.trashed_at:
        raise DecisionError("trashed", f"The same file is here already. {IN_TRASH}")
    try:
        return Resolution.objects.merge(keep=new, drop=[old], by=by).pk
    except MergeError as error:
        raise DecisionError("gone", str(error)) from error


def _tell_the_folder(held: HeldUpload, image: Image) -> None:
    """A file of a folder was noted as one that waits."""
    if held.origin.get("kind") == "folder":
        known = KnownFile.objects.filter(path=held.origin["address"], result=KnownFile.Result.HELD)
        known.update(result=KnownFile.Result.STORED, image=image)

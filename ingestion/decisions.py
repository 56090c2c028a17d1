"""What somebody decides on an upload that is held. One decision wins; the second one gets a sentence.

A decision is one transaction: the picture is stored, what it replaces is merged into it, and the question is closed.
The held file goes when that is committed; a crash before leaves everything as it was, and the sweep removes the file
of a crash after it.
"""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from gallery import originals
from gallery.models import Image, User
from gallery.originals import Incoming, StorageError
from gallery.pictures import DecoderBusy, PictureError
from ingestion.models import HeldQuerySet, HeldUpload, KnownFile, blocks_of
from ingestion.pipeline import IN_TRASH, Origin, Outcome, meet, store
from search.merge import MergeError
from search.models import Resolution

logger = logging.getLogger(__name__)

KEEPER_LOCK = 7346
"""Whoever stores those that were decided many at once holds it for one of them: one worker does it at a time."""
FOR_ALL = (
    "Yours would be for everybody, and what is said of the one here is not: show that to everybody first, or keep both."
)
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


def take_back(held: HeldUpload, by: Any) -> None:
    """Let it wait again. DecisionError; "forbidden" if staff have decided and ``by`` is not of them."""
    mine = HeldUpload.objects.filter(pk=held.pk)
    if not mine.undoable(by or AnonymousUser()).take_back():
        raise _of_staff(held) if mine.dropped().exists() else decided_already(held)


def undo_replace(held: HeldUpload, by: Any) -> list[str]:
    """Bring the replaced image back; the new one stays. A sentence for what cannot come back.

    DecisionError; "forbidden" unless ``by`` is of the staff, or has replaced it.
    """
    mine = HeldUpload.objects.filter(pk=held.pk, state=HeldUpload.State.STORED)
    with transaction.atomic():
        pk = mine.values_list("resolution", flat=True).first()
        resolution = Resolution.objects.filter(pk=pk).first() if pk else None
        if resolution is None:
            raise decided_already(held)
        if not mine.undoable(by or AnonymousUser()).exists():
            raise _of_staff(held)
        try:
            sentences = resolution.undo()  # of two at once, one gets its sentence
        except MergeError as error:
            raise DecisionError("gone", str(error)) from error
        mine.filter(resolution=pk).update(resolution=None)
    return sentences


def _of_staff(held: HeldUpload) -> DecisionError:
    now = HeldUpload.objects.select_related("decided_by").get(pk=held.pk)
    whom = f" Ask {now.decided_by}." if now.decided_by else ""
    return DecisionError("forbidden", f"Only staff, and whoever has decided, may undo this.{whom}", 403)


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
    """Store one of those that are to be kept, many at once. False if nothing is left for this worker, or nothing can
    be done now: the sweep rings again.

    One that cannot be stored waits again, without a decision, and says why.
    """
    with transaction.atomic():
        # The row itself is not locked yet: that comes after originals.lock, see _settle.
        held = HeldUpload.objects.keeping().first() if _is_keeper() else None
        if held is None:
            return False
        try:
            error = _keep_quietly(held)
        except DecoderBusy:
            return False  # no fault of the picture
        if error:
            again = HeldUpload.objects.keeping().filter(pk=held.pk)
            again.update(state=HeldUpload.State.WAITING, error=error, decided_by=None, decided_at=None)
    return True


def _is_keeper() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [KEEPER_LOCK])
        return cursor.fetchone()[0]


def _keep_quietly(held: HeldUpload) -> str:
    try:
        with transaction.atomic():
            _settle(HeldUpload.objects.keeping(), held, held.decided_by)
    except (DecisionError, PictureError) as error:
        return str(error)
    except (OperationalError, InterfaceError, DecoderBusy):
        raise
    except Exception:  # whatever it is, the others get their turn
        logger.exception("The held upload %s could not be stored", held.pk)
        return "It could not be stored; the reason is in the log."
    return ""


def _settle(ready: HeldQuerySet, held: HeldUpload, by: User | None, instead_of: int | None = None) -> Outcome:
    """Locks in the order of HeldUpload.hold and Image.purge: the content, then the row, then images by their ids."""
    with transaction.atomic():
        originals.lock(held.sha256)
        mine = ready.filter(pk=held.pk).select_for_update().first()
        if mine is None:
            raise decided_already(held)
        old = _still_here(instead_of, mine, by) if instead_of is not None else None
        outcome = _store(mine, by)
        assert outcome.image
        if old is not None:
            mine.resolution = _put_in_place(outcome.image, old, by)
        mine.state, mine.image, mine.error = HeldUpload.State.STORED, outcome.image, ""
        mine.decided_by = mine.decided_by or by
        mine.decided_at = Now()
        mine.save(update_fields=["state", "image", "error", "decided_by", "decided_at", "resolution"])
        KnownFile.settle(mine.paths, result=KnownFile.Result.STORED, image=outcome.image)
        transaction.on_commit(mine.forget_file, robust=True)
    return outcome


def _store(held: HeldUpload, by: User | None) -> Outcome:
    """From a copy: until the decision is committed, the held file stays where it is."""
    if not held.has_file:
        raise DecisionError("lost", LOST, 410)
    may_restore = bool(by and by.is_staff)
    origin, *also = [Origin(**one, by=held.by, may_restore=may_restore) for one in held.origins]
    try:
        with Incoming(held.name) as incoming:
            incoming.fill(blocks_of(held))
            if incoming.sha256 != held.sha256:
                raise DecisionError("lost", LOST, 410)
            outcome = store(incoming, origin)
    except OSError as error:
        raise StorageError(error) from error
    for one in also if outcome.image else ():
        meet(outcome.image, one)  # type: ignore[arg-type]
    return outcome


def _still_here(pk: int, held: HeldUpload, by: User | None) -> Image:
    """Locked, so that nobody trashes or purges it before it is replaced; and in one go with the image that the held
    bytes may have become meanwhile, in the order in which everybody locks images."""
    either = Image.objects.filter(Q(pk=pk) | Q(sha256=held.sha256)).order_by("pk").select_for_update(no_key=True)
    image = next((image for image in either if image.pk == pk and not image.trashed_at), None)
    if image is None or not Image.objects.reachable_by(by or AnonymousUser()).filter(pk=pk).exists():
        raise DecisionError("gone", f"#{pk} is not here any more, so there is nothing to replace. Keep yours instead?")
    if image.pk not in replaceable([image.pk], by):
        raise DecisionError("forbidden", f"Only staff, and whoever brought it, may replace #{pk}.", 403)
    return image


def replaceable(images: list[int], by: Any) -> set[int]:
    """Those of the images that this person may put into the trash: see ImageQuerySet.changeable_by."""
    return set(Image.objects.changeable_by(by).filter(pk__in=images).values_list("pk", flat=True))


def _put_in_place(new: Image, old: Image, by: User | None) -> int:
    if old.private and not new.private:
        raise DecisionError("private", FOR_ALL)
    if new.trashed_at:
        raise DecisionError("trashed", f"The same file is here already. {IN_TRASH}")
    try:
        return Resolution.objects.merge(keep=new, drop=[old], by=by).pk
    except MergeError as error:
        raise DecisionError("gone", str(error)) from error

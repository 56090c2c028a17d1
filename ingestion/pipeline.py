"""How a picture comes in, and what is made of it.

``store`` acknowledges a picture only when nothing can lose it any more: bytes flushed under their content's name, row
and job committed. ``complete`` then makes whatever is still missing; it can be run any number of times. A picture that
is proven to be an edit of one that is here is held, until somebody decides, if whoever brings it wants to be asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import InterfaceError, OperationalError, transaction

from gallery import originals, renditions
from gallery.models import Image, ImageSource, User, decode_limits
from gallery.originals import Incoming
from gallery.pictures import DecoderBusy, Picture, PictureError, decode
from ingestion.annotators import all_annotators
from ingestion.likeness import MORE, Likeness
from ingestion.models import Edits, HeldUpload, Job
from search import detail
from search.engines._base import Grade
from search.errors import QueryError
from search.geometry import where
from search.models import store_features
from search.query import Query
from search.retrieval import Found, retrieve

logger = logging.getLogger(__name__)

MAX_ADDRESS = 600
IN_TRASH = "It lies in the trash; only staff can bring it back."
SMALL = 256
"""Pixels: enough to prove that a file can be decoded, and to draw its placeholder."""
LOOKED_AT = 1024
"""Pixels, if somebody wants to know what is like it: the pictures of a collage are small, and read at a fine size."""
PROVERS = ["phash", "local_features"]
"""The engines whose hits can be certain."""
MOST_LIKENESSES = 12
PATIENCE = 3
"""How often engines are asked that do not answer in time: the first search of a process loads an index."""
UNTOLD = "Whether it is here in another form could not be told just now."


class Result(StrEnum):
    STORED = "stored"
    KNOWN = "known"
    HELD = "held"
    SKIPPED = "skipped"
    LATER = "later"
    """Nothing was done: what had to be known first could not be told."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Origin:
    """Where a picture comes from; becomes an ImageSource."""

    kind: str
    address: str
    by: User | None = None
    title: str = ""
    author: str = ""
    licence: str = ""
    may_restore: bool = False
    """Whoever brings it may take it out of the trash. Nothing comes back by itself."""
    edits: str | None = None
    """What to do if it is proven to be an edit of an image that ``by`` may see: Edits. None: it is stored unasked."""
    private: bool = False
    """Only for ``by``: see meet. Of who has no account nothing is private."""
    may_wait: bool = False
    """It comes again by itself: if nobody can tell now whether it is an edit that is not to be stored, it is left."""

    def written(self) -> dict[str, Any]:
        """What is worth writing down until somebody decides: ``Origin(**written, by=...)``."""
        return {
            "kind": str(self.kind),
            "address": storable_address(self.address),
            "title": self.title,
            "author": self.author,
            "licence": self.licence,
        } | ({"private": True} if self.private else {})


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    result: Result
    image: Image | None = None
    error: PictureError | None = None
    likenesses: list[Likeness] = field(default_factory=list, compare=False)
    """Proven, if somebody wanted to know, the best first."""
    notice: str = ""
    """What somebody wanted to know and could not be told."""
    held: HeldUpload | None = None
    warnings: list[str] = field(default_factory=list, compare=False)
    """What could not be read of the files beside the picture."""
    is_hidden: bool = False
    """It is somebody's private picture, which whoever brought it again must not be told."""

    @property
    def is_trashed(self) -> bool:
        return bool(self.image and self.image.trashed_at and not self.is_hidden)

    @property
    def reason(self) -> str:
        if self.error or self.is_trashed:
            return str(self.error) if self.error else IN_TRASH
        return self.likenesses[0].sentence if self.likenesses else self.notice


def import_blocks(blocks: Iterable[bytes], name: str, origin: Origin) -> Outcome:
    """Stream a picture in. Never raises for what is wrong with the picture: the outcome says it."""
    with Incoming(name) as incoming:
        try:
            return import_incoming(incoming.fill(blocks), origin)
        except PictureError as error:
            return Outcome(incoming.name, Result.REFUSED, error=error)


def import_incoming(incoming: Incoming, origin: Origin) -> Outcome:
    """The same for a file that lies finished in .incoming; the caller discards it."""
    try:
        known = _known(incoming, origin)
        return _met(incoming, origin, known) if known else _look_and_store(incoming, origin)
    except PictureError as error:
        return Outcome(incoming.name, Result.REFUSED, error=error)


def _known(incoming: Incoming, origin: Origin) -> Image | None:
    """The image of the same bytes: it gets another source."""
    if not Image.objects.filter(sha256=incoming.sha256).exists():
        return None
    with transaction.atomic():
        originals.lock(incoming.sha256)  # or a purge could be between the look and the answer
        image = Image.objects.filter(sha256=incoming.sha256).first()
        if image is None or not _has_file(image):
            return None  # a row whose file was lost takes these bytes: the upload repairs it
        meet(image, origin)
    return image


def _met(incoming: Incoming, origin: Origin, image: Image, created: bool = False) -> Outcome:
    hidden = image.private and origin.by is None
    return Outcome(incoming.name, Result.STORED if created or hidden else Result.KNOWN, image, is_hidden=hidden)


def _has_file(image: Image) -> bool:
    """Whole, as far as its size tells."""
    try:
        return originals.path_of(image.sha256, image.format).stat().st_size == image.bytes
    except OSError:
        return False


def _look_and_store(incoming: Incoming, origin: Origin) -> Outcome:
    """Is an edit of it here? Then what ``origin.edits`` says is done."""
    picture = decode(incoming.path, longest=LOOKED_AT if origin.edits else SMALL, limits=decode_limits())
    found, notice = likenesses(picture, origin.by or AnonymousUser()) if origin.edits else ([], "")
    if found and origin.edits == Edits.HOLD:
        matches = [likeness.as_json() for likeness in found]
        held = HeldUpload.hold(incoming, picture, matches, origin.written(), origin.by)
        return Outcome(incoming.name, Result.HELD, likenesses=found, held=held)
    if found and origin.edits == Edits.SKIP:
        return Outcome(incoming.name, Result.SKIPPED, likenesses=found)
    if notice and origin.may_wait and origin.edits != Edits.KEEP:
        return Outcome(incoming.name, Result.LATER, notice=notice)
    return replace(store(incoming, origin, picture), likenesses=found, notice=notice)


def likenesses(
    picture: Picture,
    user: AbstractBaseUser | AnonymousUser,
    provers: Sequence[str] | None = None,
    seen: Picture | None = None,
) -> tuple[list[Likeness], str]:
    """The images, of those that this user may see, that certainly show the same as a picture or a part of it.

    With a sentence if an engine could not tell: that is no reason to refuse a picture, but one to say so.
    ``provers``: the engines that are asked, PROVERS if none are named. ``seen``: what they look at, where a smaller
    copy will do.
    """
    asked = list(provers or PROVERS)
    for _ in range(PATIENCE):
        try:
            answer = retrieve(Query(picture=seen or picture), user, limit=2 * MOST_LIKENESSES, engines=asked)
        except (QueryError, OSError) as error:
            logger.warning("Nobody could tell what is like a new picture: %s", error)
            return [], UNTOLD
        found = [_likeness(found, picture) for found in answer.found if found.match.certain][:MOST_LIKENESSES]
        if found or set(asked) <= set(answer.seconds):
            return found, ""
    return [], UNTOLD


def _likeness(found: Found, picture: Picture) -> Likeness:
    grade = "same" if found.match.grade == Grade.SAME else "contains"
    seen = found.alignment
    enlarged = grade == "same" and _is_only_enlarged(picture, found.image)
    if seen is None:
        return Likeness(found.image.pk, grade, "same", found.evidence, enlarged=enlarged)
    relation = "same" if seen["relation"] == "overlap" and grade == "same" else seen["relation"]
    return Likeness(
        found.image.pk,
        grade,
        relation,
        found.evidence,
        points=seen["points"],
        mirrored=seen["mirrored"],
        covers=seen["covers"],
        covered=seen["covered"],
        place=where(seen["in_query"] if relation == "whole" else seen["in_match"]),
        enlarged=enlarged,
    )


def _is_only_enlarged(picture: Picture, image: Image) -> bool:
    """More pixels than the image, and no more detail; False if that cannot be told."""
    if picture.width * picture.height <= image.pixels * MORE:
        return False
    try:
        here = decode(image.screen.path)
    except (PictureError, DecoderBusy, OSError):
        return False
    mine, theirs = (detail.contrast(np.asarray(each.pil().convert("L"))) for each in (picture, here))
    more = detail.gain(mine, theirs, max(image.width, image.height))
    return more is not None and more < detail.MORE


def store(incoming: Incoming, origin: Origin, picture: Picture | None = None) -> Outcome:
    """File first, row second, and both safe before anybody is told. PictureError if it cannot be decoded."""
    picture = picture or decode(incoming.path, longest=SMALL, limits=decode_limits())
    with transaction.atomic():
        originals.lock(incoming.sha256)
        incoming.keep(picture.format)
        # Two uploads of the same bytes at once: one of them makes the row, both get it.
        facts = _facts(incoming, picture) | {"private": origin.private and origin.by is not None}
        image, created = Image.objects.get_or_create(sha256=incoming.sha256, defaults=facts)
        meet(image, origin)
        if not image.trashed_at:
            enqueue(image)
    return _met(incoming, origin, image, created)


def _facts(incoming: Incoming, picture: Picture) -> dict:
    return {
        "name": incoming.name,
        "format": picture.format,
        "bytes": incoming.bytes,
        "width": picture.width,
        "height": picture.height,
        "exif": picture.exif,
        "taken_at": taken_at(picture.exif),
        "placeholder": renditions.placeholder(picture),
    }


def taken_at(exif: dict) -> datetime | None:
    """The camera's clock has no time zone; UTC is as good a guess as any. None if it makes no sense."""
    try:
        return datetime.strptime(str(exif.get("DateTimeOriginal", "")), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def meet(image: Image, origin: Origin) -> None:
    """One more source, and one more owner; and out of the trash with it, if the one who brings it may say so, or has
    brought what is nobody else's business.

    Bytes are one image, whoever brings them, so that of a private picture the question is whose word counts:

    - Whoever brings it signed in becomes an owner, sees it, and may see it alone only as long as nobody else owns it.
      What is private stays private and what is public stays public: nobody's upload changes what others see.
    - Visitors without an account, folders and crawls cannot own anything, and what they bring is meant for everybody.
      It stays private all the same: a stranger with the same file must not publish what its owner has said of it. They
      are told what they would be told of a new picture, and where it was met is kept. When its owners have thrown it
      away for good (Image.purge), what a folder or a crawl has met begins again as a public picture, without a word of
      theirs. A visitor's upload goes with theirs: nobody could tell it from one of an account that is deleted.
    """
    if image.trashed_at and (origin.by is not None if image.private else origin.may_restore):
        image.restore()
    ImageSource.objects.get_or_create(
        image=image,
        kind=origin.kind,
        address=storable_address(origin.address),
        defaults={"by": origin.by, "title": origin.title, "author": origin.author, "licence": origin.licence},
    )
    if origin.by is not None:
        image.owners.add(origin.by)


def storable_address(address: str) -> str:
    """Fit for PostgreSQL and its indexes."""
    return address.encode("utf-8", "replace").decode().replace("\x00", "")[:MAX_ADDRESS]


def enqueue(image: Image) -> None:
    """A durable job, and a ring at the workers' door once it is committed."""
    from ingestion.tasks import ring  # the queue is not needed by those who only store

    if Job.objects.enqueue(Job.Kind.COMPLETE, image):
        transaction.on_commit(ring, robust=True)


def complete(image: Image) -> list[str]:
    """Make what is missing of an image: renditions, features, annotations. Returns a sentence for each failure.

    An image in the trash stays as it is. PictureError if the original cannot be decoded (any more).
    """
    original = originals.path_of(image.sha256, image.format)
    if not original.exists():
        raise PictureError("corrupt", f"The file of this picture is missing: {original.name}.")
    picture = decode(original, longest=max(renditions.LONGEST), limits=decode_limits())
    errors = annotate(image, picture)
    with transaction.atomic():  # whoever sees the picture can search with it
        # Locked, so that who trashes the picture meanwhile waits, and then removes these renditions as well.
        here = Image.objects.filter(pk=image.pk, trashed_at__isnull=True)
        now = here.select_for_update(no_key=True).first()
        if not now:
            return errors  # in the trash, or purged: nothing of it may lie under the public mount
        renditions.make(now.sha256, picture, now.private)
        errors += store_features(image, picture)
        # Visible even if an engine failed: the picture is worth more than its features.
        here.update(state=Image.State.READY)
    return errors


def annotate(image: Image, picture: Picture) -> list[str]:
    errors = []
    for name, annotator in all_annotators().items():
        try:
            annotator.annotate(image, picture)
        except (OperationalError, InterfaceError):
            raise  # the database is away: no fault of the annotator, and the job comes back
        except Exception as error:  # whatever a leaf raises: the others still get their turn
            logger.exception("The annotator %s failed on image %s", name, image.pk)
            errors.append(f"{name}: {error.__class__.__name__}: {error}")
    return errors

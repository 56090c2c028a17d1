"""Finding duplicates: images are examined one by one, and what is proven becomes pairs (groups: search/groups.py)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from gallery.models import Image, ImageQuerySet, User
from search.engines import get_engine
from search.engines._base import Grade
from search.engines.phash import CERTAIN
from search.fusion import Match
from search.groups import CHANGED, GroupChanged, lock_groups, lock_images, regroup, stamp
from search.live_index import live_index
from search.models import Dismissal, Examination, Feature, Group, GroupMember, Pair
from search.proven import ENGINES, versions
from search.retrieval import PATIENCE, Found, query_of, retrieve
from search.turned import turned

logger = logging.getLogger(__name__)

STRONG = 0.55
"""Score from which an unproven match is a pair that looks alike: 165 of the 576 bits of phash. Unrelated photographs
get ten times rarer every 9 bits: one pair in 10^11 here, so that 100,000 pictures have none by chance."""
MOST = 60
"""Pairs from one examination, best first. Each of many copies is examined itself, so that none is missed."""
AGAIN = timedelta(hours=1)
EXAMINE_LOCK = 7346
_BATCH = 100
_MANY = 100
"""Members up to which every two of a dismissed group are dismissed, not only the pairs found so far."""


@dataclass(frozen=True)
class Progress:
    """ "12,400 of 50,000 examined"."""

    examined: int
    total: int

    @property
    def missing(self) -> int:
        return self.total - self.examined


def unexamined() -> ImageQuerySet:
    """Visible images whose duplicates these versions of the engines have not looked for yet, newest first.

    An image without features waits for them (``manage.py reindex``), one that failed waits for an hour.
    """
    done = _examined().filter(image=OuterRef("pk")).filter(Q(notice="") | Q(at__gt=Now() - AGAIN))
    ready = Image.objects.visible_to(AnonymousUser()).filter(~Exists(done))
    for name in ENGINES:
        ready = ready.filter(Exists(Feature.objects.of(get_engine(name)).filter(image=OuterRef("pk"))))
    return ready.order_by("-id")


def progress() -> Progress:
    images = Image.objects.visible_to(AnonymousUser())
    return Progress(_examined().filter(notice="", image__in=images).count(), images.count())


def _examined() -> QuerySet[Examination]:
    return Examination.objects.filter(versions=versions())


def examine(image: Image) -> int:
    """Look for duplicates of a visible image and store the pairs. Returns how many were found. Safe to repeat.

    The search itself holds no lock. An engine that fails is noted, and the image is examined again after an hour.
    """
    query = query_of(image, closely=True)
    answer = retrieve(query, AnonymousUser(), limit=MOST, engines=list(ENGINES), patience=PATIENCE)
    flat = _is_flat(image)
    found = [one for one in answer.found if _is_strong(one.match, flat)]
    late = [name for name in ENGINES if name not in answer.seconds]
    with transaction.atomic():
        here = lock_images([image.pk, *(one.image.pk for one in found)])
        if image.pk not in here:
            return 0  # put into the trash meanwhile
        lock_groups()
        kept = [_pair(image, one) for one in found if one.image.pk in here]
        _remember(image, kept)
        _note(image, "" if not late else " ".join(answer.notices) or "An engine did not answer.")
        if not late:
            _forget_outdated(image)
        if _has_company(image):
            regroup([image.pk])
    return len(kept)


def _has_company(image: Image) -> bool:
    """It is in a pair, or still in the group of a pair that was just forgotten."""
    grouped = GroupMember.objects.filter(image=image).exists()
    return grouped or Pair.objects.touching([image.pk]).exists()


def examine_missing(wait: bool = False, seconds: float = 3) -> Generator[Image]:
    """Examine what is missing, newest first; yields each image when it is done.

    One process at a time: another one gets nothing, or with ``wait`` its turn. EngineError if the indexes are not ready
    within so many ``seconds``.
    """
    with _turn(wait) as mine:
        if not mine:
            return
        for name in ENGINES:
            live_index(name).fresh(seconds)
        while images := list(unexamined()[:_BATCH]):
            for image in images:
                _examine_or_note(image)
                yield image


def _examine_or_note(image: Image) -> None:
    try:
        examine(image)
    except (InterfaceError, OperationalError):  # the database is gone: nothing can be examined, or noted
        raise
    except Exception as error:  # whatever it was: the other images must still get their turn
        logger.exception("Image %s could not be examined", image.pk)
        if Image.objects.filter(pk=image.pk).exists():
            _note(image, f"{error.__class__.__name__}: {error}".replace("\x00", "")[:1000])


@contextmanager
def _turn(wait: bool) -> Iterator[bool]:
    """True while nobody else examines."""
    with connection.cursor() as cursor:
        how = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
        cursor.execute(f"SELECT {how}(%s)", [EXAMINE_LOCK])
        mine = cursor.fetchone()[0] is not False
        try:
            yield mine
        finally:
            if mine:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [EXAMINE_LOCK])


def _is_strong(match: Match, flat: bool) -> bool:
    """Proven, or very much alike. Two pictures without detail are alike to phash whatever they show."""
    if match.certain:
        return True
    hit = match.strong.get("phash")
    return bool(hit and hit.score >= STRONG and hit.evidence["distance"] > CERTAIN and not flat)


def _is_flat(image: Image) -> bool:
    engine = get_engine("phash")
    data = Feature.objects.of(engine).filter(image=image).values_list("data", flat=True).first()
    return data is None or not engine.probe_stored(bytes(data)).may_be_certain


def _pair(asked: Image, found: Found) -> Pair:
    """Not saved. Evidence is kept as if the image with the lower id had been the query."""
    match = found.match
    evidence = {name: dict(hit.evidence) for name, hit in match.strong.items()}
    low, high = sorted((asked, found.image), key=lambda image: image.pk)
    return Pair(
        low=low,
        high=high,
        grade=match.grade,
        score=match.score,
        evidence=evidence if low is asked else turned(evidence),
        whole=_whole(asked, found),
        versions=versions(),
    )


def _whole(asked: Image, found: Found) -> Image | None:
    if found.match.grade != Grade.CONTAINS or not found.alignment:
        return None
    return {"part": found.image, "whole": asked}.get(found.alignment["relation"])


def _remember(image: Image, pairs: list[Pair]) -> None:
    """New pairs, and better proofs of known ones. What a person dismissed is known by its content."""
    known = {(pair.low_id, pair.high_id): pair for pair in Pair.objects.touching([image.pk])}
    refused = _dismissed_of(image)
    for pair in pairs:
        other = pair.high if pair.low_id == image.pk else pair.low
        pair.dismissed = other.sha256 in refused
        before = known.get((pair.low_id, pair.high_id))
        if before is None or before.versions != pair.versions or _rank(pair) < _rank(before):
            pair.pk = before.pk if before else None
            pair.found_at = before.found_at if before else Now()
            pair.save()


def _rank(pair: Pair) -> tuple[int, float]:
    return pair.grade, -pair.score


def _dismissed_of(image: Image) -> set[str]:
    """Contents that are no duplicates of this image."""
    sha = image.sha256
    rows = Dismissal.objects.filter(Q(low_sha256=sha) | Q(high_sha256=sha)).values_list("low_sha256", "high_sha256")
    return set().union(*rows) - {sha}


def _note(image: Image, notice: str) -> None:
    now: dict[str, Any] = {"versions": versions(), "notice": notice, "at": Now()}
    Examination.objects.update_or_create(image=image, defaults=now)


def _forget_outdated(image: Image) -> None:
    """Pairs of earlier versions that this version finds from neither side."""
    old = Pair.objects.touching([image.pk]).exclude(versions=versions())
    by_now = _examined().filter(notice="").values("image")
    old.filter(low__in=by_now, high__in=by_now).delete()


# --- what people say
def dismiss(pairs: Iterable[tuple[int, int]], by: User | None = None) -> uuid.UUID:
    """ "Not a duplicate" for these pairs of image ids. Returns the batch: what ``undismiss`` takes back."""
    wanted, batch = list(pairs), uuid.uuid4()
    with transaction.atomic():
        ids = set().union(*wanted) if wanted else set()
        content = {pk: image.sha256 for pk, image in lock_images(ids).items()}
        content |= dict(Image.objects.filter(pk__in=ids).values_list("pk", "sha256"))  # in the trash: no lock needed
        lock_groups()
        rows = [
            Dismissal(low_sha256=low, high_sha256=high, by=by, batch=batch)
            for low, high in (sorted((content[a], content[b])) for a, b in wanted if {a, b} <= content.keys())
        ]
        Dismissal.objects.bulk_create(rows, ignore_conflicts=True)  # the one who came first has said it
        _mark(rows, True)
        regroup(ids)
    return batch


def dismiss_group(group: Group, by: User | None = None, shown: str | None = None) -> uuid.UUID:
    """Each part is no part of its whole; of other groups no two are duplicates, whether a pair was found or not.

    ``shown``: the stamp (search.groups) of what somebody has seen. GroupChanged if the group is not that any more.
    """
    with transaction.atomic():
        images = _members(group)
        lock_images(images)
        lock_groups()
        now = stamp(_members(group))
        if now != stamp(images) or shown not in (None, now):
            raise GroupChanged(CHANGED)
        found = [(pair.low_id, pair.high_id) for pair in group.pairs()]
        every = group.grade != Grade.CONTAINS and len(images) <= _MANY
        return dismiss(combinations(images, 2) if every else found, by)


def _members(group: Group) -> list[int]:
    return list(group.members.values_list("image", flat=True))


def undismiss(dismissals: QuerySet[Dismissal] | uuid.UUID) -> int:
    """Take dismissals back (those of a batch, or a queryset). Returns how many there were."""
    chosen = Dismissal.objects.filter(batch=dismissals) if isinstance(dismissals, uuid.UUID) else dismissals
    with transaction.atomic():
        lock_groups()
        rows = list(chosen)
        Dismissal.objects.filter(pk__in=[row.pk for row in rows]).delete()
        regroup(_mark(rows, False))
    return len(rows)


def _mark(rows: list[Dismissal], dismissed: bool) -> set[int]:
    """Copy what was said to the pairs that are there. Returns the ids of the images, as far as they are."""
    said = {(row.low_sha256, row.high_sha256) for row in rows}
    ids = dict(Image.objects.filter(sha256__in=set().union(*said)).values_list("pk", "sha256")) if said else {}
    pairs = Pair.objects.among(ids).values_list("pk", "low", "high")
    meant = [pk for pk, low, high in pairs if tuple(sorted((ids[low], ids[high]))) in said]
    Pair.objects.filter(pk__in=meant).update(dismissed=dismissed)
    return set(ids)

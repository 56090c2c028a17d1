"""Which images a search by an image must still look at closely: those whose duplicates were not looked for yet.

What was examined is known by its pairs (search/proven.py), seen from either side. The rest is mostly nothing, or what
came in the last minute, and is followed by the log of changes: an image that comes, or comes back from the trash, gets
features, and these a place in the log.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

import numpy as np
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Exists, OuterRef, QuerySet

from gallery.models import Image, Role, role_of
from search.engines import get_engine
from search.live_index import LiveIndex, live_index
from search.models import Change, Examination, Feature
from search.proven import CLOSE, versions

FEW = 30
"""More of them take longer to compare one by one than a quick look at the whole gallery."""
_HELD = 5_000
"""More are not followed one by one: the gallery is being filled."""
_CHECKED, _READ = 2.0, 60.0
"""Seconds. So often it is looked which of them were examined meanwhile: until then they are looked at in vain. And so
often all are read again: a picture that was private for a while must be examined anew, and the log does not say so."""


@dataclass(frozen=True)
class _Known:
    live: LiveIndex
    versions: str
    position: int
    """In the log of CLOSE."""
    public: frozenset[int]
    private: frozenset[int]
    many: bool
    """There are more than these."""
    checked_at: float
    read_at: float

    def holds(self, last: int) -> bool:
        return self.position == last and time.monotonic() < self.checked_at + _CHECKED and not self.is_old

    @property
    def is_old(self) -> bool:
        same = self.live is live_index(CLOSE) and self.versions == versions()
        return not same or time.monotonic() >= self.read_at + _READ


_known: _Known | None = None
_lock = threading.Lock()


def unknown_to(image_id: int, user: AbstractBaseUser | AnonymousUser, last: int) -> np.ndarray | None:
    """Rising ids of what its pairs do not tell of this image; None: everything.

    ``last``: the place in the log of CLOSE up to which all images count.
    """
    known = _known_at(last)
    if known.many or image_id in known.public or image_id in known.private:
        return None
    ids = set(known.public)
    if known.private and role_of(user) != Role.ANONYMOUS:
        ids |= set(Image.objects.visible_to(user).filter(pk__in=known.private).values_list("pk", flat=True))
    return None if len(ids) > FEW else np.array(sorted(ids), np.int64)


def _known_at(last: int) -> _Known:
    global _known
    known = _known
    if known is None or not known.holds(last):
        with _lock:
            known = _known = _looked(_known, last)
    return known


def _looked(known: _Known | None, last: int) -> _Known:
    """Another thread may have followed the log farther than ``last``; a log that ends before has been restored."""
    if known is None or known.is_old or (known.position > last and known.position > _last()):
        return _all()
    if known.holds(max(last, known.position)):
        return known
    came = _changed(known.position, last)
    ids = known.public | known.private | came
    if known.many or len(ids) > _HELD:
        return replace(known, many=True, position=max(last, known.position), checked_at=time.monotonic())
    return _read(known.live, known.versions, max(last, known.position), known.read_at, ids)


def _all() -> _Known:
    return _read(live_index(CLOSE), versions(), _last(), time.monotonic())


def _read(live: LiveIndex, of: str, position: int, read_at: float, ids: frozenset[int] | None = None) -> _Known:
    """What has a feature and no examination; of these ids, or of all."""
    checked_at = time.monotonic()
    done = Examination.objects.filter(image=OuterRef("image"), versions=of, notice="")
    rows = Feature.objects.of(get_engine(CLOSE)).filter(~Exists(done))
    rows = rows if ids is None else rows.filter(image__in=ids)
    left = list(rows.values_list("image", "image__private")[: _HELD + 1]) if ids is None or ids else []
    public = frozenset(image for image, private in left if not private)
    private = frozenset(image for image, private in left if private)
    return _Known(live, of, position, public, private, len(left) > _HELD, checked_at, read_at)


def _last() -> int:
    return _log().order_by("-seq").values_list("seq", flat=True).first() or 0


def _changed(position: int, last: int) -> frozenset[int]:
    after = _log().filter(seq__gt=position, seq__lte=last)
    return frozenset(after.values_list("image_id", flat=True)[: _HELD + 1])


def _log() -> QuerySet[Change]:
    return Change.objects.filter(engine=CLOSE, version=get_engine(CLOSE).version)

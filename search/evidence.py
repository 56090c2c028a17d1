"""Why a picture was found: the query laid on the match, point by point. Made on demand, from what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.conf import settings

from gallery.models import Image
from search.engines import get_engine
from search.engines._base import Probe
from search.engines.local_features import LocalFeatures
from search.geometry import Alignment
from search.models import Feature
from search.query import Query

BUSY = "Many are looking at evidence just now. Try again in a moment."
_PATIENCE, _IN_A_MOMENT = 3.0, 5
AT_ONCE = max(1, settings.CORES // settings.WEB_PROCESSES)
"""In this process."""
_turns = BoundedSemaphore(AT_ONCE)


def alignment(query: Query, image: Image) -> Alignment | None:
    """How the picture of a query lies on an image; None if nothing was proven, or features are missing.

    ValueError if a stored feature is damaged.
    """
    engine = get_engine("local_features")
    assert isinstance(engine, LocalFeatures)
    stored = _stored(engine, image.pk)
    found = (engine.compare(probe, stored) for probe in _asked(engine, query)) if stored is not None else ()
    return next((best for best in found if best and best.certain), None)


def _asked(engine: LocalFeatures, query: Query) -> Iterator[Probe]:
    """Its picture, and what is stored of it: the strips of a page ask with that alone, so it may be what was proven."""
    if query.picture is not None:
        yield engine.probe(query.picture)
    feature = _stored(engine, query.image_id) if query.image_id is not None else None
    if feature is not None:
        yield engine.probe_stored(feature)


def _stored(engine: LocalFeatures, image_id: int) -> bytes | None:
    data = Feature.objects.of(engine).filter(image=image_id).values_list("data", flat=True).first()
    return bytes(data) if data is not None else None


class EvidenceError(Exception):
    """There is nothing to show; the sentence says why."""

    def __init__(self, sentence: str, status: int, retry_after: int | None = None) -> None:
        """``retry_after``: seconds, where it is worth asking again."""
        super().__init__(sentence)
        self.status, self.retry_after = status, retry_after


@contextmanager
def in_turn() -> Iterator[None]:
    """As many proofs at once as there are processors; EvidenceError for who has waited some seconds for a turn.

    More at once would be no faster, and take the threads of all other pages.
    """
    if not _turns.acquire(timeout=_PATIENCE):
        raise EvidenceError(BUSY, 503, _IN_A_MOMENT)
    try:
        yield
    finally:
        _turns.release()


def prove(query: Query, image: Image) -> Alignment:
    """Like ``alignment``, for a page: EvidenceError where that would have nothing to say."""
    try:
        found = alignment(query, image)
    except ValueError as error:
        sentence = "What the search knows of one of these pictures is damaged. “manage.py reindex” makes it again."
        raise EvidenceError(sentence, 503) from error
    if found is None:
        raise EvidenceError(_why_not(query, image), 404)
    return found


def _why_not(query: Query, image: Image) -> str:
    asked = {image.pk, query.image_id} - {None}
    if Feature.objects.of(get_engine("local_features")).filter(image__in=asked).count() < len(asked):
        return "The search knows nothing yet of one of these pictures: it is being prepared, or in the trash."
    return "These two pictures share no place that could be proven."

"""Why a picture was found: the query laid on the match, point by point. Made on demand, from what is stored."""

from __future__ import annotations

from gallery.models import Image
from search.engines import get_engine
from search.engines._base import Probe
from search.engines.local_features import LocalFeatures
from search.geometry import Alignment
from search.models import Feature
from search.query import Query


def alignment(query: Query, image: Image) -> Alignment | None:
    """How the picture of a query lies on an image; None if nothing was proven, or features are missing.

    ValueError if a stored feature is damaged.
    """
    engine = get_engine("local_features")
    assert isinstance(engine, LocalFeatures)
    asked, stored = _asked(engine, query), _stored(engine, image.pk)
    if asked is None or stored is None:
        return None
    best = engine.compare(asked, stored)
    return best if best and best.certain else None


def _asked(engine: LocalFeatures, query: Query) -> Probe | None:
    if query.picture is not None:
        return engine.probe(query.picture)
    feature = _stored(engine, query.image_id) if query.image_id is not None else None
    return engine.probe_stored(feature) if feature is not None else None


def _stored(engine: LocalFeatures, image_id: int) -> bytes | None:
    data = Feature.objects.of(engine).filter(image=image_id).values_list("data", flat=True).first()
    return bytes(data) if data is not None else None


class EvidenceError(Exception):
    """There is nothing to show; the sentence says why."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


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

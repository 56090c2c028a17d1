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

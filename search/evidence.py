"""Why a picture was found: the query laid on the match, point by point. Made on demand, from what is stored."""

from __future__ import annotations

from gallery.models import Image
from search.engines import get_engine
from search.engines.local_features import LocalFeatures
from search.geometry import Alignment, align
from search.keypoints import Keypoints, unpack
from search.models import Feature
from search.query import Query


def alignment(query: Query, image: Image) -> Alignment | None:
    """How the picture of a query lies on an image; None if nothing was proven, or features are missing.

    ValueError if a stored feature is damaged.
    """
    engine = get_engine("local_features")
    assert isinstance(engine, LocalFeatures)
    asked, found = _asked(engine, query), _stored(engine, image.pk)
    if asked is None or found is None:
        return None
    best = align(asked, found, engine.mirror)
    return best if best and best.certain else None


def _asked(engine: LocalFeatures, query: Query) -> Keypoints | None:
    if query.picture is not None:
        return unpack(engine.extract(query.picture))
    return _stored(engine, query.image_id) if query.image_id is not None else None


def _stored(engine: LocalFeatures, image_id: int) -> Keypoints | None:
    data = Feature.objects.of(engine).filter(image=image_id).values_list("data", flat=True).first()
    return unpack(bytes(data)) if data is not None else None

"""The pictures of the gallery that a candidate is nearest to: a moderator sees at once whether it fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from gallery.models import Image, decode_limits
from gallery.pictures import PictureError, decode
from ingestion.embedding import ENGINES, ByEngine
from ingestion.models import Candidate
from search.current import current_engines
from search.engines._base import Hit
from search.errors import EngineError, QueryError
from search.live_index import live_index
from search.query import Query
from search.retrieval import explained, retrieve

MOST = 4
NOTHING_NEAR = "Nothing in the gallery is near to it."
NOT_DRAWN = "It has no thumbnail, so nothing can be compared with it."


@dataclass(frozen=True)
class Near:
    image: Image
    words: str
    """What was compared: "closer in meaning than 98 % of the gallery"."""


def nearest(candidate: Candidate, user: AbstractBaseUser | AnonymousUser) -> tuple[list[Near], str]:
    """(the nearest first, why there are none or ""). By its embedding where one answers, else by its colours."""
    try:
        found = _by_embedding(candidate, user) or _by_colours(candidate, user)
    except PictureError:
        return [], NOT_DRAWN
    except (QueryError, EngineError) as error:
        return [], str(error)
    return found, "" if found else NOTHING_NEAR


def _by_embedding(candidate: Candidate, user: AbstractBaseUser | AnonymousUser) -> list[Near]:
    """No network has to look at it again."""
    here = current_engines()
    for name in ENGINES:
        engine: Any = here.get(name)
        if engine is not None and candidate.embedded_by == ByEngine(engine).name:
            probe = engine.probe_stored(bytes(candidate.embedding))
            index = live_index(engine).fresh(engine.seconds)
            return _near(name, engine.search(probe, index, 2 * MOST) if len(index) else [], candidate, user)
    return []


def _near(name: str, hits: list[Hit], candidate: Candidate, user: AbstractBaseUser | AnonymousUser) -> list[Near]:
    images = Image.objects.visible_to(user).in_bulk([hit.image_id for hit in hits])
    others = [hit for hit in hits if hit.image_id in images and hit.image_id != candidate.image_id]
    return [Near(images[hit.image_id], explained(name, hit)) for hit in others[:MOST]]


def _by_colours(candidate: Candidate, user: AbstractBaseUser | AnonymousUser) -> list[Near]:
    picture = decode(bytes(candidate.thumbnail), limits=decode_limits())
    answer = retrieve(Query(picture=picture), user, 2 * MOST, ["color"])
    # Also the weak ones: what is nearest is worth seeing, however far it is.
    found = [one for one in [*answer.found, *answer.weak] if one.image.pk != candidate.image_id]
    return [Near(one.image, one.evidence) for one in found[:MOST]]

"""The engines that answer now: those that stand by themselves, and those of networks over their current generation."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from django.conf import settings

from search.encoders import get_network
from search.engines import all_engines, own_engines
from search.engines._base import Engine
from search.engines._embedding import EmbeddingEngine
from search.errors import WeightsMissing
from search.models import Generation
from search.roles import Role, all_roles

logger = logging.getLogger(__name__)

_bound: dict[tuple[int, int, Path], Role] = {}
"""By generation, what it has learned from, and the folder of weights."""
_said: set[tuple[int, str]] = set()
"""What the log has of generations that cannot be used."""
_lock = threading.Lock()


def current_engines() -> dict[str, Engine]:
    """{name: engine} as they answer at this moment; one of a network that has made nothing yet is left out."""
    made: dict[str, Any] = {role.name: role for role in _current_roles() if role.name in all_engines()}
    return dict(sorted({**own_engines(), **made}.items()))


def current_engine(name: str) -> Engine:
    """KeyError if there is no such engine, or nothing for it to answer with."""
    engine = all_engines()[name]
    return current_engines()[name] if engine.of_network else engine


def current_role(name: str) -> Role | None:
    """The role as it is filled now; None if no network has begun."""
    return next((role for role in _current_roles() if role.name == name), None)


def _current_roles() -> list[Role]:
    """One statement; what was learned (it may be large) is read once in each process."""
    rows = Generation.objects.filter(state=Generation.State.CURRENT)
    return [role for generation in rows if (role := bound_role(generation)) is not None]


def bound_role(generation: Generation) -> Role | None:
    """The role over this generation; None, and a line in the log, if program or settings do not know it any more."""
    key = generation.pk, generation.learned_from, settings.WEIGHTS
    with _lock:
        bound = _bound.get(key)
    if bound is None and (bound := _bind(generation)):
        with _lock:
            bound = _bound.setdefault(key, bound)  # the first one stays: indexes are kept for it
    return bound


def _bind(generation: Generation) -> Role | None:
    role = all_roles().get(generation.role)
    if role is None:
        return None
    try:
        network = get_network(generation.network, settings.WEIGHTS)
        bound = role.bound(generation.pk, network, bytes(generation.learned))
    except (WeightsMissing, ValueError) as error:
        if (generation.pk, str(error)) not in _said:  # it is asked for with every search
            _said.add((generation.pk, str(error)))
            logger.error("%s cannot be used: %s", generation, error)
        return None
    if isinstance(bound, EmbeddingEngine):
        bound.made_dimension, bound.made_by = generation.dimension, generation.fingerprint
    return bound

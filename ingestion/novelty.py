"""The novelty model that is in use: read once in each process, asked for every candidate."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import numpy as np

from ingestion.mixture import Mixture
from ingestion.models import NoveltyModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InUse:
    pk: int
    embedded_by: str
    mixture: Mixture

    def scores(self, vectors: np.ndarray) -> list[dict[str, float]]:
        """What the filter novelty gives to each of (n, d) embeddings."""
        novelty, likelihood = self.mixture.novelty(vectors), self.mixture.likelihood(vectors)
        return [
            {"novelty": round(float(one), 4), "likelihood": round(float(other), 4)}
            for one, other in zip(novelty, likelihood, strict=True)
        ]


class DamagedModel(Exception):
    """The parameters of the model in use cannot be read: a sentence."""


_read: dict[int, InUse] = {}
"""By id: the parameters of a model never change. The last one only."""
_lock = threading.Lock()


def in_use() -> InUse | None:
    """One statement, and another one after a switch. DamagedModel."""
    row = NoveltyModel.objects.filter(state=NoveltyModel.State.CURRENT).values_list("pk", "embedded_by").first()
    if row is None:
        return None
    with _lock:
        found = _read.get(row[0])
    if found is None or found.embedded_by != row[1]:
        found = read(row[0])
        with _lock:
            _read.clear()
            _read[found.pk] = found
    return found


def read(pk: int) -> InUse:
    """Any model. DamagedModel; NoveltyModel.DoesNotExist."""
    row = NoveltyModel.objects.defer(None).get(pk=pk)
    try:
        return InUse(pk, row.embedded_by, Mixture.unpack(bytes(row.parameters)))
    except ValueError as error:
        logger.error("The parameters of %s cannot be read: %s", row, error)
        raise DamagedModel("What the novelty model has learned is damaged: train it again.") from error


def forget() -> None:
    """What was read: for tests, whose databases give the same ids again."""
    with _lock:
        _read.clear()

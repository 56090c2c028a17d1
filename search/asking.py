"""How engines are asked: those that answer at once in a row, each other one in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from django.conf import settings

from search.engines._base import Engine, Hit, Probe
from search.errors import EngineError
from search.hidden import Hidden
from search.live_index import close_stale_connection, live_index
from search.models import Feature
from search.proven import CLOSE
from search.query import Query
from search.stored import Stored, stored_of
from search.unexamined import unknown_to

Answered = tuple[list[Hit], float]
"""Hits, and seconds."""
_AT_ONCE = 0.5
"""Seconds of its search before, up to which an engine is not worth a thread."""


@dataclass(frozen=True)
class Asking:
    query: Query
    most: int
    """Hits."""
    hidden: Hidden
    stored: Stored | None = None
    """Of the image, where nothing but what is stored of it is asked."""
    unknown: np.ndarray | None = None
    """Rising ids of the images that CLOSE must look at; None: all."""
    patience: float | None = None
    """Seconds for each engine, instead of its own."""

    @classmethod
    def of(
        cls, query: Query, most: int, hidden: Hidden, engines: Collection[Engine], patience: float | None = None
    ) -> Asking:
        if query.image_id is None or query.picture is not None or query.meaning or not engines:
            return cls(query, most, hidden, patience=patience)
        stored = stored_of(query.image_id, engines, without=[CLOSE])
        known = CLOSE in stored.there
        unknown = unknown_to(query.image_id, hidden.user, stored.last[CLOSE]) if known else None
        if unknown is not None and query.among is not None:
            unknown = np.intersect1d(unknown, query.among)
        return cls(query, most, hidden, stored, unknown, patience)

    def seconds_for(self, engine: Engine) -> float:
        return self.patience or engine.seconds

    def all(self, engines: Collection[Engine]) -> dict[str, Future[Answered]]:
        """{engine: its answer}; those in a row have answered, or failed, when this returns."""
        at_once = [each for each in engines if self._answers_at_once(each)]
        asked = {each.name: _pool().submit(self._search, each) for each in engines if each not in at_once}
        return asked | {each.name: self._asked_here(each) for each in at_once}

    def _answers_at_once(self, engine: Engine) -> bool:
        if self.stored is None or (engine.name == CLOSE and self.unknown is None):
            return False
        live = live_index(engine)
        return live.took < _AT_ONCE and live.at_once(self.stored.last[engine.name]) is not None

    def _asked_here(self, engine: Engine) -> Future[Answered]:
        answer: Future[Answered] = Future()
        try:
            answer.set_result(self._answer(engine))
        except Exception as error:
            # As a thread does: whoever reads the answer says what it means.
            answer.set_exception(error)
        return answer

    def _search(self, engine: Engine) -> Answered:
        close_stale_connection()
        return self._answer(engine)

    def _answer(self, engine: Engine) -> Answered:
        started = time.perf_counter()
        hits = self._hits(engine)
        seconds = time.perf_counter() - started
        live_index(engine).took = seconds
        return hits, seconds

    def _hits(self, engine: Engine) -> list[Hit]:
        unknown = self.unknown if engine.name == CLOSE else None
        among = self.query.among if unknown is None else unknown
        nothing = unknown is not None and not len(unknown)
        probe = None if nothing else replace(self._probe(engine), besides=self.query.image_id)
        live = live_index(engine)
        index = live.at_once(self.stored.last[engine.name]) if self.stored else None
        index = index or live.fresh(self.seconds_for(engine))
        if probe is None or not len(index):
            return []
        most = self.most + 1 + (self.hidden.count if among is None else 0)
        hits = engine.search(probe, index, most, among)
        if engine.looks_at_few and self.query.among is None and self.hidden.among(hits):
            visible = self.hidden.visible()  # they have taken the place of others
            hits = engine.search(probe, index, most, visible if among is None else np.intersect1d(visible, among))
        return [hit for hit in hits if hit.image_id != self.query.image_id]

    def _probe(self, engine: Engine) -> Probe:
        query, picture, stored = self.query, self.query.picture, None
        if query.image_id is not None and (picture is None or engine.of_network):
            # What a network has made of it says all; others look more closely at the picture.
            stored = self._stored(engine, query.image_id)
            picture = query.picture if stored is None else None
        if query.image_id is not None and picture is None and stored is None:
            raise EngineError(f"{engine.label}: this picture is still being prepared.")
        if query.meaning:
            return engine.probe_meaning(query.meaning, picture, stored, query.words_weigh)
        if picture is not None:
            return engine.probe(picture)
        if stored is not None:
            return engine.probe_stored(stored)
        probe = engine.probe_colours(query.colours)
        if probe is None:
            raise EngineError(f"{engine.label}: this engine does not know colours.")
        return probe

    def _stored(self, engine: Engine, image_id: int) -> bytes | None:
        if self.stored and engine.name != CLOSE:
            return self.stored.features.get(engine.name)
        data = Feature.objects.of(engine).filter(image=image_id).values_list("data", flat=True).first()
        return None if data is None else bytes(data)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2 * settings.WEB_THREADS, thread_name_prefix="engine")

"""From a query to an answer: every engine that can answer is asked, each within its own time budget."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import Error as DatabaseFailure
from django.db import connection

from gallery.models import Image
from gallery.pictures import DecoderBusy, Picture, PictureError, decode
from search.current import current_engines
from search.encoders import get_network
from search.engines import all_engines, own_engines
from search.engines._base import Engine, Grade, Hit, Probe
from search.engines._embedding import EmbeddingEngine, Loading
from search.errors import EngineError, QueryError, WeightsMissing
from search.fusion import Match, Voice, fuse
from search.live_index import close_stale_connection, live_index
from search.models import Feature
from search.query import Query

logger = logging.getLogger(__name__)

LIMIT, TEXT_LIMIT = 200, 1000
"""Of words more is asked for: what fits them well is often half a gallery, and is put in the order of its days."""
_NOTHING = 0.005
"""Scores that would be shown as 0 %."""


@dataclass
class Found:
    """A match with its image, ready to be shown."""

    image: Image
    match: Match

    @property
    def evidence(self) -> str:
        """ "34 of 576 bits differ, mirrored; 83 % of the palette shared": the engines of the grade first."""
        hits = sorted((self.match.strong or self.match.hits).items(), key=lambda item: item[1].grade)
        return "; ".join(all_engines()[name].explain(hit.evidence) for name, hit in hits)

    @property
    def alignment(self) -> dict[str, Any] | None:
        """How the query lies on the image (search.engines.local_features.evidence_of), if that was proven."""
        hit = self.match.hits.get("local_features")
        return hit.evidence if hit and hit.certain else None

    @property
    def percent(self) -> int:
        return round(100 * self.match.score)


@dataclass
class Answer:
    found: list[Found] = field(default_factory=list)
    weak: list[Found] = field(default_factory=list)
    """Below every engine's cut-off: counted, and shown on demand."""
    notices: list[str] = field(default_factory=list)
    """What could not be asked, and why."""
    seconds: dict[str, float] = field(default_factory=dict)
    """{engine: time of its search}"""
    networks: dict[str, str] = field(default_factory=dict)
    """{engine: the network that has answered for it, in words}"""
    is_loading: bool = False
    """A network comes into memory just now: the same question will be answered better in some seconds."""

    def by_grade(self, weak: bool = False) -> Iterator[tuple[Grade, list[Found]]]:
        """The grades that have matches, best first."""
        for grade in Grade:
            group = [found for found in (self.weak if weak else self.found) if found.match.grade == grade]
            if group:
                yield grade, group


def retrieve(
    query: Query,
    user: AbstractBaseUser | AnonymousUser,
    limit: int | None = None,
    engines: list[str] | None = None,
) -> Answer:
    """Ask the engines (all, or those named) and fuse what they say into at most ``limit`` matches, and as many weak
    (see limit_of).

    An engine that fails or is late becomes a notice. QueryError if no engine can answer such a query at all;
    django.db.Error if the database does not answer.
    """
    limit = limit_of(query) if limit is None else limit
    answer, asked = Answer(), _ask(query, limit, engines)
    if not asked:
        raise QueryError(_nobody(query))
    hits: dict[str, list[Hit]] = {}
    started = time.monotonic()
    for engine, future in asked:
        try:
            left = engine.seconds - (time.monotonic() - started)
            hits[engine.name], answer.seconds[engine.name] = future.result(timeout=max(0.0, left))
            answer.networks |= {engine.name: engine.network.label} if isinstance(engine, EmbeddingEngine) else {}
        except FutureTimeout:
            future.cancel()
            answer.notices.append(f"{engine.label}: no answer within {engine.seconds:g} seconds.")
        except EngineError as error:
            answer.notices.append(str(error))
            answer.is_loading |= isinstance(error, Loading)
        except DatabaseFailure:
            raise
        except Exception:
            # A leaf may fail in any way; the search still answers, and the log has the reason.
            logger.exception("The engine %s failed", engine.name)
            answer.notices.append(f"{engine.label}: this engine failed; the reason is in the log.")
    answer.notices += [notice for engine, _ in asked if (notice := live_index(engine).notice)]
    voices = {engine.name: Voice(engine.weight, engine.cutoff) for engine, _ in asked}
    _fill(answer, fuse(hits, voices), user, limit)
    return answer


def limit_of(query: Query) -> int:
    return TEXT_LIMIT if query.meaning else LIMIT


def query_of(image: Image) -> Query:
    """With the picture of an image, not only with its features: a collage is then read finely, borders are cut away.

    It takes 0.1 seconds more. The features alone where its rendition is not there, or cannot be read just now.
    """
    try:
        return Query(picture=decode(image.screen.path), image_id=image.pk)
    except (PictureError, DecoderBusy, OSError):
        return Query(image_id=image.pk)


def _fill(answer: Answer, matches: list[Match], user: AbstractBaseUser | AnonymousUser, limit: int) -> None:
    """Matches whose image this user may not see, or that has left meanwhile, are dropped."""
    images = Image.objects.visible_to(user).in_bulk([match.image_id for match in matches])
    for match in matches:
        target = answer.weak if match.weak else answer.found
        if match.image_id in images and len(target) < limit and match.score >= _NOTHING:
            target.append(Found(images[match.image_id], match))


def _ask(query: Query, limit: int, names: list[str] | None) -> list[tuple[Engine, Future]]:
    engines = [engine for name, engine in current_engines().items() if names is None or name in names]
    able = [engine for engine in engines if _understands(engine, query)]
    return [(engine, _pool().submit(_search, engine, query, limit)) for engine in able]


def _understands(engine: Engine, query: Query) -> bool:
    if query.meaning:
        return engine.answers_text
    if query.picture is not None or query.image_id is not None:
        return True
    return engine.probe_colours(query.colours) is not None


def _nobody(query: Query) -> str:
    if query.meaning:
        return "This gallery does not understand words yet."
    return "No engine of this gallery answers such a question."


def why_no_words() -> str:
    """What is missing, in the words of the network that would understand them: for who runs the gallery, since it
    names folders of the machine."""
    reasons = []
    for name in settings.NETWORKS["clip"]:
        try:
            get_network(name, settings.WEIGHTS).look()
        except WeightsMissing as error:
            reasons.append(str(error))
    return " ".join(reasons) or "Its network is getting ready: try again in a minute."


def _search(engine: Engine, query: Query, limit: int) -> tuple[list[Hit], float]:
    close_stale_connection()
    started = time.perf_counter()
    probe = replace(_probe(engine, query), besides=query.image_id)
    index = live_index(engine).fresh(engine.seconds)
    hits = engine.search(probe, index, limit + 1, query.among) if len(index) else []
    kept = [hit for hit in hits if hit.image_id != query.image_id]
    return kept, time.perf_counter() - started


def _probe(engine: Engine, query: Query) -> Probe:
    picture, stored = query.picture, None
    if query.image_id is not None and (picture is None or engine.of_network):
        # What a network has made of it says all; others look more closely at the picture.
        stored = _stored(engine, query.image_id)
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


def _stored(engine: Engine, image_id: int) -> bytes | None:
    data = Feature.objects.of(engine).filter(image=image_id).values_list("data", flat=True).first()
    return None if data is None else bytes(data)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="engine")


def warm_up() -> None:
    """Search once for noise: libraries, kernels and indexes are loaded before the first visitor waits for them."""
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    with suppress(DatabaseFailure):  # not there yet: the first search will find out by itself
        # Networks are not woken: they take seconds and much memory, and many visitors never ask one.
        retrieve(Query(picture=Picture(noise, 320, 240, "PNG")), AnonymousUser(), limit=1, engines=list(own_engines()))
        for engine in (each for each in current_engines().values() if each.of_network):
            with suppress(EngineError):
                live_index(engine).fresh(engine.seconds)
    connection.close()

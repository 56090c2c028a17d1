"""How networks get through a collection: in batches, newest pictures first, until a generation is complete.

It can be interrupted at any point and goes on from there: what is missing of a generation is what has no feature. One
worker at a time fills a generation; pictures that kill it are found and set aside.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from gallery import renditions
from gallery.models import Image, ImageQuerySet
from gallery.pictures import DecoderBusy, PictureError, decode
from search.current import bound_role
from search.engines import all_engines
from search.engines._embedding import EmbeddingEngine
from search.errors import EngineError, WeightsMissing
from search.generations import switch
from search.live_index import LiveIndex
from search.models import Feature, Generation
from search.roles import Role, all_roles

logger = logging.getLogger(__name__)

LEARN_INPUTS, LEARN_FEATURES = 2_000, 20_000
"""The most that is learned from: more changes little, and all of it is in memory at once."""
_SIDE = 256
"""Pixels of the shorter side: nearly all networks look at 224."""
_STEADY = 0.7
"""Of the rate that is shown, by each batch: an exponential mean."""
PASSING = (EngineError, MemoryError, OSError)
"""Faults of the machine, which say nothing about a picture."""


def fill(seconds: float) -> bool:
    """Work on generations for about so long. True if there is more to do."""
    ends, more = time.monotonic() + seconds, False
    generations = {(each.role, each.state): each for each in Generation.objects.at_work()}
    for state in (Generation.State.CURRENT, Generation.State.BESIDE):
        for role in all_roles():
            if generation := generations.get((role, state)):
                more |= fill_one(generation, max(0.0, ends - time.monotonic()))
    return more


def fill_one(generation: Generation, seconds: float = float("inf")) -> bool:
    """Make what is missing of it, at least one batch, and let it take over when it is complete.

    True if there is more to do; not so if another worker is at it, or if it waits for something.
    """
    worker = uuid.uuid4().hex
    if not (generation.state == Generation.State.BESIDE or generation.missing().exists()):
        return False
    if not generation.claim(worker):
        return False
    try:
        return _Filling(generation, worker).run(seconds)
    except _TakenOver:
        logger.info("%s was stopped", generation)
    except WeightsMissing as error:
        generation.release(worker, str(error))
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease ends by itself
    except Exception as error:  # whatever a leaf raises is shown beside its network, and tried again later
        logger.exception("%s does not go on", generation)
        generation.release(worker, f"{error.__class__.__name__}: {error}")
    return False


class _TakenOver(Exception):
    """It was stopped, or another worker has it: nothing more is done to it here."""


@dataclass
class _Batch:
    ids: list[int]
    inputs: dict[int, Any]
    """{image id: picture or feature}"""
    errors: dict[int, str]


class _Filling:
    def __init__(self, generation: Generation, worker: str) -> None:
        self.generation, self.worker = generation, worker
        role = bound_role(generation)
        if role is None:
            raise WeightsMissing(
                f"The network {generation.network} is not known any more, or what it learned is damaged."
            )
        self.role: Role = role

    def run(self, seconds: float) -> bool:
        """True if there is more to do; the lease is given back."""
        ends = time.monotonic() + seconds
        self._require_its_network()
        if self.role.learns_first and not self.generation.learned and not self._learn_first():
            self.generation.release(self.worker, "")
            return False
        more = self._fill(ends)
        if not more and self.generation.state == Generation.State.BESIDE:
            self._complete()
        self.generation.release(self.worker)
        return more

    def _require_its_network(self) -> None:
        """What other weights make must not stand beside what these have made."""
        self.role.network.look()
        if self.role.fingerprint(self.role.network) != self.generation.fingerprint:
            raise WeightsMissing(f"The weights of {self.role.network.label} are not those that it was made with.")

    def _fill(self, ends: float) -> bool:
        """Newest pictures first. False when nothing is missing."""
        with ThreadPoolExecutor(1, thread_name_prefix="read") as reading:
            following = self._read(reading)
            while following is not None:
                batch = following.result()
                if not self.generation.hold(self.worker, batch.ids):
                    raise _TakenOver
                following = None if self.generation.suspects else self._read(reading, before=min(batch.ids))
                self._make(batch)
                if following is None:
                    following = self._read(reading)  # what came meanwhile
                if time.monotonic() > ends:
                    return following is not None
        return False

    def _read(self, reading: ThreadPoolExecutor, before: int | None = None) -> Future[_Batch] | None:
        """The next batch, read while the network is at the one before."""
        ids = self._read_ids(before)
        if not ids:
            return None
        if self.role.made_of:
            future: Future[_Batch] = Future()
            future.set_result(self._features(ids))
            return future
        return reading.submit(_decoded, ids, self._paths(ids))

    def _paths(self, ids: list[int]) -> dict[int, Path]:
        """{image id: the smallest rendition that shows the network all it can see}"""
        side = max(_SIDE, getattr(self.role.network, "side", 0))
        return {image.pk: _path(image, side) for image in Image.objects.filter(pk__in=ids)}

    def _read_ids(self, before: int | None = None) -> list[int]:
        if self.generation.suspects:
            return self.generation.suspects[:1]
        missing = self._possible() if before is None else self._possible().filter(pk__lt=before)
        return list(missing.order_by("-pk").values_list("pk", flat=True)[: self.role.batch])

    def _possible(self) -> ImageQuerySet:
        """Those missing whose input is there."""
        missing = self.generation.missing()
        source = self._source()
        return missing.filter(features__engine=source[0], features__version=source[1]) if source else missing

    def _source(self) -> tuple[str, int] | None:
        if not self.role.made_of:
            return None
        engine = all_engines()[self.role.made_of]
        if not engine.of_network:
            return engine.name, engine.version
        current = Generation.objects.current(engine.name)
        # What another network has made is not what this one reads.
        return engine.name, current.pk if current and current.network == self.generation.network else 0

    def _features(self, ids: list[int]) -> _Batch:
        source = self._source()
        assert source
        rows = Feature.objects.filter(engine=source[0], version=source[1], image_id__in=ids)
        return _Batch(ids, {pk: bytes(data) for pk, data in rows.values_list("image_id", "data")}, {})

    def _make(self, batch: _Batch) -> None:
        started = time.monotonic()
        for image_id, error in batch.errors.items():
            self.generation.give_up(image_id, error)
        made = self._kept(batch.inputs)
        rest = [pk for pk in batch.inputs if pk not in made]
        for image_id, data in (self._network_makes(rest, batch.inputs) if rest else {}).items():
            if error := self._wrong(data):
                self.generation.give_up(image_id, error)
            else:
                made[image_id] = data
        self._store(made)
        rate = len(batch.ids) / max(1e-3, time.monotonic() - started)
        old = self.generation.rate
        self.generation.done(self.worker, _STEADY * old + (1 - _STEADY) * rate if old else rate)

    def _kept(self, inputs: dict[int, Any]) -> dict[int, bytes]:
        """What the same network has made before, if it depends on nothing that is learned."""
        if self.role.learns_first:
            return {}
        mine = self.generation
        before = Generation.objects.filter(role=mine.role, network=mine.network, fingerprint=mine.fingerprint)
        before = before.exclude(pk=mine.pk)
        rows = Feature.objects.filter(engine=mine.role, version__in=before.values("pk"), image_id__in=list(inputs))
        kept = {pk: bytes(data) for pk, data in rows.values_list("image_id", "data")}
        return {pk: data for pk, data in kept.items() if not self._wrong(data)}

    def _wrong(self, data: bytes) -> str:
        """Why an index could not take this feature; "" if it can. What roles of other kinds make is their own."""
        if not isinstance(self.role, EmbeddingEngine):
            return ""
        if not np.isfinite(np.frombuffer(data[: len(data) // 2 * 2], "<f2")).all():
            return "Its numbers are no numbers."
        if self.role.learns_after and not self.role.learned:  # until then it cannot read anything
            width = 2 * self.role.network.dimension
            return "" if len(data) == width else f"a feature of {self.role.network.label} has {width} bytes"
        try:
            self.role.rows([data])
        except ValueError as error:
            return str(error)
        return ""

    def _network_makes(self, ids: list[int], inputs: dict[int, Any]) -> dict[int, bytes]:
        try:
            return dict(zip(ids, self.role.make([inputs[pk] for pk in ids]), strict=True))
        except WeightsMissing:
            raise
        except PASSING:
            if len(ids) == 1:  # a whole batch may be too much for the memory, one picture is not
                raise
        except Exception as error:  # one bad input must not stop the others: they are tried one by one
            logger.exception("%s failed on images %s", self.generation, ids)
            if len(ids) == 1:
                self.generation.give_up(ids[0], f"{error.__class__.__name__}: {error}")
                return {}
        made: dict[int, bytes] = {}
        for pk in ids:
            made |= self._network_makes([pk], inputs)
        return made

    def _store(self, made: dict[int, bytes]) -> None:
        """Features and what follows from them, of images that are still there and not in the trash."""
        with transaction.atomic():
            # Before the images, as whoever switches locks them: else each could wait for the other.
            mine = Generation.objects.at_work().select_for_update(no_key=True).filter(pk=self.generation.pk)
            if not mine.exists():
                raise _TakenOver
            there = Image.objects.filter(pk__in=made, trashed_at__isnull=True).order_by("pk")
            ids = list(there.select_for_update(no_key=True).values_list("pk", flat=True))
            Feature.objects.bulk_create(
                [Feature(image_id=pk, engine=self.role.name, version=self.generation.pk, data=made[pk]) for pk in ids],
                ignore_conflicts=True,
            )
            self.role.write(ids, [made[pk] for pk in ids])

    # --- learning
    def _learn_first(self) -> bool:
        """From inputs. False if there are too few yet."""
        ids = list(self._possible().values_list("pk", flat=True))
        if len(ids) < self.role.learns_first:
            return False
        chosen = _sample(ids, LEARN_INPUTS)
        batch = self._features(chosen) if self.role.made_of else _decoded(chosen, self._paths(chosen))
        self._learned(self.role.learn(list(batch.inputs.values())), len(ids))
        return True

    def _learned(self, learned: bytes, of: int) -> None:
        mine = Generation.objects.filter(pk=self.generation.pk, worker=self.worker)
        if not mine.update(learned=learned, learned_from=of):
            raise _TakenOver
        self.generation.learned, self.generation.learned_from = learned, of
        role = bound_role(self.generation)
        assert role
        self.role = role

    # --- taking over
    def _complete(self) -> None:
        if self.role.learns_after and not self.generation.learned:
            ids = list(self.generation.features.values_list("image_id", flat=True))
            if not ids:
                return
            chosen = self.generation.features.filter(image_id__in=_sample(ids, LEARN_FEATURES))
            features = [bytes(data) for data in chosen.order_by("image_id").values_list("data", flat=True)]
            self._learned(self.role.learn(features), len(ids))
        if self.role.learns_first and not self.generation.learned:
            return
        if (source := self._source()) and not source[1]:
            self.generation.stop()  # what it reads is made by another network by now
            return
        if self.role.name in all_engines():
            _write_index(self.role)
        switch(self.generation, self.worker)


def _write_index(engine: Any) -> None:
    """Before it answers, so that nobody waits for it then."""
    live = LiveIndex(engine, Path(settings.INDEX_ROOT))
    try:
        live.fresh(seconds=3600)
        live.write_snapshot()
    except (EngineError, OSError) as error:
        logger.warning("No snapshot of %s: %s", engine.name, error)


def _path(image: Image, side: int) -> Path:
    fits = [r for r in image.renditions if min(r.width, r.height) >= side]
    return (fits or image.renditions[-1:])[0].path


def _decoded(ids: list[int], paths: dict[int, Path]) -> _Batch:
    batch = _Batch(ids, {}, {})
    for pk in ids:
        if pk not in paths:
            continue  # purged meanwhile
        try:
            batch.inputs[pk] = decode(paths[pk])
        except PictureError as error:
            batch.errors[pk] = str(error)
        except FileNotFoundError:
            if not renditions.root().is_dir():  # the disk is away, not the picture
                raise
            batch.errors[pk] = "Its rendition is missing."
        except DecoderBusy:
            continue  # tried again with the next batches
    return batch


def _sample(ids: Sequence[int], most: int) -> list[int]:
    """The same of the same ids."""
    if len(ids) <= most:
        return sorted(ids)
    return sorted(np.random.default_rng(0).choice(np.array(ids), most, replace=False).tolist())

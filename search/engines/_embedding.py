"""Engines whose feature is one vector of a network: what CLIP and the global features have in common.

A feature is the network's vector as it is, float16 and of length 1. What is learned of the collection (whitening) is
applied on the way into the index, so that it can be learned again without running the network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from gallery.pictures import Picture
from search.encoders._base import Encoder, Network
from search.engines._base import Engine
from search.errors import EngineError, WeightsMissing

if TYPE_CHECKING:
    from search.indexes.embedding_index import EmbeddingIndex


PATIENCE = 2.0
"""Seconds that a question waits for its network to come into memory; less than the engine's own."""
SAMPLE = 2000
"""Vectors of the gallery that say what is ordinary in it."""


class Loading(EngineError):
    """The network comes into memory: worth asking again in some seconds."""


class EmbeddingEngine(Engine):
    """``ENGINE`` in its file is bound to nothing; ``bound`` gives one that can be asked. A role: see search/roles.py,
    which says what these attributes and methods mean."""

    of_network = True
    version = 0
    made_of: ClassVar[str] = ""
    batch: ClassVar[int] = 32
    learns_first: ClassVar[int] = 0
    learns_after: ClassVar[bool] = False
    network: Encoder
    learned: bytes = b""
    made_dimension: int = 0
    """Of the network when the features were made: another one may lie in its place by now. 0: the network's own."""
    made_by: str = ""
    """Fingerprint of it; "" if any will do."""

    def bound(self, version: int, network: Network, learned: bytes = b"") -> Self:
        """This engine over the features of one generation (search.models.Generation). ``learned``: see learn."""
        engine = copy(self)
        engine.version, engine.network, engine.learned = version, network, learned  # type: ignore[misc, assignment]
        engine.bind()
        return engine

    def bind(self) -> None:
        """Unpack what was learned. ValueError if it is not what this engine has learned."""

    # --- making features, in a worker
    def make(self, inputs: Sequence[Any]) -> list[bytes]:
        """Features of a batch. ``inputs``: pictures, or features of the engine ``made_of``."""
        return [vector.astype("<f2").tobytes() for vector in self.network.encode(inputs)]

    def learn(self, sample: Sequence[Any]) -> bytes:
        raise NotImplementedError

    def fingerprint(self, network: Network) -> str:
        return network.fingerprint()

    def write(self, image_ids: Sequence[int], made: Sequence[bytes]) -> None:
        """Nothing follows from the feature of an engine."""

    def switched(self) -> None:
        """The index of this version is asked from now on; nothing else changes."""

    def extract(self, picture: Picture) -> bytes:
        return self.make([picture])[0]

    def rows(self, features: list[bytes]) -> np.ndarray:
        width = 2 * self.stored_dimension
        if any(len(feature) != width for feature in features):
            raise ValueError(f"a feature of {self.network.label} has {width} bytes")
        vectors = np.frombuffer(b"".join(features), "<f2").reshape(-1, self.stored_dimension)
        return as_rows(self.projected(vectors.astype(np.float32)))

    @property
    def stored_dimension(self) -> int:
        """Of the vectors in the features."""
        return self.made_dimension or self.network.dimension

    @property
    def dimension(self) -> int:
        """Of the vectors in the index."""
        return self.stored_dimension

    def projected(self, vectors: np.ndarray) -> np.ndarray:
        """(n, stored_dimension) float32 as the index has them: (n, dimension), of length 1."""
        return vectors

    def new_index(self) -> EmbeddingIndex:
        from search.indexes.embedding_index import EmbeddingIndex

        return EmbeddingIndex(self.dimension)

    # --- asking
    def encoded(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(n, dimension) float32, as the index has them; EngineError without weights, Loading if they take long."""
        self.awake(self.network.load_pictures, self.network.has_pictures)
        try:
            return self.projected(finite(self.network.encode(pictures)))
        except WeightsMissing as error:
            raise self.off() from error

    def awake(self, load: Callable[[], None], is_awake: bool = False) -> None:
        """Wait until ``load`` has been done, but not so long that nobody else's question is answered meanwhile.

        It goes on by itself. Loading if it does; EngineError without weights. ``is_awake``: there is nothing to do, and
        nobody else's load is waited for.
        """
        try:
            if self.made_by and self.fingerprint(self.network) != self.made_by:
                raise EngineError(f"{self.label}: other weights have come; until their vectors are made, it is off.")
            if is_awake:
                return
            _once(load).result(timeout=PATIENCE)
        except FutureTimeout:
            raise Loading(f"{self.label}: {self.network.label} is being loaded. Ask again in some seconds.") from None
        except WeightsMissing as error:
            raise self.off() from error

    def off(self) -> EngineError:
        """Why, for a reader. The reason itself names folders of the machine: the page Models tells it to staff."""
        return EngineError(f"{self.label}: the weights of {self.network.label} are missing or damaged.")


_loads: dict[Any, Future[None]] = {}
_loads_lock = threading.Lock()


def _once(load: Callable[[], None]) -> Future[None]:
    """Many questions wait for one and the same load. One that is over is asked again: it may have been given back."""
    with _loads_lock:
        if load not in _loads or _loads[load].done():
            for done in [each for each, future in _loads.items() if future.done()]:
                del _loads[done]
            _loads[load] = _loaders().submit(load)
        return _loads[load]


@cache
def _loaders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="load")


def finite(vectors: np.ndarray) -> np.ndarray:
    """The same. WeightsMissing if the network has answered with what are no numbers."""
    if not np.isfinite(vectors).all():
        raise WeightsMissing("The network's answers are no numbers: its weights may be damaged.")
    return vectors


def as_rows(vectors: np.ndarray) -> np.ndarray:
    """(n, d) floats of length 1 as the (n, 2 d) uint8 that an EmbeddingIndex takes."""
    return np.ascontiguousarray(vectors.astype("<f2")).view(np.uint8).reshape(len(vectors), 2 * vectors.shape[1])


def as_vectors(rows: np.ndarray) -> np.ndarray:
    """The way back: (n, 2 d) uint8 as (n, d) float32."""
    return np.ascontiguousarray(rows).view("<f2").astype(np.float32)

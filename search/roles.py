"""What networks do for every picture: an engine's feature, a caption, tags. One role is one kind of answer.

A role is filled by one network at a time; its generations are in search.models.Generation, the work is done by
search/filling.py. Engines of networks are roles (search/engines/_embedding.py); apps above bring theirs with
``providers``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

from search.encoders._base import Network
from search.engines import all_engines


class Role(ABC):
    """Not bound to a network; ``bound`` gives one that is."""

    name: ClassVar[str]
    """Also in settings.NETWORKS, which names the networks that may fill it, and in Feature.engine."""
    label: ClassVar[str]
    made_of: ClassVar[str] = ""
    """The engine whose features are the input; "": pictures."""
    batch: ClassVar[int] = 32
    learns_first: ClassVar[int] = 0
    """It learns of so many inputs, at least, before anything is made; 0: it learns nothing then."""
    learns_after: ClassVar[bool] = False
    """It learns of what was made, before that answers."""

    version: int
    network: Network
    learned: bytes = b""

    def wanted(self) -> Sequence[str] | None:
        """Names of the networks that may fill it, the best first; None: as settings.NETWORKS says."""
        return None

    @abstractmethod
    def bound(self, version: int, network: Network, learned: bytes = b"") -> Self:
        """One that makes and reads the features of a generation."""

    @abstractmethod
    def make(self, inputs: Sequence[Any]) -> list[bytes]:
        """Features of a batch of pictures (or of features, see made_of). WeightsMissing without the network."""

    def learn(self, sample: Sequence[Any]) -> bytes:
        """What is learned of the collection: of inputs if ``learns_first``, of made features if ``learns_after``."""
        raise NotImplementedError

    def fingerprint(self, network: Network) -> str:
        """Of everything that the features depend on, learning aside."""
        return network.fingerprint()

    def write(self, image_ids: Sequence[int], made: Sequence[bytes]) -> None:  # noqa: B027 (engines write nothing)
        """What follows from fresh features, in the transaction that stores them."""

    def switched(self) -> None:  # noqa: B027
        """This generation answers from now on; in the transaction that says so."""


Provider = Callable[[], Iterable[Role]]
providers: list[Provider] = []
"""Of roles in the apps above; asked when the roles are needed."""


def all_roles() -> dict[str, Role]:
    """{name: role}; engines first."""
    engines: list[Any] = [engine for engine in all_engines().values() if engine.of_network]
    return {role.name: role for role in [*engines, *(role for provider in providers for role in provider())]}

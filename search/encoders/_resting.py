"""Networks that come into memory by the first question, and leave it when nobody has asked for a while."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from search.encoders import pytorch
from search.encoders._base import Network

Answer = TypeVar("Answer")

_awake: set[RestingNetwork] = set()
_awake_lock = threading.Lock()
_clock: threading.Thread | None = None
_hurry = threading.Event()
_idle_seconds = 600.0
_LONGEST_WAIT = 3600.0


def configure(device: str, idle_minutes: float) -> None:
    """For all networks of this process: see pytorch.configure, and after how long of no question they rest; 0: never.

    What is loaded stays where it is until it rests.
    """
    global _idle_seconds
    pytorch.configure(device)
    _idle_seconds = idle_minutes * 60
    _hurry.set()


class RestingNetwork(Network):
    """A subclass says how its parts are read, and answers with ``self.ask(name of a part, work)``."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}
        self._asked = 0  # questions in flight
        self._last = 0.0
        self._lock = threading.Lock()

    @abstractmethod
    def read_part(self, name: str) -> Any:
        """From the file, into memory, with an attribute ``bytes``. WeightsMissing if that cannot be."""

    def ask(self, name: str, work: Callable[[Any], Answer]) -> Answer:
        """work(part), which is read if it has to be. Sent to rest meanwhile, it rests afterwards."""
        part = self._wake(name)
        try:
            return work(part)
        finally:
            del part
            if self._is_let_go(name):
                pytorch.give_back()

    def _wake(self, name: str) -> Any:
        with self._lock:  # two threads must not read it twice
            if name not in self._parts:
                self._parts[name] = self.read_part(name)
                pytorch.give_back()  # what reading took beside the weights
            self._asked += 1
            part = self._parts[name]
        _watch(self)
        return part

    def _is_let_go(self, name: str) -> bool:
        with self._lock:
            self._asked -= 1
            self._last = time.monotonic()
            return not self._asked and name not in self._parts

    @property
    def is_loaded(self) -> bool:
        return bool(self._parts)

    @property
    def memory(self) -> int:
        return sum(part.bytes for part in list(self._parts.values()))

    def rest(self) -> None:
        with self._lock:
            had, self._parts = bool(self._parts), {}
        if had:
            pytorch.give_back()

    def seconds_left(self, idle: float) -> float:
        """Until it should rest."""
        with self._lock:
            return idle if self._asked else self._last + idle - time.monotonic()


def _watch(network: RestingNetwork) -> None:
    """One thread for all, and only while there is something to watch; a fork has none until its first question."""
    global _clock
    with _awake_lock:
        _awake.add(network)
        if _clock is None or not _clock.is_alive():
            _clock = threading.Thread(target=_send_to_rest, name="rest", daemon=True)
            _clock.start()


def _send_to_rest() -> None:
    while awake := _still_awake():
        idle = _idle_seconds or float("inf")
        for network in awake:
            if network.seconds_left(idle) <= 0:
                network.rest()
        soonest = min(network.seconds_left(idle) for network in awake)
        _hurry.wait(min(max(soonest, 0.01), _LONGEST_WAIT))
        _hurry.clear()


def _still_awake() -> list[RestingNetwork]:
    global _clock
    with _awake_lock:
        _awake.difference_update([network for network in _awake if not network.is_loaded])
        if not _awake:
            _clock = None
        return list(_awake)

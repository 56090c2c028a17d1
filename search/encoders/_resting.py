"""Networks that come into memory by the first question, and leave it when nobody has asked for a while."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from search.encoders import pytorch, weights
from search.encoders._base import Network
from search.encoders.weights import Stamp
from search.errors import WeightsMissing

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


@dataclass(frozen=True)
class Kept:
    """A part in memory, and the files that it was read from."""

    part: Any
    stamp: Stamp


class RestingNetwork(Network):
    """A subclass says how its parts are read, and answers with ``self.ask(name of a part, work)``.

    Files that others have replaced are read again by the next question.
    """

    def __init__(self) -> None:
        self._parts: dict[str, Kept] = {}
        self._asked = 0  # questions in flight
        self._last = 0.0
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}  # a lock a part: who asks for one need not wait for another

    @abstractmethod
    def used(self) -> Sequence[Path]:
        """The files that the answers depend on, also those that need not be there."""

    @abstractmethod
    def read_part(self, name: str) -> Any:
        """From the file, into memory, with an attribute ``bytes``. WeightsMissing if that cannot be."""

    def ask(self, name: str, work: Callable[[Any], Answer]) -> Answer:
        """work(part), which is read if it has to be. Sent to rest meanwhile, it rests afterwards."""
        with self._lock:
            self._asked += 1
        part = None
        try:
            part = self._wake(name)
            return work(part)
        finally:
            is_let_go = self._is_let_go(name, part)
            del part
            if is_let_go:
                pytorch.give_back()

    def _wake(self, name: str) -> Any:
        with self._lock_of(name):  # two threads must not read it twice
            kept = self._parts.get(name)
            if kept is None or kept.stamp != weights.stamp(self.used()):
                del kept
                self._parts.pop(name, None)  # first, or there would be two in memory
                kept = self._parts[name] = self._read(name)
                pytorch.give_back()  # what reading took beside the weights
        _watch(self)
        return kept.part

    def _read(self, name: str) -> Kept:
        """WeightsMissing if it cannot be, or if the files change meanwhile: it might be half of each."""
        stamp = weights.stamp(self.used())
        kept = Kept(self.read_part(name), stamp)
        if stamp != weights.stamp(self.used()):
            raise WeightsMissing(f"The files of {self.label} were changed while they were read. Ask again.")
        return kept

    def _lock_of(self, name: str) -> threading.Lock:
        with self._lock:
            return self._reading.setdefault(name, threading.Lock())

    def _is_let_go(self, name: str, part: Any) -> bool:
        """Whether nobody holds any more what has answered."""
        with self._lock:
            self._asked -= 1
            self._last = time.monotonic()
            kept = self._parts.get(name)
            return part is not None and not self._asked and (kept is None or kept.part is not part)

    def has(self, name: str) -> bool:
        """Whether the part is in memory as the files hold it."""
        kept = self._parts.get(name)
        return kept is not None and kept.stamp == weights.stamp(self.used())

    def loaded_fingerprint(self) -> str:
        stamp = weights.stamp(self.used())
        if {kept.stamp for kept in list(self._parts.values())} != {stamp}:
            return ""
        found = self.fingerprint()
        return found if stamp == weights.stamp(self.used()) else ""

    @property
    def is_loaded(self) -> bool:
        return bool(self._parts)

    @property
    def memory(self) -> int:
        return sum(kept.part.bytes for kept in list(self._parts.values()))

    def rest(self) -> None:
        if self.let_go():
            pytorch.give_back()

    def let_go(self) -> bool:
        """Of its parts; one that is being read is waited for. False if there was none."""
        had = False
        for name in list(self._reading):
            with self._lock_of(name):
                had |= self._parts.pop(name, None) is not None
        return had

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
        if any([network.let_go() for network in awake if network.seconds_left(idle) <= 0]):  # noqa: C419 (all of them)
            pytorch.give_back()  # once: it looks at all that is in memory
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

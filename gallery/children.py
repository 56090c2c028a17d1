"""The child processes that decode: started when first needed, kept for the next picture, never trusted.

There are never more than processors. One that crashes, hangs, talks nonsense, has grown large or has decoded
a few hundred pictures is killed. What a child says is JSON and plain bytes, never a pickle: a picture may
have taken it over.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gallery.decoder import LENGTH, READY
from gallery.formats import STATUS, DecoderBusy, Limits, PictureError, too_complex, too_much_memory, too_slow
from gallery.names import printable

Answer = dict[str, Any]
Pixels = npt.NDArray[np.uint8]

COMMAND = [sys.executable, "-m", "gallery.decoder"]
AT_ONCE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WAIT_SECONDS = 15
"""For one of these children to be free. Who waits holds a thread of the web server, and there are few."""
PICTURES_EACH = 300
"""A child is replaced after so many: whatever a codec leaks is given back."""
START_SECONDS = 60
MOST_JSON = 2**16
# Secrets are in the environment: a child gets only what Python needs to start.
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")


def decode(file: BinaryIO, format: str, longest: int, limits: Limits) -> tuple[Answer, Pixels]:
    """Have the open file decoded. PictureError, "too_complex" if the child did not survive it.

    DecoderBusy if none is free within WAIT_SECONDS.
    """
    slots = _slots
    try:
        child, keep = slots.get(timeout=WAIT_SECONDS), None
    except Empty:
        raise DecoderBusy from None
    try:
        if child is None or not child.take(file, format, longest, limits):
            child = _Child()
            child.take(file, format, longest, limits)
        answer, pixels = child.answer(longest, limits)
        keep = child if child.fresh() else None
    finally:
        # Also on the way of any exception: a child that owes an answer would give it to the next picture.
        if child and not keep:
            child.close()
        slots.put(keep)
    if "code" in answer:
        raise PictureError(answer["code"], printable(answer["sentence"])[:300])
    return answer, pixels


class _Child:
    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                COMMAND,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=Path(__file__).parents[1],
                env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ},
                start_new_session=True,  # Ctrl-C is for us; a child ends when we do
            )
        self._left = PICTURES_EACH
        self._end = time.monotonic() + START_SECONDS
        _alive.add(self)
        self._start()

    def _start(self) -> None:
        try:
            self._read(bytearray(len(READY)))
        except OSError as error:
            self.close()
            raise RuntimeError("The picture decoder does not start: its standard error says why.") from error

    def fresh(self) -> bool:
        return self._left > 0

    def close(self) -> None:
        _alive.discard(self)
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def abandon(self) -> None:
        """In a forked process: this child is our parent's. Let go of it without a word."""
        self._process.returncode = 0  # or Popen would complain, and wait for a process that is not ours
        self._socket.close()

    def take(self, file: BinaryIO, format: str, longest: int, limits: Limits) -> bool:
        """Hand it a picture. False, and closed, if somebody had killed it while it waited."""
        request = json.dumps({"format": format, "longest": longest, "limits": asdict(limits)}).encode()
        self._left -= 1
        self._end = time.monotonic() + limits.max_seconds
        try:
            socket.send_fds(self._socket, [request], [file.fileno()])
        except OSError:
            self.close()
            return False
        return True

    def answer(self, longest: int, limits: Limits) -> tuple[Answer, Pixels]:
        """What it says of the picture that it took, and the pixels; PictureError if that makes no sense."""
        try:
            answer = self._read_json()
            self._left = 0 if answer["grown"] else self._left
            return answer, self._read_pixels(_shape(answer, longest, limits))
        except TimeoutError as error:
            raise too_slow(limits) from error
        except OSError as error:
            raise self._epitaph(limits) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _nonsense() from error

    def _read_json(self) -> Any:
        (length,) = LENGTH.unpack(self._read(bytearray(LENGTH.size)))
        if length > MOST_JSON:
            raise ValueError(f"an answer of {length} bytes")
        return json.loads(self._read(bytearray(length)))

    def _read_pixels(self, shape: tuple[int, int]) -> Pixels:
        pixels = np.empty((*shape, 3), np.uint8)
        self._read(pixels.reshape(-1))
        return pixels

    def _read(self, room: Any) -> Any:
        """Fill the room. TimeoutError when the time is over, ConnectionError if the child is gone."""
        left = memoryview(room)
        while left.nbytes:
            seconds = self._end - time.monotonic()
            if seconds <= 0:
                raise TimeoutError
            self._socket.settimeout(seconds)
            got = self._socket.recv_into(left)
            if not got:
                raise ConnectionResetError("the child is gone")
            left = left[got:]
        return room

    def _epitaph(self, limits: Limits) -> PictureError:
        """What to say of a picture that killed the child."""
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return _nonsense()
        if status in (-signal.SIGXCPU, -signal.SIGALRM):
            return too_slow(limits)
        if status == -signal.SIGKILL:  # nobody but the kernel does that, when memory runs out
            return too_much_memory(limits)
        return too_complex("makes the decoder crash")


def _nonsense() -> PictureError:
    return too_complex("makes the decoder talk nonsense")


def _shape(answer: Answer, longest: int, limits: Limits) -> tuple[int, int]:
    """Height and width of the pixels that follow. ValueError, TypeError or KeyError if there is no sense in it."""
    if "code" in answer:
        if answer["code"] not in STATUS or not isinstance(answer["sentence"], str):
            raise ValueError("a refusal without a reason")
        return 0, 0
    height, width = answer["shape"]
    _check_size((height, width), longest, longest * longest)
    _check_size((answer["height"], answer["width"]), limits.max_pixels, limits.max_pixels)
    return height, width


def _check_size(sides: tuple[Any, Any], longest: int, pixels: int) -> None:
    if not all(type(side) is int and 1 <= side <= longest for side in sides) or sides[0] * sides[1] > pixels:
        raise ValueError(f"a picture of {sides} pixels")


def _new_slots() -> LifoQueue[_Child | None]:
    """One slot for each decode that may run, holding a child once it has one. The last used comes first."""
    slots: LifoQueue[_Child | None] = LifoQueue()
    for _ in range(AT_ONCE):
        slots.put(None)
    return slots


_alive: set[_Child] = set()
_slots = _new_slots()


def _forget() -> None:
    global _slots
    for child in _alive:
        child.abandon()
    _alive.clear()
    _slots = _new_slots()


def close() -> None:
    """End all children. The next decode starts new ones."""
    for child in list(_alive):
        child.close()


os.register_at_fork(after_in_child=_forget)
atexit.register(close)

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
from queue import LifoQueue
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gallery.decoder import LENGTH, READY
from gallery.formats import STATUS, Limits, PictureError, too_complex, too_much_memory, too_slow
from gallery.names import printable

Answer = dict[str, Any]
Pixels = npt.NDArray[np.uint8]

COMMAND = [sys.executable, "-m", "gallery.decoder"]
AT_ONCE = os.cpu_count() or 2
PICTURES_EACH = 300
"""A child is replaced after so many: whatever a codec leaks is given back."""
START_SECONDS = 60
MOST_JSON = 2**16
# Secrets are in the environment: a child gets only what Python needs to start.
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")


def decode(file: BinaryIO, format: str, longest: int, limits: Limits) -> tuple[Answer, Pixels]:
    """Have the open file decoded. PictureError, "too_complex" if the child did not survive it."""
    slots = _slots
    child, keep = slots.get(), None
    try:
        if child is None or not child.alive():
            child = _Child()
        answer, pixels = child.ask(file, format, longest, limits)
        keep = child if child.fresh() else None
    finally:
        # Also on the way of any exception: a child that owes an answer would give it to the next picture.
        if child and not keep:
            child.close()
        slots.put(keep)
    if "code" in answer:
        raise _refusal(answer)
    return answer, pixels


class _Child:
    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=Path(__file__).parents[1],
                env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ},
                start_new_session=True,  # Ctrl-C is for us; a child ends when we do
            )
        self._left = PICTURES_EACH
        _alive.add(self)
        self._start()

    def _start(self) -> None:
        try:
            self._take(bytearray(len(READY)), time.monotonic() + START_SECONDS)
        except OSError as error:
            self.close()
            raise RuntimeError("The picture decoder does not start: its standard error says why.") from error

    def alive(self) -> bool:
        """Somebody may have killed it while it waited: closed then."""
        if self._process.poll() is not None:
            self.close()
        return self._process.returncode is None

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

    def ask(self, file: BinaryIO, format: str, longest: int, limits: Limits) -> tuple[Answer, Pixels]:
        self._left -= 1
        request = {"format": format, "longest": longest, "limits": asdict(limits)}
        end = time.monotonic() + limits.max_seconds
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [file.fileno()])
            return self._answer(longest, limits.max_pixels, end)
        except TimeoutError as error:
            raise too_slow(limits) from error
        except OSError as error:
            raise self._epitaph(limits) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _nonsense() from error

    def _answer(self, longest: int, max_pixels: int, end: float) -> tuple[Answer, Pixels]:
        """ValueError, TypeError or KeyError if it is none."""
        (length,) = LENGTH.unpack(self._take(bytearray(LENGTH.size), end))
        if length > MOST_JSON:
            raise ValueError(f"an answer of {length} bytes")
        answer = json.loads(self._take(bytearray(length), end))
        if answer["grown"]:
            self._left = 0
        if "code" in answer:
            return answer, np.empty((0, 0, 3), np.uint8)
        height, width = answer["shape"]
        _check_sizes((height, width), longest, longest * longest)
        _check_sizes((answer["height"], answer["width"]), max_pixels, max_pixels)
        pixels = np.empty((height, width, 3), np.uint8)
        self._take(pixels.reshape(-1), end)
        return answer, pixels

    def _take(self, room: Any, end: float) -> Any:
        """Fill the room. TimeoutError when the clock passes ``end``, ConnectionError if the child is gone."""
        left = memoryview(room)
        while left.nbytes:
            seconds = end - time.monotonic()
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


def _refusal(answer: Answer) -> PictureError:
    code, sentence = answer.get("code"), answer.get("sentence")
    if code not in STATUS or not isinstance(sentence, str):
        return _nonsense()
    return PictureError(code, printable(sentence)[:300])


def _nonsense() -> PictureError:
    return too_complex("makes the decoder talk nonsense")


def _check_sizes(sizes: tuple[Any, Any], longest: int, pixels: int) -> None:
    for size in sizes:
        if type(size) is not int or not 1 <= size <= longest:
            raise ValueError(f"a side of {size!r} pixels")
    if sizes[0] * sizes[1] > pixels:
        raise ValueError(f"a picture of {sizes} pixels")


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

"""How Gallery does a step: it waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import httpx2

from .answers import Page
from .calls import Call, OnDisk, Pause, Step, Talk
from .errors import GalleryError, Unreachable
from .saving import Saving
from .wire import Wire, after_broken, retry_after

P = ParamSpec("P")
T = TypeVar("T")
Self = TypeVar("Self", bound="Blocking")


class Blocking:
    """May be used by several threads."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._wire = Wire(url, token, timeout, retries)
        self._client = httpx2.Client(timeout=self._wire.timeout, transport=transport)
        self._own = threading.local()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wire.url!r})"

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def _operation(self, build: Callable[P, Talk[T]]) -> Callable[P, T]:
        return lambda *args, **kwargs: self._hold(build(*args, **kwargs))

    def _listing(self, build: Callable[P, Callable[[str], Call[Page[T]]]]) -> Callable[P, Iterator[T]]:
        return lambda *args, **kwargs: self._each(build(*args, **kwargs))

    def _hold(self, talk: Talk[T]) -> T:
        """Do its steps, one after the other."""
        steps = iter(talk)
        try:
            step = next(steps)
            while True:
                try:
                    answer = self._do(step)
                except GalleryError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            said: T = end.value
            return said
        finally:
            steps.close()

    def _each(self, page_at: Callable[[str], Call[Page[T]]]) -> Iterator[T]:
        """Page after page, each asked for when it is needed."""
        cursor: str | None = ""
        while cursor is not None:
            page = self._hold(page_at(cursor))
            yield from page.items
            cursor = page.next

    def _do(self, step: Step) -> Any:
        if isinstance(step, Call):
            return self._ask(step)
        if isinstance(step, Pause):
            return self._sleep(step.seconds)
        if isinstance(step, OnDisk):
            return step.do()
        return self._together(step.talks, step.jobs)

    def _together(self, talks: Any, jobs: int) -> list[Any]:
        stop = threading.Event()
        pool = ThreadPoolExecutor(max(1, jobs), initializer=lambda: setattr(self._own, "stop", stop))
        try:
            held = [pool.submit(self._hold, talk) for talk in talks]
            for first in wait(held, return_when=FIRST_EXCEPTION).done:
                first.result()
            return [each.result() for each in held]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)

    def _sleep(self, seconds: float) -> None:
        """What is done side by side does not sleep on when another has failed, or somebody pressed Ctrl-C."""
        stop = getattr(self._own, "stop", None)
        if stop is None:
            time.sleep(seconds)
        elif stop.wait(seconds):
            raise Unreachable(0, "stopped", "It was stopped.")

    def _ask(self, call: Call[T]) -> T:
        attempts = self._wire.attempts(call)
        while True:
            try:
                response, body = self._send(call)
            except httpx2.TransportError as error:
                pause = after_broken(attempts, error)
                if pause is None:
                    raise self._wire.unreachable(error) from error
            else:
                pause = attempts.after_answer(response.status_code, retry_after(response))
                if pause is None:
                    return self._wire.finished(call, response, body)
            self._sleep(pause)

    def _send(self, call: Call[Any]) -> tuple[httpx2.Response, bytes]:
        with ExitStack() as opened:
            request = self._client.build_request(**self._wire.request(call, opened))
            response = self._client.send(request, stream=True)
            opened.callback(response.close)
            if call.into is None or response.status_code >= 300:
                return response, response.read()
            with Saving(call.into, call.sha256) as file:
                for block in response.iter_bytes():
                    file.write(block)
                file.keep()
            return response, b""

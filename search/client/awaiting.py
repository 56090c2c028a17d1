"""How AsyncGallery does a step: others go on meanwhile. The same as in blocking.py, word by word, with ``await``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import httpx2

from .answers import Page
from .calls import Call, OnDisk, Pause, Step, Talk
from .errors import GalleryError
from .saving import Saving
from .wire import Wire, after_broken, retry_after

BLOCK = 2**19
"""Bytes that are read or written at once."""
P = ParamSpec("P")
T = TypeVar("T")
Self = TypeVar("Self", bound="Awaiting")


class Awaiting:
    """For one event loop of asyncio. Files on the disk are read and written in threads of their own."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._wire = Wire(url, token, timeout, retries)
        self._client = httpx2.AsyncClient(timeout=self._wire.timeout, transport=transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wire.url!r})"

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    def _operation(self, build: Callable[P, Talk[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        async def asked(*args: P.args, **kwargs: P.kwargs) -> T:
            return await self._hold(build(*args, **kwargs))

        return asked

    def _listing(self, build: Callable[P, Callable[[str], Call[Page[T]]]]) -> Callable[P, AsyncIterator[T]]:
        return lambda *args, **kwargs: self._each(build(*args, **kwargs))

    async def _hold(self, talk: Talk[T]) -> T:
        """Do its steps, one after the other."""
        steps = iter(talk)
        try:
            step = next(steps)
            while True:
                try:
                    answer = await self._do(step)
                except GalleryError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            said: T = end.value
            return said
        finally:
            steps.close()

    async def _each(self, page_at: Callable[[str], Call[Page[T]]]) -> AsyncIterator[T]:
        """Page after page, each asked for when it is needed."""
        cursor: str | None = ""
        while cursor is not None:
            page = await self._hold(page_at(cursor))
            for item in page.items:
                yield item
            cursor = page.next

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Call):
            return await self._ask(step)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, OnDisk):
            return await asyncio.to_thread(step.do)
        return await self._together(step.talks, step.jobs)

    async def _together(self, talks: Any, jobs: int) -> list[Any]:
        places = asyncio.Semaphore(max(1, jobs))

        async def held(talk: Talk[Any]) -> Any:
            async with places:
                return await self._hold(talk)

        tasks = [asyncio.ensure_future(held(talk)) for talk in talks]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, call: Call[T]) -> T:
        attempts = self._wire.attempts(call)
        while True:
            try:
                response, body = await self._send(call)
            except httpx2.TransportError as error:
                pause = after_broken(attempts, error)
                if pause is None:
                    raise self._wire.unreachable(error) from error
            else:
                pause = attempts.after_answer(response.status_code, retry_after(response))
                if pause is None:
                    return self._wire.finished(call, response, body)
            await asyncio.sleep(pause)

    async def _send(self, call: Call[Any]) -> tuple[httpx2.Response, bytes]:
        async with AsyncExitStack() as closing:
            opened = closing.enter_context(ExitStack())
            request = await asyncio.to_thread(lambda: self._client.build_request(**self._wire.request(call, opened)))
            if call.files:
                request.stream = ReadBeside(request.stream)
            response = await self._client.send(request, stream=True)
            closing.push_async_callback(response.aclose)
            if call.into is None or response.status_code >= 300:
                return response, await response.aread()
            with Saving(call.into, call.sha256) as file:
                async for block in response.aiter_bytes(BLOCK):
                    await asyncio.to_thread(file.write, block)
                await asyncio.to_thread(file.keep)
            return response, b""


class ReadBeside(httpx2.AsyncByteStream):
    """A form whose files are read from the disk while the event loop goes on."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        blocks = iter(self.stream)
        while block := await asyncio.to_thread(_some_of, blocks):
            yield block


def _some_of(blocks: Iterator[bytes]) -> bytes:
    """About BLOCK bytes; none at the end."""
    some, size = [], 0
    for block in blocks:
        some.append(block)
        size += len(block)
        if size >= BLOCK:
            break
    return b"".join(some)

"""Work through many things with a few threads, each with a database connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from django.conf import settings

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4
"""Items in flight for each thread: memory stays bounded however long the list is."""


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """(item, result) as they come, in any order. What ``function`` raises is raised here.

    The connections of the threads end with the threads.
    """
    threads = settings.WORKERS
    with ThreadPoolExecutor(threads) as pool:
        flying: dict[Future[Result], Item] = {}
        try:
            for item in items:
                flying[pool.submit(function, item)] = item
                if len(flying) >= AHEAD * threads:
                    yield from _landed(flying)
            while flying:
                yield from _landed(flying)
        finally:
            for future in flying:
                future.cancel()


def _landed(flying: dict[Future[Result], Item]) -> Iterator[tuple[Item, Result]]:
    done, _ = wait(flying, return_when=FIRST_COMPLETED)
    for future in done:
        yield flying.pop(future), future.result()

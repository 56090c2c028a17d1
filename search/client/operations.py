"""A method of the gallery, described once: on a Gallery it waits for its answer, on an AsyncGallery it is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from .answers import Page
from .awaiting import Awaiting
from .blocking import Blocking
from .calls import Call, Talk

P = ParamSpec("P")
T = TypeVar("T")


class operation(Generic[P, T]):
    """``similar = operation(similar)``: its arguments and its documentation are those of the function."""

    def __init__(self, build: Callable[P, Talk[T]]) -> None:
        self.build = build
        self.__doc__, self.__wrapped__ = build.__doc__, build

    @overload
    def __get__(self, gallery: None, owner: type) -> operation[P, T]: ...
    @overload
    def __get__(self, gallery: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, gallery: Awaiting, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, gallery: Blocking | Awaiting | None, owner: type) -> Any:
        return self if gallery is None else update_wrapper(gallery._operation(self.build), self.build)


class listing(Generic[P, T]):
    """An iterator over pages: the function says how the page at a cursor is asked for."""

    def __init__(self, build: Callable[P, Callable[[str], Call[Page[T]]]]) -> None:
        self.build = build
        self.__doc__, self.__wrapped__ = build.__doc__, build

    @overload
    def __get__(self, gallery: None, owner: type) -> listing[P, T]: ...
    @overload
    def __get__(self, gallery: Blocking, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, gallery: Awaiting, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, gallery: Blocking | Awaiting | None, owner: type) -> Any:
        return self if gallery is None else update_wrapper(gallery._listing(self.build), self.build)

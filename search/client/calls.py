"""What is said to the gallery, without saying it: requests as values, and conversations made of several.

Nothing here opens a connection, so that Gallery and AsyncGallery share all of it: they differ only in how a step is
done (blocking.py, awaiting.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import quote

from .answers import Page
from .errors import foreign
from .pictures import File
from .reading import made

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Reply:
    """What came back, whole. Of what was written to a file, the body is empty."""

    status: int
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise foreign("it is no JSON") from None


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    """As in the OpenAPI document, /api/images/{image}; or a whole address, of a picture."""
    read: Callable[[Reply], T]
    within: Mapping[str, object] = field(default_factory=dict)
    """What stands in the braces of the path."""
    query: Mapping[str, object] = field(default_factory=dict)
    json: Mapping[str, object] | None = None
    form: Mapping[str, object] | None = None
    files: Mapping[str, File] = field(default_factory=dict)
    repeatable: bool = False
    """Whether doing it twice is as doing it once. What only reads always is."""
    into: Path | None = None
    """Where the body is written, whole or not at all."""
    sha256: str = ""
    """What the body must be."""

    def __iter__(self) -> Generator[Step, Any, T]:
        """``answer = yield from call`` in a conversation."""
        answer: T = yield self
        return answer

    @property
    def may_repeat(self) -> bool:
        return self.repeatable or self.method in ("GET", "HEAD")

    @property
    def address(self) -> str:
        """Its path, after the address of the gallery."""
        return self.path.format(**{name: quote(str(value), safe="") for name, value in self.within.items()})


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class OnDisk:
    """Something that the disk takes time for: an event loop does it beside everything else."""

    do: Callable[[], Any]


@dataclass(frozen=True)
class Together:
    """Conversations that are held side by side, ``jobs`` at a time. Answers come in their order; the first that fails
    ends the others."""

    talks: Sequence[Talk[Any]]
    jobs: int


Step: TypeAlias = Call[Any] | Pause | OnDisk | Together


class Talk(Protocol[T_co]):
    """A call, or a generator of steps: it is sent the answer of each, and returns what came of all."""

    def __iter__(self) -> Generator[Step, Any, T_co]: ...


Steps: TypeAlias = Generator[Step, Any, T]


def pause(seconds: float) -> Steps[None]:
    yield Pause(seconds)


def on_disk(do: Callable[..., T], *arguments: Any) -> Steps[T]:
    answer: T = yield OnDisk(partial(do, *arguments))
    return answer


def together(talks: Sequence[Talk[T]], jobs: int) -> Steps[list[T]]:
    answers: list[T] = yield Together(talks, jobs)
    return answers


def one(kind: type[T]) -> Callable[[Reply], T]:
    """Reads an object."""
    return lambda reply: made(kind, reply.json())


def many(kind: type[T]) -> Callable[[Reply], tuple[T, ...]]:
    """Reads a list of objects."""

    def read(reply: Reply) -> tuple[T, ...]:
        said = reply.json()
        if not isinstance(said, list):
            raise foreign("it should be a list")
        return tuple(made(kind, each) for each in said)

    return read


def page_of(kind: type[T]) -> Callable[[Reply], Page[T]]:
    """Reads one page of many objects."""

    def read(reply: Reply) -> Page[T]:
        said = reply.json()
        if not isinstance(said, dict) or not isinstance(said.get("items"), list):
            raise foreign("a page should have items")
        return Page(tuple(made(kind, each) for each in said["items"]), said.get("next") or None)

    return read


def nothing(reply: Reply) -> None:
    """Reads nothing."""


def given(**values: object) -> dict[str, object]:
    """Without what was not said: the gallery has its own defaults."""
    return {name: value for name, value in values.items() if value is not None and value != "" and value != ()}


def listed(values: str | Sequence[object]) -> str:
    """Comma separated, as forms want it."""
    return values if isinstance(values, str) else ",".join(map(str, values))


def batches(values: Iterator[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

"""How far a source is read that lists the newest first: it is asked until something turns up that was there before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_AT_ONCE = 30
"""Names that are kept of things of the same second; what comes beyond them is offered again."""


@dataclass
class Line:
    """The newest of what was seen: its time, and the names of all that have this time."""

    at: float = 0.0
    names: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, written: Any) -> Line:
        return cls(*written) if written else cls()

    def is_behind(self, at: float, name: str) -> bool:
        """Whether a thing is newer than this line."""
        return at > self.at or (at == self.at and name not in self.names)

    def move_to(self, at: float, name: str) -> None:
        if at > self.at:
            self.at, self.names = at, [name]
        elif at == self.at and name not in self.names and len(self.names) < MOST_AT_ONCE:
            self.names.append(name)


class News:
    """Made of Page.since at the beginning of a crawl; ``to_go_on`` and ``all_read`` make the next one."""

    def __init__(self, since: dict[str, Any]) -> None:
        self.until = Line.read(since.get("until"))
        """Where the crawl before had begun: this one ends there."""
        self.newest = Line.read(since.get("newest"))
        """Where this one has begun."""
        self.reached = False

    def brings(self, at: float, name: str) -> bool:
        """Whether this one is new; call it for each, in the order of the source."""
        self.newest.move_to(at, name)
        if at < self.until.at:
            self.reached = True
        return self.until.is_behind(at, name)

    def to_go_on(self, **place: Any) -> dict[str, Any]:
        """``place``: in the words of the source."""
        return {"until": self._written(self.until), "newest": self._written(self.newest), **place}

    def all_read(self) -> dict[str, Any]:
        last = max(self.newest, self.until, key=lambda line: line.at)
        if self.newest.at == self.until.at:
            last = Line(last.at, list(dict.fromkeys(self.until.names + self.newest.names))[:MOST_AT_ONCE])
        return {"until": self._written(last)}

    @staticmethod
    def _written(line: Line) -> list[Any]:
        return [line.at, line.names]

"""Which things of a source were seen, where no time says it: short marks of the first ones of the last two crawls."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

MOST = 150
"""Things that are kept in mind: what is beyond them is offered again."""
LETTERS = 5
"""Of each mark: 30 bits. A new thing that has the mark of one of the 300 known ones would never be offered."""


def mark(name: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode(errors="replace")).digest())[:LETTERS].decode()


class Marks:
    """``to_go_on`` and ``all_read`` are texts of at most 1,500 letters for Page.since."""

    def __init__(self, seen: list[str], now: list[str]) -> None:
        self._seen, self._now = dict.fromkeys(seen), dict.fromkeys(now)

    @classmethod
    def read(cls, written: Any) -> Marks:
        seen, _, now = str(written or "").partition(" ")
        return cls(_split(seen), _split(now))

    def brings(self, name: str) -> bool:
        """Whether it is new to this crawl; it is not the next time."""
        one = mark(name)
        if one in self._seen:
            self._note(one)
            return False
        new = one not in self._now
        self._note(one)
        return new

    def knows(self, name: str) -> bool:
        """From the crawl before."""
        return mark(name) in self._seen

    def to_go_on(self) -> str:
        return f"{''.join(self._seen)} {''.join(self._now)}"

    def all_read(self) -> str:
        return "".join(list(dict.fromkeys([*self._now, *self._seen]))[:MOST])

    def _note(self, one: str) -> None:
        if len(self._now) < MOST:
            self._now[one] = None


def _split(letters: str) -> list[str]:
    return [letters[at : at + LETTERS] for at in range(0, len(letters) - LETTERS + 1, LETTERS)]

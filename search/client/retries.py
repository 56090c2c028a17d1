"""When a request is sent again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST = 0.5
"""Seconds before the second attempt; twice as long before each one after it."""
LONGEST = 30.0
PATIENCE = 120.0
"""Who is told to come back later than that wants to know it, and not to wait."""
AWAY = (502, 503, 504)


@dataclass
class Attempts:
    """Of one request. ``left``: how many more there may be."""

    left: int
    repeatable: bool
    made: int = field(default=0, init=False)

    def after_answer(self, status: int, retry_after: float | None) -> float | None:
        """Seconds to wait before the next attempt, or None: the answer stands.

        429 is said before anything is done, so anything may be sent again; behind 502 to 504 it may have been done.
        """
        if status != 429 and not (status in AWAY and self.repeatable):
            return None
        if retry_after is not None and retry_after > PATIENCE:
            return None
        return self._next(retry_after or 0.0)

    def after_broken(self, sent: bool) -> float | None:
        """``sent``: whether the request may have arrived."""
        return self._next(0.0) if self.repeatable or not sent else None

    def _next(self, least: float) -> float | None:
        """At least so long, and spread, so that those who were refused together do not come back together."""
        if self.left <= 0:
            return None
        delay = min(LONGEST, FIRST * 2**self.made)
        self.left, self.made = self.left - 1, self.made + 1
        return least + random.uniform(delay / 2, delay)


def seconds_of(retry_after: str | None) -> float | None:
    """The header Retry-After: seconds, or a date. None if it says nothing that can be read."""
    said = (retry_after or "").strip()
    if said.isascii() and said.isdecimal():
        return float(said[:9])
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())

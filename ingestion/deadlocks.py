"""Two who wait for each other: PostgreSQL ends one of them, who tries it again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError

Result = TypeVar("Result")

SQLSTATE = "40P01"
ATTEMPTS = 5
PAUSE = 0.2
"""Seconds, at most: whoever was let through needs some."""


def tried_again(deed: Callable[[], Result]) -> Result:
    """What ``deed``, a transaction of its own, returns. OperationalError if it ends in a deadlock every time."""
    for _ in range(ATTEMPTS - 1):
        try:
            return deed()
        except OperationalError as error:
            if not is_deadlock(error):
                raise
            time.sleep(random.uniform(0, PAUSE))
    return deed()


def is_deadlock(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) == SQLSTATE

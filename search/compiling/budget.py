"""So much time for statements, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

PAGE_MILLISECONDS = 3_000
"""For the pictures of a page; then the query is refused."""
TOO_LONG = "This takes too long to find out. Ask for less at once, or for something that fewer pictures are."
_CANCELED = "57014"
_SET = "SELECT set_config('statement_timeout', %s, true)"


class TooSlow(Exception):
    """The database did not answer in the time that was given."""


@contextmanager
def within(milliseconds: float) -> Iterator[Callable[[], None]]:
    """Each statement inside takes no longer, nor than what is around it allows. TooSlow; the transaction around it
    goes on.

    Gives a function that is called before a statement where all of them together shall take no longer.
    """
    ends = time.monotonic() + milliseconds / 1000
    try:
        # What is set inside goes with the savepoint if a statement is cut short.
        with transaction.atomic(), connection.cursor() as cursor:
            before, around = _before(cursor)
            allowed = min(milliseconds, around or milliseconds)
            cursor.execute(_SET, [f"{max(1, allowed):.0f}"])

            def go_on() -> None:
                left = min(allowed, (ends - time.monotonic()) * 1000)
                if left < 1:
                    raise TooSlow
                cursor.execute(_SET, [f"{left:.0f}"])

            yield go_on
            cursor.execute(_SET, [before])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != _CANCELED:
            raise
        raise TooSlow from error


def _before(cursor: object) -> tuple[str, float]:
    """The time that a statement has already, as PostgreSQL writes it and in milliseconds; 0 if it has no end."""
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT current_setting('statement_timeout'),"
        " extract(epoch FROM current_setting('statement_timeout')::interval)::float8 * 1000"
    )
    return cursor.fetchone()  # type: ignore[attr-defined]

"""What an API has sent, read without trusting it: what is not as its documentation says is an error in a sentence."""

from __future__ import annotations

import json
import time
from typing import Any

from ingestion.download import Answer, DownloadError
from ingestion.sources._base import SourceError

LONG_ENOUGH = 24 * 3600.0
"""Seconds since a post was published: what it leads to has been asked for often enough by then."""


def not_understood(who: str, what: str) -> SourceError:
    """``what``: a clause, as of "there is no list of posts in it"."""
    return SourceError(f"The answer of {who} is not understood: {what}. It may work in another way now.", pauses=True)


def object_of(answer: Answer | None, who: str) -> dict[str, Any]:
    """The JSON object of an answer."""
    try:
        told = json.loads(answer.body if answer else b"")
    except (ValueError, RecursionError):
        raise not_understood(who, "it is not JSON") from None
    if not isinstance(told, dict):
        raise not_understood(who, "it is another kind of JSON")
    return told


def inside(told: Any, *path: str) -> Any:
    """What lies at a path of names, or None where it breaks off."""
    for name in path:
        told = told.get(name) if isinstance(told, dict) else None
    return told


def objects_in(told: Any, *path: str) -> list[dict[str, Any]] | None:
    """The objects of a list at this path; None if there is no list."""
    found = inside(told, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else None


def goes_on_without(error: DownloadError | SourceError, published: Any) -> bool:
    """Whether a source goes on without what one of its posts leads to: if asking again mends nothing, or it was
    asked for long enough, as an address that fails for ever must not hold up a source for ever. Whoever wants to be
    asked less often says so to all. ``published``: the post, in seconds since 1970."""
    if isinstance(error, SourceError):
        final, all_wait = error.pauses, error.again_after is not None
    else:
        final, all_wait = error.is_final, error.code == "rate_limited"
    old = isinstance(published, int | float) and time.time() - published > LONG_ENOUGH
    return final or (old and not all_wait)

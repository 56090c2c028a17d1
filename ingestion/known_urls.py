"""What became of an address the last time, and what that means for asking it again."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from ingestion.download_errors import DownloadError
from ingestion.models import KnownUrl
from ingestion.pace import DatabaseClock

if TYPE_CHECKING:
    from ingestion.download import Answer

MISSING_FOR = timedelta(days=1)
"""What was not there is not asked for again so soon; twice as long each time, up to LONGEST."""
LONGEST = timedelta(days=32)
GONE = "gone"


def key_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def conditions(url: str) -> dict[str, str]:
    """Headers that make its server say 304 if nothing has changed.

    DownloadError, as the last time, while it is not yet time to ask again.
    """
    row = _rows(url).first()
    if row is None:
        return {}
    if row.outcome == GONE or (row.again_at and row.again_at > row.now):  # type: ignore[attr-defined]
        again = (row.again_at - row.now).total_seconds() if row.again_at else None  # type: ignore[attr-defined]
        sentence = "It could not be fetched the last time, and it is too soon to ask again."
        if row.outcome == GONE:
            sentence = "Its server has said that it is gone for good."
        raise DownloadError(row.outcome, sentence, status=row.status, again_after=again)
    headers = {"if-none-match": row.etag, "if-modified-since": row.last_modified}
    return {name: value for name, value in headers.items() if value}


def fetched(url: str, answer: Answer, sha256: str = "") -> None:
    etag, modified = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
    # One that does not fit would never match.
    _write(
        url,
        status=answer.status,
        outcome="fetched",
        etag=etag if len(etag) <= 500 else "",
        last_modified=modified if len(modified) <= 100 else "",
        sha256=sha256,
        failures=0,
        again_at=None,
    )


def unchanged(url: str) -> None:
    _rows(url).update(status=304, outcome="fetched", failures=0, again_at=None, asked_at=DatabaseClock())


def failed(url: str, error: DownloadError) -> None:
    row = _rows(url).first()
    failures = min((row.failures if row else 0) + 1, 1000)
    pause = timedelta(seconds=error.again_after) if error.again_after else None
    if error.code in ("not_found", "forbidden"):
        pause = min(MISSING_FOR * 2 ** min(failures - 1, 10), LONGEST)
    _write(url, status=error.status, outcome=error.code, failures=failures)
    _rows(url).update(again_at=DatabaseClock() + pause if pause else None)


def _write(url: str, **changes: object) -> None:
    KnownUrl.objects.update_or_create(key=key_of(url), defaults={"url": url, **changes, "asked_at": DatabaseClock()})


def _rows(url: str) -> QuerySet[KnownUrl]:
    return KnownUrl.objects.filter(key=key_of(url)).annotate(now=DatabaseClock())

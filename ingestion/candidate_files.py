"""The files of candidates: which of them are needed, and for how long."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from gallery.disk import flush_folder, make_folders
from gallery.originals import Incoming
from ingestion.models import KEEP_CRAWLS, UNDO, Candidate, Crawl

State = Candidate.State
NEEDED = Q(state__in=(State.FOUND, State.FETCHED, State.WAITING, State.ACCEPTED))
UNDOABLE = Q(decided_at__gt=Now() - UNDO)
KEEP_LEFT = KEEP_CRAWLS
"""What rules leave out may be met again after so long."""
AT_ONCE = 1_000
SECONDS_FORGETTING = 10


def keep(candidate: Candidate, incoming: Incoming) -> None:
    """Its finished file to where candidates wait, flushed; the row may speak of it then. OSError."""
    target = candidate.path
    make_folders(target.parent)
    os.replace(incoming.path, target)
    flush_folder(target.parent)


def sweep_files() -> int:
    """Remove those whose decision is a day old, and those that no row needs; never one that came within a day.

    Returns how many.
    """
    root = Path(settings.MEDIA_ROOT) / "candidates"
    return sum(_sweep(folder) for folder in sorted(root.iterdir())) if root.is_dir() else 0


def _sweep(folder: Path) -> int:
    old = {path.name: path for path in _files(folder, before=time.time() - UNDO.total_seconds())}
    going = set(old) - _needed(old)
    if not going:
        return 0
    with transaction.atomic():
        # Locked: whoever undoes a decision meanwhile waits, and then finds the file gone.
        rows = Candidate.objects.filter(token__in=going).order_by("pk").select_for_update(no_key=True, of=("self",))
        list(rows.values_list("pk", flat=True))
        going -= _needed(going)
        for token in going:
            old[token].unlink(missing_ok=True)
    return len(going)


def _needed(tokens: Iterable[str]) -> set[str]:
    rows = Candidate.objects.filter(NEEDED | UNDOABLE, token__in=list(tokens))
    return set(rows.values_list("token", flat=True))


def _files(folder: Path, before: float) -> Iterator[Path]:
    """Those that were brought here before this moment (seconds since 1970)."""
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                yield path


def forget_old_rows() -> int:
    """Crawls, and what rules have left out, of long ago. Candidates that were looked at stay: replay needs them."""
    crawls = Crawl.objects.filter(finished_at__lt=Now() - KEEP_CRAWLS)
    left = Candidate.objects.filter(state=State.LEFT, found_at__lt=Now() - KEEP_LEFT)
    return sum(_forget(rows) for rows in (crawls, left))


def _forget(rows: QuerySet[Any]) -> int:
    """A thousand at once, for some seconds: more of them may come in an hour than a thousand."""
    ends, count = time.monotonic() + SECONDS_FORGETTING, 0
    while time.monotonic() < ends and (pks := list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])):
        count += rows.filter(pk__in=pks).delete()[0]
    return count

"""``manage.py import DIR``: every picture below a folder, with as many threads as there are cores."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, connection
from tqdm import tqdm

from gallery.commands import GalleryCommand
from gallery.threads import in_threads
from ingestion.models import Job
from ingestion.pipeline import Outcome
from ingestion.sources.folder import Entry, find, import_entry, new_entries
from ingestion.tasks import work_once

AGAIN = "Run the same command again: it goes on where it was."


class Command(GalleryCommand):
    help = "Import all pictures below a folder. Safe to stop, to repeat and to run twice at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument("--wait", action="store_true", help="Return when every picture can be found.")

    def handle(self, *args: Any, folder: Path, wait: bool, **options: Any) -> None:
        folder = folder.expanduser().absolute()
        try:
            entries = list(find(folder))
        except OSError as error:
            raise CommandError(f"{folder} cannot be read: {error.strerror}.") from error
        try:
            counts, refused = self._import(entries, may_restore=not _is_own(folder))
            self._report(len(entries), counts, refused)
            if wait:
                self._wait()
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database went away: {error}\n{AGAIN}") from error
        except KeyboardInterrupt as error:
            raise CommandError(f"Stopped. {AGAIN}", returncode=130) from error
        if not wait and counts["stored"]:
            self.stdout.write(
                "Thumbnails and features are made by “manage.py run”; “import DIR --wait” makes them now."
            )

    def _import(self, entries: list[Entry], may_restore: bool) -> tuple[Counter[str], list[tuple[Entry, Outcome]]]:
        bring = partial(import_entry, may_restore=may_restore)
        counts: Counter[str] = Counter()
        refused = []
        with self._bar(len(entries), "import") as bar:
            known = len(entries)
            for entry, outcome in in_threads(bring, new_entries(entries, again=True)):
                counts[str(outcome.result)] += 1
                known -= 1
                bar.update()
                if outcome.error:
                    refused.append((entry, outcome))
            bar.update(known)
        counts["unchanged"] = known
        return counts, refused

    def _report(self, total: int, counts: Counter[str], refused: list[tuple[Entry, Outcome]]) -> None:
        for entry, outcome in refused:
            path = entry.path.encode("utf-8", "backslashreplace").decode()
            self.stderr.write(f"refused: {path}: {outcome.reason}")
        self.stdout.write(
            f"{total} files: {counts['stored']} stored, {counts['known']} already here, "
            f"{counts['refused']} refused, {counts['unchanged']} seen before."
        )

    def _wait(self) -> None:
        """Do the open jobs here, beside a worker that may be running, until none is left."""
        with (
            self._bar(Job.objects.open().count(), "prepare") as bar,
            ThreadPoolExecutor(settings.WORKERS) as pool,
        ):
            stop = Event()
            try:
                workers = [pool.submit(_drain, stop) for _ in range(settings.WORKERS)]
                while not all(worker.done() for worker in workers):
                    bar.n = max(bar.n, bar.total - Job.objects.open().count())
                    bar.refresh()
                    time.sleep(0.2)
            finally:
                stop.set()  # on Ctrl-C, and when the database is gone
            bar.update(bar.total - bar.n)
            for worker in workers:
                worker.result()
        counts = Job.objects.counts()
        if counts["failed"] or counts["quarantined"]:
            self.stderr.write(f"{counts['failed'] + counts['quarantined']} jobs failed: see “manage.py jobs”.")

    def _bar(self, total: int, what: str) -> tqdm:
        return tqdm(total=total, desc=what, unit=" pictures", file=self.stderr, disable=None)


def _is_own(folder: Path) -> bool:
    """Our own originals bring back what a restored database does not know; what lies in its trash stays there."""
    return folder.resolve().is_relative_to(settings.MEDIA_ROOT.resolve())


def _drain(stop: Event) -> None:
    try:
        while not stop.is_set() and Job.objects.open().exists():
            if not work_once():
                stop.wait(0.2)  # another worker has the last ones, or they wait for their next attempt
    finally:
        connection.close()

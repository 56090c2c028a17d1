"""``manage.py import DIR``: every picture below a folder, with as many threads as there are cores."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
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
from ingestion.models import Edits, Job
from ingestion.pipeline import Outcome, Result
from ingestion.sources.folder import Entry, find, import_entry, new_entries
from ingestion.tasks import work_once
from search.models import Feature

AGAIN = "Run the same command again: it goes on where it was."
NAMED = 5
"""Edits that the summary names."""
EDITS = {
    Result.STORED: "{} of those stored were here in another form; “manage.py duplicates” lists all there are:",
    Result.HELD: "{} are here in another form and wait on the Import page for a decision:",
    Result.SKIPPED: "{} are here in another form and were skipped:",
}
Some = list[tuple[Entry, Outcome]]


class Command(GalleryCommand):
    help = "Import all pictures below a folder. Safe to stop, to repeat and to run twice at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument("--wait", action="store_true", help="Return when every picture can be found.")
        parser.add_argument(
            "--edits",
            choices=Edits.values,
            default=Edits.KEEP,
            help="A crop or another edit of a picture that is here: keep both (the default), hold it until somebody "
            "decides on the Import page, or skip it.",
        )

    def handle(self, *args: Any, folder: Path, wait: bool, edits: str, **options: Any) -> None:
        folder = folder.expanduser().absolute()
        try:
            entries = list(find(folder))
        except OSError as error:
            raise CommandError(f"{folder} cannot be read: {error.strerror}.") from error
        try:
            own = _is_own(folder)
            bring = partial(import_entry, may_restore=not own, edits=None if own else _asked(edits))
            counts, refused, like = self._import(entries, bring)
            self._report(len(entries), counts, refused)
            self._report_edits(like)
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

    def _import(self, entries: list[Entry], bring: Callable[[Entry], Outcome]) -> tuple[Counter[str], Some, Some]:
        """(counts, those that were refused, those that are edits of something here)"""
        counts: Counter[str] = Counter()
        refused: Some = []
        like: Some = []
        with self._bar(len(entries), "import") as bar:
            known = len(entries)
            for entry, outcome in in_threads(bring, new_entries(entries, again=True)):
                counts[str(outcome.result)] += 1
                known -= 1
                bar.update()
                if outcome.error:
                    refused.append((entry, outcome))
                elif outcome.likenesses:
                    like.append((entry, outcome))
            bar.update(known)
        counts["unchanged"] = known
        return counts, refused, like

    def _report(self, total: int, counts: Counter[str], refused: Some) -> None:
        for entry, outcome in refused:
            self.stderr.write(f"refused: {_shown(entry)}: {outcome.reason}")
        self.stdout.write(
            f"{total} files: {counts['stored']} stored, {counts['known']} already here, "
            f"{counts['refused']} refused, {counts['unchanged']} seen before."
        )
        if counts["later"]:
            self.stderr.write(
                f"{counts['later']} were left out: whether they are here in another form could not be told just now. "
                + AGAIN
            )

    def _report_edits(self, like: Some) -> None:
        """Some of those that are here in another form, and where to go on."""
        for result, words in EDITS.items():
            those = [(entry, outcome) for entry, outcome in like if outcome.result == result]
            if those:
                self.stdout.write(words.format(len(those)))
            for entry, outcome in those[:NAMED]:
                self.stdout.write(f"  {_shown(entry)}: {outcome.reason}")
            if len(those) > NAMED:
                self.stdout.write(f"  and {len(those) - NAMED} more")

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


def _asked(edits: str) -> str | None:
    """An empty gallery holds nothing that a picture could be an edit of, and then nobody needs to look."""
    return edits if Feature.objects.exists() else None


def _shown(entry: Entry) -> str:
    return entry.path.encode("utf-8", "backslashreplace").decode()


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

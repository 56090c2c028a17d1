"""``manage.py import DIR``: every picture below a folder, with as many threads as there are cores.

``manage.py import --metadata FILE``: what ``manage.py export`` wrote about them.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, connection
from tqdm import tqdm

from gallery.commands import GalleryCommand
from gallery.threads import in_threads
from ingestion.folders import Entry, find, import_entry, new_entries
from ingestion.metadata import NAMED as LINES_NAMED
from ingestion.metadata import Tally, bring_back
from ingestion.models import Edits, Job
from ingestion.pipeline import Outcome, Result
from ingestion.sidecar_words import stored_path
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
        parser.add_argument("folder", nargs="?", metavar="DIR", type=Path)
        parser.add_argument(
            "--metadata",
            metavar="FILE",
            help="What “export” wrote: tags, captions and the rest come back to the pictures that are here. “-”: "
            "standard input.",
        )
        parser.add_argument("--wait", action="store_true", help="Return when every picture can be found.")
        parser.add_argument(
            "--edits",
            choices=Edits.values,
            default=Edits.KEEP,
            help="A crop or another edit of a picture that is here: keep both (the default), hold it until somebody "
            "decides on the Import page, or skip it.",
        )

    def handle(self, *args: Any, folder: Path | None, metadata: str | None, **options: Any) -> None:
        if folder is None and metadata is None:
            raise CommandError("Name a folder with pictures, or --metadata and a file that “export” wrote.")
        if folder is not None:
            self._import_folder(folder, options["wait"], options["edits"])
        if metadata is not None:
            self._import_metadata(metadata)

    # --- metadata
    def _import_metadata(self, name: str) -> None:
        try:
            with sys.stdin.buffer if name == "-" else Path(name).expanduser().open("rb") as file:
                self._report_metadata(self._bring_back(file))
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"{_ended(error)}\nRun the same command again.") from error
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped. Run the same command again.", returncode=130) from error

    def _bring_back(self, file: BinaryIO) -> Tally:
        size = os.fstat(file.fileno()).st_size or None
        with tqdm(desc="metadata", total=size, unit="B", unit_scale=True, file=self.stderr, disable=None) as bar:
            return bring_back(file, bar.update)

    def _report_metadata(self, tally: Tally) -> None:
        counts = tally.counts
        for sentence in tally.broken:
            self.stderr.write(sentence)
        if counts["broken"] > LINES_NAMED:
            self.stderr.write(f"and {counts['broken'] - LINES_NAMED} broken lines more")
        if counts["kept"]:
            self.stderr.write(f"{counts['kept']} decisions differ from those made here, which were kept.")
        if counts["names"]:
            self.stderr.write(
                f"{counts['names']} aliases or implications were left out: they mean something else here."
            )
        self.stdout.write(
            f"{counts['tags']} tags; {counts['images']} pictures are here, {counts['changed']} of them changed, with "
            f"{counts['words']} words more; {counts['unknown']} are not here; {counts['broken']} lines are broken."
        )

    # --- pictures
    def _import_folder(self, folder: Path, wait: bool, edits: str) -> None:
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
            raise CommandError(f"{_ended(error)}\n{AGAIN}") from error
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
                for sentence in outcome.warnings:
                    bar.write(f"warning: {sentence}", file=self.stderr)
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
                    wait(workers, timeout=0.2)
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


def _ended(error: Exception) -> str:
    """Threads have connections of their own: the code of the error says what became of it, if there is one."""
    sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
    gone = not sqlstate or sqlstate.startswith(("08", "57P"))  # connection exceptions, shutdowns
    return f"The database {'went away' if gone else 'gave it up'}: {error}"


def _shown(entry: Entry) -> str:
    return stored_path(entry.path)


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

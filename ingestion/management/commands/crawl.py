"""``manage.py crawl NAME``: crawl a source now, and judge what it brings, with progress.

``--test`` shows what it would bring; ``--to DIR`` writes what the filters let through as files, without the gallery.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError
from tqdm import tqdm

from gallery.commands import GalleryCommand
from ingestion.command_sources import named, of_kind
from ingestion.crawl_to_folder import FolderError, bring, opened
from ingestion.crawling import begin_anew, carry_out
from ingestion.download import DownloadError, Web
from ingestion.fetching import fetch_next
from ingestion.models import Candidate, Crawl, Source
from ingestion.publishing import publish_next
from ingestion.screening import screen_next
from ingestion.sources._base import SourceError
from ingestion.trial import HOW_MANY, Look, TrialResult, trial

AGAIN = "Run the same command again: it goes on where it was."
OUTCOMES = {
    "held": "to be looked at",
    "rejected": "rejected",
    "left": "left out",
    "twice": "there already",
    "here": "known to the gallery",
    "failed": "failed",
    "known": "met before",
}


class Command(GalleryCommand):
    help = "Crawl a source now: NAME of one that was added, or with --to or --test also a KIND with its options."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME|KIND")
        parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="Of a KIND.")
        parser.add_argument("--limit", type=int, metavar="N", help="Pictures, at most.")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--test", action="store_true", help=f"Show the first {HOW_MANY} with scores; store nothing.")
        how.add_argument("--to", metavar="DIR", type=Path, help="Write what passes there, and nothing to the gallery.")
        how.add_argument(
            "--again", action="store_true", help="From the beginning, and once more what was left out or has failed."
        )
        parser.add_argument("--held", action="store_true", help="With --to: also what a person should look at.")

    def handle(self, *args: Any, name: str, option: list[str], limit: int | None, **options: Any) -> None:
        if limit is not None and limit < 1:
            raise CommandError("--limit is at least 1.")
        stored = not option and Source.objects.here().filter(name=name).exists()
        if not stored and not (options["test"] or options["to"]):
            named(name)  # says which there are
        source = named(name) if stored else of_kind(name, option)
        try:
            if options["test"]:
                self._test(source, limit or HOW_MANY)
            elif options["to"]:
                self._to_folder(source, options["to"], limit or source.budget, options["held"])
            else:
                self._crawl(source, limit, options["again"])
        except (SourceError, DownloadError, FolderError) as error:
            raise CommandError(str(error)) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database gave it up: {error}\n{AGAIN}") from error
        except KeyboardInterrupt as error:
            raise CommandError(f"Stopped. {AGAIN}", returncode=130) from error

    # --- into the gallery
    def _crawl(self, source: Source, limit: int | None, again: bool) -> None:
        begun = begin_anew(source) if again else Crawl.objects.begin(source)
        Crawl.objects.filter(pk=begun.pk, state=Crawl.State.QUEUED).update(not_before=begun.created_at)
        crawl = Crawl.objects.filter(pk=begun.pk).claim()
        if crawl is None:
            begun.refresh_from_db()
            raise CommandError(begun.error if begun.finished_at else f"A worker is crawling {source} just now.")
        with Web() as web:
            with self._bar("found") as bar:
                carry_out(crawl, web, on_page=lambda crawl: _move(bar, crawl.found), budget=limit)
            self.stdout.write(
                f"{crawl.found} found: {crawl.new} new, {crawl.known} met before, {crawl.left} left out by the rules."
            )
            counts = self._work(source, web)
        said = ", ".join(f"{count} {Candidate.State(state).label}" for state, count in sorted(counts.items()))
        self.stdout.write(f"Of what was worked on: {said or 'nothing'}.")
        if crawl.error:
            raise CommandError(crawl.error)

    def _work(self, source: Source, web: Web) -> Counter[str]:
        """Everything that can be done for its candidates now."""
        touched: set[int] = set()
        steps: list[tuple[str, Callable[[], Candidate | None]]] = [
            ("fetched", lambda: fetch_next(web, source)),
            ("judged", lambda: screen_next(source)),
            ("published", lambda: publish_next(source)),
        ]
        for what, step in steps:
            with self._bar(what) as bar:
                while candidate := step():
                    touched.add(candidate.pk)
                    bar.update()
        return Counter(Candidate.objects.filter(pk__in=touched).values_list("state", flat=True))

    # --- into a folder
    def _to_folder(self, source: Source, path: Path, limit: int, held: bool) -> None:
        counts: Counter[str] = Counter()
        try:
            with Web() as web, opened(path.expanduser().absolute(), source) as folder, self._bar("looked at") as bar:
                for brought in bring(Look(source, web), folder, limit, held):
                    counts[brought.outcome] += 1
                    bar.update()
                    if brought.result and brought.result.error:
                        bar.write(f"{_name(brought.result)}: {brought.result.error}", file=self.stderr)
        finally:
            others = ", ".join(f"{counts[outcome]} {words}" for outcome, words in OUTCOMES.items() if counts[outcome])
            self.stdout.write(f"{counts['written']} written to {path}{others and '; '}{others}.")
            if counts["held"] and not held:
                self.stdout.write("With --held those that a person should look at are written as well.")

    # --- only shown
    def _test(self, source: Source, limit: int) -> None:
        count = 0
        for count, result in enumerate(trial(source, limit), 1):
            if result.found is None:
                raise CommandError(result.error)
            self.stdout.write(f"{count:3} {_name(result)}")
            scores = "  ".join(f"{name} {value:.3g}" for name, value in result.scores.items())
            said = result.left or result.error or f"{result.advice}: {result.width} × {result.height}  {scores}"
            self.stdout.write(f"    {said}")
            for verdict in result.verdicts:
                if verdict.sentence:
                    self.stdout.write(f"    {verdict.filter}: {verdict.outcome}: {verdict.sentence}")
        self.stdout.write(f"{count} looked at; nothing was stored.")

    def _bar(self, what: str) -> tqdm:
        return tqdm(desc=what, unit=" pictures", file=self.stderr, disable=None)


def _move(bar: tqdm, to: int) -> None:
    bar.update(to - bar.n)


def _name(result: TrialResult) -> str:
    assert result.found
    return result.found.title or result.found.name or result.found.url

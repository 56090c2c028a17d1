"""``manage.py sources``: list, add, pause and resume what the gallery crawls by itself."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from gallery.commands import GalleryCommand
from ingestion.command_sources import named, of_kind
from ingestion.models import Crawl, Source
from ingestion.source_yields import yields


class Command(GalleryCommand):
    help = "List the sources that are crawled, add one, pause and resume one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="what", metavar="list | add | pause | resume")
        commands.add_parser("list")
        add = commands.add_parser("add")
        add.add_argument("name")
        add.add_argument("kind", help="reddit, feed, page ...: a file of ingestion/sources.")
        add.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
        add.add_argument("--every", type=int, default=60, metavar="MINUTES")
        add.add_argument("--budget", type=int, default=200, metavar="N", help="Pictures a crawl, at most.")
        add.add_argument("--publishes", action="store_true", help="Publish what passes every filter, unasked.")
        for name in ("pause", "resume"):
            commands.add_parser(name).add_argument("name")

    def handle(self, *args: Any, what: str | None, **options: Any) -> None:
        if what == "add":
            self._add(**options)
        elif what in ("pause", "resume"):
            source = named(options["name"])
            getattr(source, what)()
            self.stdout.write(f"{source} is paused." if what == "pause" else f"{source} goes on.")
        else:
            self._list()

    def _list(self) -> None:
        sources = list(Source.objects.here())
        found = yields(sources)
        crawling = set(Crawl.objects.open().values_list("source", flat=True))
        for source in sources:
            state = "crawling" if source.pk in crawling else "active" if source.active else "paused"
            brought = found[source.pk]
            line = f"{source.name:24} {source.kind:12} {state:9} every {source.every * source.slowness:,} minutes"
            line += f"  found {brought.found:,}  waiting {brought.waiting:,}  accepted {brought.accepted:,}"
            self.stdout.write(line)
            if source.paused_because:
                self.stdout.write(f"  {source.paused_because}")
        if not sources:
            self.stdout.write("There is no source yet. Add one: manage.py sources add NAME KIND --option NAME=VALUE")

    def _add(self, name: str, kind: str, option: list[str], **options: Any) -> None:
        source = of_kind(kind, option, name)
        source.every, source.budget, source.publishes = options["every"], options["budget"], options["publishes"]
        try:
            source.full_clean()
        except ValidationError as error:
            raise CommandError(
                "\n".join(f"{field}: {' '.join(said)}" for field, said in error.message_dict.items())
            ) from None
        source.save()
        self.stdout.write(f"{name} is added. “manage.py run” crawls it within a minute, “manage.py crawl {name}” now.")

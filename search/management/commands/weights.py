"""``manage.py weights``: the files of the networks: what is here, fetch it, bring it by hand, look closely."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from search.errors import WeightsMissing
from search.fetch import megabytes
from search.servers import FetchError
from search.weights import State, Weights, all_weights, bring, fetch, find, verify

NAME = "A network (clip:ViT-B-16/openai), its kind, or what it is for (clip); all of the settings: all."


class Command(BaseCommand):
    """Without the database: weights can be brought before the gallery has ever run."""

    help = "Show, fetch, import and verify the weights of the networks."
    requires_system_checks = []  # they would complain of what this command is about to mend

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        listing = what.add_parser("list", help="Which files each network needs, and which are here.")
        listing.add_argument("--json", action="store_true")
        what.add_parser("fetch", help="Bring them from their makers; goes on where it was.").add_argument(
            "name", help=NAME
        )
        what.add_parser("import", help="Copy what you have brought by hand.").add_argument(
            "path", type=Path, help="A file or a folder, also a cache of Hugging Face."
        )
        what.add_parser("verify", help="Compare checksums and load each network.").add_argument(
            "name", nargs="?", help=NAME
        )

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            if what == "list":
                self._list(options["json"])
            elif what == "fetch":
                self._fetch(_chosen(options["name"]))
            elif what == "import":
                for sentence in bring(options["path"].absolute()):
                    self.stdout.write(sentence)
            else:
                self._verify(options["name"])
        except WeightsMissing as error:
            raise CommandError(str(error)) from error

    # --- list
    def _list(self, as_json: bool) -> None:
        every = all_weights()
        if as_json:
            self.stdout.write(json.dumps([_as_json(weights) for weights in every], indent=2))
            return
        self.stdout.write(f"Weights lie in {settings.WEIGHTS}.\n")
        for weights in every:
            self._say(weights)

    def _say(self, weights: Weights) -> None:
        style = self.style.SUCCESS if weights.state == State.READY else self.style.WARNING
        self.stdout.write(f"\n{weights.label} ({weights.name}): {style(weights.says)}")
        self.stdout.write(f"  for: {', '.join(weights.roles)}")
        for file in weights.files:
            self.stdout.write(f"  {file.path}{f', {megabytes(file.bytes)}' if file.bytes else ''}")
        if weights.state in (State.DAMAGED, State.UNKNOWN):
            self.stdout.write(f"  {weights.error}")
        if weights.state != State.READY and weights.files:
            self.stdout.write(by_hand(weights))

    # --- fetch
    def _fetch(self, chosen: list[Weights]) -> None:
        for weights in chosen:
            if weights.state == State.READY:
                self.stdout.write(f"{weights.label} is ready.")
                continue
            try:
                self._fetch_one(weights)
            except FetchError as error:
                again = "" if error.again_after is None else " The same command goes on from there."
                sentence = f"{weights.label} could not be fetched: {error}{again}"
                sentence += f"\n{by_hand(weights)}" if weights.files else ""
                raise CommandError(sentence) from error
            self.stdout.write(f"{weights.label} is ready. A running gallery begins to use it within a minute.")

    def _fetch_one(self, weights: Weights) -> None:
        here, total = weights.come
        options: dict[str, Any] = {"unit": "B", "unit_scale": True, "file": sys.stderr, "disable": None}
        with tqdm(initial=here, total=total or None, desc=weights.label, **options) as bar:

            def show(here: int, total: int) -> None:
                if total and bar.total != total:
                    bar.total = total
                bar.update(here - bar.n)

            fetch(weights, show)

    # --- verify
    def _verify(self, name: str | None) -> None:
        chosen = _chosen(name) if name else [w for w in all_weights() if w.files and not w.absent]
        if not chosen:
            self.stdout.write("No network has all its files here: see manage.py weights list.")
        wrong = 0
        for weights in chosen:
            error = verify(weights)
            wrong += bool(error)
            self.stdout.write(f"{weights.label}: {error or 'good.'}")
        if wrong:
            raise CommandError(f"{wrong} of {len(chosen)} cannot be used.")


def _chosen(name: str) -> list[Weights]:
    return all_weights() if name == "all" else find(name)


def by_hand(weights: Weights) -> str:
    lines = ["  By hand:"]
    for url, place in weights.by_hand():
        lines.append(f"    {url or 'ask its makers for it'}\n      to {place}")
    lines.append("  or put the files into any folder, then: manage.py weights import FOLDER")
    return "\n".join(lines)


def _as_json(weights: Weights) -> dict[str, Any]:
    here, total = weights.come
    return {
        "network": weights.name,
        "label": weights.label,
        "for": weights.roles,
        "state": weights.state.value,
        "error": weights.error,
        "bytes_here": here,
        "bytes_total": total,
        "files": [
            {
                "path": str(settings.WEIGHTS / file.path),
                "url": file.url,
                "sha256": file.sha256,
                "bytes": file.bytes,
                "is_here": (settings.WEIGHTS / file.path).is_file(),
            }
            for file in weights.files
        ],
    }

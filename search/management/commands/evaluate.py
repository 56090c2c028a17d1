"""``manage.py evaluate FOLDER RESULTS.json``: answer the queries of a copy-detection benchmark like the page does."""

from __future__ import annotations

import hashlib
import json
import time
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.core.management.base import CommandError
from tqdm import tqdm

from gallery.commands import GalleryCommand
from gallery.models import Image, decode_limits
from gallery.pictures import PictureError, decode
from search.query import Query
from search.retrieval import PATIENCE, retrieve
from search.tasks import write_snapshots

LIMIT = 50


class Command(GalleryCommand):
    help = "Answer every query of FOLDER (manifest.json, gallery/, queries/) and write the answers to RESULTS.json."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", type=Path)
        parser.add_argument("results", metavar="RESULTS.json", type=Path)
        parser.add_argument("--engines", help="Ask these engines only, comma separated.")

    def handle(self, *args: Any, folder: Path, results: Path, engines: str | None, **options: Any) -> None:
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            names = self._gallery(folder, manifest["gallery"])
        except (OSError, ValueError, KeyError) as error:
            raise CommandError(f"{folder} holds no benchmark that can be read: {error}") from error
        if not results.parent.is_dir():
            raise CommandError(f"There is no folder {results.parent} for the results.")
        write_snapshots.call_local()  # as the worker does: an index that learns, learns when it is written
        answers, seconds = {}, []
        for row in tqdm(manifest["queries"], unit=" queries", file=self.stderr, disable=None):
            started = time.perf_counter()
            answers[row["file"]] = _answer(folder / row["file"], names, engines.split(",") if engines else None)
            seconds.append(time.perf_counter() - started)
        results.write_text(json.dumps(answers))
        if seconds:
            mean = sum(seconds) / len(seconds)
            self.stdout.write(f"{len(seconds)} queries, {mean:.3f} seconds a query, median {median(seconds):.3f}.")

    def _gallery(self, folder: Path, files: list[str]) -> dict[int, str]:
        """{image id: file name} of the benchmark's gallery, imported if it is not there."""
        hashes = {hashlib.sha256((folder / "gallery" / name).read_bytes()).hexdigest(): name for name in files}
        found = Image.objects.visible_to(AnonymousUser()).filter(sha256__in=hashes)
        if found.count() < len(hashes):
            call_command("import", folder / "gallery", wait=True, stdout=self.stdout, stderr=self.stderr)
        return {pk: hashes[sha256] for pk, sha256 in found.all().values_list("pk", "sha256")}


def _answer(file: Path, names: dict[int, str], engines: list[str] | None) -> list[tuple[str, bool]]:
    """[[gallery file, certain], ...]; pictures that are not of the benchmark's gallery are left out."""
    try:
        picture = decode(file, longest=1600, limits=decode_limits())
    except PictureError:
        return []
    answer = retrieve(Query(picture=picture), AnonymousUser(), limit=LIMIT, engines=engines, patience=PATIENCE)
    matches = [found.match for found in answer.found + answer.weak]
    return [(names[match.image_id], match.certain) for match in matches if match.image_id in names]

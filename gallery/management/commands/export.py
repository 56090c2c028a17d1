"""``manage.py export [FILE]``: what is said of the pictures, one line of JSON for each."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError
from tqdm import tqdm

from gallery.commands import GalleryCommand
from gallery.metadata import exported
from gallery.models import Image, Tag


class Command(GalleryCommand):
    help = (
        "Write tags, captions, text in pictures, sources and scores as lines of JSON; “import --metadata” reads them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="“-”, the default: standard output.")

        parser.add_argument("--private", action="store_true", help="Also what only its owners see: for a backup.")

    def handle(self, *args: Any, file: str, private: bool = False, **options: Any) -> None:
        self.which = {"private": True} if private else {}
        if file == "-":
            return self._to_output()
        path = Path(file).expanduser()
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("w", encoding="utf-8") as out:
                self._write(out)
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)  # under the name lies a whole export or none
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)

    def _to_output(self) -> None:
        try:
            self._write(self.stdout)
            self.stdout.flush()
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write(self, out: TextIO | Any) -> None:
        total = 1 + Tag.objects.count() + Image.objects.count()
        for line in tqdm(exported(**self.which), "export", total, unit=" lines", file=self.stderr, disable=None):
            out.write(line + "\n")

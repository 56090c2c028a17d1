"""``manage.py search``: the same search as the pages, for the terminal and for other programs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.management.base import CommandError

from gallery.commands import GalleryCommand
from gallery.models import Image, decode_limits
from gallery.pictures import DecoderBusy, PictureError, decode
from search.errors import QueryError
from search.query import Query, parse_colours
from search.retrieval import Answer, Found, retrieve

MOST = 1000


class Command(GalleryCommand):
    help = "Find pictures by a file, by a picture of the gallery, or by colours."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--image", metavar="FILE", type=Path)
        what.add_argument("--id", metavar="N", type=int)
        what.add_argument("--text", metavar="QUERY")
        what.add_argument("--color", metavar="HEX[,HEX]")
        parser.add_argument("--limit", metavar="N", type=int, default=20)
        parser.add_argument("--weak", action="store_true", help="Weaker results too.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["limit"] <= MOST:
            raise CommandError(f"--limit must be from 1 to {MOST}.")
        try:
            answer = retrieve(_query(options), AnonymousUser(), limit=options["limit"])
        except (QueryError, PictureError, DecoderBusy) as error:
            raise CommandError(str(error)) from error
        found = (answer.found + (answer.weak if options["weak"] else []))[: options["limit"]]
        if options["json"]:
            self.stdout.write(json.dumps([as_json(f) for f in found], indent=1))
        else:
            self._print(found)
        self._notes(answer, options["weak"])

    def _print(self, found: list[Found]) -> None:
        for f in found:
            sure = "certain" if f.match.certain else f"{f.percent} %"
            self.stdout.write(f"{f.match.grade.label:18} {sure:>8}  {f.image.pk:>6}  {f.image.name}  ({f.evidence})")
        if not found:
            self.stdout.write("Nothing like it is in this gallery.")

    def _notes(self, answer: Answer, weak: bool) -> None:
        for notice in answer.notices:
            self.stderr.write(notice)
        if answer.weak and not weak:
            self.stderr.write(f"{len(answer.weak)} weaker results hidden (--weak shows them).")


def as_json(found: Found) -> dict[str, Any]:
    match = found.match
    return {
        "image": match.image_id,
        "file": found.image.name,
        "grade": match.grade.label,
        "certain": match.certain,
        "score": round(match.score, 4),
        "engines": {name: {"score": round(h.score, 4), **h.evidence} for name, h in match.hits.items()},
        "evidence": found.evidence,
    }


def _query(options: dict[str, Any]) -> Query:
    if options["image"]:
        if not options["image"].is_file():
            raise CommandError(f"{options['image']} is no file.")
        return Query(picture=decode(options["image"], longest=1600, limits=decode_limits()))
    if options["id"] is not None:
        if not Image.objects.visible_to(AnonymousUser()).filter(pk=min(options["id"], 2**63 - 1)).exists():
            raise CommandError(f"There is no picture {options['id']} in this gallery.")
        return Query(image_id=options["id"])
    if options["color"] is not None:
        return Query(colours=parse_colours(options["color"]))
    return Query(text=options["text"])

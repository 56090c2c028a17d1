"""``manage.py search``: the same search as the pages, for the terminal and for other programs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.management.base import CommandError
from django.utils.datastructures import MultiValueDict

from gallery.commands import GalleryCommand
from gallery.models import Image, decode_limits
from gallery.pictures import DecoderBusy, PictureError, decode
from search.errors import QueryError
from search.filters import Filters, read_filters
from search.meaning import Meaning
from search.query import Query, parse_colours
from search.retrieval import Answer, Found, retrieve, why_no_words

MOST = 1000


class Command(GalleryCommand):
    help = "Find pictures by words, by a file, by a picture of the gallery, by these and words, or by colours."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--image", metavar="FILE", type=Path)
        what.add_argument("--id", metavar="N", type=int)
        what.add_argument("--color", metavar="HEX[,HEX]")
        parser.add_argument("--text", metavar="WORDS", help="Alone, or how it should differ from --image or --id.")
        parser.add_argument("--without", metavar="WORDS", action="append", default=[], help="What must not be shown.")
        parser.add_argument("--weight", metavar="0..1", type=float, default=0.5, help="Of the words beside a picture.")
        parser.add_argument(
            "--filter",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help=f"Only among such pictures: {', '.join(field.name for field in fields(Filters))}.",
        )
        parser.add_argument("--limit", metavar="N", type=int, default=20)
        parser.add_argument("--weak", action="store_true", help="Weaker results too.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["limit"] <= MOST:
            raise CommandError(f"--limit must be from 1 to {MOST}.")
        try:
            query = _asked(options)
            while (answer := retrieve(query, AnonymousUser(), limit=options["limit"])).is_loading:
                pass  # each time it waits for the network
        except QueryError as error:
            raise CommandError(f"{error} {why_no_words() if options['text'] else ''}".strip()) from error
        except (PictureError, DecoderBusy) as error:
            raise CommandError(str(error)) from error
        found = (answer.found + (answer.weak if options["weak"] else []))[: options["limit"]]
        if not found and answer.notices:
            raise CommandError(" ".join(answer.notices))  # that nothing is like it is not known
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


def _asked(options: dict[str, Any]) -> Query:
    """QueryError if nothing is asked, or what makes no sense."""
    meaning = Meaning(options["text"] or "", tuple(options["without"]))
    if meaning and options["color"] is not None:
        raise CommandError("Words and colours cannot be asked for at once.")
    if not 0 <= options["weight"] <= 1:
        raise CommandError("--weight must be from 0 to 1.")
    among = _filters(options["filter"]).among(AnonymousUser())
    given = any(options[name] is not None for name in ("image", "id", "color"))
    if not given:
        return Query(text=str(meaning), among=among)
    return replace(_query(options), text=str(meaning), words_weigh=options["weight"], among=among)


def _filters(written: list[str]) -> Filters:
    params = MultiValueDict[str, str]()
    for part in written:
        name, equals, value = part.partition("=")
        if not equals or name not in {field.name for field in fields(Filters)}:
            raise CommandError(f"There is no filter “{part}”: write NAME=VALUE, such as orientation=wide.")
        params.appendlist(name, value)
    filters, sentences = read_filters(params)
    if sentences:
        raise CommandError(" ".join(sentences))
    return filters


def _query(options: dict[str, Any]) -> Query:
    if options["image"]:
        if not options["image"].is_file():
            raise CommandError(f"{options['image']} is no file.")
        return Query(picture=decode(options["image"], longest=1600, limits=decode_limits()))
    if options["id"] is not None:
        if not Image.objects.visible_to(AnonymousUser()).filter(pk=min(options["id"], 2**63 - 1)).exists():
            raise CommandError(f"There is no picture {options['id']} in this gallery.")
        return Query(image_id=options["id"])
    return Query(colours=parse_colours(options["color"]))

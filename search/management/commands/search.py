"""``manage.py search``: the same search as the pages, for the terminal and for other programs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.management.base import CommandError
from django.utils.datastructures import MultiValueDict

from gallery.commands import GalleryCommand
from gallery.models import Image, decode_limits
from gallery.pictures import DecoderBusy, PictureError, decode
from search.cards import Card, mark
from search.errors import QueryError
from search.filters import Filters
from search.forms import AnswerForm
from search.listed import Listed, as_listed, listing_of, reasons_of
from search.marks import Mark
from search.query import Query, parse_colours
from search.retrieval import PATIENCE, Answer, Found, WordsUnknown, retrieve

MOST, LIMIT = 1000, 20
MISSING = "(“manage.py weights list” says what is missing.)"


class Command(GalleryCommand):
    help = "Find pictures by words, by a file, by a picture of the gallery, by these and words, or by colours."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--image", metavar="FILE", type=Path)
        what.add_argument("--id", metavar="N", type=int)
        what.add_argument("--color", metavar="HEX[,HEX]")
        parser.add_argument(
            "--text",
            metavar="QUERY",
            help="Words or a query, as on the pages; or how it should differ from --image or --id.",
        )
        parser.add_argument("--without", metavar="WORDS", action="append", default=[], help="What must not be shown.")
        parser.add_argument("--weight", metavar="0..1", type=float, default=0.5, help="Of the words beside a picture.")
        parser.add_argument(
            "--filter",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help=f"Only among such pictures: {', '.join(field.name for field in fields(Filters))}.",
        )
        parser.add_argument("--limit", metavar="N", type=int, help=f"{LIMIT} unless the query says limit:N.")
        parser.add_argument("--weak", action="store_true", help="Weaker results too.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] is not None and not 1 <= options["limit"] <= MOST:
            raise CommandError(f"--limit must be from 1 to {MOST}.")
        form = _form(options)
        try:
            if form.is_letter and form.written:
                self._list(form, options)
            else:
                self._rank(form, options)
        except QueryError as error:
            missing = MISSING if isinstance(error, WordsUnknown) else ""
            raise CommandError(f"{error} {missing}".strip()) from error
        except (PictureError, DecoderBusy) as error:
            raise CommandError(str(error)) from error

    # --- to the letter
    def _list(self, form: AnswerForm, options: dict[str, Any]) -> None:
        listing = listing_of(form, AnonymousUser())
        images, _ = listing.page("", options["limit"] or form.most or LIMIT)
        listed = as_listed(images, form.parsed)
        if options["json"]:
            self.stdout.write(json.dumps([_listed_as_json(one) for one in listed], indent=1))
        else:
            for one in listed:
                size = f"{one.image.width} × {one.image.height}"
                self.stdout.write(f"{one.image.pk:>6}  {one.image.name}  ({'; '.join([size, *_said(one.marks)])})")
            if not listed:
                self.stdout.write("No picture is like that.")
        for sentence in [*listing.notes, *(self._why_none(form) if not listed else ())]:
            self.stderr.write(sentence)
        if len(images) < (count := listing.count()).number:
            self.stderr.write(f"{count} pictures are like that; --limit shows more.")

    def _why_none(self, form: AnswerForm) -> Iterator[str]:
        for reason, _ in reasons_of(form, AnonymousUser()):
            yield f"{reason.sentence} {reason.offer or 'Try'}: {reason.query}" if reason.query else reason.sentence

    # --- the best first
    def _rank(self, form: AnswerForm, options: dict[str, Any]) -> None:
        query, among = form.asked(_asked(options)), form.condition(AnonymousUser())
        limit = options["limit"] or form.most or LIMIT
        # In another order than the best first it is not known yet which of them are wanted.
        most = limit if form.sort == "relevance" else None
        ask = partial(retrieve, query, AnonymousUser(), limit=most, among=among, patience=PATIENCE)
        while (answer := ask()).is_loading:
            pass  # each time it waits for the network
        found = form.ordered(answer.found) + (form.ordered(answer.weak) if options["weak"] else [])
        shown = [Card(one) for one in found[:limit]]
        if not shown and answer.notices:
            raise CommandError(" ".join(answer.notices))  # that nothing is like it is not known
        if query.words:
            mark(shown, form.parsed)
        if options["json"]:
            self.stdout.write(json.dumps([_card_as_json(card, bool(query.words)) for card in shown], indent=1))
        else:
            self._print(shown, bool(query.words))
        self._notes(answer, form, options["weak"])

    def _print(self, shown: list[Card], of_words: bool) -> None:
        for card in shown:
            match, image = card.found.match, card.found.image
            sure = "certain" if match.certain else f"{card.found.percent} %"
            why = "; ".join(filter(None, [*_said(card.marks), card.why]))
            grade = "fits your words" if of_words else match.grade.label
            self.stdout.write(f"{grade:18} {sure:>8}  {image.pk:>6}  {image.name}  ({why})")
        if not shown:
            self.stdout.write("Nothing like it is in this gallery.")

    def _notes(self, answer: Answer, form: AnswerForm, weak: bool) -> None:
        for notice in [*form.parsed.notes, *answer.notices]:
            self.stderr.write(notice)
        if answer.is_without_meaning:
            self.stderr.write(f"Only words were looked up: what pictures show is not understood. {MISSING}")
        if answer.weak and not weak:
            results = "1 weaker result" if len(answer.weak) == 1 else f"{len(answer.weak)} weaker results"
            self.stderr.write(f"{results} hidden (--weak shows more).")


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


def _card_as_json(card: Card, of_words: bool) -> dict[str, Any]:
    return as_json(card.found) | ({"matched": _matched(card.marks)} if of_words else {})


def _listed_as_json(one: Listed) -> dict[str, Any]:
    image = one.image
    sides = {"width": image.width, "height": image.height}
    return {"image": image.pk, "file": image.name, **sides, "matched": _matched(one.marks)}


def _matched(marks: list[Mark]) -> list[dict[str, str]]:
    return [{"field": mark.field, "text": mark.plain} | ({"wrote": mark.wrote} if mark.wrote else {}) for mark in marks]


def _said(marks: list[Mark]) -> list[str]:
    return [f"{mark.called}: {mark.plain}" + (f" (you wrote {mark.wrote})" if mark.wrote else "") for mark in marks]


# --- what is asked
def _form(options: dict[str, Any]) -> AnswerForm:
    """The same as an address would ask. CommandError for what makes no sense."""
    if not 0 <= options["weight"] <= 1:
        raise CommandError("--weight must be from 0 to 1.")
    params = _filters(options["filter"])
    without = " ".join(f'~"{words}"' for words in options["without"])
    params["q"] = f"{options['text'] or ''} {without}".strip()
    params["words"] = str(round(100 * options["weight"]))
    form = AnswerForm(params, "", alone=not any(options[name] is not None for name in ("image", "id", "color")))
    if form.mistake:
        raise CommandError(_pointed_at(form))
    if form.sentences:
        raise CommandError(" ".join(form.sentences))
    if form.meaning and options["color"] is not None:
        raise CommandError("Words and colours cannot be asked for at once.")
    return form


def _pointed_at(form: AnswerForm) -> str:
    """The sentence, and a caret under what is wrong."""
    before, wrong, _ = form.pointed_at
    assert form.mistake
    lines = [form.mistake.sentence, f"  {form.text}", f"  {' ' * len(before)}{'^' * max(1, len(wrong))}"]
    if form.mistake.suggestion:
        lines.append(f"Did you mean: {form.mistake.suggestion}")
    return "\n".join(lines)


def _filters(written: list[str]) -> MultiValueDict[str, str]:
    params = MultiValueDict[str, str]()
    for part in written:
        name, equals, value = part.partition("=")
        if not equals or name not in {field.name for field in fields(Filters)}:
            raise CommandError(f"There is no filter “{part}”: write NAME=VALUE, such as orientation=wide.")
        params.appendlist(name, value)
    return params


def _asked(options: dict[str, Any]) -> Query | None:
    """What is asked beside words; None if they are alone."""
    if options["image"]:
        if not options["image"].is_file():
            raise CommandError(f"{options['image']} is no file.")
        return Query(picture=decode(options["image"], longest=1600, limits=decode_limits()))
    if options["id"] is not None:
        if not Image.objects.visible_to(AnonymousUser()).filter(pk=min(options["id"], 2**63 - 1)).exists():
            raise CommandError(f"There is no picture {options['id']} in this gallery.")
        return Query(image_id=options["id"])
    return Query(colours=parse_colours(options["color"])) if options["color"] is not None else None

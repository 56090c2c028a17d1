"""``manage.py duplicates``: what is in the gallery more than once, and what rules would do about it."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from gallery.commands import GalleryCommand
from gallery.models import Image
from gallery.paging import CursorError
from search.duplicate_forms import GRADES
from search.duplicates import examine_missing, progress, unexamined
from search.engines._base import Grade
from search.errors import EngineError
from search.merge import MergeError
from search.models import Group, Resolution, page_of_images, same_bytes
from search.rules import Plan, RuleError, apply, plan, rules, undo_rule_run

LIMIT, MOST = 20, 100_000


class Command(GalleryCommand):
    help = "List duplicates by grade, look for new ones, resolve them by a rule (a dry run at first), and undo."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--examine", action="store_true", help="Look for duplicates of all images not examined yet.")
        what.add_argument("--rule", metavar="NAME", help=f"{', '.join(rules())}: says what it would do.")
        what.add_argument("--undo", metavar="ID", help="A merge (number) or all merges of a run of a rule.")
        parser.add_argument("--apply", action="store_true", help="With --rule: do it.")
        parser.add_argument("--grade", choices=[*GRADES, "bytes"], help="Only these groups.")
        parser.add_argument("--name", metavar="PIECE", default="", help="Only groups with such a file name.")
        parser.add_argument("--limit", metavar="N", type=int, help=f"Groups at most; {LIMIT} in a list, else all.")
        parser.add_argument("--after", metavar="CURSOR", default="", help="The next page of a list.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["apply"] and not options["rule"]:
            raise CommandError("--apply goes with --rule.")
        if options["limit"] is not None and not 1 <= options["limit"] <= MOST:
            raise CommandError(f"--limit must be from 1 to {MOST}.")
        try:
            self._do(options)
        except (CursorError, EngineError, MergeError, RuleError) as error:
            raise CommandError(str(error)) from error

    def _do(self, options: dict[str, Any]) -> None:
        if options["examine"]:
            self._examine()
        elif options["rule"]:
            self._rule(options)
        elif options["undo"]:
            self._undo(options["undo"])
        else:
            self._list(options)

    def _examine(self) -> None:
        try:
            total = unexamined().count()
            with closing(examine_missing(wait=True, seconds=3600)) as images:
                for _ in tqdm(images, total=total, unit=" pictures", file=self.stderr, disable=None):
                    pass
        except KeyboardInterrupt:
            self.stderr.write("Stopped; the next --examine goes on from here.")
        self._progress()

    def _progress(self) -> None:
        done = progress()
        self.stdout.write(f"{done.examined:,} of {done.total:,} pictures examined.")
        if done.missing and not unexamined().exists():
            self.stderr.write(f"{done.missing:,} wait for their features: run manage.py reindex, or try in an hour.")

    # --- lists
    def _list(self, options: dict[str, Any]) -> None:
        size = options["limit"] or LIMIT
        if options["grade"] == "bytes":
            images, after = page_of_images(same_bytes(), options["after"], size)
            rows = [_image_row(image) for image in images]
        else:
            groups = Group.objects.listed(GRADES.get(options["grade"]), options["name"])
            found, after = groups.page(options["after"], size)
            rows = [_group_row(group) for group in found]
        if options["json"]:
            self.stdout.write(json.dumps({"groups": rows, "after": after}, indent=1))
        else:
            self._print(rows, after)

    def _print(self, rows: list[dict[str, Any]], after: str) -> None:
        self._progress()
        counts = Group.objects.counts()
        self.stdout.write(", ".join(f"{grade.label}: {n:,}" for grade, n in counts.items()))
        for row in rows:
            names = ", ".join(f"{one['image']} {one['file']} ({one['size']})" for one in row["images"])
            more = row["members"] - len(row["images"])
            places = f"  at {'; '.join(row['places'])}" if "places" in row else ""
            self.stdout.write(f"{row['grade']:20} {row['id']:>6}  {names}{f', {more} more' if more else ''}{places}")
        if not rows:
            self.stdout.write("No such duplicates.")
        if after:
            self.stderr.write(f"More: --after {after}")

    # --- decisions
    def _rule(self, options: dict[str, Any]) -> None:
        if options["grade"] not in (None, "same"):
            raise CommandError("A rule decides only where all show the same picture: leave --grade away.")
        groups = Group.objects.listed(Grade.SAME, options["name"])
        chosen = groups[: options["limit"]] if options["limit"] else groups
        if options["apply"]:
            self._apply(options["rule"], chosen.iterator())
        else:
            self._dry_run(options["rule"], chosen.iterator())

    def _dry_run(self, rule: str, groups: Iterator[Group]) -> None:
        decided = dropped = left = 0
        for planned in plan(rule, groups):
            if isinstance(planned, Plan):
                decided, dropped = decided + 1, dropped + len(planned.drop)
                self.stdout.write(
                    f"group {planned.group.pk}: keep {_named(planned.keep)}: {'; '.join(planned.reasons)}"
                )
                self.stdout.write(f"    to the trash: {', '.join(map(_named, planned.drop))}")
            else:
                left += 1
                self.stdout.write(f"group {planned.group.pk}: left alone: {planned.why}")
        self.stdout.write(
            f"Would resolve: {decided:,} groups; to the trash: {dropped:,} pictures; left alone: {left:,} groups.\n"
            "Nothing was changed: --apply does it."
        )

    def _apply(self, rule: str, groups: Iterator[Group]) -> None:
        run = apply(rule, groups)
        for skip in run.skipped:
            self.stderr.write(f"group {skip.group.pk}: left alone: {skip.why}")
        self.stdout.write(f"Resolved: {run.merged:,} groups; to the trash: {run.dropped:,} pictures.")
        if run.merged:
            self.stdout.write(f"To take it back: manage.py duplicates --undo {run.run}")

    def _undo(self, which: str) -> None:
        sentences = undo_rule_run(_run(which)) if not which.isdecimal() else _merge(which).undo()
        for sentence in sentences:
            self.stderr.write(sentence)
        self.stdout.write("Undone: the pictures are out of the trash, their thumbnails are being made again.")


def _run(which: str) -> uuid.UUID:
    try:
        return uuid.UUID(which)
    except ValueError as error:
        raise CommandError(f"“{which[:60]}” is neither the number of a merge nor a run of a rule.") from error


def _merge(which: str) -> Resolution:
    found = Resolution.objects.filter(pk=min(int(which[:30]), 2**63 - 1)).first()
    if found is None:
        raise CommandError(f"There is no merge {which[:30]}.")
    return found


def _group_row(group: Group) -> dict[str, Any]:
    images = [_brief(member.image) for member in group.shown]
    return {"id": group.pk, "grade": group.label, "members": group.size, "images": images}


def _image_row(image: Image) -> dict[str, Any]:
    places = [source.address for source in image.sources.all()]
    return {"id": image.pk, "grade": "same bytes", "members": 1, "images": [_brief(image)], "places": places}


def _brief(image: Image) -> dict[str, Any]:
    size = f"{image.width} × {image.height}"
    return {"image": image.pk, "file": image.name, "size": size, "bytes": image.bytes}


def _named(image: Image) -> str:
    return f"{image.pk} {image.name} ({image.width} × {image.height})"

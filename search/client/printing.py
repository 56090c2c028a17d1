"""What the command line reads and writes: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from .answers import Image, Match, Upload

WIDEST = 60
"""Letters of a column, but the last."""
WITH_VALUE = ("--url", "--token")


def plain(text: str) -> str:
    """In one line, without characters that a terminal obeys: names are written by strangers."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())


def table(rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [[plain(str(cell)) for cell in row] for row in rows]
    widths = [min(WIDEST, max(map(len, column))) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def matched(match: Match) -> tuple[object, ...]:
    grade = match.grade + ("!" if match.certain else "")
    return match.image.id, f"{match.score:.2f}", grade, match.image.name, match.image.page


def uploaded(one: Upload) -> tuple[object, ...]:
    like = one.question.alike[0].id if one.question and one.question.alike else ""
    said = f"is like {like}: decide on the import page. {one.notice}".strip() if like else one.notice
    return one.state, one.image.id if one.image else "", one.path, said


def sheet(image: Image) -> list[str]:
    """One picture, a line a fact; empty ones are left out."""
    private = " · private" if image.private else ""
    facts = {
        "name": image.name,
        "picture": f"{image.width} × {image.height} {image.format}, {image.bytes:,} bytes{private}",
        "caption": image.caption,
        "tags": ", ".join(image.tag_names),
        "taken": image.taken_at or "",
        "added": image.added_at,
        "sha256": image.sha256,
        "page": image.page,
    }
    rows: list[tuple[object, object]] = [(name, fact) for name, fact in facts.items() if fact]
    for source in image.sources:
        said = (source.address, source.title, source.author, source.licence)
        rows.append((source.kind, ", ".join(word for word in said if word)))
    return table(row for row in rows if row[1])


def as_json(value: Any) -> str:
    if isinstance(value, list):
        value = [asdict(each) for each in value]
    elif is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def with_signs(arguments: list[str]) -> list[str]:
    """``tag 7 -rain`` for argparse, which takes -rain for an option if nothing stands before it."""
    place = 0
    while place < len(arguments) and arguments[place].startswith("-"):
        place += 2 if arguments[place] in WITH_VALUE else 1
    if arguments[place : place + 1] != ["tag"] or {"-h", "--help"} & set(arguments):
        return arguments
    return [f" {each}" if _is_sign(each) and number > place else each for number, each in enumerate(arguments)]


def _is_sign(argument: str) -> bool:
    return argument.startswith("-") and not argument.startswith("--")

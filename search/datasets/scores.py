"""What a model says of pictures, read from a CSV file: one line for each, a score from 0 to 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

MOST_LINES = 1_000_000
LONGEST_LINE = 4_000
PICTURE_COLUMNS = ("image", "image_id", "id", "sha256", "file_name", "filename", "file", "name", "path")
SCORE_COLUMNS = ("score", "probability", "prob", "p", "confidence", "prediction")


class ScoresError(ValueError):
    """A sentence that names the line."""


@dataclass(frozen=True)
class Line:
    number: int
    """Of the line in the file, from 1."""
    picture: str
    """As it is written: an id, a file name or a sha256."""
    score: float


def read_scores(content: bytes) -> list[Line]:
    """ScoresError says what is wrong, and in which line."""
    text = _decoded(content)
    rows = _rows(text)
    first = next(rows, None)
    if first is None:
        raise ScoresError("This file is empty. Each line names a picture and its score: 12,0.47")
    number, cells = first
    columns = _columns(number, cells)
    found = [] if columns.named else [_line(number, cells, columns)]
    return found + [_line(number, cells, columns) for number, cells in rows]


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ScoresError(f"Line {line} is not written in UTF-8. Save the file as CSV in UTF-8.") from error
    if "\0" in text:
        raise ScoresError(f"Line {text[: text.index(chr(0))].count(chr(10)) + 1} holds a NUL: this is no CSV file.")
    return text


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of the lines that are not empty."""
    head = text[:4096].split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    count = 0
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ScoresError(f"Line {number} cannot be read as CSV: {error}.") from error
        if not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > MOST_LINES:
            raise ScoresError(f"This file has more than {MOST_LINES:,} lines: send it in parts.")
        if sum(map(len, cells)) > LONGEST_LINE:
            raise ScoresError(f"Line {number} is longer than {LONGEST_LINE:,} characters.")
        yield number, cells


@dataclass(frozen=True)
class _Columns:
    picture: int
    score: int
    named: bool


def _columns(number: int, cells: list[str]) -> _Columns:
    names = [cell.strip().lower() for cell in cells]
    pictures = [names.index(name) for name in PICTURE_COLUMNS if name in names]
    scores = [names.index(name) for name in SCORE_COLUMNS if name in names]
    if pictures and scores:
        return _Columns(pictures[0], scores[0], True)
    if len(cells) == 2 and _number(cells[1]) is not None:
        return _Columns(0, 1, False)
    missing = "score" if pictures else "image"
    raise ScoresError(
        f"Line {number}: there is no column “{missing}”. The first line names the columns: image,score. "
        "The image is its number, its file name or its sha256."
    )


def _line(number: int, cells: list[str], columns: _Columns) -> Line:
    if len(cells) <= max(columns.picture, columns.score):
        raise ScoresError(
            f"Line {number} has {len(cells)} column{'s' if len(cells) != 1 else ''}; it needs a picture and a score."
        )
    picture, written = cells[columns.picture].strip(), cells[columns.score].strip()
    score = _number(written)
    if not picture:
        raise ScoresError(f"Line {number} names no picture.")
    if score is None:
        raise ScoresError(f"Line {number}: “{written[:40]}” is no number.")
    if not 0 <= score <= 1:
        raise ScoresError(f"Line {number}: the score {written[:40]} is not from 0 to 1.")
    return Line(number, picture, score)


def _number(written: str) -> float | None:
    """None for what is none; nan and inf are none either."""
    try:
        number = float(written)
    except ValueError:
        return None
    return number if number - number == 0 else None

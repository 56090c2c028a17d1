"""The index of a dataset: which file shows what, whose it is, and under which licence. As lines of JSON, as CSV, or as
COCO knows it (https://cocodataset.org/#format-data), with tags as categories of whole pictures.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Protocol

FORMATS = {"jsonl": "index.jsonl", "csv": "index.csv", "coco": "annotations.json"}
"""{what it is called: its file}"""
SEPARATOR = "|"
"""Between the tags of a picture in a CSV file."""


@dataclass(frozen=True)
class Origin:
    kind: str
    address: str
    title: str
    author: str
    licence: str


@dataclass(frozen=True)
class Record:
    """A picture of the dataset. ``width``, ``height``: of its file."""

    id: int
    file: str
    width: int
    height: int
    sha256: str
    """Of the original."""
    name: str
    caption: str
    tags: list[tuple[str, str]]
    """[(name, category), ...]"""
    taken_at: str
    added_at: str
    page: str
    found_by: str
    score: float | None
    sources: list[Origin] = field(default_factory=list)

    @property
    def licence(self) -> str:
        return next((each.licence for each in self.sources if each.licence), "")

    @property
    def author(self) -> str:
        return next((each.author for each in self.sources if each.author), "")

    @property
    def source(self) -> str:
        return next((each.address for each in self.sources if each.address), "")


class Index(Protocol):
    def add(self, record: Record) -> None: ...

    def write(self, out: IO[str]) -> None:
        """The whole file, after the last record."""


class JsonLines:
    """Each line is one picture."""

    def __init__(self, about: dict[str, str]) -> None:
        self.lines: list[str] = []

    def add(self, record: Record) -> None:
        said = asdict(record) | {"tags": [name for name, _ in record.tags]}
        said |= {"licence": record.licence, "author": record.author, "source": record.source}
        self.lines.append(json.dumps(said, ensure_ascii=False))

    def write(self, out: IO[str]) -> None:
        out.writelines(f"{line}\n" for line in self.lines)


class Csv:
    COLUMNS = (
        *("id", "file", "width", "height", "sha256", "name", "caption", "tags", "licence", "author", "source"),
        *("taken_at", "added_at", "found_by", "score"),
    )

    def __init__(self, about: dict[str, str]) -> None:
        self.lines = [_csv_line(self.COLUMNS)]

    def add(self, record: Record) -> None:
        tags = SEPARATOR.join(name for name, _ in record.tags)
        self.lines.append(_csv_line(tags if name == "tags" else getattr(record, name) for name in self.COLUMNS))

    def write(self, out: IO[str]) -> None:
        out.writelines(self.lines)


def _csv_line(values: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(_plain(value) for value in values)
    return out.getvalue()


def _plain(value: Any) -> Any:
    """A spreadsheet would run what begins like a formula: words of strangers get a ' before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


class Coco:
    """Licences, images, categories, and an annotation without a box for each tag of each picture."""

    def __init__(self, about: dict[str, str]) -> None:
        self.about = about
        self.images: list[str] = []
        self.annotations: list[str] = []
        self.licences: dict[str, int] = {}
        self.categories: dict[tuple[str, str], int] = {}

    def add(self, record: Record) -> None:
        image = {
            "id": record.id,
            "file_name": record.file,
            "width": record.width,
            "height": record.height,
            "license": self.licences.setdefault(record.licence, len(self.licences) + 1),
            "date_captured": record.taken_at,
            "coco_url": record.page,
            "source": record.source,
            "author": record.author,
            "caption": record.caption,
            "sha256": record.sha256,
        }
        self.images.append(json.dumps(image, ensure_ascii=False))
        for tag in record.tags:
            category = self.categories.setdefault(tag, len(self.categories) + 1)
            said = {"id": len(self.annotations) + 1, "image_id": record.id, "category_id": category}
            self.annotations.append(json.dumps(said))

    def write(self, out: IO[str]) -> None:
        licences = [
            {"id": number, "name": name or "unknown", "url": name if name.startswith("http") else ""}
            for name, number in self.licences.items()
        ]
        categories = [
            {"id": number, "name": name, "supercategory": category}
            for (name, category), number in self.categories.items()
        ]
        out.write(f'{{"info": {json.dumps(self.about, ensure_ascii=False)},\n')
        out.write(f'"licenses": {json.dumps(licences, ensure_ascii=False)},\n')
        out.write(f'"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [\n')
        out.writelines(_joined(self.images))
        out.write('],\n"annotations": [\n')
        out.writelines(_joined(self.annotations))
        out.write("]}\n")


def _joined(lines: list[str]) -> Iterator[str]:
    return (line + (",\n" if number < len(lines) else "\n") for number, line in enumerate(lines, 1))


INDEXES: dict[str, type[JsonLines] | type[Csv] | type[Coco]] = {"jsonl": JsonLines, "csv": Csv, "coco": Coco}


# --- what is written beside it, for people
UNKNOWN = "No licence is known"


class Licences:
    """LICENSES.txt: licence, author and source of every picture, licence by licence."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[str]] = {}

    def add(self, record: Record) -> None:
        told = [record.author and f"by {record.author}", record.source]
        line = " · ".join([record.file, *(part for part in told if part)])
        self.by_name.setdefault(record.licence or UNKNOWN, []).append(line)

    def write(self, out: IO[str]) -> None:
        for name in sorted(self.by_name, key=lambda name: (name == UNKNOWN, name)):
            lines = self.by_name[name]
            out.write(f"{name}: {len(lines):,} picture{'' if len(lines) == 1 else 's'}\n")
            if name == UNKNOWN:
                out.write("Ask whoever made them before you publish them, or anything that is made of them.\n")
            out.writelines(f"  {line}\n" for line in lines)
            out.write("\n")


def readme(about: dict[str, str], index: str, count: int, how: str, left_out: int) -> str:
    tags = f' Tags stand in one column, with "{SEPARATOR}" between them.' if index == "csv" else ""
    missing = f"{left_out:,} could not be packed; the page of the collection says why.\n" if left_out else ""
    return (
        f"{about['description']}\n\n"
        f"{count:,} pictures, packed on {about['date_created']} from {about['url']}\n{missing}\n"
        f"images/        the pictures: {how}\n"
        f"{FORMATS[index]:14} what is known of each; “file” is its place in this folder.{tags}\n"
        "LICENSES.txt   licence, author and source of every picture\n\n"
        "The number in front of a file name is the number of the picture in the gallery. A CSV file with the columns\n"
        "file and score, made by a model of yours, can be sent back to the collection to choose what to label next.\n"
    )

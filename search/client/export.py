"""A dataset in a folder: pictures, and images.jsonl that says of each what the gallery knows, its licence too."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Literal, TypeAlias

from .alone import Alone
from .answers import Image, Rendition
from .browsing import images
from .calls import Call, Steps, on_disk, together
from .errors import NotFound, mistake

LIST = "images.jsonl"
PAGE = 200
NAMED = 60
"""Letters of the name that a picture has in the gallery, in the name of its file."""
Size: TypeAlias = Literal["original"] | int
"""The file itself, or the smallest WebP copy of the gallery whose longest side has at least so many pixels; the file
itself, too, where a copy is not made yet."""
ExportProgress: TypeAlias = Callable[[int, Image], None]
"""Called after each picture: how many are in the folder now, and the last one."""


@dataclass(frozen=True)
class Exported:
    folder: Path
    pictures: int
    """In the folder now."""
    written: int
    """Of these, new ones."""
    gone: tuple[int, ...] = ()
    """Ids that were listed and could not be fetched any more."""


def export(
    query: str,
    folder: str | Path,
    *,
    size: Size = "original",
    limit: int | None = None,
    jobs: int = 4,
    sort: str = "",
    progress: ExportProgress | None = None,
) -> Steps[Exported]:
    """All pictures that a query finds, into ``folder``, with a line each in images.jsonl.

    Broken off and called again, it goes on where it was: what has a line is not fetched again. A file is whole or not
    there; its name begins with the id, so none is there twice. Use a folder for one query and one size; while another
    export is writing to it, this is Invalid.
    """
    if isinstance(size, int) and size < 1:
        raise mistake("The size is “original”, or pixels.")
    into = Path(folder)
    yield from on_disk(partial(into.mkdir, parents=True, exist_ok=True))
    with Alone(into):
        dataset = yield from on_disk(Dataset, into, size, progress)
        yield from _all(dataset, query, sort, limit, jobs)
    return Exported(dataset.folder, len(dataset.listed), dataset.written, tuple(dataset.gone))


def _all(dataset: Dataset, query: str, sort: str, limit: int | None, jobs: int) -> Steps[None]:
    left = limit
    page_at, cursor = images(query, sort, PAGE), ""
    while left is None or left > 0:
        page = yield from page_at(cursor)
        items = page.items[:left]
        yield from together([dataset.add(image) for image in items if image.id not in dataset.listed], jobs)
        left = None if left is None else left - len(items)
        if page.next is None:
            break
        cursor = page.next


class Dataset:
    """The folder. What is added side by side waits for its turn to write a line."""

    def __init__(self, folder: Path, size: Size, progress: ExportProgress | None) -> None:
        self.folder, self.size, self.progress = folder, size, progress
        self.list = folder / LIST
        self.listed = self._mended()
        self.written, self.gone = 0, list[int]()
        self._lock, self._turn = Lock(), Lock()

    def add(self, image: Image) -> Steps[None]:
        rendition = None if self.size == "original" else fitting(image, self.size)
        for wanted in dict.fromkeys((rendition, None)):
            path = self.folder / file_name(image, wanted)
            try:
                yield from _fetched(image, wanted, path)
            except NotFound:
                continue
            yield from on_disk(self._write, line_of(image, wanted, path.name))
            self._count(image)
            return
        self.gone.append(image.id)

    def _count(self, image: Image) -> None:
        with self._lock:
            self.listed.add(image.id)
            self.written += 1
            if self.progress:
                self.progress(len(self.listed), image)

    def _mended(self) -> set[int]:
        """Ids whose pictures are there. The half line of a broken run is cut off, and lines without a file go."""
        if not self.list.exists():
            return set()
        kept: dict[int, bytes] = {}
        for line in self.list.read_bytes().split(b"\n")[:-1]:
            try:
                said = json.loads(line)
                there = (self.folder / Path(said["file"]).name).is_file()
                number = int(said["id"])
            except (ValueError, KeyError, TypeError):
                raise mistake(f"{self.list} was not written by an export: choose an empty folder.") from None
            if there:
                kept.setdefault(number, line + b"\n")
        part = self.list.with_suffix(".part")
        part.write_bytes(b"".join(kept.values()))
        part.replace(self.list)
        return set(kept)

    def _write(self, said: dict[str, object]) -> None:
        line = json.dumps(said, ensure_ascii=False, default=_plain).encode() + b"\n"
        with self._turn, self.list.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def fitting(image: Image, pixels: int) -> Rendition | None:
    """The smallest copy that has at least so many pixels on its longest side, or the largest. None: there is none."""
    for rendition in image.renditions:
        if max(rendition.width, rendition.height) >= pixels:
            return rendition
    return image.renditions[-1] if image.renditions else None


def file_name(image: Image, rendition: Rendition | None) -> str:
    """Of letters, digits and dashes only, whatever the picture is called: safe on every disk, and never a path."""
    stem = re.sub(r"\W+", "-", Path(image.name).stem, flags=re.ASCII).strip("-_")[:NAMED]
    kind = "webp" if rendition else image.format
    suffix = re.sub(r"[^a-z0-9]", "", kind.lower()).replace("jpeg", "jpg")[:5] or "bin"
    return f"{image.id:08}-{stem}.{suffix}" if stem else f"{image.id:08}.{suffix}"


def line_of(image: Image, rendition: Rendition | None, file: str) -> dict[str, object]:
    """What images.jsonl says. Width and height are those of the file."""
    said = {name: value for name, value in asdict(image).items() if name not in ("renditions", "thumbnail", "original")}
    shown = {"width": rendition.width, "height": rendition.height} if rendition else {}
    return {"file": file, **said, "tags": list(image.tag_names), **shown}


def _fetched(image: Image, rendition: Rendition | None, path: Path) -> Steps[None]:
    if rendition:
        yield from Call("GET", rendition.url, lambda reply: None, into=path)
    elif (yield from on_disk(_digest, path)) != image.sha256:  # the same: a run broke off between file and line
        where = {"id": image.id}
        yield from Call("GET", "/api/images/{id}/original", lambda reply: None, where, into=path, sha256=image.sha256)


def _digest(path: Path) -> str:
    """ "" if there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _plain(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()

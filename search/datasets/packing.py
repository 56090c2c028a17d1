"""A collection becomes a file, or a folder: pictures, an index, licences. What its person may not see at the moment of
packing never comes in.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Protocol, Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from gallery import originals
from gallery.disk import flush_folder, make_folders
from gallery.formats import EXTENSION
from gallery.models import Image, ImageSource, Tag, User, decode_limits
from gallery.pictures import DecoderBusy, PictureError, decode
from search.datasets import index as indexes
from search.datasets.cleaning import without_metadata
from search.datasets.errors import CollectionError
from search.datasets.file_names import file_name
from search.datasets.index import Origin, Record
from search.models import Collection, CollectionItem, CollectionWork

logger = logging.getLogger(__name__)

KEPT = timedelta(days=1)
"""So long a file can be fetched."""
AT_ONCE = 100
BESIDE = 256 * 2**20
"""Bytes that stay free on the disk."""
SIZES = (0, 256, 512, 1024, 2048)
"""Pixels of the longest side that the page offers; 0: the original."""
LEAST_SIZE, MOST_SIZE = 16, 8192
QUALITY = 92
LISTED = 200
_PIXEL, _ROW = 0.5, 2_000
"""Bytes, at most and usually, of a pixel of a JPEG and of what is said of a picture."""


@dataclass(frozen=True)
class Wish:
    """How it is to be packed."""

    index: str = "jsonl"
    longest: int = 0
    """Pixels; 0: the original."""
    metadata: bool = False
    """Originals byte by byte as they came, with places and cameras."""

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """CollectionError names what is wrong."""
        wish = cls(options.get("index", "jsonl"), options.get("longest", 0), bool(options.get("metadata", False)))
        if wish.index not in indexes.FORMATS:
            raise CollectionError(f"The index is written as one of {', '.join(indexes.FORMATS)}.")
        if wish.longest and not LEAST_SIZE <= wish.longest <= MOST_SIZE:
            raise CollectionError(f"The longest side is from {LEAST_SIZE} to {MOST_SIZE:,} pixels, or 0: the original.")
        return wish

    @property
    def options(self) -> dict[str, Any]:
        return {"index": self.index, "longest": self.longest, "metadata": self.metadata}

    @property
    def said(self) -> str:
        if self.longest:
            return f"resized to at most {self.longest:,} pixels, as JPEG, without metadata"
        if self.metadata:
            return "originals as they came, with what cameras wrote into them: places too"
        return "originals without metadata; other formats than JPEG, PNG and WebP as PNG"


class Target(Protocol):
    def put(self, name: str, content: bytes | Path) -> None: ...


class ZipTarget:
    """Pictures are packed already: they are stored, with 64 bits where needed, and go through memory in blocks."""

    def __init__(self, file: IO[bytes]) -> None:
        self.zip = ZipFile(file, "w", ZIP_STORED, allowZip64=True)

    def put(self, name: str, content: bytes | Path) -> None:
        about = ZipInfo(name)
        about.external_attr = 0o644 << 16
        about.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
        with self.zip.open(about, "w") as out, _opened(content) as source:
            shutil.copyfileobj(source, out, 2**20)


class FolderTarget:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, content: bytes | Path) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out, _opened(content) as source:
            shutil.copyfileobj(source, out, 2**20)


def _opened(content: bytes | Path) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


@dataclass
class Packed:
    count: int = 0
    left_out: list[dict[str, Any]] = field(default_factory=list)
    """[{image, why}, ...]"""


# --- packing
def pack(
    collection: Collection, by: User, wish: Wish, target: Target, base: str, beat: Callable[[int], None]
) -> Packed:
    """All pictures of the collection that ``by`` may see, looked at again for every hundred. ``base``: what addresses
    begin with. ``beat``: called with how many are done; what it raises ends the packing."""
    packed, done, tells = Packed(), 0, collection.tells_how(by)
    index, licences = indexes.INDEXES[wish.index](_about(collection, base)), indexes.Licences()
    for items in _items(collection, by):
        tags, sources = _tags([item.image_id for item in items]), _sources(items, by)
        for item in items:
            done += 1
            try:
                size, extension, content = _content(item.image, wish)
            except (PictureError, DecoderBusy, OSError) as error:
                if len(packed.left_out) < LISTED:
                    logger.warning("Image %s is not packed: %s", item.image_id, error)
                why = str(error) if not isinstance(error, OSError) else "Its file cannot be read."
                packed.left_out.append({"image": item.image_id, "why": why})
                continue
            name = f"images/{file_name(item.image_id, item.image.name, extension)}"
            item.via = item.via if tells else ""
            record = _record(item, name, size, tags.get(item.image_id, []), sources.get(item.image_id, []), base)
            target.put(name, content)
            index.add(record)
            licences.add(record)
            packed.count += 1
            beat(done)
        beat(done)
    _finish(target, index, licences, collection, wish, packed, base)
    return packed


def _finish(
    target: Target,
    index: indexes.Index,
    licences: indexes.Licences,
    collection: Collection,
    wish: Wish,
    packed: Packed,
    base: str,
) -> None:
    about = _about(collection, base)
    readme = indexes.readme(about, wish.index, packed.count, wish.said, len(packed.left_out))
    target.put("README.txt", readme.encode())
    for name, part in ((indexes.FORMATS[wish.index], index), ("LICENSES.txt", licences)):
        with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
            path = Path(folder, "text")
            with path.open("w", encoding="utf-8", newline="") as out:
                part.write(out)
            target.put(name, path)


def _about(collection: Collection, base: str) -> dict[str, str]:
    return {
        "description": collection.name + (f"\n{collection.note}" if collection.note else ""),
        "url": base + collection.get_absolute_url(),
        "date_created": timezone.now().date().isoformat(),
    }


def _items(collection: Collection, by: User) -> Iterator[list[CollectionItem]]:
    last = 0
    while items := list(collection.items_for(by).filter(pk__gt=last).select_related("image").order_by("pk")[:AT_ONCE]):
        yield items
        last = items[-1].pk


def _content(image: Image, wish: Wish) -> tuple[tuple[int, int], str, bytes | Path]:
    """((width, height), extension, bytes or the file that holds them)"""
    path = originals.path_of(image.sha256, image.format)
    size, extension = (image.width, image.height), EXTENSION[image.format]
    if wish.longest:
        small = decode(path, longest=wish.longest, limits=decode_limits()).pil()
        return small.size, "jpg", _encoded(small, "JPEG", quality=QUALITY)
    if wish.metadata:
        if not path.is_file():
            raise FileNotFoundError(path)
        return size, extension, path
    if clean := without_metadata(path.read_bytes(), image.format):
        return size, extension, clean
    whole = decode(path, longest=max(size), limits=decode_limits()).pil()
    return whole.size, "png", _encoded(whole, "PNG", compress_level=3)


def _encoded(picture: Any, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


# --- what is said of a picture
def _record(
    item: CollectionItem,
    file: str,
    size: tuple[int, int],
    tags: list[tuple[str, str]],
    sources: list[Origin],
    base: str,
) -> Record:
    image = item.image
    return Record(
        id=image.pk,
        file=file,
        width=size[0],
        height=size[1],
        sha256=image.sha256,
        name=image.name,
        caption=image.caption,
        tags=tags,
        taken_at=image.taken_at.isoformat() if image.taken_at else "",
        added_at=image.added_at.isoformat(),
        page=base + image.get_absolute_url(),
        found_by=item.via,
        score=item.score,
        sources=sources,
    )


def _tags(images: list[int]) -> dict[int, list[tuple[str, str]]]:
    have = dict(Image.objects.filter(pk__in=images).values_list("pk", "tag_ids"))
    rows = Tag.objects.filter(pk__in={pk for ids in have.values() for pk in ids})
    named = {tag.pk: (tag.name, tag.category) for tag in rows}
    return {image: sorted({named[pk] for pk in ids if pk in named}) for image, ids in have.items()}


def _sources(items: list[CollectionItem], by: User) -> dict[int, list[Origin]]:
    found: dict[int, list[Origin]] = {}
    for row in ImageSource.objects.visible_to(by).filter(image__in=[item.image_id for item in items]).order_by("pk"):
        # Paths of the server, and names on somebody's own disk, are nobody's business.
        told = row.address if row.address.lower().startswith(("http://", "https://")) else ""
        found.setdefault(row.image_id, []).append(Origin(row.kind, told, row.title, row.author, row.licence))
    return found


# --- as a work
def folder() -> Path:
    return Path(settings.VAR) / "exports"


def file_of(work: CollectionWork) -> Path:
    return folder() / f"{work.token}.zip"


def needed(collection: Collection, by: User, wish: Wish) -> int:
    """Bytes that it will take, about; rather too many."""
    images = collection.images_for(by)
    count = images.count()
    if wish.longest:
        pixels = sum(
            min(1.0, wish.longest / max(width, height)) ** 2 * width * height
            for width, height in images.values_list("width", "height")
        )
        return int(pixels * _PIXEL) + count * _ROW
    return int((images.aggregate(all=Sum("bytes"))["all"] or 0) * 1.05) + count * _ROW


def require_room(place: Path, bytes_: int) -> None:
    """CollectionError if the disk has not so much to spare."""
    free = shutil.disk_usage(place).free - BESIDE
    if bytes_ > free:
        sentence = f"This needs about {_size(bytes_)}, and the disk has {_size(max(0, free))} to spare."
        raise CollectionError(sentence, "no_room", 507)


def _size(bytes_: int) -> str:
    return f"{bytes_ / 2**30:,.1f} GiB" if bytes_ >= 2**30 else f"{max(1, round(bytes_ / 2**20)):,} MiB"


def step(work: CollectionWork, worker: str) -> None:
    """The whole of it. A worker that is killed leaves a part, which the next one writes from its beginning."""
    assert work.by
    wish = Wish.of(work.options)
    make_folders(folder())
    require_room(folder(), needed(work.collection, work.by, wish))
    total = work.collection.items_for(work.by).count()
    if not total:
        raise CollectionError("There is nothing in this collection that could be packed.")
    work.hold(worker, total=total, done=0)
    part = folder() / f".{work.token}.{worker[:8]}.part"
    try:
        packed = _zip(work, worker, wish, part)
        os.replace(part, file_of(work))
        flush_folder(folder())
    finally:
        part.unlink(missing_ok=True)
    outcome = {
        "packed": packed.count,
        "left_out": len(packed.left_out),
        "why": packed.left_out[:LISTED],
        "bytes": file_of(work).stat().st_size,
    }
    if not work.end(worker, CollectionWork.State.DONE, outcome=outcome, done=total):
        file_of(work).unlink(missing_ok=True)  # it was stopped in the last moment


def _zip(work: CollectionWork, worker: str, wish: Wish, part: Path) -> Packed:
    assert work.by
    with ExitStack() as stack:
        file = stack.enter_context(part.open("xb"))
        target = ZipTarget(file)
        stack.callback(target.zip.close)
        packed = pack(work.collection, work.by, wish, target, work.options.get("base", ""), Beat(work, worker))
        target.zip.close()
        file.flush()
        os.fsync(file.fileno())
        return packed


class Beat:
    """Says every second how far it is. CollectionError if it was stopped, or is somebody else's by now."""

    def __init__(self, work: CollectionWork, worker: str) -> None:
        self.work, self.worker, self.said = work, worker, 0.0

    def __call__(self, done: int) -> None:
        if time.monotonic() - self.said < 1:
            return
        self.said = time.monotonic()
        if not self.work.hold(self.worker, done=done):
            raise CollectionError("It was stopped.")


def to_folder(
    collection: Collection, by: User, wish: Wish, place: Path, base: str, beat: Callable[[int], None]
) -> Packed:
    """CollectionError if there is something in the folder already, or no room."""
    if place.exists() and any(place.iterdir()):
        raise CollectionError(f"There is something in {place} already: name an empty folder.")
    place.mkdir(parents=True, exist_ok=True)
    require_room(place, needed(collection, by, wish))
    return pack(collection, by, wish, FolderTarget(place), base, beat)


def fetchable() -> Any:
    """Exports whose file is kept still."""
    done = CollectionWork.objects.filter(kind=CollectionWork.Kind.EXPORT, state=CollectionWork.State.DONE)
    return done.filter(ended_at__gt=Now() - KEPT)


def sweep() -> int:
    """Remove files whose day is over, and what crashes left. Returns how many."""
    if not folder().is_dir():
        return 0
    kept = set(fetchable().values_list("token", flat=True))
    working = set(CollectionWork.objects.to_pack().values_list("token", flat=True))
    removed = 0
    for path in folder().iterdir():
        token = path.name.lstrip(".").split(".")[0]
        if (path.suffix == ".zip" and token in kept) or token in working:
            continue
        path.unlink(missing_ok=True)
        removed += 1
    return removed

"""What a file says of itself: its blocks of EXIF, XMP, C2PA and text, without decoding the picture. Pure.

Bytes of strangers: nothing is unpacked beyond a limit, no number of a file is believed, and what makes no sense ends
the reading, never the program.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 4 * 2**20
"""Of all blocks of a file, and of one text once it is unpacked."""
MOST_BLOCKS = 20_000
MOST_TEXTS = 100
WINDOW = 2**20
"""Bytes at both ends of a file in which blocks are looked for where there is no walk of its kind."""
C2PA_BOX = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""The description of a manifest store: JUMBF (ISO 19566-5), C2PA specification, section 11.1."""
_XMP_START, _XMP_END = b"<x:xmpmeta", b"</x:xmpmeta>"
_EXIF_HEAD, _XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEY = "XML:com.adobe.xmp"
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


@dataclass
class Declared:
    exif: bytes = b""
    xmp: bytes = b""
    c2pa: bytes = b""
    """The manifest store: JUMBF boxes of CBOR and JSON, not verified."""
    texts: list[tuple[str, str]] = field(default_factory=list)
    """(keyword, text) of a PNG."""

    @property
    def size(self) -> int:
        return len(self.exif) + len(self.xmp) + len(self.c2pa) + sum(len(text) for _, text in self.texts)

    @property
    def is_full(self) -> bool:
        return self.size >= MOST_BYTES or len(self.texts) >= MOST_TEXTS


def read(path: Path, format: str) -> Declared:
    """``format``: a key of gallery.formats.MIME. OSError if the file cannot be read."""
    walks: dict[str, Callable[[BinaryIO, Declared], None]] = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}
    declared = Declared()
    with path.open("rb") as file:
        walks.get(format, _anywhere)(file, declared)
    return declared


def _jpeg(file: BinaryIO, declared: Declared) -> None:
    """Segments up to the first scan."""
    file.seek(2)
    for _ in range(MOST_BLOCKS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA or declared.is_full:
            return
        if head[1] == 0xFF or head[1] in _WITHOUT_LENGTH:  # padding
            file.seek(-3 if head[1] == 0xFF else -2, 1)
            continue
        length = int.from_bytes(head[2:]) - 2
        if length < 0:
            return
        _segment(head[1], file.read(length), declared)


def _segment(marker: int, body: bytes, declared: Declared) -> None:
    if marker == 0xE1 and body.startswith(_EXIF_HEAD):
        declared.exif += body[len(_EXIF_HEAD) :]
    elif marker == 0xE1 and body.startswith(_XMP_HEAD):
        declared.xmp += body[len(_XMP_HEAD) :]
    elif marker == 0xEB and body.startswith(b"JP"):
        # A box too long for one segment goes on in the next, its head repeated.
        declared.c2pa += body[8:] if int.from_bytes(body[4:8]) <= 1 else body[16:]


def _png(file: BinaryIO, declared: Declared) -> None:
    file.seek(8)
    for length, kind in _chunks(file, declared, "big"):
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            _text(kind, file.read(min(length, MOST_BYTES)), declared)
        elif kind == b"eXIf":
            declared.exif += file.read(min(length, MOST_BYTES))
        elif kind == b"caBX":
            declared.c2pa += file.read(min(length, MOST_BYTES))


def _webp(file: BinaryIO, declared: Declared) -> None:
    file.seek(12)
    for length, kind in _chunks(file, declared, "little"):
        if kind == b"EXIF":
            declared.exif += file.read(min(length, MOST_BYTES)).removeprefix(_EXIF_HEAD)
        elif kind == b"XMP ":
            declared.xmp += file.read(min(length, MOST_BYTES))
        elif kind == b"C2PA":
            declared.c2pa += file.read(min(length, MOST_BYTES))


def _chunks(file: BinaryIO, declared: Declared, order: str) -> Iterator[tuple[int, bytes]]:
    """(length, kind) of a PNG ("big": a checksum follows each chunk) or a RIFF ("little": padded to even lengths)."""
    for _ in range(MOST_BLOCKS):
        head = file.read(8)
        if len(head) < 8 or declared.is_full:
            return
        length, kind = (int.from_bytes(head[:4]), head[4:]) if order == "big" else (_little(head[4:]), head[:4])
        start = file.tell()
        yield length, kind
        file.seek(start + length + (4 if order == "big" else length % 2))


def _little(number: bytes) -> int:
    return int.from_bytes(number, "little")


def _text(kind: bytes, body: bytes, declared: Declared) -> None:
    keyword, _, rest = body.partition(b"\0")
    key, encoding = keyword[:80].decode("latin-1"), "latin-1"
    if kind == b"iTXt":
        packed, rest, encoding = rest[:1] == b"\1", rest[2:], "utf-8"
        rest = rest.partition(b"\0")[2].partition(b"\0")[2]  # the language, and the keyword in it
    else:
        packed, rest = kind == b"zTXt", rest[1:] if kind == b"zTXt" else rest
    if packed:
        rest = _unpacked(rest)
    if key == _XMP_KEY:
        declared.xmp += rest
    else:
        declared.texts.append((key, rest.decode(encoding, "replace")))


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MOST_BYTES)
    except zlib.error:
        return b""


def _anywhere(file: BinaryIO, declared: Declared) -> None:
    """AVIF, HEIC, TIFF, GIF, BMP: XMP lies there as it is, at one of the ends in practice; so does C2PA."""
    seen = file.read(WINDOW)
    size = file.seek(0, 2)
    file.seek(max(WINDOW, size - WINDOW))
    seen += file.read(WINDOW)
    start, end = seen.find(_XMP_START), seen.rfind(_XMP_END)  # no pattern: it would try each start to the end
    declared.xmp = seen[start:end] if 0 <= start < end else b""
    at = seen.find(C2PA_BOX)
    declared.c2pa = seen[max(0, at - 8) :] if at >= 0 else b""

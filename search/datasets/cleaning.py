"""Take out of a file what is no picture: places, cameras, comments, previews. The pixels stay as they are, byte by
byte; of EXIF only which side is up is written again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import crc32

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD"),
    *(b"pHYs", b"acTL", b"fcTL", b"fdAT"),
}
_WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
_HAS_XMP, _HAS_EXIF = 0x04, 0x08
_ORIENTATION = 0x0112


def without_metadata(content: bytes, format: str) -> bytes | None:
    """The same picture; None if that needs a new file: the format is another one, or the file is not well made."""
    clean = {"JPEG": _clean_jpeg, "PNG": _clean_png, "WEBP": _clean_webp}.get(format)
    try:
        return clean(content) if clean else None
    except (ValueError, IndexError, struct.error):
        return None


# --- JPEG
def _clean_jpeg(content: bytes) -> bytes:
    """Up to the end of its first picture: phones put further pictures and films behind it."""
    turn, kept = 1, []
    for marker, segment in _segments(content):
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            turn = orientation(segment[10:])
        if _is_picture(marker, segment):
            kept.append(segment)
    said = [b"\xff\xe1" + struct.pack(">H", 8 + len(exif(turn))) + b"Exif\0\0" + exif(turn)] if turn != 1 else []
    return b"".join([b"\xff\xd8", *said, *kept])


def _is_picture(marker: int, segment: bytes) -> bool:
    if marker == 0xE2:
        return segment[4:16] == b"ICC_PROFILE\0"
    return marker != 0xFE and (marker in (0xE0, 0xEE) or not 0xE0 <= marker <= 0xEF)


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, its bytes) until the end of the picture; those of a scan hold its data."""
    if content[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    at = 2
    while True:
        while content[at] == 0xFF and content[at + 1] == 0xFF:
            at += 1  # fill bytes
        if content[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = content[at + 1]
        if marker == 0xD9:
            yield marker, content[at : at + 2]
            return
        end = at + 2 + struct.unpack_from(">H", content, at + 2)[0]
        if marker == 0xDA:
            end = _end_of_scan(content, end)
        if end > len(content):
            raise ValueError("cut off")
        yield marker, content[at:end]
        at = end


def _end_of_scan(content: bytes, at: int) -> int:
    while True:
        at = content.index(b"\xff", at)  # ValueError if the file ends in a scan
        if content[at + 1] != 0 and not 0xD0 <= content[at + 1] <= 0xD7 and content[at + 1] != 0xFF:
            return at
        at += 2 if content[at + 1] != 0xFF else 1


# --- PNG
def _clean_png(content: bytes) -> bytes:
    if not content.startswith(_PNG):
        raise ValueError("no PNG")
    at, turn, kept = len(_PNG), 1, list[bytes]()
    while True:
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise ValueError("cut off")
        if kind == b"eXIf":
            turn = orientation(content[at + 8 : end - 4])
        if kind in _PNG_KEPT:
            kept.append(content[at:end])
        at = end
        if kind == b"IEND":
            break
    said = _png_chunk(b"eXIf", exif(turn)) if turn != 1 else b""
    return b"".join([_PNG, kept[0], said, *kept[1:]])


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))


# --- WebP
def _clean_webp(content: bytes) -> bytes:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise ValueError("no WebP")
    at, turn, kept = 12, 1, list[bytes]()
    ends = min(len(content), 8 + struct.unpack_from("<I", content, 4)[0])
    while at + 8 <= ends:
        kind, length = struct.unpack_from("<4sI", content, at)
        end = at + 8 + length + length % 2
        if at + 8 + length > len(content):
            raise ValueError("cut off")
        if kind == b"EXIF":
            turn = orientation(content[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        if kind in _WEBP_KEPT:
            kept.append(content[at:end])
        at = end
    if turn != 1:
        kept.append(struct.pack("<4sI", b"EXIF", len(exif(turn))) + exif(turn))
    kept = [_with_flags(chunk, turn != 1) if chunk[:4] == b"VP8X" else chunk for chunk in kept]
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _with_flags(chunk: bytes, has_exif: bool) -> bytes:
    flags = chunk[8] & ~(_HAS_XMP | _HAS_EXIF) | (_HAS_EXIF if has_exif else 0)
    return chunk[:8] + bytes([flags]) + chunk[9:]


# --- which side is up
def orientation(tiff: bytes) -> int:
    """1 to 8, of the bytes of EXIF; 1 where it says nothing that can be read."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return 1
    start = struct.unpack_from(f"{order}I", tiff, 4)[0]
    if start + 2 > len(tiff):
        return 1
    count = struct.unpack_from(f"{order}H", tiff, start)[0]
    for at in range(start + 2, min(len(tiff) - 12, start + 2 + 12 * (count - 1)) + 1, 12):
        tag, kind, number, value = struct.unpack_from(f"{order}HHIH", tiff, at)
        if tag == _ORIENTATION and kind == 3 and number == 1 and 1 <= value <= 8:
            return int(value)
    return 1


def exif(turn: int) -> bytes:
    """EXIF that says only this; 26 bytes."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, _ORIENTATION, 3, 1, turn, 0, 0)

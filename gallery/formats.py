"""Which pictures are taken: types told by content, limits, and the error that says why one is not.

The decoding child imports this before it can start, so neither NumPy nor Pillow nor Django may come in.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from importlib.util import find_spec

MIME = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
EXTENSION = {
    "JPEG": "jpg",
    "PNG": "png",
    "GIF": "gif",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
    "HEIF": "heic",
}
STATUS = {
    "empty": 400,
    "too_large": 413,
    "unsupported_type": 415,
    "corrupt": 422,
    "too_many_pixels": 422,
    "too_complex": 422,
}
HEAD = 64
"""So many bytes from the start of a file are enough for sniff()."""

SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
}
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MARKER = re.compile(rb"\xff+([^\x00\xff])")


@dataclass(frozen=True)
class Limits:
    """What one picture may cost. Pixels are those of the original, however small it is wanted."""

    max_bytes: int = 50 * 2**20
    max_pixels: int = 100_000_000
    max_jpeg_scans: int = 100
    max_seconds: float = 10
    max_memory: int = 2048 * 2**20  # a lossless WebP takes 19 bytes a pixel, the most of all: 1,866 MiB


DEFAULT_LIMITS = Limits()


class PictureError(Exception):
    """This file does not become a picture. ``str()`` is a sentence for whoever sent it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[1])

    @property
    def status(self) -> int:
        """The HTTP status that fits."""
        return STATUS[self.code]


class DecoderBusy(Exception):
    """Too many pictures are being decoded. It says nothing about this one, so it is no PictureError: try later."""

    def __init__(self) -> None:
        super().__init__("Too many pictures are being read just now.")


def sniff(head: bytes) -> str | None:
    """The format (a key of MIME) that the first HEAD bytes of a file say; None if it is not one of ours."""
    for signature, format in SIGNATURES.items():
        if head.startswith(signature):
            return format
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    return None


def _sniff_brands(head: bytes) -> str | None:
    """AVIF and HEIC share a container; "mif1" may open either, so all brands are read."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    return "AVIF" if brands & AVIF_BRANDS else "HEIF" if brands & HEIF_BRANDS else None


def check_file(head: bytes, size: int, limits: Limits) -> str:
    """The format of a file of this size in bytes. PictureError if it need not even be read."""
    if size == 0:
        raise PictureError("empty", "This file is empty.")
    if size > limits.max_bytes:
        raise too_large(size, limits)
    format = sniff(head)
    if format is None:
        raise PictureError("unsupported_type", f"This file is no picture of a known type: {_taken()}.")
    if format == "HEIF" and not find_spec("pillow_heif"):
        raise PictureError(
            "unsupported_type",
            "This is a HEIC picture; they can only be read where the package pillow-heif is installed.",
        )
    return format


def check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise too_many_pixels(width * height, limits)


def check_scans(jpeg: bytes, limits: Limits) -> None:
    """Refuse a JPEG that costs minutes: each scan of a progressive one goes over all of its pixels."""
    # The count is an upper bound in no time, the walk is exact.
    if jpeg.count(b"\xff\xda") > limits.max_jpeg_scans:
        scans = count_scans(jpeg)
        if scans > limits.max_jpeg_scans:
            raise too_complex(f"has {scans:,} scans; at most {limits.max_jpeg_scans} are allowed")


def count_scans(jpeg: bytes) -> int:
    """The scans before the end-of-image marker, found as libjpeg finds them.

    Counting FF DA alone would refuse phones' motion photographs: the film behind the picture is full of it.
    """
    scans, at = 0, 2
    while match := _MARKER.search(jpeg, at):
        marker, at = match[1][0], match.end()
        if marker == 0xD9:
            break
        scans += marker == 0xDA
        # Markers below C0 and the restart markers have no length. libjpeg skips just the marker, so do we:
        # jumping over a made-up length could hide scans.
        if marker > 0xBF and not 0xD0 <= marker <= 0xD8:
            at += int.from_bytes(jpeg[at : at + 2], "big")
    return scans


def too_large(size: int, limits: Limits) -> PictureError:
    return PictureError("too_large", f"This file has {_mib(size)} MiB; at most {_mib(limits.max_bytes)} are allowed.")


def too_many_pixels(pixels: int, limits: Limits) -> PictureError:
    has, allowed = _rounded(pixels / 1e6), _rounded(limits.max_pixels / 1e6)
    return PictureError("too_many_pixels", f"This picture has {has} megapixels; at most {allowed} are allowed.")


def too_complex(what: str) -> PictureError:
    return PictureError("too_complex", f"This picture {what}.")


def too_slow(limits: Limits) -> PictureError:
    return too_complex(f"takes too long to decode; at most {limits.max_seconds:g} seconds are allowed")


def too_much_memory(limits: Limits) -> PictureError:
    return too_complex(f"takes too much memory to decode; at most {_mib(limits.max_memory)} MiB are allowed")


def corrupt(format: str) -> PictureError:
    return PictureError("corrupt", f"This {format} picture is damaged or cut off.")


def _taken() -> str:
    names = [format for format in MIME if format != "HEIF" or find_spec("pillow_heif")]
    return f"{', '.join(names[:-1])} and {names[-1]} are taken"


def _mib(size: int) -> str:
    return _rounded(size / 2**20)


def _rounded(number: float) -> str:
    """Upwards, so that no sentence says "has 50; at most 50 are allowed"."""
    return f"{math.ceil(number * 10) / 10:,.1f}".removesuffix(".0")

"""The process that decodes pictures of strangers, so that no bomb and no broken codec reaches the gallery.

Run by gallery/children.py as ``python -m gallery.decoder`` with a Unix socket as standard input. A request is
one small JSON message that carries the open file; an answer is LENGTH, JSON, and height x width x 3 bytes.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import re
import resource
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from gallery import exif
from gallery.formats import (
    Limits,
    PictureError,
    check_scans,
    check_size,
    corrupt,
    too_complex,
    too_many_pixels,
    too_much_memory,
)

READY = b"ready"
LENGTH = struct.Struct("!I")
MOST_KEPT = 256 * 2**20
"""A child that holds more bytes than this is not kept: malloc does not give all of a large picture back."""
MOST_TEXT = 4 * 2**20
"""Bytes that one text chunk or colour profile of a PNG may have once unpacked; four times as many in all."""
_TOO_MUCH_TEXT = (
    f"holds too much text or too large a colour profile; at most {MOST_TEXT >> 20} MiB each "
    f"and {4 * MOST_TEXT >> 20} in all are allowed"
)

_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


# --- talking with the parent


def main() -> None:
    prepare()
    _silence_codecs()
    with socket.socket(fileno=0) as parent:
        parent.sendall(READY)
        # The end of the socket is the end of the parent, however it died. PR_SET_PDEATHSIG would not do:
        # it fires when the *thread* that started us ends.
        while message := _receive(parent):
            request, file = message
            limits = Limits(**request.pop("limits"))
            with file, limited(limits):
                header, pixels = _answer(file, limits, **request)
            header["grown"] = _grown()
            body = json.dumps(header).encode()
            parent.sendall(LENGTH.pack(len(body)) + body)
            parent.sendall(pixels)


def prepare() -> None:
    """Import the codecs and set what holds for every picture."""
    for format in ("Avif", "Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP"):
        import_module(f"PIL.{format}ImagePlugin")
    # Pillow copies what it has of a line with each block that it adds: a line of 60 MB takes 40 s in small ones.
    ImageFile.MAXBLOCK = 4 * 2**20
    PngImagePlugin.MAX_TEXT_CHUNK = MOST_TEXT
    PngImagePlugin.MAX_TEXT_MEMORY = 4 * MOST_TEXT
    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _silence_codecs() -> None:
    """What C libraries print about files of strangers is no log of ours. Our own tracebacks still come out."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Memory, processor time and, should the parent be gone, the clock: the kernel ends us at these two."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits.max_seconds)
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_AS, limits.max_memory)
    signal.setitimer(signal.ITIMER_REAL, limits.max_seconds + 2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _grown() -> bool:
    # Not getrusage's ru_maxrss: that begins with the size of the process that started us.
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return resident * resource.getpagesize() > MOST_KEPT


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _receive(parent: socket.socket) -> tuple[dict[str, Any], io.BufferedReader] | None:
    # So small a message arrives in one piece on a Unix socket.
    try:
        message, files, _, _ = socket.recv_fds(parent, 4096, 1)
    except ConnectionError:
        return None  # the parent was killed
    return (json.loads(message), open(files[0], "rb")) if message else None


def _answer(file: io.BufferedReader, limits: Limits, **wanted: Any) -> tuple[dict[str, Any], bytes]:
    try:
        file.seek(0)
        size = min(os.fstat(file.fileno()).st_size, limits.max_bytes)  # it may have grown since
        return decode(file.read(size), limits=limits, **wanted)
    except PictureError as error:
        return _refusal(error)
    except MemoryError:
        return _refusal(too_much_memory(limits))


def _refusal(error: PictureError) -> tuple[dict[str, Any], bytes]:
    return {"code": error.code, "sentence": str(error)}, b""


# --- decoding


def decode(data: bytes, format: str, longest: int, limits: Limits) -> tuple[dict[str, Any], bytes]:
    """What is known of the picture, and its pixels: RGB, upright, no side longer than ``longest``."""
    with _told_apart(format, limits):
        source = _open(data, format, limits)
        size = source.size
        small = _reduce(source, longest)
        fields = source.getexif()
    rgb = _rgb(small, source.info.get("icc_profile"))
    orientation = exif.orientation(fields)
    upright = rgb.transpose(_TURNS[orientation]) if orientation in _TURNS else rgb
    width, height = size[::-1] if orientation >= 5 else size
    pixels = upright.tobytes()  # before _is_animated: a GIF forgets its first frame over that
    return {
        "shape": (upright.height, upright.width),
        "width": width,
        "height": height,
        "exif": exif.readable(fields),
        "animated": format in _ANIMATED and _is_animated(source),
    }, pixels


@contextmanager
def _told_apart(format: str, limits: Limits) -> Iterator[None]:
    """Whatever Pillow raises over the bytes of a stranger, as the PictureError that it means."""
    try:
        yield
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise too_many_pixels(int(re.findall(r"\d+", str(error))[0]), limits) from error
    except Exception as error:  # OSError, SyntaxError, struct.error, KeyError ...: there is no list
        if "out of memory" in str(error):
            raise MemoryError from error
        if isinstance(error, ValueError) and re.search("too large|MAX_TEXT", str(error)):
            raise too_complex(_TOO_MUCH_TEXT) from error
        raise corrupt(format) from error


def _open(data: bytes, format: str, limits: Limits) -> Image.Image:
    # Pillow warns at this number and refuses at twice of it; it knows places where pixels are claimed that we
    # do not, and looks before it takes memory for a WebP.
    Image.MAX_IMAGE_PIXELS = -(-limits.max_pixels // 2)
    if format == "JPEG":
        check_scans(data, limits)
    if format == "HEIF":
        import_module("pillow_heif").register_heif_opener()
    image = Image.open(io.BytesIO(data), formats=[format])
    check_size(*image.size, limits)
    return image


def fit(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The size in the same proportions, no side over ``longest``, none under 1; never larger than it was."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _reduce(image: Image.Image, longest: int) -> Image.Image:
    target = fit(image.size, longest)
    # A JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough; all others answer None.
    _, box = image.draft(None, target) or (None, None)
    image.load()
    image = _averageable(image)
    if image.size == target:
        return image
    # Sums of numbers out of any range must not swing over: only averages of them.
    resample = Image.Resampling.BOX if _is_numbers(image) else Image.Resampling.LANCZOS
    gap = None if image.mode.startswith("I;16") else 2.0  # Pillow cannot reduce() these
    return image.resize(target, resample, box, gap)


# --- colours


def _is_numbers(image: Image.Image) -> bool:
    return image.mode[0] in "IF"


def _averageable(image: Image.Image) -> Image.Image:
    """The picture in a mode in which the mean of two pixels is a colour between them."""
    if _is_numbers(image) or image.mode in ("LA", "RGBA"):
        return image
    if image.has_transparency_data:
        return image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode in ("1", "P"):
        return image.convert("L" if image.mode == "1" else "RGB")
    return image


def _rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if _is_numbers(image):
        image = _grey(image)
    if image.has_transparency_data:
        image = _over_white(image)
    if profile and image.mode in ("RGB", "CMYK"):
        image = _srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white


def _grey(image: Image.Image) -> Image.Image:
    """Whole numbers and floats, NaN and infinity too, as 8 bits; stretched if they fit no usual range."""
    import numpy as np  # few pictures need it, and it doubles the time of our start

    values = np.asarray(image, dtype=np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, next(top for top in (1.0, 255.0, 65535.0) if high <= top)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    scaled = (values.clip(low, high) - low) * (255 / ((high - low) or 1))
    return Image.fromarray(scaled.round().astype(np.uint8))


def _srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture in sRGB; a profile that is broken or made for something else is ignored."""
    try:
        transform = _to_srgb(profile, image.mode)
        return ImageCms.applyTransform(image, transform) or image if transform else image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if ImageCms.getProfileDescription(source).startswith("sRGB"):
        return None
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _is_animated(image: Any) -> bool:
    """Looks for a second frame, never for the last."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:
        return False  # what follows a whole first frame is broken


if __name__ == "__main__":
    main()

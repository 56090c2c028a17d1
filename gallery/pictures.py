"""Bytes become a Picture here and nowhere else: decode() is the only way in.

What is taken and what refused is in gallery/formats.py, how it is decoded in gallery/decoder.py, and the
child processes in which that happens in gallery/children.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gallery import children, exif
from gallery.formats import DEFAULT_LIMITS, EXTENSION, HEAD, MIME, DecoderBusy, Limits, PictureError, check_file, sniff

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EXTENSION", "MIME", "DecoderBusy", "Limits", "Picture", "PictureError", "decode", "sniff"]


@dataclass(frozen=True, eq=False)
class Picture:
    """The first frame of a picture, upright, in sRGB, what was transparent in white.

    ``pixels``: (height, width, 3) uint8, contiguous, at most as large as was asked for.
    ``width`` and ``height``: of the original, upright. ``format``: a key of MIME, told by the content.
    ``exif``: fit for JSON, but words of strangers; a place is under "GPS" in degrees.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int
    format: str
    exif: exif.Exif = field(default_factory=dict)
    animated: bool = False

    def pil(self) -> Image:
        from PIL import Image

        return Image.fromarray(self.pixels)


def decode(source: bytes | os.PathLike[str], longest: int = 2048, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """The picture in these bytes or in this file, reduced so that no side is over ``longest`` pixels.

    Safe from any thread and after a fork; waits while as many decodes are running as there are processors.
    PictureError if it is none, a damaged one or one over the limits; OSError if the file cannot be read;
    DecoderBusy if it had to wait too long.
    """
    with _opened(source) as file:
        head, size = os.pread(file.fileno(), HEAD, 0), os.fstat(file.fileno()).st_size
        format = check_file(head, size, limits)
        answer, pixels = children.decode(file, format, longest, limits)
    return Picture(
        pixels=pixels,
        width=answer["width"],
        height=answer["height"],
        format=format,
        exif=exif.checked(answer.get("exif")),
        animated=bool(answer.get("animated")),
    )


@contextmanager
def _opened(source: bytes | os.PathLike[str]) -> Iterator[BinaryIO | Any]:
    """An open file, so that a child never needs a name and never sees another file than the one checked."""
    if not isinstance(source, bytes):
        with open(source, "rb") as file:
            yield file
        return
    with open(os.memfd_create("picture"), "w+b") as memory:
        memory.write(source)
        memory.flush()
        yield memory

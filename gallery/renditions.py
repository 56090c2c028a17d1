"""Sized copies of a picture: WebP, without any metadata, under a public folder that the web server mounts."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from PIL import Image as PillowImage

from gallery.pictures import Picture

LONGEST = (360, 720, 1600)
"""Pixels of the longest side: a row of thumbnails, the same on a dense screen, the image page."""
QUALITY = 80
PLACEHOLDER = 16


@dataclass(frozen=True)
class Rendition:
    sha256: str
    longest: int
    width: int
    height: int

    @property
    def _tail(self) -> str:
        return f"{self.sha256[:2]}/{self.sha256[2:4]}/{self.sha256}-{self.longest}.webp"

    @property
    def url(self) -> str:
        return settings.RENDITION_URL + self._tail

    @property
    def path(self) -> Path:
        return root() / self._tail


def root() -> Path:
    return settings.MEDIA_ROOT / "renditions"


def rendition_sizes(sha256: str, width: int, height: int) -> list[Rendition]:
    """The renditions of a picture of this size in pixels, smallest first. Nothing is ever enlarged."""
    made = []
    for longest in LONGEST:
        scale = min(1.0, longest / max(width, height))
        made.append(Rendition(sha256, longest, max(1, round(width * scale)), max(1, round(height * scale))))
        if scale == 1.0:
            break
    return made


def make(sha256: str, picture: Picture) -> None:
    """Write all renditions. ``picture`` must have been decoded at max(LONGEST) or more."""
    image = picture.pil()
    # From the largest to the smallest: each is made from the one before, which costs a fraction.
    for rendition in reversed(rendition_sizes(sha256, picture.width, picture.height)):
        if image.size != (rendition.width, rendition.height):
            image = image.resize((rendition.width, rendition.height), PillowImage.Resampling.LANCZOS, reducing_gap=2)
        _write(rendition.path, webp(image))


def webp(image: PillowImage.Image, quality: int = QUALITY) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)  # method 4, the default, takes twice as long for 3 % of size
    return out.getvalue()


def placeholder(picture: Picture) -> bytes:
    """A WebP of at most 16 pixels a side, about 100 bytes: the page shows it blurred until the thumbnail is there."""
    image = picture.pil()
    image.thumbnail((PLACEHOLDER, PLACEHOLDER), PillowImage.Resampling.BOX, reducing_gap=1)
    return webp(image, quality=40)


def remove_renditions(sha256: str) -> None:
    for longest in LONGEST:
        Rendition(sha256, longest, 0, 0).path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a reader never sees half a thumbnail. Not flushed: it can be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)  # a full disk leaves no half ones under the public mount

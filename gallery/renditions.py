"""Sized copies of a picture: WebP, without any metadata, under a public folder that the web server mounts.

Those of private pictures lie in a folder of their own, which no server mounts: a view asks who wants to see them.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from PIL import Image as PillowImage

from gallery.pictures import Picture

LONGEST = (360, 720, 1600)
"""Pixels of the longest side: a row of thumbnails, the same on a dense screen, the image page."""
QUALITY = 80
PLACEHOLDER = 16
PRIVATE_URL = "/private/"
"""Served by gallery.views.private_rendition."""


class Rendition(NamedTuple):
    sha256: str
    longest: int
    width: int
    height: int
    private: bool = False

    @property
    def _tail(self) -> str:
        return f"{self.sha256[:2]}/{self.sha256[2:4]}/{self.sha256}-{self.longest}.webp"

    @property
    def url(self) -> str:
        return (PRIVATE_URL if self.private else settings.RENDITION_URL) + self._tail

    @property
    def path(self) -> Path:
        return (private_root() if self.private else root()) / self._tail


def root() -> Path:
    return settings.MEDIA_ROOT / "renditions"


def private_root() -> Path:
    """Never under a public mount."""
    return settings.MEDIA_ROOT / "private"


def rendition_sizes(sha256: str, width: int, height: int, private: bool = False) -> list[Rendition]:
    """The renditions of a picture of this size in pixels, smallest first. Nothing is ever enlarged."""
    return [Rendition(sha256, *sizes, private) for sizes in _sizes(width, height)]


@lru_cache(maxsize=10_000)
def _sizes(width: int, height: int) -> tuple[tuple[int, int, int], ...]:
    """((longest, width, height), ...). Cameras know few sizes, and a page asks for a hundred."""
    made = []
    for longest in LONGEST:
        scale = min(1.0, longest / max(width, height))
        made.append((longest, max(1, round(width * scale)), max(1, round(height * scale))))
        if scale == 1.0:
            break
    return tuple(made)


def make(sha256: str, picture: Picture, private: bool = False) -> None:
    """Write all renditions. ``picture`` must have been decoded at max(LONGEST) or more."""
    image = picture.pil()
    # From the largest to the smallest: each is made from the one before, which costs a fraction.
    for rendition in reversed(rendition_sizes(sha256, picture.width, picture.height, private)):
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
    for rendition in (*_all(sha256, private=False), *_all(sha256, private=True)):
        rendition.path.unlink(missing_ok=True)


def settle(sha256: str, private: bool) -> None:
    """Move what lies on the wrong side: out of the public mount, or back to it. OSError leaves it for the sweep.

    What a browser or a proxy has kept of a public rendition nobody can take back.
    """
    for here, there in zip(_all(sha256, not private), _all(sha256, private), strict=True):
        if here.path.exists():
            there.path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(here.path, there.path)


def is_settled(sha256: str, private: bool) -> bool:
    return not any(rendition.path.exists() for rendition in _all(sha256, not private))


def is_there(sha256: str) -> bool:
    """Some rendition lies in one of the two folders."""
    return any(each.path.exists() for private in (False, True) for each in _all(sha256, private))


def _all(sha256: str, private: bool) -> list[Rendition]:
    return [Rendition(sha256, longest, 0, 0, private) for longest in LONGEST]


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a reader never sees half a thumbnail. Not flushed: it can be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)  # a full disk leaves no half ones under the public mount

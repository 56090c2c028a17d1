"""The typefaces of this machine that have Latin letters, by family, so that some can be kept for the examination."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import ImageFont

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
ENDINGS = {".ttf", ".otf", ".ttc"}
_TRIED = "Ag4@"
_MOST = 8
"""Of one family: some bring fifty, and would be drawn all the time."""


@dataclass(frozen=True, order=True)
class Typeface:
    family: str
    """The first word of its name: "DejaVu" for DejaVu Sans Mono too, since these look alike."""
    path: str
    """ "": Pillow's own."""

    def at(self, size: int) -> Any:
        """Pillow's font of that size in pixels."""
        return _font(self.path, size)


OWN = Typeface("Pillow", "")


@lru_cache(maxsize=512)
def _font(path: str, size: int) -> Any:
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


def typefaces(folders: Iterable[str | Path] = FOLDERS) -> list[Typeface]:
    """Sorted; at least Pillow's own."""
    files = {file for folder in folders for file in Path(folder).expanduser().rglob("*") if file.suffix in ENDINGS}
    by_family: dict[str, list[Typeface]] = {}
    for file in sorted(files):
        family = _family(file)
        if family:
            by_family.setdefault(family, []).append(Typeface(family, str(file)))
    return sorted([OWN, *(face for faces in by_family.values() for face in _some(faces))])


def _some(faces: list[Typeface]) -> list[Typeface]:
    """At most _MOST, from all over the list."""
    return [faces[round(i * (len(faces) - 1) / (_MOST - 1))] for i in range(_MOST)] if len(faces) > _MOST else faces


def _family(file: Path) -> str:
    """ "" if it cannot be read, or has no Latin letters but symbols or empty boxes in their place."""
    try:
        font = ImageFont.truetype(str(file), 24)
        drawn = {bytes(font.getmask(letter)) for letter in _TRIED}
        name = font.getname()[0] or ""
    except (OSError, ValueError):
        return ""
    has_letters = len(drawn) == len(_TRIED) and all(drawn)
    return name.split()[0] if has_letters and name.split() else ""

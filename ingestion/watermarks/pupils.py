"""The pictures and typefaces that are learned from, and those that are kept for the examination."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gallery.pictures import MIME, Picture, PictureError, decode
from ingestion.watermarks.typefaces import Typeface

LONGEST = 900
"""Pixels of the longest side of what is drawn on."""
SHARE = 5
"""One of so many pictures, and of so many families of typefaces, is kept for the examination."""
_FEWEST = 10
_KEPT = 400
"""Pictures in memory."""


class TrainingError(Exception):
    """A sentence for the one who wanted to train."""


@dataclass(frozen=True)
class Material:
    learned: tuple[Path, ...]
    held: tuple[Path, ...]
    """Pictures that are in the examination only."""
    faces: tuple[Typeface, ...]
    held_faces: tuple[Typeface, ...]
    left_out: tuple[str, ...] = ()
    """Sentences about files that are no pictures."""


def material(folder: Path, faces: Sequence[Typeface], say: Callable[[int], object] = lambda done: None) -> Material:
    """Of the pictures in the folder and below. TrainingError if there are too few. ``say`` is told how many more were
    looked at."""
    if not folder.is_dir():
        raise TrainingError(f"{folder} is no folder.")
    by_content: dict[str, Path] = {}
    left_out = []
    for file in sorted(each for each in folder.rglob("*") if each.suffix.lower() in _ENDINGS):
        say(1)
        try:
            picture(file)
        except (PictureError, OSError) as error:
            left_out.append(f"{file.name}: {error}")
        else:
            by_content.setdefault(hashlib.sha256(file.read_bytes()).hexdigest(), file)
    files = [by_content[key] for key in sorted(by_content)]  # an order that has nothing to do with their names
    if len(files) < _FEWEST:
        raise TrainingError(f"{folder} holds {len(files)} pictures; at least {_FEWEST} are needed, and hundreds help.")
    learned, held = _split(files)
    families = sorted({face.family for face in faces}, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    some, others = (set(part) for part in _split(families)) if len(families) > 1 else ({*families}, {*families})
    return Material(
        tuple(learned),
        tuple(held),
        tuple(face for face in faces if face.family in some),
        tuple(face for face in faces if face.family in others),
        tuple(left_out),
    )


_ENDINGS = {f".{name.lower()}" for name in MIME} | {".jpg", ".jpeg", ".tif"}


def _split(items: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    held = max(1, len(items) // SHARE)
    return list(items[held:]), list(items[:held])


@lru_cache(maxsize=_KEPT)
def picture(file: Path) -> Image.Image:
    """PictureError or OSError if it is none."""
    return decode(file, LONGEST).pil()


def as_picture(image: Image.Image) -> Picture:
    return Picture(np.ascontiguousarray(image), image.width, image.height, "JPEG")

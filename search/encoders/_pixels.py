"""Pictures as a network wants them: a square of a certain size, and numbers around zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gallery.pictures import Picture

_LONGEST = 3
"""Times as long as wide. Of a longer picture only the middle is enlarged: of 2048 x 1 it would be 300 MB."""
_INTERPOLATIONS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}


@dataclass(frozen=True)
class Preparation:
    """As open_clip and timm prepare pictures for a network; the same numbers as theirs."""

    side: int
    """Of the square that the network sees."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    mode: str = "shortest"
    """What is brought to ``resized`` pixels: the "shortest" or the "longest" side, or both by a "squash"."""
    resized: int = 0
    """0: ``side``. What is beyond the square then is cut away on both sides, what is missing is filled."""
    fill: tuple[int, ...] = (0, 0, 0)

    def __call__(self, picture: Picture) -> np.ndarray:
        """(3, side, side) float32."""
        pixels = np.asarray(self.square(picture.pil()), np.float32).transpose(2, 0, 1) / np.float32(255)
        return (pixels - _column(self.mean)) / _column(self.std)

    def square(self, image: Image.Image) -> Image.Image:
        how, width, height = _INTERPOLATIONS[self.interpolation], *self._size(*image.size)
        left, top = (round((long - self.side) / 2) for long in (width, height))
        if max(width, height) > _LONGEST * min(width, height) and self.mode == "shortest":
            seen = np.array([left, top, left + self.side, top + self.side])
            scale = np.array([image.width / width, image.height / height] * 2)
            return image.resize((self.side, self.side), how, box=_inside(seen * scale, *image.size))
        image = image.resize((width, height), how)
        if width < self.side or height < self.side:
            whole = Image.new("RGB", (max(width, self.side), max(height, self.side)), self.fill)
            whole.paste(image, (max(0, self.side - width) // 2, max(0, self.side - height) // 2))
            image, left, top = whole, max(left, 0), max(top, 0)
        return image.crop((left, top, left + self.side, top + self.side))

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """After the resizing."""
        resized = self.resized or self.side
        if self.mode == "squash":
            return resized, resized
        if self.mode == "longest":
            ratio = max(width, height) / resized
            return max(1, round(width / ratio)), max(1, round(height / ratio))
        if width <= height:
            return resized, int(resized * height / width)
        return int(resized * width / height), resized


def _inside(box: Any, width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(edge) for edge in np.clip(box, 0, [width, height] * 2))
    return left, top, right, bottom


def _column(numbers: tuple[float, ...]) -> np.ndarray:
    return np.array(numbers, np.float32)[:, None, None]

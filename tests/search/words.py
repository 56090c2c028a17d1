"""Pictures with words, as rows without files."""

from __future__ import annotations

import itertools
from typing import Any

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag

_numbers = itertools.count(1)


def tag(name: str) -> Tag:
    return Tag.objects.get_or_create(name=name)[0]


def picture(*tags: str, caption: str = "", text: str = "", source: dict | None = None, **fields: Any) -> Image:
    """A visible image of 100 x 100 with these tags."""
    number = next(_numbers)
    fields = {"name": f"{number}.jpg", "width": 100, "height": 100, "bytes": 1000, "format": "JPEG"} | fields
    image = Image.objects.create(sha256=f"{number:064x}", state="ready", **fields)
    for name in tags:
        ImageTag.objects.create(image=image, tag=tag(name))
    if caption:
        Caption.objects.create(image=image, text=caption)
    if text:
        OcrText.objects.create(image=image, text=text)
    if source:
        ImageSource.objects.create(image=image, **source)
    return image

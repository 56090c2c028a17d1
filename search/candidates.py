"""The facts about the members of a group that the suggestion weighs; some need a look at the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Opinion
from gallery.pictures import DecoderBusy, PictureError, decode
from search.borders import inner_boxes
from search.detail import MORE, contrast, gain
from search.engines._base import Grade
from search.keep_best import Candidate
from search.models import Pair

LOOKED_AT = 12
"""Members of a group whose pictures are looked at, largest first: each takes about 0.1 s."""
_LOSSLESS = {"PNG", "BMP", "TIFF"}
_CUT = 0.03
"""Share of the picture that borders must take away to be worth a word."""
_SAME_SHAPE = 0.03
_COLOURLESS = 3.0
"""Grey levels between the channels, on average."""
_AGREE = 0.95
"""Share of the blocks of both pictures that look alike. Recompressed, reduced, mirrored, darkened copies: 0.95 or more
in 99 of 100; with words on them: 0.89 on average (search/agreement.py)."""


def candidates_of(images: Sequence[Image], look: bool = True, whole: int | None = None) -> list[Candidate]:
    """In the order of the images. Six queries; ``whole``: the id of the image that shows the others."""
    ids = [image.pk for image in images]
    words, sources = _words(ids), _counted(ImageSource.objects.filter(image__in=ids).values_list("image", flat=True))
    looks = _looks(images) if look else {}
    enlarged, different = _enlarged(images, looks), _different(ids)
    return [
        Candidate(
            key=image.pk,
            width=image.width,
            height=image.height,
            bytes=image.bytes,
            format=image.format,
            lossless=image.format in _LOSSLESS,
            looked=image.pk in looks,
            borders=looks[image.pk].borders if image.pk in looks else None,
            grey=looks[image.pk].grey if image.pk in looks else None,
            differs=image.pk in different,
            enlarged=image.pk in enlarged,
            whole=image.pk == whole,
            dated=image.taken_at is not None,
            words=words[image.pk],
            sources=sources[image.pk],
        )
        for image in images
    ]


def _different(ids: list[int]) -> set[int]:
    """Those of a pair of which the engines saw that it is not alike everywhere."""
    pairs = Pair.objects.among(ids).filter(grade=Grade.SAME, evidence__local_features__agree__lt=_AGREE)
    return {image for pair in pairs.values_list("low", "high") for image in pair}


def _words(ids: list[int]) -> Counter[int]:
    found: Counter[int] = Counter()
    for model in (ImageTag, Caption, OcrText):
        accepted = model.objects.filter(image__in=ids, state=Opinion.ACCEPTED)
        found += _counted(accepted.values_list("image", flat=True))
    return found


def _counted(ids: Iterable[int]) -> Counter[int]:
    return Counter(ids)


@dataclass(frozen=True)
class _Look:
    borders: bool
    grey: bool
    contrast: np.ndarray


def _looks(images: Sequence[Image]) -> dict[int, _Look]:
    """Of the largest images; one whose rendition is not there (yet), or must wait, is left out."""
    found = {}
    for image in sorted(images, key=lambda image: -image.pixels)[:LOOKED_AT]:
        try:
            picture = decode(image.screen.path)
            grey = picture.pil().convert("L")
        except (PictureError, DecoderBusy, OSError):
            continue
        found[image.pk] = _Look(_has_borders(grey), _is_grey(picture.pixels), contrast(np.asarray(grey)))
    return found


def _is_grey(pixels: np.ndarray) -> bool:
    """Of (h, w, 3): compression leaves a little colour in the plainest grey."""
    few = pixels[::4, ::4].astype(np.int16)
    return bool((few.max(2) - few.min(2)).mean() < _COLOURLESS)


def _has_borders(grey: PillowImage.Image) -> bool:
    return any((right - left) * (bottom - top) < 1 - _CUT for (left, top, right, bottom), _ in inner_boxes(grey, 0))


def _enlarged(images: Sequence[Image], looks: dict[int, _Look]) -> set[int]:
    """Those with no more detail than a smaller one. Only of the same shape: the view must be the same."""
    seen = [image for image in images if image.pk in looks]
    return {
        large.pk
        for large in seen
        for small in seen
        if large.pixels > small.pixels and _same_shape(large, small) and _adds_nothing(large, small, looks)
    }


def _same_shape(one: Image, other: Image) -> bool:
    return abs(one.width * other.height / (one.height * other.width) - 1) < _SAME_SHAPE


def _adds_nothing(large: Image, small: Image, looks: dict[int, _Look]) -> bool:
    more = gain(looks[large.pk].contrast, looks[small.pk].contrast, max(small.width, small.height))
    return more is not None and more < MORE

"""Examples to learn watermarks from: clean pictures, each with a mark drawn on it or without one.

What counts as a watermark here: whatever was laid flat over the picture after it was taken, to say whose it is or where
it comes from: words, addresses, © signs, logos, patterns of these, and the date that a camera writes. What does not
count: letters that are in the scene, as on signs, book covers and shirts, and borders.

Pure: numpy and Pillow. A picture is never cropped, since that may cut its mark away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from ingestion.watermarks.logos import logo
from ingestion.watermarks.signs import put_up_sign
from ingestion.watermarks.typefaces import Typeface
from ingestion.watermarks.words import words

KINDS = ("corner", "anywhere", "centre", "diagonal", "tiled", "banner", "edge")
"""Where the mark is, or how often."""
_WEIGHTS = (30, 18, 12, 10, 14, 9, 7)
FAINTEST = 0.1
"""Opacity"""
_WITH_PLATE = ("corner", "anywhere", "centre")
_SEEN_LEVELS, _SEEN_SHARE = 7.0, 0.75
"""A mark changes what it covers by so many levels of 255, and by so much of the differences between neighbouring pixels
that are there already: one that nobody could see is no example."""
_TRIES = 5
SIZES = (360, 640)
"""Pixels of the longest side."""
_SIGNS, _BORDERS = 0.25, 0.08

Colour = tuple[int, int, int]
Box = tuple[int, int]
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Example:
    image: Image.Image
    """RGB"""
    mask: Image.Image
    """ "L", of the same size: where the ink of the mark is, without a plate behind it. Black where there is none."""
    kind: str
    """One of KINDS; "clean", "sign" or "border" where there is no mark."""
    family: str = ""
    """Of the typeface, where there is one."""
    opacity: float = 0.0

    @property
    def is_marked(self) -> bool:
        return bool(self.family)


def clean(picture: Image.Image, random: Random, faces: Sequence[Typeface]) -> Example:
    """As a picture without a watermark may be: turned over, with a sign in the scene, with a border, compressed."""
    scene, kind = _scene(picture, random, faces)
    return _clean(_Wear(random)(scene), kind)


def marked(picture: Image.Image, random: Random, faces: Sequence[Typeface], faintest: float = FAINTEST) -> Example:
    """The same with a mark, which a person could see."""
    return both(picture, random, faces, faintest)[0]


def both(
    picture: Image.Image, random: Random, faces: Sequence[Typeface], faintest: float = FAINTEST
) -> tuple[Example, Example]:
    """(with a mark, without it): the same in everything else, so that only the mark can tell them apart."""
    scene, kind_of_scene = _scene(picture, random, faces)
    kind, face = random.choices(KINDS, _WEIGHTS)[0], random.choice(faces)
    after, mask, opacity = _marked(scene, kind, random, face, faintest)
    wear = _Wear(random)
    return Example(wear(after), mask, kind, face.family, opacity), _clean(wear(scene), kind_of_scene)


def _clean(image: Image.Image, kind: str) -> Example:
    return Example(image, Image.new("L", image.size), kind)


# --- the picture
def _scene(picture: Image.Image, random: Random, faces: Sequence[Typeface]) -> tuple[Image.Image, str]:
    """(picture in another form, what was done to it)"""
    image, chance = _varied(picture, random), random.random()
    if chance < _SIGNS:
        return put_up_sign(image, random, random.choice(faces)), "sign"
    return (_border(image, random), "border") if chance < _SIGNS + _BORDERS else (image, "clean")


def _varied(picture: Image.Image, random: Random) -> Image.Image:
    """In another size, perhaps mirrored, darker, paler."""
    longest = random.randint(*SIZES)
    scale = longest / max(picture.size)
    size = max(48, round(picture.width * scale)), max(48, round(picture.height * scale))
    image = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    if random.random() < 0.5:
        power, slope = random.uniform(0.75, 1.35), random.uniform(0.8, 1.1)
        image = image.point([min(255, round(255 * slope * (level / 255) ** power)) for level in range(256)] * 3)
    if random.random() < 0.06:
        image = ImageOps.grayscale(image).convert("RGB")
    return image


def _border(image: Image.Image, random: Random) -> Image.Image:
    width = max(2, round(min(image.size) * random.uniform(0.01, 0.06)))
    bordered = ImageOps.expand(image, width, random.choice((_WHITE, _BLACK, _any(random))))
    if random.random() < 0.4:
        ImageDraw.Draw(bordered).rectangle(
            (width // 2, width // 2, bordered.width - width // 2, bordered.height - width // 2), outline=_any(random)
        )
    return bordered


class _Wear:
    """What happens to a picture on the net: sometimes it is blurred, mostly made a JPEG."""

    def __init__(self, random: Random) -> None:
        self.blur = random.uniform(0.3, 0.9) if random.random() < 0.15 else 0.0
        self.quality = random.randint(45, 95) if random.random() < 0.75 else 0

    def __call__(self, image: Image.Image) -> Image.Image:
        if self.blur:
            image = image.filter(ImageFilter.GaussianBlur(self.blur))
        if self.quality:
            coded = BytesIO()
            image.save(coded, "JPEG", quality=self.quality)
            image = Image.open(coded).convert("RGB")
        return image


def _any(random: Random) -> Colour:
    return random.randrange(256), random.randrange(256), random.randrange(256)


# --- the mark
def _marked(
    image: Image.Image, kind: str, random: Random, face: Typeface, faintest: float
) -> tuple[Image.Image, Image.Image, float]:
    """(picture with the mark, its mask, its opacity)."""
    layer = _layer(image.size, kind, random, face)
    has_plate = kind == "banner" or (kind in _WITH_PLATE and random.random() < 0.08)
    plate = _plate(layer, random) if has_plate else None
    ink, shade = _styled(layer, random)
    for attempt in range(_TRIES):
        opacity = random.uniform(min(0.8, faintest + 0.12 * attempt), 1.0 if random.random() < 0.3 else 0.9)
        colour = _colour(random) if attempt < _TRIES - 1 else _opposite(image, layer)
        after = image
        if plate is not None:
            after = _laid(after, plate, random.choice((_BLACK, _WHITE, _any(random))), random.uniform(0.2, 1) * opacity)
        if shade is not None:
            after = _laid(after, shade, _WHITE if sum(colour) < 380 else _BLACK, opacity * random.uniform(0.4, 1))
        after = _laid(after, ink, colour, opacity)
        if _can_be_seen(image, after, ink):
            break
    mask = ink if shade is None else ImageChops.lighter(ink, shade)
    return after, mask, opacity


def _laid(image: Image.Image, layer: Image.Image, colour: Colour, opacity: float) -> Image.Image:
    return Image.composite(Image.new("RGB", image.size, colour), image, layer.point(lambda level: level * opacity))


def _can_be_seen(before: Image.Image, after: Image.Image, ink: Image.Image) -> bool:
    box = ink.getbbox()
    if box is None:
        return False
    covered = np.asarray(ink.crop(box)) > 100
    if covered.sum() < 25:
        return False
    old, new = (np.asarray(each.crop(box).convert("L"), np.float32) for each in (before, after))
    colours = np.asarray(ImageChops.difference(before.crop(box), after.crop(box)), np.float32).max(axis=2)
    changed = 0.5 * (np.abs(new - old)[covered].mean() + colours[covered].mean())
    rough = np.abs(np.diff(old, axis=1))[covered[:, 1:]]
    return bool(changed >= max(_SEEN_LEVELS, _SEEN_SHARE * (rough.mean() if rough.size else 0)))


def _colour(random: Random) -> Colour:
    chance = random.random()
    if chance < 0.5:
        return _WHITE
    if chance < 0.7:
        return _BLACK
    grey = random.randrange(256)
    return (grey, grey, grey) if chance < 0.78 else _any(random)


def _opposite(image: Image.Image, layer: Image.Image) -> Colour:
    box = layer.getbbox() or (0, 0, *image.size)
    return _BLACK if np.asarray(image.crop(box).convert("L")).mean() > 127 else _WHITE


def _styled(layer: Image.Image, random: Random) -> tuple[Image.Image, Image.Image | None]:
    """(ink, what is beneath it in another colour, if anything): plain, outlined, hollow, with a shadow, raised."""
    chance, reach = random.random(), max(1, round(max(layer.size) / 500))
    if chance < 0.6:
        return layer, None
    if chance < 0.72:
        return layer, layer.filter(ImageFilter.MaxFilter(2 * reach + 1))
    if chance < 0.76:
        hollow = ImageChops.subtract(layer.filter(ImageFilter.MaxFilter(3)), layer)
        return hollow, None
    shadow = ImageChops.offset(layer, reach, reach)
    if chance < 0.9:
        return layer, shadow.filter(ImageFilter.GaussianBlur(reach * 0.7)) if chance < 0.83 else shadow
    return ImageChops.subtract(layer, shadow), ImageChops.subtract(shadow, layer)


def _plate(layer: Image.Image, random: Random) -> Image.Image | None:
    """A band or a box behind the words."""
    box = layer.getbbox()
    if box is None:
        return None
    plate, around = Image.new("L", layer.size), round((box[3] - box[1]) * random.uniform(0.15, 0.6))
    left, right = (0, layer.width) if random.random() < 0.7 else (box[0] - around, box[2] + around)
    ImageDraw.Draw(plate).rectangle((left, box[1] - around, right, box[3] + around), fill=255)
    return plate


# --- its place
def _layer(size: Box, kind: str, random: Random, face: Typeface) -> Image.Image:
    """ "L", of the size of the picture: where ink is."""
    width, height = size
    short, layer = min(size), Image.new("L", size)
    if kind == "tiled":
        return _tiled(layer, _stamp(random, face, short * random.uniform(0.028, 0.075)), random)
    if kind == "diagonal":
        stamp = _stamp(random, face, short * random.uniform(0.07, 0.2), logos=0)
        slope = math.degrees(math.atan2(height, width)) * random.choice((1, -1)) + random.uniform(-8, 8)
        stamp = _fitting(stamp.rotate(slope, Image.Resampling.BICUBIC, expand=True), size, 1.0)
        return _put(layer, stamp, 0.5 + random.uniform(-0.1, 0.1), 0.5 + random.uniform(-0.1, 0.1))
    if kind == "centre":
        stamp = _turned(_stamp(random, face, short * random.uniform(0.07, 0.22), logos=0.35), random, 0.3)
        return _put(layer, _fitting(stamp, size, 0.98), random.uniform(0.35, 0.65), random.uniform(0.35, 0.65))
    stamp = _stamp(random, face, short * random.uniform(0.024, 0.075))
    if kind == "edge":
        stamp = _fitting(
            stamp.transpose(random.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270))), size, 0.95
        )
        return _put(layer, stamp, random.choice((0.015, 0.985)), random.random())
    if kind == "banner":
        return _put(layer, _fitting(stamp, size, 0.95), random.random(), random.choice((0.03, 0.97, 0.97)))
    if kind == "anywhere":
        return _put(layer, _fitting(_turned(stamp, random, 0.4), size, 0.95), random.random(), random.random())
    stamp = _fitting(_turned(stamp, random, 0.08), size, 0.95)
    return _put(layer, stamp, random.choice((0.02, 0.5, 0.98, 0.98)), random.choice((0.02, 0.98, 0.98)))


def _put(layer: Image.Image, stamp: Image.Image, across: float, down: float) -> Image.Image:
    """``across`` and ``down``: 0 is the left and upper edge, 1 the right and lower."""
    layer.paste(stamp, (round((layer.width - stamp.width) * across), round((layer.height - stamp.height) * down)))
    return layer


def _fitting(stamp: Image.Image, size: Box, share: float) -> Image.Image:
    scale = min(1.0, size[0] * share / stamp.width, size[1] * share / stamp.height)
    if scale == 1:
        return stamp
    smaller = max(1, round(stamp.width * scale)), max(1, round(stamp.height * scale))
    return stamp.resize(smaller, Image.Resampling.BICUBIC)


def _turned(stamp: Image.Image, random: Random, share: float) -> Image.Image:
    if random.random() > share:
        return stamp
    return stamp.rotate(random.uniform(-45, 45), Image.Resampling.BICUBIC, expand=True)


def _tiled(layer: Image.Image, stamp: Image.Image, random: Random) -> Image.Image:
    angle = random.choice((0, 0, 30, -30, 45, -45, random.uniform(-60, 60)))
    stamp = _fitting(stamp.rotate(angle, Image.Resampling.BICUBIC, expand=True), layer.size, 0.6)
    across, down = (round(side * random.uniform(1.1, 2.2)) + 4 for side in stamp.size)
    shift = random.choice((0, across // 2))
    for row, y in enumerate(range(-random.randrange(down), layer.height, down)):
        for x in range(-random.randrange(4) - row % 2 * shift, layer.width, across):
            layer.paste(stamp, (x, y), stamp)
    return layer


# --- what it shows
def _stamp(random: Random, face: Typeface, height: float, logos: float = 0.3) -> Image.Image:
    """ "L": words, a logo, or both. ``height``: of a line of words, in pixels."""
    size = max(7, round(height))
    if random.random() > logos:
        return _written(random, face, size)
    side = round(size * random.uniform(1.5, 3.5))
    sign = logo(random, face, side)
    if random.random() < 0.5:
        return sign
    text = _written(random, face, size)
    both = Image.new("L", (sign.width + size // 2 + text.width, max(sign.height, text.height)))
    both.paste(sign, (0, (both.height - sign.height) // 2))
    both.paste(text, (sign.width + size // 2, (both.height - text.height) // 2))
    return both


def _written(random: Random, face: Typeface, size: int) -> Image.Image:
    text, font = words(random), face.at(size)
    if random.random() < 0.12:
        text += "\n" + words(random)
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    stroke = 1 if size > 20 and random.random() < 0.1 else 0
    left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font=font, stroke_width=stroke)
    image = Image.new("L", (max(1, math.ceil(right - left) + 2), max(1, math.ceil(bottom - top) + 2)))
    ImageDraw.Draw(image).multiline_text((1 - left, 1 - top), text, fill=255, font=font, stroke_width=stroke)
    return image

"""What people call a colour, in the codes that images are found by (Image.colours): 12 bits, four of each channel.

A name stands for all that people would call so, by lightness, chroma and hue in CIELAB; a code and the finer names
for all that is near.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from search.language.mistakes import ValueMistake

NEAR = 20.0
"""Distance in CIELAB: at a glance the same colour."""
_HEX = re.compile("#?(?:[0-9a-f]{3}|[0-9a-f]{6})")
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class _Range:
    """A part of the room of colours; hues in degrees, and ``hues`` may go through 360."""

    lightness: tuple[float, float]
    chroma: tuple[float, float]
    hues: tuple[float, float] = (0, 360)

    def holds(self, lightness: float, chroma: float, hue: float) -> bool:
        first, last = self.hues
        return (
            self.lightness[0] <= lightness <= self.lightness[1]
            and self.chroma[0] <= chroma <= self.chroma[1]
            and (first <= hue <= last or first <= hue + 360 <= last)
        )


# Neighbours share their borders: what some call red and others orange is found by both.
_NAMES: dict[str, tuple[Colour, tuple[_Range, ...]]] = {
    "black": ((0, 0, 0), (_Range((0, 20), (0, 14)), _Range((0, 10), (0, 30)))),
    "grey": ((128, 128, 128), (_Range((20, 88), (0, 12)),)),
    "white": ((255, 255, 255), (_Range((88, 101), (0, 12)),)),
    "red": ((255, 0, 0), (_Range((15, 72), (38, 140), (362, 409)), _Range((15, 45), (25, 140), (355, 407)))),
    "orange": ((255, 140, 0), (_Range((50, 88), (45, 140), (40, 80)),)),
    "brown": ((139, 69, 19), (_Range((14, 58), (12, 58), (40, 88)), _Range((14, 40), (12, 35), (25, 90)))),
    "beige": ((245, 222, 179), (_Range((65, 101), (10, 36), (55, 112)),)),
    "yellow": ((255, 225, 0), (_Range((65, 100), (36, 140), (78, 114)),)),
    "green": ((0, 128, 0), (_Range((12, 98), (16, 140), (108, 178)), _Range((30, 75), (25, 80), (98, 112)))),
    "cyan": ((0, 200, 200), (_Range((30, 98), (14, 140), (172, 228)),)),
    "blue": ((0, 60, 255), (_Range((8, 90), (14, 140), (225, 308)), _Range((60, 94), (12, 140), (210, 300)))),
    "purple": ((128, 0, 128), (_Range((8, 78), (16, 140), (308, 345)),)),
    "pink": ((255, 130, 180), (_Range((55, 94), (13, 140), (330, 386)), _Range((45, 70), (45, 140), (335, 372)))),
}  # fmt: skip
_OTHER_NAMES = {"gray": "grey", "violet": "purple", "turquoise": "cyan", "aqua": "cyan"}
_FINER: dict[str, Colour] = {
    "amber": (255, 191, 0),
    "azure": (0, 127, 255),
    "burgundy": (128, 0, 32),
    "charcoal": (54, 69, 79),
    "coral": (255, 127, 80),
    "cream": (255, 253, 208),
    "crimson": (220, 20, 60),
    "emerald": (80, 200, 120),
    "gold": (255, 215, 0),
    "indigo": (75, 0, 130),
    "ivory": (255, 255, 240),
    "khaki": (195, 176, 145),
    "lavender": (200, 180, 230),
    "lilac": (200, 162, 200),
    "lime": (50, 205, 50),
    "magenta": (255, 0, 255),
    "maroon": (128, 0, 0),
    "mint": (152, 255, 152),
    "navy": (0, 0, 128),
    "ochre": (204, 119, 34),
    "olive": (128, 128, 0),
    "peach": (255, 203, 164),
    "rose": (255, 0, 127),
    "rust": (183, 65, 14),
    "salmon": (250, 128, 114),
    "sand": (194, 178, 128),
    "scarlet": (255, 36, 0),
    "silver": (192, 192, 192),
    "sky": (135, 206, 235),
    "tan": (210, 180, 140),
    "teal": (0, 128, 128),
}
COLOUR_NAMES = (*_NAMES, *_OTHER_NAMES, *_FINER)


def colour_of(value: str) -> Colour:
    """RGB of "#a0c", "a0c", "aa00cc" or "teal". ValueMistake."""
    written = value.strip().lower()
    written = _OTHER_NAMES.get(written, written)
    if written in _NAMES:
        return _NAMES[written][0]
    if written in _FINER:
        return _FINER[written]
    if not _HEX.fullmatch(written):
        raise ValueMistake("the name of a colour, like red or teal, or a code like #3366cc")
    digits = written.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def colour_codes(value: str) -> list[int]:
    """Codes 0xRGB, rising, of all colours that are called so; near them for a code. Never empty. ValueMistake."""
    written = value.strip().lower()
    written = _OTHER_NAMES.get(written, written)
    if written in _NAMES:
        return list(_codes_called(written))
    return list(_codes_near(colour_of(written)))


def _codes_called(name: str) -> tuple[int, ...]:
    return tuple(code for code, names in enumerate(_names_of_codes()) if name in names)


@cache
def _names_of_codes() -> tuple[tuple[str, ...], ...]:
    """What each code is called. One between all ranges is called as the nearest that has a name."""
    room = _room()
    called = [tuple(name for name, (_, ranges) in _NAMES.items() if _in_any(ranges, lab)) for lab in room]
    named = [code for code, names in enumerate(called) if names]
    return tuple(
        names or called[min(named, key=lambda other: math.dist(room[code], room[other]))]
        for code, names in enumerate(called)
    )


def _in_any(ranges: tuple[_Range, ...], lab: tuple[float, float, float]) -> bool:
    return any(each.holds(*_polar(lab)) for each in ranges)


def _codes_near(colour: Colour) -> tuple[int, ...]:
    red, green, blue = colour
    own = (red >> 4) << 8 | (green >> 4) << 4 | blue >> 4
    lab = _lab(colour)
    return tuple(code for code, other in enumerate(_room()) if code == own or math.dist(lab, other) <= NEAR)


@cache
def _room() -> tuple[tuple[float, float, float], ...]:
    """CIELAB of the 4,096 codes, each in the middle of the colours that it stands for."""
    steps = [step * 16 + step for step in range(16)]
    return tuple(_lab((red, green, blue)) for red in steps for green in steps for blue in steps)


def _polar(lab: tuple[float, float, float]) -> tuple[float, float, float]:
    """Lightness 0..100, chroma, hue 0..360."""
    lightness, a, b = lab
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def _lab(colour: Colour) -> tuple[float, float, float]:
    """CIELAB (D65) of an sRGB colour."""
    red, green, blue = (_linear(channel / 255) for channel in colour)
    x = _root((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    y = _root(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = _root((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def _root(share: float) -> float:
    return share ** (1 / 3) if share > 216 / 24389 else (24389 / 27 * share + 16) / 116

"""What the values of a query mean: "12mp" pixels, "2024-05" days, "16:9" a ratio, "teal" a colour.

Each function raises ValueMistake, a sentence, for what makes no sense. The parser has read every value of a tree once
already, so what comes out of a tree later is sound.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from search.language.colours import colour_codes, colour_of
from search.language.mistakes import ValueMistake

__all__ = [
    "ValueMistake",
    "around",
    "colour_codes",
    "colour_of",
    "day_range",
    "days",
    "is_span",
    "number",
    "today",
]

MOST = 10**15
"""No number is larger: any column that counts pixels or bytes holds it."""
MOST_SIDE = 10**9
_NUMBER = re.compile(r"([0-9]{1,16}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})\s*([a-z]*|%)")
_SIDES = re.compile(r"([0-9]{1,7})\s*[x×]\s*([0-9]{1,7})")
_RATIO = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*[:/x×]\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)")
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{1,2}))?(?:-([0-9]{1,2}))?")
_SPAN = re.compile(r"([0-9]{1,4})\s*([dwmy]|days?|weeks?|months?|years?)")

_SIDE_UNITS: dict[str, float] = {"": 1, "px": 1, "k": 1_000}
_PIXEL_UNITS: dict[str, float] = {"": 1, "px": 1, "k": 1e3, "m": 1e6, "mp": 1e6, "mpx": 1e6, "g": 1e9, "gp": 1e9}
# As the pages count them: 1 KB is 1,024 bytes.
_BYTE_UNITS: dict[str, float] = {"": 1, "b": 1} | {
    unit + ending: 1024**power for power, unit in enumerate("kmgt", start=1) for ending in ("", "b", "ib")
}
_SHARE_UNITS: dict[str, float] = {"": 1, "%": 0.01}


# --- numbers
def number(field: str, value: str) -> float:
    """Of width and height (pixels), pixels, ratio (width / height), bytes, confidence (0..1) or score.NAME."""
    return _read(field, value)[0]


def around(field: str, value: str) -> tuple[float, float]:
    """All that is called so, both ends included: what == and != mean. The other comparisons take ``number``.

    As exactly as it was written: 1000 is 1,000 alone, 12mp is all that rounds to it, 16:9 all within one hundredth.
    """
    middle, half = _read(field, value)
    return middle - half, middle + half


def _read(field: str, value: str) -> tuple[float, float]:
    """The number, and how far another one may be from it to be called the same."""
    return _READS.get(field, _score)(value.strip().lower())


def _side(value: str) -> tuple[float, float]:
    return _counted(value, _SIDE_UNITS, MOST_SIDE, "a number of pixels, like 1920")


def _pixels(value: str) -> tuple[float, float]:
    if sides := _SIDES.fullmatch(value):
        return float(int(sides[1]) * int(sides[2])), 0.0
    return _counted(value, _PIXEL_UNITS, MOST, "a number of pixels, like 2000000, 12mp or 1920x1080")


def _bytes(value: str) -> tuple[float, float]:
    return _counted(value, _BYTE_UNITS, MOST, "a number of bytes, like 500kb or 2MB")


def _ratio(value: str) -> tuple[float, float]:
    if sides := _RATIO.fullmatch(value):
        width, height = float(sides[1]), float(sides[2])
        ratio = width / height if height else 0.0
    else:
        found = _NUMBER.fullmatch(value)
        ratio = float(found[1]) if found and not found[2] else 0.0
    if not 0 < ratio <= 1_000_000:
        raise ValueMistake("a ratio of width to height, like 16:9 or 1.5")
    return ratio, ratio / 100


def _confidence(value: str) -> tuple[float, float]:
    share, half = _counted(value, _SHARE_UNITS, 1, "a number from 0 to 1, or from 0% to 100%")
    return share, max(half, 1e-9)


def _score(value: str) -> tuple[float, float]:
    size, half = _counted(value.removeprefix("-"), _SHARE_UNITS, MOST, "a number, like 0.5 or 50%")
    return -size if value.startswith("-") else size, max(half, 1e-9)


_READS: dict[str, Callable[[str], tuple[float, float]]] = {
    "width": _side,
    "height": _side,
    "pixels": _pixels,
    "ratio": _ratio,
    "bytes": _bytes,
    "confidence": _confidence,
}


def _counted(value: str, units: dict[str, float], most: float, looks: str) -> tuple[float, float]:
    """The number, and half of the last digit that was written, where that is less exact than one."""
    found = _NUMBER.fullmatch(value)
    if not found or found[2] not in units:
        raise ValueMistake(looks)
    unit = units[found[2]]
    if float(found[1]) * unit > most:
        raise ValueMistake(f"{looks}, and at most {most:,}")
    digits = len(found[1].partition(".")[2])
    exact = unit == 1 and not digits
    return float(found[1]) * unit, 0.0 if exact else unit / 10**digits / 2


# --- days
def today() -> date:
    """Days are whole, in UTC."""
    return datetime.now(UTC).date()


def is_span(value: str) -> bool:
    """It counts back from today: 7d, 3w, 2m, 1y."""
    return bool(_SPAN.fullmatch(value.strip().lower()))


def days(value: str, now: date | None = None) -> tuple[date, date]:
    """The first and the last day of 2024, 2024-05, 2024-05-17, today, yesterday, or of the time since 7d, 3w, 2m or
    1y ago. ``now``: the day that is today."""
    now, written = now or today(), value.strip().lower()
    if written in ("today", "yesterday"):
        day = now - timedelta(days=written == "yesterday")
        return day, day
    try:
        if span := _SPAN.fullmatch(written):
            return _ago(now, int(span[1]), span[2][0]), now
        if found := _DAY.fullmatch(written):
            return _calendar(int(found[1]), found[2], found[3])
    except (ValueError, OverflowError) as error:
        raise ValueMistake(_DAYS) from error
    raise ValueMistake(_DAYS)


def day_range(first: str, last: str, now: date | None = None) -> tuple[date, date]:
    """The first and the last day of a range; 1y..1m ends a month ago."""
    ends = days(last, now)
    return days(first, now)[0], ends[0] if is_span(last) else ends[1]


_DAYS = "a day, a month or a year, like 2024-05-17, 2024-05 or 2024, or today, yesterday, 7d, 3w, 2m, 1y"


def _calendar(year: int, month: str | None, day: str | None) -> tuple[date, date]:
    if not 1 < year < 9999:  # the day before and the day after are needed too
        raise ValueError(year)
    if not month:
        return date(year, 1, 1), date(year, 12, 31)
    if not day:
        return date(year, int(month), 1), date(year, int(month), monthrange(year, int(month))[1])
    only = date(year, int(month), int(day))
    return only, only


def _ago(now: date, count: int, unit: str) -> date:
    if unit in "dw":
        return now - timedelta(days=count * (7 if unit == "w" else 1))
    months = now.year * 12 + now.month - 1 - count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    if year < 2:
        raise ValueError(year)
    return date(year, month + 1, min(now.day, monthrange(year, month + 1)[1]))

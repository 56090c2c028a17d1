"""What a camera wrote into a picture, as a few readable words and numbers. None of it is to be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from gallery.names import printable

Value: TypeAlias = str | int | float
Fields: TypeAlias = Mapping[int, tuple[str, Callable[[Any], Value | None]]]
Exif: TypeAlias = dict[str, Value | dict[str, float]]

LONGEST_VALUE = 200
MOST_VALUES = 60
ORIENTATION = 0x0112
_CAMERA_IFD, _GPS_IFD = 0x8769, 0x8825


def readable(exif: Any) -> Exif:
    """The known fields of a PIL.Image.Exif (a mapping of tags with get_ifd), fit for JSON and for a page.

    Never raises for what a file holds: a field that makes no sense is left out.
    """
    place = _place(_ifd(exif, _GPS_IFD))
    return {
        **_values(exif, _PICTURE_FIELDS),
        **_values(_ifd(exif, _CAMERA_IFD), _CAMERA_FIELDS),
        **({"GPS": place} if place else {}),
    }


def checked(answer: Any) -> Exif:
    """The same, of an answer that may be forged: only what readable() could have said is left."""
    if not isinstance(answer, dict):
        return {}
    found: Exif = {}
    for name, value in list(answer.items())[:MOST_VALUES]:
        if isinstance(value, dict):
            latitude, longitude = _number(value.get("latitude")), _number(value.get("longitude"))
            if name == "GPS" and latitude is not None and longitude is not None:
                found[name] = {"latitude": float(latitude), "longitude": float(longitude)}
        elif isinstance(value, str):
            found[printable(name)[:40]] = printable(value)[:LONGEST_VALUE]
        elif (number := _number(value)) is not None:
            found[printable(name)[:40]] = number
    return found


def orientation(exif: Any) -> int:
    """1 to 8, as EXIF counts them; 1 (upright) for anything else."""
    return _read(exif, ORIENTATION, _turn) or 1


# --- one value


def _values(ifd: Mapping[int, Any], fields: Fields) -> dict[str, Value]:
    values = {name: _read(ifd, tag, read) for tag, (name, read) in fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def _read(ifd: Mapping[int, Any], tag: int, read: Callable[[Any], Any]) -> Any:
    # Pillow decodes a field when it is asked for, and raises whatever struct, fractions or a codec raise.
    try:
        return read(ifd.get(tag))
    except MemoryError:
        raise
    except Exception:
        return None


def _ifd(exif: Any, tag: int) -> Mapping[int, Any]:
    try:
        return dict(exif.get_ifd(tag))
    except MemoryError:
        raise
    except Exception:
        return {}


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    # Cut before cleaning too: cleaning a million characters to show 200 is wasted.
    return printable(_mended(value[: 4 * LONGEST_VALUE]))[:LONGEST_VALUE].strip() or None


def _mended(text: str) -> str:
    """Pillow reads text as Latin-1, most programs write UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _comment(value: Any) -> str | None:
    """UserComment starts with eight bytes that name its encoding."""
    if not isinstance(value, bytes):
        return _text(value)
    code, body = value[:8], value[8 : 8 + 4 * LONGEST_VALUE]
    return _wide(body) if code.startswith(b"UNICODE") else _text(body.strip(b"\0 "))


def _wide(value: Any) -> str | None:
    """The fields that Windows writes: UTF-16, as bytes or as a tuple of bytes."""
    body = bytes(value)[: 8 * LONGEST_VALUE]
    return _text(body.decode("utf-16-le", "replace").partition("\0")[0])


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def _decimal(value: Any) -> float | None:
    """A fraction with at most three decimals."""
    number = _number(float(value))
    return None if number is None else round(float(number), 3)


def _positive(value: Any) -> float | None:
    number = _decimal(value)
    return number if number and number > 0 else None


def _whole(value: Any) -> int | None:
    if isinstance(value, tuple | list):
        value = value[0]
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _turn(value: Any) -> int | None:
    number = _whole(value)
    return number if number in range(1, 9) else None


def _exposure(value: Any) -> str | None:
    """Seconds as photographers write them: 1/125 s, 0.8 s, 30 s."""
    seconds = float(value)
    if not 0 < seconds < 1e6:
        return None
    return f"1/{1 / seconds:.0f} s" if seconds <= 0.3 else f"{seconds:.1f}".removesuffix(".0") + " s"


def _millimetres(value: Any) -> str | None:
    length = _positive(value)
    return f"{length:.1f}".removesuffix(".0") + " mm" if length else None


def _flash(value: Any) -> str | None:
    flash = _whole(value)
    return None if flash is None else "fired" if flash & 1 else "did not fire"


# --- the place


def _place(gps: Mapping[int, Any]) -> dict[str, float] | None:
    """Degrees, north and east positive; None unless both are there and on this planet."""
    latitude = _read(gps, 2, _degrees)
    longitude = _read(gps, 4, _degrees)
    if not isinstance(latitude, float) or not isinstance(longitude, float):
        return None
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    south, west = _read(gps, 1, _text) == "S", _read(gps, 3, _text) == "W"
    return {"latitude": -latitude if south else latitude, "longitude": -longitude if west else longitude}


def _degrees(value: Any) -> float | None:
    degrees, minutes, seconds = (float(part) for part in value)
    number = _number(degrees + minutes / 60 + seconds / 3600)
    return None if number is None else round(float(number), 6)


_PICTURE_FIELDS: Fields = {
    0x010E: ("ImageDescription", _text),
    0x010F: ("Make", _text),
    0x0110: ("Model", _text),
    ORIENTATION: ("Orientation", _turn),
    0x0131: ("Software", _text),
    0x0132: ("DateTime", _text),
    0x013B: ("Artist", _text),
    0x8298: ("Copyright", _text),
    0x4746: ("Rating", _whole),
    0x9C9B: ("Title", _wide),
    0x9C9C: ("Comment", _wide),
    0x9C9D: ("Author", _wide),
    0x9C9E: ("Keywords", _wide),
    0x9C9F: ("Subject", _wide),
}
_CAMERA_FIELDS: Fields = {
    0x9003: ("DateTimeOriginal", _text),
    0x9004: ("DateTimeDigitized", _text),
    0x9011: ("OffsetTimeOriginal", _text),
    0x829A: ("ExposureTime", _exposure),
    0x829D: ("FNumber", _positive),
    0x8827: ("ISO", _whole),
    0x9204: ("ExposureBias", _decimal),
    0x920A: ("FocalLength", _millimetres),
    0xA405: ("FocalLengthIn35mmFilm", _millimetres),
    0x9209: ("Flash", _flash),
    0xA433: ("LensMake", _text),
    0xA434: ("LensModel", _text),
    0x9286: ("UserComment", _comment),
}

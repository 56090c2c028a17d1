"""JSON into frozen dataclasses. What a newer gallery says on top is passed over; what is missing has its default."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import foreign

T = TypeVar("T")


def made(kind: type[T], value: object) -> T:
    """One ``kind``, a dataclass, from what JSON said of it. GalleryError if it is something else."""
    if not isinstance(value, Mapping):
        raise foreign(f"{kind.__name__} should be an object")
    said = {}
    for name, (wanted, required) in _fields(kind).items():  # type: ignore[arg-type] # a class is hashable
        if value.get(name) is not None:
            said[name] = _read(wanted, value[name], f"{kind.__name__}.{name}")
        elif required:
            raise foreign(f"{kind.__name__} has no {name}")
    return kind(**said)


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """{name: (type, whether it must be said)}; null is said for what is not there."""
    hints = get_type_hints(kind)
    none = dataclasses.MISSING
    return {
        each.name: (hints[each.name], each.default is none and each.default_factory is none)
        for each in dataclasses.fields(kind)
    }


def _read(wanted: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        (wanted,) = [each for each in inner if each is not types.NoneType]
        return None if value is None else _read(wanted, value, where)
    if wanted is Any:
        return value
    if origin is tuple:
        return _tuple(inner, value, where)
    if origin is dict:
        return {str(key): _read(inner[1], each, where) for key, each in _a(dict, value, where).items()}
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return made(wanted, value)
    if wanted is datetime:
        return _moment(value, where)
    if wanted is float and type(value) is int:
        return float(value)
    return _a(wanted, value, where)


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    values = _a(list, value, where)
    if inner[-1] is Ellipsis:
        return tuple(_read(inner[0], each, where) for each in values)
    if len(values) != len(inner):
        raise foreign(f"{where} should have {len(inner)} parts")
    return tuple(_read(each, part, where) for each, part in zip(inner, values, strict=True))


def _moment(value: Any, where: str) -> datetime:
    try:
        return datetime.fromisoformat(_a(str, value, where))
    except ValueError:
        raise foreign(f"{where} should be a time") from None


def _a(kind: type[T], value: Any, where: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise foreign(f"{where} should be of another kind")
    return value

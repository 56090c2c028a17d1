"""The engines: one file is one engine, found by its file name like a management command."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from search.engines._base import Engine


@cache
def all_engines() -> dict[str, Engine]:
    """{name: engine}, in the order of their names."""
    names = sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}").ENGINE for name in names}


def own_engines() -> dict[str, Engine]:
    """Those that need no network: their features are made while a picture comes in."""
    return {name: engine for name, engine in all_engines().items() if not engine.of_network}


def get_engine(name: str) -> Engine:
    """KeyError if there is no such engine."""
    return all_engines()[name]

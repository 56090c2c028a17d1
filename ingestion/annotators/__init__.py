"""The annotators: one file is one annotator, found by its file name like a management command."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ingestion.annotators._base import Annotator


@cache
def all_annotators() -> dict[str, Annotator]:
    """{name: annotator}, in the order of their names."""
    names = sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}").ANNOTATOR for name in names}

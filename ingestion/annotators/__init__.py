"""The annotators: one file is one annotator, found by its file name like a management command.

Those with an ``ANNOTATOR`` describe each picture while it is prepared. Those with a ``ROLE`` need a network, and get
through the collection beside that (search/filling.py).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from ingestion.annotators._base import Annotator
from ingestion.annotators._network import NetworkAnnotator


@cache
def all_annotators() -> dict[str, Annotator]:
    """{name: annotator} of those that need no network, in the order of their names."""
    return {name: module.ANNOTATOR for name, module in _modules().items() if hasattr(module, "ANNOTATOR")}


@cache
def all_network_annotators() -> dict[str, NetworkAnnotator]:
    """{name: role} of those that do; not bound to any."""
    return {name: module.ROLE for name, module in _modules().items() if hasattr(module, "ROLE")}


def _modules() -> dict[str, ModuleType]:
    names = sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}") for name in names}

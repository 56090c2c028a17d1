"""The sources: one file is one kind, found by its file name like a management command."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestion.sources._base import Crawler


@cache
def all_crawlers() -> dict[str, Crawler]:
    """{kind: crawler}, in the order of their names."""
    names = sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    found = {name: import_module(f"{__name__}.{name}") for name in names}
    return {name: module.CRAWLER for name, module in found.items() if hasattr(module, "CRAWLER")}


def get_crawler(kind: str) -> Crawler:
    """KeyError if there is no such kind."""
    return all_crawlers()[kind]

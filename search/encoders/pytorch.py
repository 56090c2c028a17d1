"""torch, imported by the first network that is used and by nothing before it: it takes a second and 200 MB."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


@cache
def torch() -> Any:
    """The module, set to one thread a call.

    Its pool of threads is OpenMP's, which does not survive a fork (see search/threads.py); and whoever calls is one of
    several threads already, each with a picture of its own.
    """
    module = import_module("torch")
    module.set_num_threads(1)
    return module

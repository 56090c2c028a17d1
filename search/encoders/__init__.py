"""The encoders: one file is one way to turn pixels into numbers. Heavy libraries are loaded by the first use."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from search.encoders._base import Network
from search.encoders._resting import configure
from search.errors import WeightsMissing

__all__ = ["configure", "get_network", "kinds", "loaded"]

_networks: dict[tuple[str, Path], Network] = {}
_lock = threading.Lock()


def kinds() -> list[str]:
    """Names of the files that know networks."""
    names = sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    return [name for name in names if hasattr(import_module(f"{__name__}.{name}"), "network")]


def get_network(name: str, folder: Path) -> Network:
    """The one in this process with a name like "clip:ViT-B-16/openai". ``folder``: of all weights.

    WeightsMissing if no such kind or model is known, or the model's name leads out of its folder; nothing is read.
    """
    kind, _, model = name.partition(":")
    if model and not _is_name(model):
        raise WeightsMissing(f"{name[:200]!a} is no name of a network: its parts must be names, without “..”.")
    with _lock:  # two threads must not load it twice
        if (name, folder) not in _networks:
            if kind not in kinds():
                raise WeightsMissing(f"There is no kind of network called “{kind}”. There are: {', '.join(kinds())}.")
            _networks[name, folder] = import_module(f"{__name__}.{kind}").network(model, folder)
        return _networks[name, folder]


def _is_name(model: str) -> bool:
    """Of folders, from the first letter or from the root. Control characters are in none."""
    return model.isprintable() and not {"", ".", ".."} & {*model.removeprefix("/").split("/")}


def loaded() -> list[Network]:
    """Those that are in memory in this process."""
    with _lock:
        return [network for network in _networks.values() if network.is_loaded]

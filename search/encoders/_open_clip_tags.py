"""What open_clip says of its pretrained tags, so that nobody has to import it to be told: that takes seconds and torch.

open_clip_tags.json is made of the installed library, again after an upgrade of it, by
python -m search.encoders._open_clip_tags
"""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from search.errors import WeightsMissing

_FILE = Path(__file__).with_name("open_clip_tags.json")
_COUNT = ("hf_hub", "mean", "std", "interpolation", "resize_mode", "quick_gelu")
DEFAULTS: dict[str, Any] = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "quick_gelu": False,
}
"""OpenAI's; the file says what is otherwise."""


def pretrained(architecture: str, tag: str) -> dict[str, Any]:
    """ "hf_hub", the repository with a slash behind, and what DEFAULTS has. WeightsMissing if nobody knows the tag."""
    tags = _table()["tags"].get(architecture, {})
    found = tags.get(tag.lower().replace("-", "_"))
    if found is None:
        known = ", ".join(tags) or "none"
        raise WeightsMissing(f"open_clip knows no “{tag[:80]}” of {architecture}. It knows: {known}.")
    return DEFAULTS | found


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_FILE.read_text())
    return table


def asked() -> dict[str, Any]:
    """The table as the installed library has it."""
    from search.encoders.pytorch import torch

    torch()  # first, or torchvision, which open_clip imports, may fail
    library = import_module("open_clip")
    tags: dict[str, Any] = {}
    for architecture, tag in library.list_pretrained():
        said = library.get_pretrained_cfg(architecture, tag)
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
        tags.setdefault(architecture, {})[tag] = {
            name: plain[name] for name in _COUNT if plain.get(name) and plain[name] != DEFAULTS.get(name)
        }
    return {"open_clip": library.__version__, "tags": tags}


def _written(table: dict[str, Any]) -> str:
    """A tag a line."""
    models = [
        f"{json.dumps(architecture)}: {{\n"
        + ",\n".join(f"  {json.dumps(tag)}: {json.dumps(said)}" for tag, said in tags.items())
        + "\n}"
        for architecture, tags in table["tags"].items()
    ]
    return f'{{"open_clip": {json.dumps(table["open_clip"])}, "tags": {{\n' + ",\n".join(models) + "\n}}\n"


if __name__ == "__main__":
    _FILE.write_text(_written(asked()))

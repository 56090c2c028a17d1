"""Files of weights: somebody has copied them here from elsewhere, so each is looked at before it is believed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from search.encoders.pytorch import torch
from search.errors import WeightsMissing

_OLD_FORMAT = b"\x80\x02"
"""How torch.save began before 2020, a pickle without a checksum: only reading it whole shows damage."""


def look_at(file: Path) -> None:
    """WeightsMissing if the file is not there, or is cut or altered. Quick, and without torch."""
    try:
        with file.open("rb") as opened:
            start = opened.read(2)
        if start == _OLD_FORMAT:
            return
        with zipfile.ZipFile(file) as parts:
            damaged = parts.testzip()
    except FileNotFoundError:
        raise WeightsMissing(f"{file} is not there.") from None
    except OSError as error:
        raise WeightsMissing(f"{file} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise WeightsMissing(f"{file} is damaged, or holds no weights.") from error
    if damaged:
        raise WeightsMissing(f"{file} is damaged.")


def read(file: Path) -> dict[str, Any]:
    """{name: tensor}. WeightsMissing if the file cannot be read, or holds anything else; nothing in it is executed."""
    look_at(file)
    try:
        state = torch().load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise WeightsMissing(f"{file} is damaged, or holds more than weights.") from error
    if not isinstance(state, dict) or not all(_is_weight(*item) for item in state.items()):
        raise WeightsMissing(f"{file} holds something else than weights.")
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise WeightsMissing(f"{file} is damaged: some of its numbers are no numbers.")
    return state


def _is_weight(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, torch().Tensor)


def fill(network: Any, file: Path) -> Any:
    """The network with the weights of the file, ready to answer. WeightsMissing if they are another network's."""
    try:
        network.load_state_dict(read(file), strict=True)
    except RuntimeError as error:
        raise WeightsMissing(f"{file} holds the weights of another network.") from error
    return network.eval().requires_grad_(False)

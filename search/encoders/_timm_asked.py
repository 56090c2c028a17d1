"""What timm says of a backbone, without importing it: it is asked in a process of its own, which takes seconds.

The answer is kept in this process and beside the weights, for as long as timm is of the same version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search.encoders import pytorch
from search.errors import WeightsMissing

FILE = "timm.json"
_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 300
_COUNT = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode")

Said = Mapping[str, Any]
"""timm's pretrained_cfg, as far as it counts; the "dimension" of the answers; "shapes", {name: shape} of the weights
without the layer that names things, and "classifier", the names of that."""

_said: dict[str, Said] = {}
_lock = threading.Lock()


def said(backbone: str, folder: Path) -> Said:
    """``folder``: of the weights. WeightsMissing if timm knows no such backbone."""
    with _lock:  # two threads must not ask twice
        found = told(backbone, folder)
        if found is None:
            # A process that has timm already need not start another one.
            found = ask(backbone) if "timm" in sys.modules else _asked_elsewhere(backbone)
            _keep(found, backbone, folder / FILE)
        _said[backbone] = found
        return found


def told(backbone: str, folder: Path) -> Said | None:
    """If it has been asked before."""
    return _said.get(backbone) or _kept(backbone, folder / FILE)


def _kept(backbone: str, file: Path) -> Said | None:
    try:
        kept = json.loads(file.read_text())
        return kept["said"] if (kept["timm"], kept["backbone"]) == (version("timm"), backbone) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _keep(found: Said, backbone: str, file: Path) -> None:
    """Where there are weights; elsewhere, or if nothing can be written there, it is asked again."""
    if not file.parent.is_dir():
        return
    own = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        own.write_text(json.dumps({"timm": version("timm"), "backbone": backbone, "said": found}))
        own.replace(file)
    except OSError:
        own.unlink(missing_ok=True)


def _asked_elsewhere(backbone: str) -> Said:
    command = [sys.executable, "-m", __name__, "--", backbone]
    try:
        done = subprocess.run(  # noqa: S603 - our own program, and no shell reads the name
            command, cwd=_ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        answer = json.loads(done.stdout.rpartition("\n")[2])
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise WeightsMissing(f"timm cannot be asked about {backbone}.") from error
    if "error" in answer:
        raise WeightsMissing(answer["error"])
    found: Said = answer
    return found


def ask(backbone: str) -> Said:
    """Of timm itself, in this process."""
    cfg = timm().get_pretrained_cfg(backbone)
    if cfg is None:
        raise WeightsMissing(f"timm knows no backbone “{backbone}”.")
    network = built(backbone).eval()
    with pytorch.torch().inference_mode():
        answer = network(pytorch.torch().zeros(1, *cfg.input_size))
    whole = cfg.to_dict()
    return {name: whole[name] for name in _COUNT if name in whole} | {
        "dimension": answer.shape[1],
        "shapes": {name: list(tensor.shape) for name, tensor in network.state_dict().items()},
        "classifier": classifier(network),
    }


def built(backbone: str) -> Any:
    """Without the layer that names things. WeightsMissing if timm knows no such backbone, or stumbles over it."""
    try:
        network = timm().create_model(backbone, pretrained=False)
        network.reset_classifier(0)
    except Exception as error:
        raise WeightsMissing(f"timm cannot build {backbone}: {str(error)[:200]}.") from error
    return network


def classifier(network: Any) -> list[str]:
    heads = (network.default_cfg or {}).get("classifier") or "head"
    return [heads] if isinstance(heads, str) else list(heads)


def timm() -> Any:
    pytorch.torch()  # first, or torchvision, which timm imports, may fail
    return import_module("timm")


if __name__ == "__main__":
    try:
        print(json.dumps(ask(sys.argv[-1])), end="")
    except WeightsMissing as error:
        print(json.dumps({"error": str(error)}), end="")

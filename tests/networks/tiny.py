"""Checkpoints of ordinary forms with weights that have learned nothing, in the files in which they are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from search.encoders.pytorch import torch

TIMM = ("test_vit.r160_in1k", "test_resnet.r160_in1k")
"""Timm's own smallest ones, for tests: 0.4 million weights, 160 pixels. Of BEiT and VGG it knows no small ones."""
CATEGORIES = ("airfield", "airplane_cabin", "apartment_building/outdoor", "church/indoor", "church/outdoor", "beach")
_OUTDOORS = {"airfield", "apartment_building/outdoor", "church/outdoor", "beach"}
ATTRIBUTES = ("swimming", "natural light", "man-made", "open area")
_WIDE_FEATURES = 512


def timm_backbone(backbone: str, file: Path, seed: int = 0, **options: Any) -> Any:
    """A model.safetensors as timm publishes it, with the layer that names things. Returns the network."""
    from safetensors.torch import save_file

    network = _timm(backbone, seed, **options)
    file.parent.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, file, {"format": "pt"})
    return network


def places(folder: Path, architecture: str = "resnet50", seed: int = 0, kinds: int = 365) -> Any:
    """The files of Places365 as its authors publish them: a training's state of 2017, lists, each line with a number.

    ``folder``: "places" in that of the weights. Returns the network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    categories = _categories(kinds)
    _write(folder / "categories_places365.txt", [f"/{name[0]}/{name} {i}" for i, name in enumerate(categories)])
    flags = [f"/{name[0]}/{name} {2 if name in _OUTDOORS else 1}" for name in categories]
    _write(folder / "IO_places365.txt", flags)
    return places_network(folder, architecture, seed, kinds)


def places_network(folder: Path, architecture: str = "resnet50", seed: int = 0, kinds: int = 365) -> Any:
    network = _timm("resnet18" if architecture == "wideresnet18" else architecture, seed, num_classes=kinds)
    if architecture == "wideresnet18":
        network.maxpool = torch().nn.Identity()
    torch().nn.init.normal_(network.get_classifier().weight, std=0.1)
    state = {  # of before num_batches_tracked, from several GPUs
        f"module.{name}": tensor for name, tensor in network.state_dict().items() if not name.endswith("_tracked")
    }
    training = {"epoch": 90, "arch": architecture.removeprefix("wide"), "state_dict": state, "best_prec1": 54.7}
    torch().save(training, folder / f"{architecture}_places365.pth.tar", _use_new_zipfile_serialization=False)
    return network.eval()


def places_attributes(folder: Path, seed: int = 0) -> np.ndarray:
    """The network and the matrix that tell attributes. Returns the (attributes, features) matrix."""
    matrix = np.random.default_rng(seed).normal(0, 0.05, (len(ATTRIBUTES), _WIDE_FEATURES))
    np.save(folder / "W_sceneattribute_wideresnet18.npy", matrix)
    _write(folder / "labels_sunattribute.txt", list(ATTRIBUTES))
    return matrix


def _categories(kinds: int) -> list[str]:
    return [*CATEGORIES, *(f"room_{number}" for number in range(len(CATEGORIES), kinds))][:kinds]


def _timm(backbone: str, seed: int, **options: Any) -> Any:
    torch().manual_seed(seed)
    import timm

    return timm.create_model(backbone, pretrained=False, **options).eval()


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines))

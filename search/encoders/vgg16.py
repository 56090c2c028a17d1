"""VGG16: what its second hidden layer says, 4,096 numbers, as the picture search of OpenGameArt used them (fc2).

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015. They are taken
after the layer's ReLU, as Keras gives them: none is negative.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.encoders._timm import TimmEncoder

KIND = "vgg16"
DEFAULT = "tv_in1k"
_MAPS = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512, 24: 512, 26: 512, 28: 512}
"""{place of a convolution: how many maps it makes}."""


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for (place, maps), before in zip(_MAPS.items(), [3, *_MAPS.values()], strict=False):
        shapes |= {f"features.{place}.weight": (maps, before, 3, 3), f"features.{place}.bias": (maps,)}
    for layer, (before, side) in (("fc1", (512, 7)), ("fc2", (4096, 1))):
        shapes |= {f"pre_logits.{layer}.weight": (4096, before, side, side), f"pre_logits.{layer}.bias": (4096,)}
    return shapes


_KNOWN: dict[str, Any] = {
    "dimension": 4096,
    "input_size": (3, 224, 224),
    "interpolation": "bilinear",
    "crop_pct": 0.875,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "bytes": 553_000_000,
    "shapes": _shapes(),
    "classifier": ["head.fc"],
}


def network(model: str, folder: Path) -> TimmEncoder:
    """``model``: whose weights, "tv_in1k" are torchvision's. They lie in vgg16/ in ``folder``, in one of that name."""
    model = model or DEFAULT
    return TimmEncoder(KIND, model, f"vgg16.{model}", folder, _KNOWN)

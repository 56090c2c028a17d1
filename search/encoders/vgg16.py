"""VGG16: what its second hidden layer says, 4,096 numbers, as the picture search of OpenGameArt used them (fc2).

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015. They are taken
after the layer's ReLU, as Keras gives them: none is negative.
"""

from __future__ import annotations

from pathlib import Path

from search.encoders._timm import TimmEncoder

KIND = "vgg16"
DEFAULT = "tv_in1k"
_KNOWN = {
    "dimension": 4096,
    "input_size": (3, 224, 224),
    "interpolation": "bilinear",
    "crop_pct": 0.875,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "bytes": 553_000_000,
}


def network(model: str, folder: Path) -> TimmEncoder:
    """``model``: whose weights, "tv_in1k" are torchvision's. They lie in vgg16/ in ``folder``, in one of that name."""
    model = model or DEFAULT
    return TimmEncoder(KIND, model, f"vgg16.{model}", folder, _KNOWN)

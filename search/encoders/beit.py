"""BEiT, pre-trained on the 21,841 categories of ImageNet-21k; or any backbone of timm, by its name there.

Bao, Dong, Piao and Wei, "BEiT: BERT pre-training of image transformers", ICLR 2022.
"""

from __future__ import annotations

from pathlib import Path

from search.encoders._timm import TimmEncoder

KIND = "beit"
DEFAULT = "beit_base_patch16_224.in22k_ft_in22k"
_KNOWN = {
    DEFAULT: {
        "dimension": 768,
        "input_size": (3, 224, 224),
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "bytes": 410_000_000,
    }
}


def network(model: str, folder: Path) -> TimmEncoder:
    """``model``: a name of timm's, "resnet50.a1_in1k". Its weights lie in beit/ in ``folder``, in one of that name."""
    model = model or DEFAULT
    return TimmEncoder(KIND, model, model, folder, _KNOWN.get(model))

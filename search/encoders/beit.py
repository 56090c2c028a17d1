"""BEiT, pre-trained on the 21,841 categories of ImageNet-21k; or any backbone of timm, by its name there.

Bao, Dong, Piao and Wei, "BEiT: BERT pre-training of image transformers", ICLR 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.encoders._timm import TimmEncoder

KIND = "beit"
DEFAULT = "beit_base_patch16_224.in22k_ft_in22k"


def _shapes(width: int = 768, layers: int = 12, heads: int = 12, patch: int = 16, side: int = 224) -> dict[str, Any]:
    norm = {"weight": (width,), "bias": (width,)}
    block: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("gamma_1", "gamma_2", "attn.q_bias", "attn.v_bias"), (width,)),
        **{f"{norms}.{name}": shape for norms in ("norm1", "norm2") for name, shape in norm.items()},
        "attn.relative_position_bias_table": ((2 * side // patch - 1) ** 2 + 3, heads),
        "attn.qkv.weight": (3 * width, width),
        "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,),
        "mlp.fc1.weight": (4 * width, width),
        "mlp.fc1.bias": (4 * width,),
        "mlp.fc2.weight": (width, 4 * width),
        "mlp.fc2.bias": (width,),
    }
    return {
        "cls_token": (1, 1, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        **{f"blocks.{layer}.{name}": shape for layer in range(layers) for name, shape in block.items()},
        **{f"fc_norm.{name}": shape for name, shape in norm.items()},
    }


_KNOWN: dict[str, dict[str, Any]] = {
    DEFAULT: {
        "dimension": 768,
        "input_size": (3, 224, 224),
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "bytes": 410_000_000,
        "shapes": _shapes(),
        "classifier": ["head"],
    }
}


def network(model: str, folder: Path) -> TimmEncoder:
    """``model``: a name of timm's, "resnet50.a1_in1k". Its weights lie in beit/ in ``folder``, in one of that name."""
    model = model or DEFAULT
    return TimmEncoder(KIND, model, model, folder, _KNOWN.get(model))

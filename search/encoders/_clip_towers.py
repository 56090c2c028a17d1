"""The two towers of an ordinary CLIP: one sees pictures, one reads words. Both are plain transformers.

Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021. open_clip has the
same network, and all its relatives; to import it takes 3 seconds and 160 MB, which a page would pay for one line of
words. Names and shapes of the weights are open_clip's. Matrices are kept in 16 bits, and calculated with in 16 bits
where the processor can, in float32 otherwise; sums and norms are always float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from search.encoders.pytorch import numbers, torch

Shapes = dict[str, tuple[int, ...]]

_VISION = {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"}
_TEXT = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}
_CLIP = {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}
_VOCABULARY = 49408
_PICTURES = "visual."


@dataclass(frozen=True)
class Tower:
    """A transformer and what is around it."""

    prefix: str
    width: int
    layers: int
    heads: int
    mlp: int
    embed_dim: int
    quick_gelu: bool
    length: int
    """Of the sequence: patches and one more, or tokens."""
    patch: int = 0
    """Pixels of its side; 0: it reads words."""

    def shapes(self) -> Shapes:
        """Of all its weights."""
        w = self.width
        around: Shapes
        if self.patch:
            around = {"class_embedding": (w,), "positional_embedding": (self.length, w), "proj": (w, self.embed_dim)}
            around["conv1.weight"] = (w, 3, self.patch, self.patch)
            norms = ["ln_pre", "ln_post"]
        else:
            around = {"positional_embedding": (self.length, w), "text_projection": (w, self.embed_dim)}
            around["token_embedding.weight"] = (_VOCABULARY, w)
            norms = ["ln_final"]
        block: Shapes = {
            "attn.in_proj_weight": (3 * w, w),
            "attn.in_proj_bias": (3 * w,),
            "attn.out_proj.weight": (w, w),
            "attn.out_proj.bias": (w,),
            "mlp.c_fc.weight": (self.mlp, w),
            "mlp.c_fc.bias": (self.mlp,),
            "mlp.c_proj.weight": (w, self.mlp),
            "mlp.c_proj.bias": (w,),
        }
        for norm, shapes in [(norm, around) for norm in norms] + [("ln_1", block), ("ln_2", block)]:
            shapes |= {f"{norm}.weight": (w,), f"{norm}.bias": (w,)}
        blocks = {f"{_block(layer)}{name}": shape for layer in range(self.layers) for name, shape in block.items()}
        return {self.prefix + name: shape for name, shape in (around | blocks).items()}


def _block(layer: int) -> str:
    return f"transformer.resblocks.{layer}."


def towers(config: dict[str, Any]) -> tuple[Tower, Tower] | None:
    """(pictures, words) of open_clip's description of a model; None if it has something out of the ordinary.

    KeyError, TypeError or ValueError if it makes no sense.
    """
    vision, text = config["vision_cfg"], config["text_cfg"]
    out_of_the_ordinary = (_said(config) - _CLIP) | (_said(vision) - _VISION) | (_said(text) - _TEXT)
    sizes = (vision.get("layers", 12), vision.get("image_size", 224), vision.get("patch_size", 16))
    if out_of_the_ordinary or not all(type(size) is int for size in sizes):
        return None
    if text.get("vocab_size", _VOCABULARY) != _VOCABULARY:
        return None
    layers, side, patch = sizes
    common: dict[str, Any] = {
        "embed_dim": int(config["embed_dim"]),
        "quick_gelu": bool(config.get("quick_gelu", False)),
    }
    width, words = int(vision.get("width", 768)), int(text.get("width", 512))
    return (
        Tower(
            _PICTURES,
            width,
            layers,
            heads=width // int(vision.get("head_width", 64)),
            mlp=int(width * vision.get("mlp_ratio", 4.0)),
            length=(side // patch) ** 2 + 1,
            patch=patch,
            **common,
        ),
        Tower(
            "",
            words,
            int(text.get("layers", 12)),
            heads=int(text.get("heads", 8)),
            mlp=int(words * text.get("mlp_ratio", 4.0)),
            length=int(text.get("context_length", 77)),
            **common,
        ),
    )


def _said(config: dict[str, Any]) -> set[str]:
    return {name for name, value in config.items() if value not in (None, False)}


@dataclass
class Loaded:
    """A tower with its weights, in memory on a device."""

    tower: Tower
    device: Any
    weights: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dtype = numbers(self.device)

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.weights.values())

    def fill(self, tensors: Iterable[tuple[str, Any]]) -> Loaded:
        for name, tensor in tensors:
            name = name.removeprefix(self.tower.prefix)
            self.weights[name] = _kept(tensor.to(self.device), self.dtype, is_matrix=tensor.ndim > 1)
        return self

    def see(self, pixels: Any) -> Any:
        """(n, embed_dim) of (n, 3, side, side) float32."""
        n, patch = len(pixels), self.tower.patch
        rows = pixels.shape[-1] // patch
        pixels = pixels[:, :, : rows * patch, : rows * patch]
        patches = pixels.unflatten(3, (rows, patch)).unflatten(2, (rows, patch)).permute(0, 2, 4, 1, 3, 5)
        seen = self._linear(patches.reshape(n, rows * rows, -1), self.weights["conv1.weight"].flatten(1)).float()
        whole = self.weights["class_embedding"].expand(n, 1, -1)
        x = torch().cat([whole, seen], dim=1) + self.weights["positional_embedding"].float()
        x = self._norm(self._transformed(self._norm(x, "ln_pre"))[:, 0], "ln_post")
        return self._linear(x, self.weights["proj"].T)

    def read(self, tokens: Any) -> Any:
        """(n, embed_dim) of (n, context length) int64. The last word of a line has the highest number."""
        # No word looks at those behind it: what stands after the end of the longest line need not be read.
        tokens = tokens[:, : int(tokens.argmax(1).max()) + 1]
        places = self.weights["positional_embedding"][: tokens.shape[1]]
        x = self.weights["token_embedding.weight"][tokens].float() + places.float()
        x = self._transformed(x)[torch().arange(len(x), device=x.device), tokens.argmax(1)]
        return self._linear(self._norm(x, "ln_final"), self.weights["text_projection"].T)

    def _transformed(self, x: Any) -> Any:
        for layer in range(self.tower.layers):
            block = _block(layer)
            x = x + self._attention(self._norm(x, block + "ln_1"), block + "attn.")
            hidden = self._named(self._norm(x, block + "ln_2"), block + "mlp.c_fc.")
            x = x + self._named(self._active(hidden), block + "mlp.c_proj.")
        return x

    def _attention(self, x: Any, block: str) -> Any:
        heads = (3, self.tower.heads, self.tower.width // self.tower.heads)
        mixed = self._linear(x, self.weights[block + "in_proj_weight"], self.weights[block + "in_proj_bias"])
        attend = torch().nn.functional.scaled_dot_product_attention
        seen = attend(*mixed.unflatten(2, heads).permute(2, 0, 3, 1, 4), is_causal=not self.tower.patch)
        return self._named(seen.transpose(1, 2).flatten(2), block + "out_proj.")

    def _active(self, x: Any) -> Any:
        return x * torch().sigmoid(1.702 * x) if self.tower.quick_gelu else torch().nn.functional.gelu(x)

    def _named(self, x: Any, name: str) -> Any:
        return self._linear(x, self.weights[name + "weight"], self.weights[name + "bias"])

    def _linear(self, x: Any, weight: Any, bias: Any = None) -> Any:
        dtype = self.dtype
        return torch().nn.functional.linear(x.to(dtype), weight.to(dtype), bias if bias is None else bias.to(dtype))

    def _norm(self, x: Any, name: str) -> Any:
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return torch().nn.functional.layer_norm(x, weight.shape, weight, bias)


def _kept(tensor: Any, dtype: Any, is_matrix: bool) -> Any:
    """In 16 bits if it is a matrix. Where float32 is calculated those are float16: finer, if nothing is too large."""
    if not is_matrix:
        return tensor.float()
    half = tensor.to(torch().float16 if dtype == torch().float32 else dtype)
    return half if bool(half.isfinite().all()) else tensor.float()

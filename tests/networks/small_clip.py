"""A small CLIP that has learned to see drawn scenes: python -m tests.networks.small_clip FOLDER

It is an ordinary model of open_clip, only narrow, and is stored as open_clip stores a model. Pictures go through a
ResNet and not through a transformer, since that learns shapes of so few pictures many times faster.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from search.encoders.pytorch import torch
from tests.networks.scenes import COLOURS, COUNTS, LIGHTS, PLACES, SEEN, SHAPES, Scene, draw, words

MODEL = "scenes/tests"
NAME = f"clip:{MODEL}"
"""The network in settings.NETWORKS, if the folder of weights is the one that was made."""
SIDE = 32
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 64,
        "vision_cfg": {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
        "text_cfg": {"context_length": 14, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}
OPENINGS = ("", "a photo of ", "a picture of ", "an image of ", "a drawing of ", "there is ")

_DRAWINGS, _STEPS, _BATCH, _RATE = 6000, 340, 128, 4e-3
_MENTIONED = {"colour": 0.85, "shape": 0.85, "place": 0.35, "light": 0.35}
"""How often a caption says so."""
_VALUES: dict[str, list[Any]] = {
    "colour": list(COLOURS),
    "shape": list(SHAPES),
    "count": list(COUNTS),
    "place": list(PLACES),
    "light": list(LIGHTS),
}


def caption(scene: Scene, rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """Something true of the scene, and what it mentions. "red circles" are any number of them, "a red circle" one."""
    said = {name: getattr(scene, name) for name, share in _MENTIONED.items() if rng.random() < share}
    opening = OPENINGS[rng.integers(len(OPENINGS))]
    if rng.random() < 0.15:
        return opening + words(**said, count=2).removeprefix("two "), said
    return opening + words(**said, count=scene.count), said | {"count": scene.count}


def train() -> Any:
    """A CLIP; the same one on the same machine."""
    open_clip = _open_clip()
    torch().manual_seed(0)
    rng = np.random.default_rng(0)
    scenes = [SEEN[number] for number in rng.integers(0, len(SEEN), _DRAWINGS)]
    pictures, facts = as_input([draw(scene, seed, 96) for seed, scene in enumerate(scenes)]), _facts(scenes)
    model, short = _with_few_words(open_clip.model.CLIP(**CONFIG["model_cfg"]), open_clip.get_tokenizer(""))
    optimizer = torch().optim.AdamW(model.parameters(), _RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch().optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS, pct_start=0.15)
    for _ in range(_STEPS):
        chosen = rng.integers(0, _DRAWINGS, _BATCH)
        said = [caption(scenes[number], rng) for number in np.tile(chosen, 2)]
        true = _is_true([mentioned for _, mentioned in said], facts[chosen])
        loss = _loss(model, pictures[chosen], short([text for text, _ in said]), true)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return _with_all_words(model.eval(), open_clip.get_tokenizer(""))


def as_input(pictures: list[Image.Image]) -> Any:
    """(n, 3, SIDE, SIDE) float32 tensor, as the product prepares them."""
    small = [np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for picture in pictures]
    return torch().from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _open_clip() -> Any:
    torch()  # first: see search/encoders/pytorch.py
    import open_clip

    return open_clip


def _loss(model: Any, pictures: Any, tokens: Any, true: Any) -> Any:
    """CLIP's, but every caption belongs to each picture of which it is true, not only to its own."""
    seen, read = model.encode_image(pictures, normalize=True), model.encode_text(tokens, normalize=True)
    alike = model.logit_scale.clamp(max=np.log(100)).exp() * read @ seen.T
    of_text = -(true / true.sum(1, keepdim=True) * alike.log_softmax(1)).sum(1).mean()
    of_picture = -(true / true.sum(0, keepdim=True) * alike.log_softmax(0)).sum(0).mean()
    return of_text + of_picture / 2


def _facts(scenes: list[Scene]) -> np.ndarray:
    """(n, 5): which of the possible values each scene has."""
    return np.array([[_VALUES[name].index(getattr(scene, name)) for name in _VALUES] for scene in scenes])


def _is_true(mentioned: list[dict[str, Any]], facts: np.ndarray) -> Any:
    """(captions, pictures) float32 of 0 and 1."""
    lines = [[values.index(m[name]) if name in m else -1 for name, values in _VALUES.items()] for m in mentioned]
    said = np.array(lines)
    agree = (said[:, None] == facts[None]) | (said[:, None] == -1)
    return torch().from_numpy(agree.all(2)).float()


def _known(tokenizer: Any) -> Any:
    """The numbers of all words that captions have, ascending."""
    numbers = [*OPENINGS, "an thing things", *COLOURS, *SHAPES, *(f"{shape}s" for shape in SHAPES)]
    return tokenizer([*numbers, *COUNTS.values(), *PLACES.values(), *LIGHTS.values()]).unique()


def _with_few_words(model: Any, tokenizer: Any) -> tuple[Any, Any]:
    """The model with embeddings of the known words only, which trains faster, and the tokenizer to go with it."""
    known = _known(tokenizer)
    model.token_embedding = torch().nn.Embedding(len(known), model.token_embedding.embedding_dim)
    torch().nn.init.normal_(model.token_embedding.weight, std=0.06)
    short = torch().zeros(model.vocab_size, dtype=torch().long)
    short[known] = torch().arange(len(known))  # ascending, since CLIP takes the highest number for the end
    read: dict[str, Any] = {}

    def numbers(texts: list[str]) -> Any:
        for text in set(texts) - read.keys():
            read[text] = short[tokenizer([text], context_length=model.context_length)[0]]
        return torch().stack([read[text] for text in texts])

    return model, numbers


def _with_all_words(model: Any, tokenizer: Any) -> Any:
    """Words that were never seen say nothing."""
    learned, known = model.token_embedding.weight.data, _known(tokenizer)
    model.token_embedding = torch().nn.Embedding(model.vocab_size, learned.shape[1])
    model.token_embedding.weight.data.zero_()
    model.token_embedding.weight.data[known] = learned
    return model


def save(model: Any, folder: Path, config: dict[str, Any] = CONFIG) -> None:
    """As open_clip stores a model: a description and the weights."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    save(train(), Path(sys.argv[1]) / "clip" / MODEL)

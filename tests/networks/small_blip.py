"""A small BLIP that says the colour of things, and whether it is night: python -m tests.networks.small_blip FOLDER"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from search.encoders.pytorch import torch
from tests.networks.scenes import COLOURS, LIGHTS, SEEN, Scene, draw, words

MODEL = "scenes/tests"
NAME = f"blip:{MODEL}"
SIDE = 32
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
_VOCABULARY = [*_SPECIAL, "a", "an", "thing", *COLOURS, *sorted({w for said in LIGHTS.values() for w in said.split()})]
_PAD, _SEP, _DEC = (_SPECIAL.index(name) for name in ("[PAD]", "[SEP]", "[DEC]"))
_DRAWINGS, _STEPS, _BATCH, _RATE = 1000, 280, 32, 2e-3


def sentence(scene: Scene) -> str:
    """What it has learned to say: "an orange thing at night"."""
    return words(colour=scene.colour, light=scene.light)


def untrained(side: int = SIDE, width: int = 64, layers: int = 2) -> Any:
    """A BLIP that writes at random, the same one each time."""
    torch().manual_seed(0)  # before transformers is imported: see search/encoders/pytorch.py
    from transformers import BlipConfig, BlipForConditionalGeneration

    common = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers}
    common |= {"num_attention_heads": 2, "initializer_range": 0.05}
    text = {"vocab_size": len(_VOCABULARY), "max_position_embeddings": 32, **common}
    ends = {"bos_token_id": _DEC, "eos_token_id": _SEP, "sep_token_id": _SEP, "pad_token_id": _PAD}
    vision = {"image_size": side, "patch_size": 8, **common}
    return BlipForConditionalGeneration(
        BlipConfig(text_config=text | ends, vision_config=vision, initializer_range=0.05)
    ).eval()


def train() -> Any:
    model, rng = untrained().train(), np.random.default_rng(0)
    scenes = [SEEN[number] for number in rng.integers(0, len(SEEN), _DRAWINGS)]
    pixels = _as_input([draw(scene, seed, 96) for seed, scene in enumerate(scenes)])
    numbers = {word: number for number, word in enumerate(_VOCABULARY)}
    lines = [[_DEC, *(numbers[word] for word in sentence(scene).split()), _SEP] for scene in scenes]
    longest = max(map(len, lines))
    tokens = torch().tensor([line + [_PAD] * (longest - len(line)) for line in lines])
    optimizer = torch().optim.AdamW(model.parameters(), _RATE)
    schedule = torch().optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS, pct_start=0.15)
    for _ in range(_STEPS):
        chosen = rng.integers(0, _DRAWINGS, _BATCH)
        labels = tokens[chosen].masked_fill(tokens[chosen] == _PAD, -100)
        loss = model(pixel_values=pixels[chosen], input_ids=tokens[chosen], labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def _as_input(pictures: list[Image.Image]) -> Any:
    small = [np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for picture in pictures]
    return torch().from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1


def save(model: Any, folder: Path, **options: Any) -> None:
    """As transformers stores a model, its words and how it wants its pictures."""
    model.save_pretrained(folder, **options)
    _tokenizer().save(str(folder / "tokenizer.json"))
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    how = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 32}
    how |= {f"{name}_token": token for name, token in special.items()}
    how["additional_special_tokens"] = ["[DEC]", "[ENC]"]
    (folder / "tokenizer_config.json").write_text(json.dumps(how))
    pixels = {"image_processor_type": "BlipImageProcessor", "do_resize": True, "do_rescale": True, "do_normalize": True}
    half, side = [0.5, 0.5, 0.5], model.config.vision_config.image_size
    pixels |= {"image_mean": half, "image_std": half, "size": {"height": side, "width": side}, "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))


def _tokenizer() -> Any:
    """BERT's pieces of words, of very few words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    numbers = {word: number for number, word in enumerate(_VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(_SPECIAL)
    return tokenizer


if __name__ == "__main__":
    save(train(), Path(sys.argv[1]) / "blip" / MODEL)

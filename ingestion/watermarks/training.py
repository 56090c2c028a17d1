"""The training: as many drawn examples as the time allows. It can be stopped at any moment, and goes on later.

Every picture of a batch is in it twice, with a mark and without, so that no picture can be learned by heart. A network
that says where (its ``seen``) is shown tiles first, most of them with ink, and whole pictures in the end.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from ingestion.watermarks import drawing
from ingestion.watermarks.drawing import Example
from ingestion.watermarks.pupils import Material, TrainingError, as_picture, picture
from search.encoders.pytorch import device, numbers, torch
from search.encoders.watermark import Pixels, Watermark

STATE = "training.pt"
"""In the folder of the weights while a training is not done."""
_SAVED_SECONDS = 60.0
_WARM_STEPS = 100
_SMOOTH = 0.998
"""What is kept is the mean of the last few hundred steps, which is better than the last one."""
_BY_TILES, _EASY = 0.7, 0.15
"""Shares of the time."""
_TILE, _INKED = 128, 2
"""Pixels of the side of a tile, and how many of a picture show ink. It is told by its own part of the map whether it is
marked, so that none is wrongly called so."""
_CELL = 8
"""Pixels of the side of a place of the map."""
_HARD = 50
"""One of so many empty places."""
_COVERED = 0.06
"""Of a place of the map: so much of it must be ink."""

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What the network is given, whether each is marked, and the maps."""
Say = Callable[["Progress"], object]


@dataclass(frozen=True)
class Course:
    """What was asked for."""

    minutes: float
    steps: int = 0
    """If any: the training ends after so many, however long that takes, and can be repeated exactly."""
    threads: int = 1
    pairs: int = 8
    """Pictures in a batch, each with a mark and without."""
    rate: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    step: int
    examples: int
    seconds: float
    loss: float
    right: float
    """Share of the last few hundred examples that were told right."""


class Training:
    """One network on its way. ``folder``: where it stops and goes on."""

    def __init__(self, network: Watermark, material: Material, course: Course, folder: Path) -> None:
        self.network, self.material, self.course, self.folder = network, material, course, folder
        self.device = device()
        torch().manual_seed(course.seed)
        self.module = network.built().float().to(self.device)
        self.smooth = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        self.optimizer = torch().optim.AdamW(self.module.parameters(), lr=course.rate, weight_decay=0.02)
        self.step, self.seconds, self.loss, self.right = 0, 0.0, 0.7, 0.5

    @property
    def progress(self) -> Progress:
        return Progress(self.step, 2 * self.course.pairs * self.step, self.seconds, self.loss, self.right)

    # --- the way
    def run(self, say: Say) -> None:
        """Until the time is over. ``say`` is told of every step."""
        saved = time.monotonic()
        with _threads(self.course.threads), self._batches() as batches:
            self.module.train()
            while self._done < 1:
                began = time.monotonic()
                self._learn(*next(batches))
                self.seconds += time.monotonic() - began
                say(self.progress)
                if time.monotonic() - saved > _SAVED_SECONDS:
                    self.save()
                    saved = time.monotonic()
        self.save()

    def _learn(self, seen: np.ndarray, answers: np.ndarray, maps: np.ndarray) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        pixels, truth = (torch().from_numpy(each).to(self.device) for each in (seen, answers))
        with torch().autocast(self.device.type, numbers(self.device), numbers(self.device).itemsize < 4):
            logits, where = self._seen(pixels)
        loss = torch().nn.functional.binary_cross_entropy_with_logits(logits.float(), truth)
        whole = loss
        if where is not None:
            whole = loss + _loss_of_map(where.float(), torch().from_numpy(maps).to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        whole.backward()
        torch().nn.utils.clip_grad_norm_(self.module.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self._count(loss.item(), ((logits > 0) == (truth > 0.5)).float().mean().item())

    def _seen(self, pixels: Any) -> tuple[Any, Any]:
        return self.module.seen(pixels) if hasattr(self.module, "seen") else (self.module(pixels), None)

    def _rate(self) -> float:
        """Rising for some steps, then falling to nothing at the end of the time."""
        falling = 0.5 + 0.5 * math.cos(math.pi * self._done) + 1e-3
        return self.course.rate * min(1, (self.step + 1) / _WARM_STEPS) * falling

    def _count(self, loss: float, right: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError("The training has failed: its numbers have grown beyond all bounds. Start it again.")
        self.loss += 0.03 * (loss - self.loss)
        self.right += 0.03 * (right - self.right)
        share = min(_SMOOTH, self.step / (self.step + 10))
        for name, now in self.module.state_dict().items():
            kept = self.smooth[name]
            if kept.is_floating_point():
                kept.lerp_(now, 1 - share)
            else:
                kept.copy_(now)

    # --- the examples
    @contextmanager
    def _batches(self) -> Iterator[Iterator[Batch]]:
        """They are drawn in other threads where there is more than one."""
        if self.course.threads < 2:
            yield (self._batch(number, map) for number in _from(self.step))
            return
        with ThreadPoolExecutor(self.course.threads, thread_name_prefix="draw") as threads:
            yield self._ahead(threads)

    def _ahead(self, threads: ThreadPoolExecutor) -> Iterator[Batch]:
        waiting = [threads.submit(self._batch, self.step + i, map) for i in range(self.course.threads)]
        for number in _from(self.step + len(waiting)):
            waiting.append(threads.submit(self._batch, number, map))
            yield waiting.pop(0).result()

    def _batch(self, number: int, each: Any) -> Batch:
        """The examples of a step are always the same ones."""
        random, side = Random(f"{self.course.seed} {number}"), self._side
        files = [random.choice(self.material.learned) for _ in range(self.course.pairs)]
        seeds = [random.getrandbits(64) for _ in files]
        pairs = list(each(self._pair, files, seeds))
        if side == _TILE:
            return self._tiles(pairs, random)
        examples = [example for pair in pairs for example in pair]
        answers = np.array([example.is_marked for example in examples], np.float32)
        maps = np.stack([_map(example, side // _CELL) for example in examples])
        return self._prepared(examples, side), answers, maps

    def _tiles(self, pairs: list[tuple[Example, Example]], random: Random) -> Batch:
        """Some of each marked picture where the ink is, one anywhere, and the same of its clean twin."""
        assert isinstance(self.network, Pixels)
        whole = self.network.architecture.preparation
        tile, pixels, maps = replace(whole, side=_TILE), [], []
        for pair in pairs:
            ink = _map(pair[0], whole.side // _CELL)
            squares = [whole.square(example.image) for example in pair]
            for left, top in _places(ink, random):
                box = (left * _CELL, top * _CELL, left * _CELL + _TILE, top * _CELL + _TILE)
                here = ink[top : top + _TILE // _CELL, left : left + _TILE // _CELL]
                pixels += [tile(as_picture(square.crop(box))) for square in squares]
                maps += [here, np.zeros_like(here)]
        answers = np.array([here.any() for here in maps], np.float32)
        return np.stack(pixels), answers, np.stack(maps)

    def _prepared(self, examples: list[Example], side: int) -> np.ndarray:
        pictures = [as_picture(example.image) for example in examples]
        if not isinstance(self.network, Pixels):
            return self.network.prepared(pictures)
        preparation = replace(self.network.architecture.preparation, side=side)
        return np.stack([preparation(each) for each in pictures])

    def _pair(self, file: Path, seed: int) -> tuple[Example, Example]:
        return drawing.both(picture(file), Random(seed), self.material.faces, self._faintest)

    @property
    def _done(self) -> float:
        """0..1"""
        course = self.course
        return min(1.0, self.step / course.steps if course.steps else self.seconds / max(1e-9, 60 * course.minutes))

    @property
    def _side(self) -> int:
        """Of what the network sees: tiles for most of the time, where a tenth of the work shows as much ink."""
        side: int = self.network.architecture.preparation.side if isinstance(self.network, Pixels) else _CELL
        has_map = hasattr(self.module, "seen")
        return _TILE if has_map and side > _TILE and self._done < _BY_TILES else side

    @property
    def _faintest(self) -> float:
        """What is easily seen comes first."""
        return max(drawing.FAINTEST, 0.7 * (1 - self._done / _EASY))

    # --- stopping and going on
    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "module": self.module.state_dict(),
            "smooth": self.smooth,
            "optimizer": self.optimizer.state_dict(),
            "numbers": [self.step, self.seconds, self.loss, self.right],
            "named": self._named(),
        }
        part = self.folder / f".{STATE}.{os.getpid()}"
        try:
            torch().save(state, part)
            part.replace(self.folder / STATE)
        finally:
            part.unlink(missing_ok=True)

    def resume(self) -> bool:
        """Go on where one of the same network and pictures was stopped; False if there is none."""
        file = self.folder / STATE
        if not file.exists():
            return False
        try:
            state = torch().load(file, map_location="cpu", weights_only=True)
            if state["named"] != self._named():
                raise TrainingError(f"{file} is of a training with other pictures or typefaces: remove it, or --again.")
            self.module.load_state_dict(state["module"])
            self.smooth = {name: tensor.to(self.device) for name, tensor in state["smooth"].items()}
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds, self.loss, self.right = state["numbers"]
        except (RuntimeError, KeyError, ValueError, EOFError, OSError, TypeError, UnpicklingError) as error:
            raise TrainingError(f"{file} cannot be read; start anew with --again.") from error
        return True

    def _named(self) -> list[str]:
        families = sorted({face.family for face in self.material.faces})
        return [self.network.name, *sorted(path.name for path in self.material.learned), *families]

    def keep(self, file: Path) -> None:
        """The weights as they are used, in 16 bits: they are no worse, and half as large."""
        from safetensors.torch import save_file

        half = torch().float16
        tensors = {
            name: (tensor.to(half) if tensor.is_floating_point() and "running" not in name else tensor).contiguous()
            for name, tensor in self.smooth.items()
        }
        part = file.with_name(f".{os.getpid()}.{file.name}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, part)
            part.chmod(0o644)  # it would be readable for us alone, and a worker may be somebody else
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


def _map(example: Example, side: int) -> np.ndarray:
    """(side, side) float32: 1 where there is ink."""
    ink = example.mask.resize((side, side), Image.Resampling.BOX)
    return (np.asarray(ink, np.float32) > 255 * _COVERED).astype(np.float32)


def _places(ink: np.ndarray, random: Random) -> list[tuple[int, int]]:
    """(left, top) of tiles, in places of the map."""
    width, most = _TILE // _CELL, len(ink) - _TILE // _CELL
    found = [(random.randint(0, most), random.randint(0, most))]
    inked = np.argwhere(ink)
    for _ in range(_INKED if len(inked) else 0):
        top, left = (int(place) - random.randrange(width) for place in inked[random.randrange(len(inked))])
        found.append((min(most, max(0, left)), min(most, max(0, top))))
    return found


def _loss_of_map(where: Any, truth: Any) -> Any:
    """A small mark counts as much as a large one, its places as much as all the empty ones; and so do those of the
    empty ones that look most like marks."""
    each = torch().nn.functional.binary_cross_entropy_with_logits(where, truth, reduction="none").flatten(1)
    ink, empty = truth.flatten(1), each[truth.flatten(1) == 0]
    of_ink = (each * ink).sum(1)[ink.any(1)] / ink.sum(1)[ink.any(1)]
    hardest = empty.topk(max(1, len(empty) // _HARD)).values
    return of_ink.sum() / max(1, len(of_ink)) + empty.mean() + 0.5 * hardest.mean()


def _from(number: int) -> Iterator[int]:
    while True:
        yield number
        number += 1


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch().get_num_threads()
    torch().set_num_threads(count)
    try:
        yield
    finally:
        torch().set_num_threads(before)

"""Pictures a second through each encoder at its real size, and what it takes in memory. The weights are random."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gallery.pictures import Picture, decode
from search.encoders import _batches, get_network
from search.encoders.pytorch import calculating, device, numbers, torch
from search.threads import CORES
from tests.bench.copies import photos
from tests.pictures import encode, photo

ENCODERS = ["clip:ViT-B-16/openai", "beit:beit_base_patch16_224.in22k_ft_in22k", "vgg16:tv_in1k"]
BATCHES = [1, 8, 32]
REPEATS = 3
DECODED = 512
"""Pixels of the longest side that a picture is decoded to; its network sees half of that."""


def main() -> None:
    print(f"{CORES} processors, load average {os.getloadavg()[0]:.1f} at the beginning")
    for name in ENCODERS:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", __spec__.name, "make", name, folder], check=True)
            subprocess.run([sys.executable, "-m", __spec__.name, "speed", name, folder], check=True)
            memory(name, folder)


def make(name: str, folder: Path) -> None:
    """Weights of the real size at random."""
    torch().manual_seed(0)
    from safetensors.torch import save_file

    network = get_network(name, folder)
    if name.startswith("clip:"):
        from open_clip.model import CLIP

        made = CLIP(**network._described().model)
    else:
        import timm

        made = timm.create_model(network.backbone)
    network.file.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in made.state_dict().items()}, network.file)


# --- speed
def speed(name: str, folder: Path) -> None:
    encoder = get_network(name, folder)
    encoder.load()
    where, files = device(), jpegs(max(BATCHES))
    print(f"\n{encoder.label} on {where}, {numbers(where)}, load average {os.getloadavg()[0]:.1f}")
    print("The ratio in brackets is that of processor time, on which other programs weigh less.")
    print(f"{'batch':>6} {'pictures/s':>11} {'alone':>8} {'ratio':>14} {'decode':>8} {'resize':>8} {'network':>8}")
    for batch in BATCHES:
        speed_of(encoder, files[:batch])
    if name.startswith("clip:"):
        words(encoder)
        as_known(encoder, files)


def speed_of(encoder: Any, files: list[bytes]) -> None:
    batch, decoded = len(files), [decode(data, DECODED) for data in files]
    through, alone = [], []
    for _ in range(REPEATS):  # by turns, so that what else runs here weighs on both
        through.append(seconds(lambda: encoder.encode(decoded)))
        alone.append(bare(encoder, decoded))
    (wall, processor), (wall_alone, processor_alone) = map(least, (through, alone))
    unpacking, _ = seconds(lambda: [decode(data, DECODED) for data in files])
    resizing, _ = seconds(lambda: [prepare(encoder)(one) for one in decoded])
    parts = (unpacking, resizing, processor_alone)
    ratio = f"{wall_alone / wall:6.2f} ({processor_alone / processor:4.2f})"
    shares = "".join(f" {part / sum(parts):8.1%}" for part in parts)
    print(f"{batch:6} {batch / wall:11.2f} {batch / wall_alone:8.2f} {ratio:>14}{shares}", flush=True)


def least(times: list[tuple[float, float]]) -> tuple[float, float]:
    wall, processor = zip(*times, strict=True)
    return min(wall), min(processor)


def jpegs(count: int) -> list[bytes]:
    real = [path.read_bytes() for path in photos(count)]
    return real + [encode(photo(seed, 1200, 900)) for seed in range(count - len(real))]


def prepare(encoder: Any) -> Callable[[Picture], np.ndarray]:
    preparation = encoder._described().preparation if hasattr(encoder, "_described") else encoder._preparation()
    return preparation  # type: ignore[no-any-return]


def bare(encoder: Any, decoded: list[Picture]) -> tuple[float, float]:
    """A loop over the network and nothing else, in as many threads."""
    where = device()
    piece = _batches._a_thread(len(decoded)) if where.type == "cpu" else len(decoded)
    prepared = torch().from_numpy(np.stack([prepare(encoder)(one) for one in decoded])).to(where)
    pieces = [prepared[start : start + piece] for start in range(0, len(decoded), piece)]

    def calculate(part: Any) -> Any:
        def one(pixels: Any) -> np.ndarray:
            with calculating(where):
                answer: np.ndarray = part.see(pixels).float().cpu().numpy()
                return answer

        return _batches._side_by_side(one, pieces)

    name = "pictures" if hasattr(encoder, "encode_texts") else "seen"
    times: tuple[float, float] = encoder.ask(name, lambda part: seconds(lambda: calculate(part)))
    return times


def words(encoder: Any) -> None:
    texts = [f"a dog number {i} running on the beach at sunset" for i in range(10)]
    print(f"a line of words: {least([seconds(lambda t=t: encoder.encode_texts([t])) for t in texts])[0] * 1000:.0f} ms")


def as_known(encoder: Any, files: list[bytes]) -> None:
    """open_clip as its documentation shows it: float32, PyTorch's own threads."""
    import open_clip

    model, _, transform = open_clip.create_model_and_transforms(
        encoder.architecture, pretrained=str(encoder.file), force_quick_gelu=True
    )
    pictures = [decode(data, DECODED) for data in files[:8]]
    torch().set_num_threads(CORES)
    with torch().inference_mode():
        work = lambda: model.eval().encode_image(torch().stack([transform(p.pil()) for p in pictures]))  # noqa: E731
        cost, _ = least([seconds(work) for _ in range(REPEATS)])
    torch().set_num_threads(1)
    print(f"open_clip as it is, batch 8: {8 / cost:.2f} pictures/s")


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and of processors."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


# --- memory
def memory(name: str, folder: str) -> None:
    """Each in a process of its own, after questions; MB."""
    steps = [["pictures"]] + ([["words"], ["pictures", "words"]] if name.startswith("clip:") else [])
    print(f"{'MB, after a question of':>24} {'resident':>9} {'share':>6} {'weights':>8} {'rested':>7} {'before':>7}")
    for asked in steps:
        command = [sys.executable, "-m", __spec__.name, "held", name, folder, *asked]
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{' and '.join(asked):>24} {said['rss']:9} {said['pss']:6} {said['weights']:8} {said['rested']:7}"
              f" {said['before']:7}")  # fmt: skip


def held(name: str, folder: Path, asked: list[str]) -> None:
    before, encoder = resident()["Rss"], get_network(name, folder)
    for _ in range(2):
        if "pictures" in asked:
            encoder.encode([Picture(np.asarray(photo(1)), 320, 240, "PNG")])
        if "words" in asked:
            encoder.encode_texts(["a dog running on the beach at sunset"])
    now, weights = resident(), encoder.memory >> 20
    encoder.rest()
    rested = resident()["Rss"]
    print(json.dumps({"rss": now["Rss"], "pss": now["Pss"], "weights": weights, "rested": rested, "before": before}))


def resident() -> dict[str, int]:
    """MB, with what is shared counted whole (Rss) or by its share (Pss)."""
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return {words[0].rstrip(":"): int(words[1]) >> 10 for words in lines}


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main()
        case ["make", name, folder]:
            make(name, Path(folder))
        case ["speed", name, folder]:
            speed(name, Path(folder))
        case ["held", name, folder, *asked]:
            held(name, Path(folder), asked)

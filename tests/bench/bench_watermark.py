"""The watermark network: how right it is on photographs and typefaces it has never seen, how fast, in how much memory.

How right: as the report of its training says (`manage.py train_watermark`), of the weights that came with the gallery
and of those trained here. Pictures a second and memory: every network at its real size, with weights at random.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from django.conf import settings

from gallery.pictures import Picture
from search.encoders import watermark
from search.encoders.pytorch import torch
from search.threads import CORES
from tests.bench.bench_encoders import resident
from tests.pictures import photo

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")

MODELS = ("small", "efficientnet")
BATCHES = (1, 8, 32)
SHIPPED = watermark.SHIPPED.with_suffix(".json")
REPEATS = 3


def main() -> None:
    accuracy()
    print(f"\n{CORES} processors, load average {os.getloadavg()[0]:.1f} at the beginning")
    print("Processor time is that of all threads: other programs weigh less on it.")
    print(f"{'network':>14} {'batch':>6} {'pictures/s':>11} {'ms of processor':>16} {'MB resident':>12} {'weights':>8}")
    for model in MODELS:
        subprocess.run([sys.executable, "-m", __spec__.name, model], check=True)


def accuracy() -> None:
    own = sorted((settings.WEIGHTS / watermark.KIND).rglob("report/report.json"))
    reports = [file for file in (SHIPPED, *own) if file.exists()]
    for file in reports:
        said = json.loads(file.read_text())
        seen = f"{said['held_pictures']} photographs and {len(said['held_typefaces'])} families of typefaces"
        print(
            f"{said['label']}, {said['bytes'] / 1e6:.1f} MB, trained for {said['minutes']} minutes: "
            f"{said['accuracy']:.1%} right of {said['questions']} questions about {seen} that it had never seen; "
            f"{said['false_negatives']:.1%} of the marked were missed, {said['false_positives']:.1%} of the clean were "
            f"taken for marked; area under the curve {said['auc']:.3f}."
        )
    if not reports:
        print("No weights came with this gallery, and none were trained here: nothing says how right they are.")


def speed(model: str) -> None:
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        network = watermark.network(model, Path(folder))
        network.own.parent.mkdir(parents=True)
        save_file({name: tensor.contiguous() for name, tensor in network.built().state_dict().items()}, network.own)
        before = resident()["Rss"]
        network.load()
        pictures = [Picture(np.asarray(photo(i, 1600, 1200)), 1600, 1200, "JPEG") for i in range(max(BATCHES))]
        for batch in BATCHES:
            wall, processor = min(_seconds(network, pictures[:batch]) for _ in range(REPEATS))
            held = resident()["Rss"] - before
            print(
                f"{model:>14} {batch:6} {batch / wall:11.2f} {processor / batch * 1000:16.1f} {held:12} "
                f"{network.memory / 1e6:7.1f}M",
                flush=True,
            )


def _seconds(network: watermark.Watermark, pictures: list[Picture]) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    network.score(pictures)
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    torch()
    speed(sys.argv[1]) if sys.argv[1:] else main()

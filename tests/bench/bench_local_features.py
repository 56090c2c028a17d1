"""Keypoints: extraction, the 35 edits of the copy-detection benchmark, and every pair of different photographs.

The known implementation (SIFT at full size, 200 keypoints, IVF-PQ64, smnn, MAGSAC++ on every candidate) is not run as a
whole: its extraction is, beside ours; its other figures are those of shared/baselines.md, on 1,000 photographs.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
from PIL import Image

from gallery.pictures import Picture, decode
from search.engines.local_features import ENGINE
from search.geometry import align
from search.keypoints import unpack
from tests.bench.copies import COPYDETECT, copies, milliseconds, photos, read_manifest, small
from tests.pictures import encode, photo

KNOWN = {"recall@1": 0.892, "query ms": 390 + 195, "index kB": 10.9, "descriptors kB": 75}


def main() -> None:
    extraction()
    with copies() as folder:
        if folder:
            edits(folder)
            pairs(folder)


def extraction() -> None:
    print("Extraction, ms of processor time a picture, decoding in this process included")
    print(f"{'':44} {'known':>7} {'ours':>7} {'ratio':>6}")
    some = [path.read_bytes() for path in photos(20)] or [encode(photo(seed, 500, 375)) for seed in range(5)]
    source = Image.open(io.BytesIO(some[0])).convert("RGB")
    large = encode(source.resize((4000, 3000), Image.Resampling.BICUBIC))
    for name, files, times in ((f"{len(some)} photographs", some, 3), ("12 megapixels", [large], 1)):
        known, ours = (
            mean(processor(partial(work, data), times) for data in files) for work in (known_extract, extract)
        )
        print(f"{name:44} {known:7.1f} {ours:7.1f} {known / ours:5.1f}x")
    picture = decode(some[0], 1600)
    print(
        f"{'from the picture that the pipeline has anyway':44} {'':7} {processor(lambda: ENGINE.extract(picture)):7.1f}"
    )
    print(f"{'a query read again, coarse and fine':44} {'':7} {processor(lambda: ENGINE._more(picture)):7.1f}")


def processor(work: Callable[[], object], times: int = 5) -> float:
    return milliseconds(work, times, clock=time.process_time)


def extract(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (256, 256))
    return ENGINE.extract(Picture(np.asarray(image.convert("RGB")), *image.size, "JPEG"))


def known_extract(data: bytes) -> object:
    """The 200 strongest SIFT keypoints at full size (at most 9 megapixels)."""
    image = Image.open(io.BytesIO(data)).convert("L")
    share = min(1.0, (9e6 / (image.width * image.height)) ** 0.5)
    grey = np.asarray(image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS))
    sift = cv2.SIFT_create(contrastThreshold=-1)
    best = sorted(sift.detect(grey, None), key=lambda keypoint: -keypoint.response)[:200]
    return sift.compute(grey, best)


def edits(folder: Path) -> None:
    """Every query of copydetect.py: found, proven, and what that costs."""
    manifest = read_manifest(folder)
    names, index = manifest["gallery"], ENGINE.new_index()
    features = [ENGINE.extract(small(folder / "gallery" / name)) for name in names]
    index.add(np.arange(len(names)), ENGINE.rows(features))
    answers, wall, cpu = {}, [], []
    for query in manifest["queries"]:
        picture = small(folder / query["file"])
        started = time.perf_counter(), time.process_time()
        hits = ENGINE.search(ENGINE.probe(picture), index, 20)
        wall.append(1000 * (time.perf_counter() - started[0]))
        cpu.append(1000 * (time.process_time() - started[1]))
        answers[query["file"]] = [(names[hit.image_id], hit.certain) for hit in hits]
    (folder / "ours.json").write_text(json.dumps(answers))
    print("\nCopy detection by keypoints alone")
    subprocess.run([sys.executable, str(COPYDETECT), "score", str(folder), str(folder / "ours.json")], check=True)
    print(f"{'':32} {'known':>9} {'ours':>9}")
    print(
        f"{'query, wall ms: median, p95':32} {KNOWN['query ms']:9} {median(wall):9.1f} {np.percentile(wall, 95):9.1f}"
    )
    print(f"{'query, processor ms: mean':32} {'':9} {mean(cpu):9.1f}")
    print(f"{'kB a picture, beside the index':32} {KNOWN['descriptors kB']:9} {mean(map(len, features)) / 1000:9.1f}")


def pairs(folder: Path) -> None:
    """Every photograph against every other one, and every query against all it does not show, without an index."""
    manifest = read_manifest(folder)
    with multiprocessing.get_context("spawn").Pool() as pool:
        stored = pool.map(feature, [folder / "gallery" / name for name in manifest["gallery"]])
        asked = pool.map(feature, [folder / query["file"] for query in manifest["queries"]])
        work = [(one, stored[:at]) for at, one in enumerate(stored)]
        for query, one in zip(manifest["queries"], asked, strict=True):
            shown = {query["truth"], query["also"]}
            others = [f for name, f in zip(manifest["gallery"], stored, strict=True) if name not in shown]
            work.append((one, others))
        counts = np.array(pool.map(proofs, work, chunksize=8))
    for name, part in (("different photographs", counts[: len(stored)]), ("edits and others", counts[len(stored) :])):
        compared, false, most = part[:, 0].sum(), part[:, 1].sum(), part[:, 2].max()
        print(f"{name}: {compared} pairs, {false} false proofs, at most {most} points agree")


def feature(path: Path) -> bytes:
    return ENGINE.extract(small(path))


def proofs(work: tuple[bytes, list[bytes]]) -> tuple[int, int, int]:
    """(pairs, those called certain, most points)"""
    query = unpack(work[0])
    found = [align(query, unpack(other), ENGINE.encoder.mirror) for other in work[1]]
    certain = sum(one is not None and one.certain for one in found)
    return len(found), certain, max((one.points for one in found if one), default=0)


if __name__ == "__main__":
    main()

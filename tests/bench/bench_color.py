"""Colour search against FAISS's own L1 over float32 and against the plain histogram."""

from __future__ import annotations

import tempfile
from pathlib import Path

import faiss
import numpy as np
from PIL import Image

from search.engines.color import BINS, ENGINE
from tests.bench.copies import by_distance, by_engine, copies, milliseconds, photos, show, small

MILLION = 1_000_000
COLOURS = {
    "blue": (51, 102, 204),
    "white": (255, 255, 255),
    "red": (200, 30, 30),
    "yellow": (240, 200, 40),
    "green": (60, 140, 60),
    "brown": (120, 80, 50),
    "sky": (135, 190, 235),
    "skin": (220, 170, 140),
}
PAIRS = [("blue", "white"), ("sky", "white"), ("green", "brown"), ("yellow", "green")]


def main() -> None:
    with copies() as folder:
        if folder:
            theirs = by_distance(plain_histogram, l1, -1, folder)
            print("Copy detection, ours against the plain 8 x 8 x 8 histogram of the full picture, L1")
            show(folder, by_engine(ENGINE, folder), theirs)
    if photos():
        by_colours()
    a_million()


def plain_histogram(path: Path) -> np.ndarray:
    levels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int) // 32
    counts = np.bincount(levels @ [64, 8, 1], minlength=BINS)
    return counts / counts.sum()


def l1(gallery: np.ndarray, query: np.ndarray) -> np.ndarray:
    return np.abs(gallery - query).sum(1)


def by_colours() -> None:
    """Of the colour that the best ten photographs hold, how much do our first ten hold?"""
    pictures = [small(path) for path in photos()]
    index = ENGINE.new_index()
    index.add(np.arange(len(pictures)), ENGINE.rows([ENGINE.extract(picture) for picture in pictures]))
    held = {name: np.array([share_of(p.pixels, colour) for p in pictures]) for name, colour in COLOURS.items()}
    print(f"\nSearch by colour among {len(pictures)} photographs: mean share of the area, first ten")
    print(f"{'':20} {'ours':>6} {'best':>6} {'chance':>7}")
    for names in [*((name,) for name in COLOURS), *PAIRS]:
        truth = np.min([held[name] for name in names], axis=0)
        hits = ENGINE.search(ENGINE.probe_colours([COLOURS[name] for name in names]), index, 10)
        ours = truth[[hit.image_id for hit in hits]].sum() / 10
        print(f"{' and '.join(names):20} {ours:6.3f} {np.sort(truth)[-10:].mean():6.3f} {truth.mean():7.3f}")


def share_of(pixels: np.ndarray, colour: tuple[int, int, int], near: float = 22) -> float:
    """Share of the pixels within so many units of CIE Lab of a colour; OpenCV's conversion, not ours."""
    import cv2

    lab = cv2.cvtColor(np.float32(pixels[::4, ::4]) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    target = cv2.cvtColor(np.float32([[colour]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    return float((np.linalg.norm(lab - target, axis=1) < near).mean())


def a_million() -> None:
    rows = histograms(MILLION)
    queries = rows[[5, 500_000, 999_999]]
    flat = faiss.IndexFlat(BINS, faiss.METRIC_L1)
    for start in range(0, MILLION, 50_000):
        flat.add(rows[start : start + 50_000].astype(np.float32))
    floats = queries.astype(np.float32)
    print("\nA million histograms, k = 20, one query")
    print(f"{'':48} {'ms':>7} {'ratio':>6} {'MB':>6}")
    with tempfile.TemporaryDirectory() as folder:
        index = ENGINE.new_index()
        index.add(np.arange(MILLION), rows)
        index.write(Path(folder))
        index.read(Path(folder))
        among = np.arange(0, MILLION, 2)
        base = 0.0
        for name, work, size in (
            ("FAISS IndexFlat L1 float32", lambda: flat.search(floats[:1], 20), 4 * rows.nbytes),
            ("ours, mapped", lambda: index.search(queries[:1], 20), rows.nbytes),
            ("ours, k = 200", lambda: index.search(queries[:1], 200), rows.nbytes),
            ("ours, among half of them", lambda: index.search(queries[:1], 20, among), rows.nbytes),
            ("ours, three colours", three_colours(index), rows.nbytes),
        ):
            cost = milliseconds(work)
            base = base or cost
            print(f"{name:48} {cost:7.1f} {base / cost:5.1f}x {size / 1e6:6.0f}")
        ids, distances = index.search(queries, 20)
    ours = [list(zip(*pair, strict=True)) for pair in zip(distances.tolist(), ids.tolist(), strict=True)]
    print(f"identical to brute force: {ours == [brute_force(rows, query, 20) for query in queries]}")


def three_colours(index: object) -> object:
    probe = ENGINE.probe_colours([COLOURS["blue"], COLOURS["white"], COLOURS["red"]])
    return lambda: ENGINE.search(probe, index, 20)


def histograms(n: int) -> np.ndarray:
    """As sparse as those of photographs: about 100 of 512 bins."""
    rng = np.random.default_rng(0)
    shares = rng.gamma(0.15, 1, (20_000, BINS))
    shares /= shares.sum(1, keepdims=True)
    block = np.minimum(255, np.sqrt(shares) * 255 + 0.5).astype(np.uint8)
    return np.concatenate([block[:, rng.permutation(BINS)] for _ in range(n // len(block))])


def brute_force(rows: np.ndarray, query: np.ndarray, k: int) -> list[tuple[int, int]]:
    parts = np.array_split(np.arange(len(rows)), 50)
    far = np.concatenate([np.abs(rows[part].astype(np.int32) - query).sum(1) for part in parts])
    nearest = np.lexsort((np.arange(len(rows)), far))[:k]
    return [(int(far[i]), int(i)) for i in nearest]


if __name__ == "__main__":
    main()

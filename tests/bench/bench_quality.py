"""The measures of quality on photographs, and on the same photographs spoilt: what each line holds and finds.

nice .venv/bin/python -m tests.bench.bench_quality
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gallery.pictures import Picture
from ingestion.filters._base import Screened
from ingestion.filters.quality import FILTER
from ingestion.sources._base import Found
from tests.bench.copies import photos

Pixels = np.ndarray
R = Image.Resampling


def main() -> None:
    files = photos(300)
    if not files:
        print("There are no photographs beside the checkout.")
        return
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    started = time.perf_counter()
    base = [scores(pixels) for pixels in pictures]
    each = 1000 * (time.perf_counter() - started) / len(pictures)
    print(f"{len(pictures)} photographs, {each:.1f} ms each, all measures")
    print(f"{'score':10} {'median':>7} {'90 %':>6} {'98 %':>6} {'line':>6} {'held':>6}")
    lines = {score.name: score.cut_off or 0.0 for score in FILTER.scores}
    for name, line in lines.items():
        values = np.array([found[name] for found in base])
        middle, most, nearly_all = np.percentile(values, [50, 90, 98])
        print(f"{name:10} {middle:7.3f} {most:6.3f} {nearly_all:6.3f} {line:6.2f} {(values > line).mean():6.1%}")
    held = np.mean([any(found[name] > line for name, line in lines.items()) for found in base])
    print(f"held by any of them: {held:.1%}\n")
    print(f"{'spoilt by':28} {'score':10} {'median':>7} {'AUC':>6} {'found':>6} {'by any':>7}")
    for (name, what), spoil in SPOILT.items():
        after = [scores(spoil(pixels)) for pixels in pictures]
        good, bad = (np.array([found[name] for found in side]) for side in (base, after))
        by_any = np.mean([any(found[n] > line for n, line in lines.items()) for found in after])
        found = (bad > lines[name]).mean()
        print(
            f"{what:28} {name:10} {np.median(bad):7.3f} {area(good, bad):6.3f} {found:6.1%} {by_any:7.1%}", flush=True
        )


def scores(pixels: Pixels) -> dict[str, float]:
    height, width = pixels.shape[:2]
    picture = Picture(np.ascontiguousarray(pixels), width, height, "JPEG")
    return FILTER.judge(Screened(picture, Path(), "", 0, Found("")), {}).scores


def area(good: np.ndarray, bad: np.ndarray) -> float:
    """Under the ROC curve: how often a spoilt picture has more than a good one."""
    return float((bad[:, None] > good).mean() + (bad[:, None] == good).mean() / 2)


# --- how pictures are spoilt
def jpeg(pixels: Pixels, quality: int = 90) -> Pixels:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


def levels(pixels: np.ndarray) -> Pixels:
    return np.clip(pixels, 0, 255).round().astype(np.uint8)


def smeared(pixels: Pixels, length: int) -> Pixels:
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    return cv2.filter2D(pixels, -1, kernel)


def out_of_focus(pixels: Pixels, radius: int) -> Pixels:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (x * x + y * y <= radius * radius + 0.5).astype(np.float32)
    return cv2.filter2D(pixels, -1, disc / disc.sum())


def enlarged(pixels: Pixels, share: float, how: Image.Resampling) -> Pixels:
    image = Image.fromarray(pixels)
    small = image.resize((max(1, int(image.width * share)), max(1, int(image.height * share))), R.LANCZOS)
    return np.asarray(small.resize(image.size, how))


def grainy(pixels: Pixels, sigma: float) -> Pixels:
    return levels(pixels + np.random.default_rng(0).normal(0, sigma, pixels.shape))


def framed(pixels: Pixels, grey: int, above: float, beside: float) -> Pixels:
    y, x = int(pixels.shape[0] * above), int(pixels.shape[1] * beside)
    return np.pad(pixels, ((y, y), (x, x), (0, 0)), constant_values=grey)


def contrast(pixels: Pixels, share: float) -> Pixels:
    return levels((pixels - pixels.mean()) * share + pixels.mean())


SPOILT: dict[tuple[str, str], Callable[[Pixels], Pixels]] = {
    ("blur", "Gaussian, sigma 1.5"): lambda p: jpeg(cv2.GaussianBlur(p, (0, 0), 1.5)),
    ("blur", "Gaussian, sigma 2.5"): lambda p: jpeg(cv2.GaussianBlur(p, (0, 0), 2.5)),
    ("blur", "moved by 9 pixels"): lambda p: jpeg(smeared(p, 9)),
    ("blur", "out of focus, radius 3"): lambda p: jpeg(out_of_focus(p, 3)),
    ("upscaled", "from 66 %, bicubic"): lambda p: jpeg(enlarged(p, 0.66, R.BICUBIC), 92),
    ("upscaled", "from 50 %, Lanczos"): lambda p: jpeg(enlarged(p, 0.5, R.LANCZOS), 92),
    ("upscaled", "from 50 %, bilinear, PNG"): lambda p: enlarged(p, 0.5, R.BILINEAR),
    ("upscaled", "from 35 %, bicubic"): lambda p: jpeg(enlarged(p, 0.35, R.BICUBIC), 92),
    ("blocking", "JPEG 30"): lambda p: jpeg(p, 30),
    ("blocking", "JPEG 20"): lambda p: jpeg(p, 20),
    ("blocking", "JPEG 10"): lambda p: jpeg(p, 10),
    ("blocking", "JPEG 10, cut, saved at 95"): lambda p: jpeg(jpeg(p, 10)[3:, 5:], 95),
    ("noise", "sigma 10"): lambda p: jpeg(grainy(p, 10), 95),
    ("noise", "sigma 20"): lambda p: jpeg(grainy(p, 20), 95),
    ("borders", "black above and below, 10 %"): lambda p: jpeg(framed(p, 0, 0.1, 0)),
    ("borders", "white all round, 4 %"): lambda p: jpeg(framed(p, 255, 0.04, 0.04)),
    ("borders", "grey at the sides, 12 %"): lambda p: jpeg(framed(p, 90, 0, 0.12)),
    ("flat", "a quarter of its contrast"): lambda p: jpeg(contrast(p, 0.25)),
    ("dark", "a fifth of its light"): lambda p: jpeg(levels(p * 0.2)),
    ("bright", "2.5 times its light"): lambda p: jpeg(levels(p * 2.5)),
    ("bright", "4 times its light"): lambda p: jpeg(levels(p * 4.0)),
}
"""{(score that should tell, what was done): how}"""


if __name__ == "__main__":
    main()

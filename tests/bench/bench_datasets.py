"""From 10,000 pictures to a dataset: add, thin out, choose a sample, pack; and how well samples cover what there is.

Thinning is measured against comparing every pair with every other; samples against one at random, in the same run.
BENCH_IMAGES changes the size; coverage is also measured on the photographs beside the checkout.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from search.datasets import sampling, thinning
from tests.bench.own_gallery import PHOTOS, own_gallery
from tests.search.embeddings import Space

IMAGES = int(os.environ.get("BENCH_IMAGES", "10000"))
COPIES = IMAGES // 5
"""Near-duplicates among them."""
SAMPLE = max(2, IMAGES // 10)


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = do()
    return time.perf_counter() - started, found


def main() -> None:
    rows = Space(512).images(IMAGES).astype(np.float32)
    rows[-COPIES:] = rows[:COPIES] + 0.003 * np.random.default_rng(0).standard_normal((COPIES, 512))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mathematics(rows)
    coverage(f"{IMAGES:,} drawn vectors", rows, SAMPLE)
    with own_gallery():
        if PHOTOS.is_dir():
            photographs()
        works()


# --- mathematics
def mathematics(rows: np.ndarray) -> None:
    views = [thinning.View("looks", rows, 0.99)]
    seconds, drops = timed(lambda: thinning.thin(len(rows), views, {}))
    every, pairs = timed(lambda: _all_pairs(rows, 0.99))
    print(f"thin out {len(rows):,} by 512 numbers: {seconds:.2f} s, {len(drops):,} go")
    print(f"  all pairs, no stand-ins: {every:.2f} s, {pairs:,} have one; {every / seconds:.2f} times as long")


def _all_pairs(rows: np.ndarray, least: float) -> int:
    near = 0
    for start in range(0, len(rows), 512):
        cosines = rows[start : start + 512] @ rows.T
        near += int((np.tril(cosines, start - 1) >= least).any(axis=1).sum())
    return near


def coverage(what: str, rows: np.ndarray, count: int) -> None:
    print(f"a sample of {count:,} of {what}: radius, mean distance (lower is better)")
    ways: dict[str, Callable[[], list[int]]] = {
        "random": lambda: sampling.at_random(len(rows), count),
        "farthest first": lambda: sampling.farthest_first(rows, count),
        "spread (k-means++)": lambda: sampling.spread(rows, count),
    }
    for name, choose in ways.items():
        seconds, chosen = timed(choose)
        radius, mean = sampling.coverage(rows, chosen)
        print(f"  {name:20} {radius:.3f}  {mean:.3f}  {seconds:.2f} s")


def photographs() -> None:
    """Real features of the photographs and of edits of them: the colours, and VLAD of their keypoints."""
    from PIL import Image

    from gallery.pictures import Picture
    from search.datasets.space import as_unit
    from search.engines.color import ENGINE as COLOR

    features = []
    for path in sorted(PHOTOS.iterdir()):
        whole = Image.open(path).convert("RGB")
        whole.thumbnail((640, 640))
        width, height = whole.size
        parts = [whole, whole.crop((0, 0, width // 2, height)), whole.crop((width // 4, height // 4, width, height))]
        for part in parts:
            pixels = np.ascontiguousarray(np.asarray(part))
            features.append(COLOR.extract(Picture(pixels, part.width, part.height, "JPEG")))
    coverage(f"{len(features)} photographs and parts, by colours", as_unit(COLOR, features), len(features) // 6)


# --- works
def works() -> None:
    from gallery.models import User
    from search.datasets import packing, wishes
    from search.datasets import works as at_work
    from search.datasets.answers import address_of
    from search.models import CollectionWork
    from tests.gallery.made import rows
    from tests.search.collected import collection_of, coloured, done, hashed

    person = User.objects.create(username="bench")
    images = sorted(rows(IMAGES))
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 256, (IMAGES, 72), np.uint8)
    bits[-COPIES:] = bits[:COPIES]
    hashed(images, bits)
    coloured(images, rng.integers(0, 256, (IMAGES, 512), np.uint8))
    cars = collection_of(person, [])

    def measured(what: str, begin: Callable[[], CollectionWork]) -> CollectionWork:
        seconds, work = timed(lambda: done(begin()))
        print(f"{what}: {seconds:.2f} s, {work.state} {_told(work)}{work.problem}")
        return work

    measured(f"add {IMAGES:,} of a search", lambda: wishes.add(cars, person, address=address_of("width>0")))
    again = measured("add them again", lambda: wishes.add(cars, person, address=address_of("width>0")))
    print(f"undo that: {timed(lambda: at_work.undo(again))[0]:.2f} s")
    thin = measured("thin out by the hash", lambda: wishes.thin(cars, person))
    print(f"undo that: {timed(lambda: at_work.undo(thin))[0]:.2f} s")
    for how in ("random", "diverse", "spread"):
        measured(f"sample of {SAMPLE:,}, {how}", lambda how=how: wishes.sample(cars, person, how, SAMPLE, into=how))
    size = _write_files(images)
    export(cars, person, size, packing, wishes, at_work)


def _told(work: Any) -> dict[str, Any]:
    return {name: value for name, value in work.outcome.items() if isinstance(value, int | float | str)}


def _write_files(images: list[int]) -> int:
    """Real JPEG files, a few different ones under every row. Bytes of all."""
    from gallery import originals
    from gallery.models import Image
    from tests.pictures import encode, photo

    contents = [encode(photo(seed, 800, 600), "JPEG", quality=88) for seed in range(8)]
    size = 0
    for number, image in enumerate(Image.objects.filter(pk__in=images).order_by("pk")):
        path = originals.path_of(image.sha256, image.format)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[number % 8])
        size += len(contents[number % 8])
    Image.objects.filter(pk__in=images).update(width=800, height=600, bytes=size // len(images))
    return size


def export(cars: Any, person: Any, size: int, packing: Any, wishes: Any, works: Any) -> None:
    import shutil

    plain, _ = timed(lambda: shutil.make_archive(str(packing.folder().parent / "plain"), "tar", str(_originals())))
    print(f"tar of the same {size / 2**20:,.0f} MiB: {plain:.2f} s")
    for options in ({"metadata": True}, {}, {"longest": 256, "index": "coco"}):
        work = wishes.export(cars, person, options, "http://localhost")
        seconds, _ = timed(works.pack_next)
        work.refresh_from_db()
        told = f"{work.outcome.get('packed', 0):,} packed, {work.outcome.get('bytes', 0) / 2**20:,.0f} MiB"
        print(
            f"pack {options or 'without metadata'}: {seconds:.2f} s ({seconds / plain:.1f} x tar), {told}{work.problem}"
        )


def _originals() -> Path:
    from django.conf import settings

    return Path(settings.MEDIA_ROOT) / "originals"


if __name__ == "__main__":
    main()

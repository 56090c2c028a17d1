"""A text query to its page: index, database and template, with BENCH_IMAGES x 512 vectors; and filters to ids.

Vectors are random in a cone, as those of a CLIP are; encoding the text is measured by bench_encoders.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.bench_scale import make_images
from tests.bench.own_gallery import own_gallery

IMAGES = int(os.environ.get("BENCH_IMAGES", "100000"))
DIMENSION, TIMES = 512, 9


def main() -> None:
    from tests.bench import bench_scale

    bench_scale.IMAGES = IMAGES
    with own_gallery() as folder:
        from search.engines import all_engines

        all_engines().clear()  # rows of images are all that is needed: the vectors go straight into an index
        make_images()
        measure(folder)


def measure(folder: Path) -> None:
    from django.contrib.auth.models import AnonymousUser
    from django.template.loader import render_to_string

    from gallery.models import Image
    from search.engines._embedding import as_rows
    from search.engines.clip import ENGINE, MeaningProbe, Words
    from search.filters import read_filters

    rng = np.random.default_rng(0)
    cone = rng.standard_normal(DIMENSION)
    index = _index()
    for start in range(0, IMAGES, 50_000):
        n = min(50_000, IMAGES - start)
        index.add(np.arange(start + 1, start + n + 1), as_rows(_unit(cone + rng.standard_normal((n, DIMENSION)))))
    index = _written(index, folder / "index")
    texts = _unit(-0.5 * cone + rng.standard_normal((200, DIMENSION))).astype(np.float32)
    words = Words(texts[0], texts[:0], texts[1:])
    probe = MeaningProbe(as_rows(words.direction[None]), ("",), False, words=words)
    print(f"{IMAGES:,} images")
    hits = report("index and judging, 1,000 hits", lambda: ENGINE.search(probe, index, 1000))
    ids = [hit.image_id for hit in hits]
    anybody = AnonymousUser()
    found = report("database, 1,000 images", lambda: Image.objects.visible_to(anybody).in_bulk(ids))
    for asked in ({"orientation": "wide"}, {"mp": "1", "added_from": "2020-01-01"}, {"side": "1600"}):
        filters, _ = read_filters(asked)
        among = report(f"filter {asked}", lambda filters=filters: filters.among(anybody))
        report(f"  index among {len(among):,}", lambda among=among: ENGINE.search(probe, index, 1000, among))
    shown = list(found.values())[:60]
    report(
        "thumbnails of 60 cards",
        lambda: [render_to_string("gallery/_thumbnail.html", {"image": image}) for image in shown],
    )


def _written(index: Any, folder: Path) -> Any:
    """As a gallery has it: mapped from a snapshot."""
    folder.mkdir()
    index.write(folder)
    mapped = _index()
    mapped.read(folder)
    return mapped


def _index() -> Any:
    from search.indexes.embedding_index import EmbeddingIndex

    return EmbeddingIndex(DIMENSION)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def report(what: str, action: Callable[[], Any]) -> Any:
    """Median of some runs after the first."""
    action()
    times = []
    for _ in range(TIMES):
        started = time.perf_counter()
        result = action()
        times.append(1000 * (time.perf_counter() - started))
    print(f"{what:60} {statistics.median(times):8.1f} ms", flush=True)
    return result


if __name__ == "__main__":
    main()

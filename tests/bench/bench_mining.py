"""Candidates a second through all filters, and whether the worker's memory stays flat.

LOOKALIKE_BENCH_COUNT: how many candidates (300; the plan says 5,000 for the memory).
"""

from __future__ import annotations

import functools
import io
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psutil
from PIL import Image as PillowImage

from tests.bench.own_gallery import PHOTOS, own_gallery

COUNT = int(os.environ.get("LOOKALIKE_BENCH_COUNT", "300"))
WARM = 50
"""Candidates after which everything is loaded that is ever loaded."""
ACCEPTED = 100
"""Pictures of the gallery before: what duplicates and novelty are measured against."""


def main() -> None:
    if not PHOTOS.is_dir():
        print("There are no photographs beside the checkout: nothing to look at.")
        return
    with own_gallery():
        measure()


def measure() -> None:
    from django.core.management import call_command

    from ingestion.filters import all_filters
    from ingestion.models import Candidate, Source
    from ingestion.screening import screen_next

    photos = sorted(path for path in PHOTOS.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if ACCEPTED:
        folder = _accepted(photos[:ACCEPTED])
        call_command("import", folder, wait=True)
    source = Source.objects.create(name="bench", kind="folder", rules={"size": {"least_pixels": 1}})
    spent = watch_filters()
    me, memory = psutil.Process(), []
    for name, filter_ in all_filters().items():
        print(f"{name:12} {filter_.missing() or 'ready'}")
    started = warm = time.perf_counter()
    burnt = time.process_time()
    done = 0
    for done, _ in enumerate(_put(source, photos[ACCEPTED:]), 1):
        assert screen_next()
        if done == WARM:
            warm, burnt = time.perf_counter(), time.process_time()
        if done >= WARM and (done - WARM) % max(1, (COUNT - WARM) // 5) == 0:
            memory.append((done, me.memory_info().rss / 2**20))
    seconds = time.perf_counter() - (warm if done > WARM else started)
    count = done - WARM if done > WARM else done
    burnt = time.process_time() - burnt
    print(f"{1000 * burnt / count:.0f} ms of processor a candidate, decoding and database not counted")
    print(f"{count} candidates in {seconds:.1f} s on one thread: {count / seconds:.2f} a second")
    for name, value in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {name:24} {1000 * value / done:8.1f} ms a candidate")
    print("memory, MiB: " + ", ".join(f"{value:.0f} after {at}" for at, value in memory))
    states = dict.fromkeys(Candidate.State.values, 0)
    for state in Candidate.objects.values_list("state", flat=True):
        states[state] += 1
    print("states: " + ", ".join(f"{count} {state}" for state, count in states.items() if count))


def _accepted(photos: list[Any]) -> str:
    import tempfile

    folder = tempfile.mkdtemp(prefix="lookalike-bench-accepted-")
    for photo in photos:
        os.symlink(photo, os.path.join(folder, photo.name))
    return folder


def _put(source: Any, photos: list[Any]) -> Iterator[None]:
    """One fetched candidate after the other; beyond the photographs they come again, each time cut otherwise."""
    from gallery.originals import Incoming
    from ingestion.candidate_files import keep
    from ingestion.models import Candidate
    from ingestion.offers import candidate_of
    from ingestion.sources._base import Found

    for number in range(COUNT):
        data = _cut(photos[number % len(photos)], number // len(photos))
        found = Found(f"https://example.org/{number}.jpg", title=f"Picture {number}")
        candidate = candidate_of(source, found, state=Candidate.State.FETCHED)
        with Incoming("a.jpg") as incoming:
            incoming.fill([data])
            candidate.sha256, candidate.bytes = incoming.sha256, incoming.bytes
            keep(candidate, incoming)
        candidate.save()
        yield


def _cut(path: Any, turn: int) -> bytes:
    if not turn:
        return path.read_bytes()
    image = PillowImage.open(path).convert("RGB")
    image = image.crop((7 * turn, 5 * turn, image.width - 3 * turn, image.height - 2 * turn))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def watch_filters() -> dict[str, float]:
    """{step: seconds}"""
    from ingestion import screening
    from ingestion.filters import all_filters

    spent: dict[str, float] = defaultdict(float)

    def watch(owner: Any, attribute: str, name: str) -> None:
        function = getattr(owner, attribute)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] += time.perf_counter() - started

        setattr(owner, attribute, timed)

    watch(screening, "screen", "all together")
    watch(screening, "screened", "decode")
    watch(screening, "thumbnail", "thumbnail")
    watch(screening, "_embed", "embedding")
    for name, filter_ in all_filters().items():
        watch(type(filter_), "judge", f"filter {name}")
    return spent


if __name__ == "__main__":
    main()

"""Pictures a second through the whole pipeline, and where the time goes."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from typing import Any

from tests.bench.own_gallery import PHOTOS, own_gallery


def main() -> None:
    if not PHOTOS.is_dir():
        print("There are no photographs beside the checkout: nothing to import.")
        return
    with own_gallery():
        measure()


def measure() -> None:
    from django.core.management import call_command

    from gallery.models import Image

    spent = watch_steps()
    started = time.perf_counter()
    call_command("import", PHOTOS, wait=True)
    wall = time.perf_counter() - started
    count = Image.objects.filter(state="ready").count()
    print(f"{count} pictures in {wall:.1f} s: {count / wall:.1f} pictures a second, everything searchable")
    print(f"{'step':34} {'ms a picture':>12} {'share':>6}")
    total = sum(spent.values())
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{name:34} {1000 * seconds / count:12.1f} {seconds / total:6.0%}")


def watch_steps() -> dict[str, float]:
    """Wall time by step, summed over threads: with two threads it adds up to twice the wall time."""
    from gallery import originals, renditions
    from ingestion import annotators, pipeline
    from ingestion.models import Job, JobQuerySet, KnownFile
    from search.engines import own_engines
    from search.models import FeatureQuerySet

    spent: dict[str, float] = defaultdict(float)

    def watch(owner: Any, attribute: str, name: str) -> None:
        function = getattr(owner, attribute)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                label = name
                if function.__name__ == "decode":
                    label += " small (store)" if kwargs["longest"] < 1000 else " large (complete)"
                spent[label] += time.perf_counter() - started

        setattr(owner, attribute, timed)

    watch(originals.Incoming, "finish", "flush the file")
    watch(originals.Incoming, "keep", "rename, flush the folder")
    watch(pipeline, "decode", "decode")
    watch(renditions, "make", "renditions")
    watch(renditions, "placeholder", "placeholder")
    watch(KnownFile, "remember", "remember the file")
    watch(JobQuerySet, "claim", "claim a job")
    watch(Job, "finish", "finish a job")
    watch(FeatureQuerySet, "bulk_create", "store a feature")
    for name, engine in own_engines().items():
        watch(type(engine), "extract", f"feature {name}")
    for name, annotator in annotators.all_annotators().items():
        watch(type(annotator), "annotate", f"annotate {name}")
    return spent


if __name__ == "__main__":
    main()

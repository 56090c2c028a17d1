"""Suggestions among 50,000 tags, and pictures similar by tags among BENCH_IMAGES; against LIKE in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.bench.bench_tags import IMAGES, TAGS, fill_images
from tests.bench.own_gallery import own_gallery

ASKED = 400
LIKE = """
SELECT name, count FROM gallery_tag WHERE name LIKE '%%' || %s || '%%' ORDER BY count DESC, name LIMIT 10
"""


def names(rng: np.random.Generator, count: int) -> list[str]:
    """Made of syllables; the more common, the shorter, and every third of two words."""
    syllables = [a + b for a in "bdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "or", "ast")]
    found: dict[str, None] = {}
    while len(found) < count:
        size = 2 + int(np.log10(len(found) + 10) / 2)
        words = ["".join(rng.choice(syllables, size)) for _ in range(1 + (len(found) % 3 == 2))]
        found[" ".join(words)] = None
    return list(found)


def mistyped(rng: np.random.Generator, name: str) -> str:
    """One letter changed, left out, or swapped with the next."""
    place = int(rng.integers(0, max(1, len(name) - 1)))
    kind = rng.integers(0, 3)
    if kind == 0:
        return name[:place] + "x" + name[place + 1 :]
    if kind == 1:
        return name[:place] + name[place + 1 :]
    return name[:place] + name[place : place + 2][::-1] + name[place + 2 :]


def main() -> None:
    with own_gallery():
        started = time.perf_counter()
        fill_images()
        rng = np.random.default_rng(1)
        called = names(rng, TAGS)
        rename(called)
        print(f"{IMAGES:,} images, {TAGS:,} tags, made in {time.perf_counter() - started:.0f} s", flush=True)
        measure(rng, called)


def rename(called: list[str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gallery_tag SET name = each.name FROM unnest(%s::int[], %s::text[]) each (id, name)"
            " WHERE gallery_tag.id = each.id",
            [list(range(1, TAGS + 1)), called],
        )
        cursor.execute("VACUUM ANALYZE gallery_tag")
        cursor.execute("ANALYZE gallery_image")


def measure(rng: np.random.Generator, called: list[str]) -> None:
    from django.conf import settings
    from django.contrib.auth.models import AnonymousUser
    from django.db import connection
    from django.test import Client

    from gallery.models import Image
    from gallery.tags import Shelf, shelves
    from search.complete import complete, vocabulary
    from search.tag_likeness import similar_by_tags

    settings.ALLOWED_HOSTS = ["*"]
    started = time.perf_counter()
    vocabulary()
    print(f"vocabulary read in {time.perf_counter() - started:.2f} s, once in a process")
    meant = [called[int(place)] for place in np.minimum(rng.zipf(1.3, ASKED), TAGS) - 1]
    begun = [name[: int(rng.integers(1, len(name) + 1))] for name in meant]
    wrong = [mistyped(rng, name) for name in meant]
    found = sum(
        name in [one.label for one in complete(text, len(text))] for name, text in zip(meant, wrong, strict=True)
    )
    print(f"found among the ten of a name with one typo: {found / ASKED:.3f}")
    client = Client()

    def like(text: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(LIKE, [text])
            cursor.fetchall()

    plain = report("PostgreSQL: LIKE '%x%', a beginning", like, begun)
    report("suggestions, a beginning", lambda text: complete(text, len(text)), begun, plain)
    report("suggestions, one typo", lambda text: complete(text, len(text)), wrong, plain)
    report("whole request, a beginning", lambda text: client.get("/search/complete/", {"q": text}), begun, plain)
    report("whole request, one typo", lambda text: client.get("/search/complete/", {"q": text}), wrong, plain)
    anybody = AnonymousUser()
    images = list(Image.objects.filter(pk__in=rng.integers(1, IMAGES, 60).tolist()))
    report("similar by tags, 13 of them", lambda image: similar_by_tags(image, anybody, 13), images)
    report("similar by tags, 120 of them", lambda image: similar_by_tags(image, anybody, 120), images)
    report("tags by category", lambda _: shelves("most", 40), range(9))
    report("a page of 200 tags, the first", lambda _: Shelf().page("", 200), range(9))
    report("a page of 200 tags, the last", lambda _: Shelf().page("20.x", 200), range(9))
    report("a page of tags, part of a name", lambda text: Shelf(part=text).page("", 200), begun[:60])


def report(what: str, action: Callable[[Any], Any], inputs: Sequence[Any], plain: float = 0) -> float:
    """Median and 99th percentile, in milliseconds; the ratio of the medians to ``plain``."""
    action(inputs[0])
    times = []
    for each in inputs:
        started = time.perf_counter()
        action(each)
        times.append(1000 * (time.perf_counter() - started))
    median = float(np.median(times))
    ratio = f"   {median / plain:5.2f} of LIKE" if plain else ""
    print(f"{what:48} {median:8.2f} {np.percentile(times, 99):8.2f} ms{ratio}", flush=True)
    return median


if __name__ == "__main__":
    main()

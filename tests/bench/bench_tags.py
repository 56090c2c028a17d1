"""Pages of ``a && (b || c) && !d`` among 1,000,000 images x 8 tags of a Zipf vocabulary of 50,000, newest first.

The same pages come from a plain join table in the same run, as statements of SQL; "page" is all that a view waits for:
names looked up, condition made, ids found, 60 rows read. BENCH_IMAGES and BENCH_QUERIES change the size.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.bench.own_gallery import own_gallery

IMAGES = int(os.environ.get("BENCH_IMAGES", "1000000"))
QUERIES = int(os.environ.get("BENCH_QUERIES", "60"))
TAGS, EACH, WORDS = 50_000, 8, 20_000
OLD = TAGS + 1
"""A tag of the oldest tenth: whoever walks from the newest meets nothing for long."""
_INDEXES = ["image_tags", "image_document", "image_colours"]
_COLUMNS = "sha256, name, format, bytes, width, height, exif, palette, placeholder, state, tag_ids, document"


def main() -> None:
    with own_gallery():
        prepare()
        measure()


def prepare() -> None:
    for name, fill in (("images", fill_images), ("rows of the join table", fill_join_table)):
        started = time.perf_counter()
        count = fill()
        print(f"made {count:,} {name} in {time.perf_counter() - started:.0f} s", flush=True)


# --- a million rows
def fill_images() -> int:
    """Rows only: triggers would do a million times what one statement does here, and indexes are built at the end."""
    from django.db import connection

    counts = np.zeros(OLD + 1, np.int64)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gallery_image DISABLE TRIGGER USER")
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexname = ANY(%s)", [_INDEXES])
        indexes = dict(cursor.fetchall())
        for name in indexes:
            cursor.execute(f"DROP INDEX {name}")
        with cursor.copy(f"COPY gallery_image ({_COLUMNS}) FROM STDIN") as copy:
            for row in rows(counts):
                copy.write(row)
        for definition in indexes.values():
            cursor.execute(definition)
        cursor.execute("ALTER TABLE gallery_image ENABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO gallery_tag (id, name, category, count)"
            " SELECT id, 'tag' || id, '', count FROM unnest(%s::int[], %s::int[]) each (id, count)",
            [list(range(1, OLD + 1)), counts[1:].tolist()],
        )
    return IMAGES


def rows(counts: np.ndarray) -> Iterator[str]:
    """As COPY reads them; how many have a tag is added to ``counts``."""
    rng, words = np.random.default_rng(0), zipf(WORDS)
    for start in range(0, IMAGES, 50_000):
        count = min(50_000, IMAGES - start)
        said = np.searchsorted(words, rng.random((count, 6))) + 1
        for n, (tags, line) in enumerate(zip(draw_tags(rng, count), said.tolist(), strict=True), start):
            tags = [*tags, OLD] if n < IMAGES // 10 else tags
            counts[tags] += 1
            document = " ".join(f"'word{word}':{place}B" for place, word in enumerate(line, 1))
            width, height = 400 + n * 7919 % 4000, 400 + n * 104729 % 3000
            yield (
                f"{n:064x}\t{n}.jpg\tJPEG\t{200_000 + n}\t{width}\t{height}\t{{}}\t"
                f'[["3366cc", 0.5]]\t\tready\t{{{",".join(map(str, tags))}}}\t{document}\n'
            )


def draw_tags(rng: np.random.Generator, images: int) -> Iterator[list[int]]:
    """Rising ids of EACH different tags; tag 1 is the most common."""
    # The most common tags are drawn again and again: more are drawn than are kept.
    ranks = np.searchsorted(zipf(TAGS), rng.random((images, 4 * EACH))) + 1
    for row in ranks.tolist():
        yield sorted(list(dict.fromkeys(row))[:EACH])


def zipf(size: int) -> np.ndarray:
    """Cumulated shares of ranks 1 to size."""
    shares = np.cumsum(1 / np.arange(1, size + 1))
    return shares / shares[-1]


def fill_join_table() -> int:
    """The baseline: a row for each tag of each image, found from both sides."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE plain_tag AS SELECT unnest(tag_ids) AS tag, id AS image FROM gallery_image")
        made: int = cursor.rowcount
        cursor.execute("ALTER TABLE plain_tag ADD PRIMARY KEY (tag, image)")
        cursor.execute("CREATE UNIQUE INDEX plain_tag_image ON plain_tag (image, tag)")
        cursor.execute("VACUUM ANALYZE")
    return made


# --- what is asked
Asked = tuple[int, ...]
COMMON, MIDDLE, RARE = (1, 20), (100, 1_000), (5_000, 50_000)
_JOINED = """
SELECT i.id FROM gallery_image i JOIN plain_tag a ON a.image = i.id AND a.tag = %s
WHERE i.state = 'ready' AND i.trashed_at IS NULL
  AND EXISTS (SELECT FROM plain_tag WHERE image = i.id AND tag IN (%s, %s))
  AND NOT EXISTS (SELECT FROM plain_tag WHERE image = i.id AND tag = %s)
"""


def draw(rng: np.random.Generator, *ranges: tuple[int, int]) -> list[Asked]:
    """(a, b, c, d), all different, of these ranges of ranks."""
    found: list[Asked] = []
    while len(found) < QUERIES:
        asked = tuple(int(rng.integers(first, last + 1)) for first, last in ranges)
        if len(set(asked)) == 4:
            found.append(asked)
    return found


def tree_of(asked: Asked, more: tuple[Any, ...]) -> Any:
    from search.language.tree import And, Not, Or, Tagged

    a, b, c, d = (Tagged(f"tag{number}") for number in asked)
    return And((a, Or((b, c)), Not(d), *more))


def measure() -> None:
    from search.language.tree import Compare, Word

    rng = np.random.default_rng(1)
    width, word = Compare("width", ">", "2000"), Word("word30")
    kinds: dict[str, tuple[list[Asked], tuple[Any, ...], str]] = {
        "all common": (draw(rng, COMMON, (1, 50), (1, 50), COMMON), (), ""),
        "a common, b c rare": (draw(rng, COMMON, RARE, RARE, COMMON), (), ""),
        "all middle": (draw(rng, MIDDLE, MIDDLE, MIDDLE, MIDDLE), (), ""),
        "a rare, b c common": (draw(rng, RARE, COMMON, COMMON, COMMON), (), ""),
        "a only old": (draw(rng, (OLD, OLD), COMMON, COMMON, COMMON), (), ""),
        "common, width>2000": (draw(rng, COMMON, COMMON, COMMON, COMMON), (width,), "AND i.width > 2000"),
        "common, a word": (draw(rng, COMMON, COMMON, COMMON, COMMON), (word,), "AND i.document @@ 'word30'::tsquery"),
    }
    print(f"{'':20} {'statement, ms':>17} {'join table, ms':>17} {'page, ms':>17} {'count, ms':>17}")
    print(f"{'':20}" + f" {'median':>8} {'p99':>8}" * 4)
    for name, kind in kinds.items():
        print(f"{name:20} {line(*kind)}", flush=True)


def line(queries: list[Asked], more: tuple[Any, ...], also: str) -> str:
    from django.contrib.auth.models import AnonymousUser
    from django.db import connection

    from gallery.models import Image
    from search.language.tree import Parsed
    from search.listing import Listing

    times: dict[str, list[float]] = {"array": [], "join": [], "page": [], "count": []}
    shares = []
    for asked in queries:
        parsed = Parsed(tree=tree_of(asked, more))
        listing = Listing(parsed, AnonymousUser())
        ids = listing.images.order_by("-id").values_list("pk", flat=True)
        sql, params = ids[:61].query.sql_with_params()
        joined = f"{_JOINED} {also} ORDER BY i.id DESC LIMIT 61"
        with connection.cursor() as cursor:
            mine = timed(times["array"], lambda: cursor.execute(sql, params) and cursor.fetchall())  # noqa: B023
            plain = timed(times["join"], lambda: cursor.execute(joined, asked) and cursor.fetchall())  # noqa: B023
        page, _ = timed(times["page"], lambda: Listing(parsed, AnonymousUser()).page("", 60))  # noqa: B023
        assert mine == plain
        assert [image.pk for image in page] == [pk for (pk,) in mine[:60]]
        count = timed(times["count"], listing.count)
        if not count.is_exact:
            shares.append(count.number / Image.objects.filter(pk__in=ids.order_by()).count())
    about = f", others {min(shares):.2f} to {max(shares):.2f} of the truth" if shares else ""
    figures = " ".join(f"{statistics.median(each):8.1f} {p99(each):8.1f}" for each in times.values())
    return f"{figures}   {len(queries) - len(shares)} of {len(queries)} counts exact{about}"


def timed(times: list[float], ask: Callable[[], Any]) -> Any:
    """The answer; its milliseconds are noted. Asked once before: pages of the database come into memory."""
    ask()
    started = time.perf_counter()
    answer = ask()
    times.append(1000 * (time.perf_counter() - started))
    return answer


def p99(times: list[float]) -> float:
    return sorted(times)[int(0.99 * len(times))]


if __name__ == "__main__":
    main()

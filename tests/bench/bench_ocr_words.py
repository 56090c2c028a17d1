"""Misspelt words among BENCH_WORDS distinct ones in 200,000 pictures: time, what is found, and what it costs.

The words: those in the texts of installed packages, and what a bad reader of print would make of them. Against
PostgreSQL's full text, against trigrams (without an extension: an int[] with a GIN index as well), and against a
comparison with every word (rapidfuzz), which is the ceiling.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.own_gallery import own_gallery

WORDS = int(os.environ.get("BENCH_WORDS", "1000000"))
IMAGES = WORDS // 5
ASKED, ASKED_OF_ALL = 500, 60
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ONE_FOR_ONE = ["o0", "l1", "s5", "b8", "il", "li", "ec", "ce", "un", "nu", "hb", "tf", "ao"]
MISTAKEN = [("rn", "m"), ("m", "rn"), ("cl", "d"), ("d", "cl"), ("vv", "w"), ("w", "vv"), *map(tuple, ONE_FOR_ONE)]
rng = random.Random(0)


# --- words
def written() -> list[str]:
    """Words of real texts, the most frequent first."""
    counts: Counter[str] = Counter()
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*")):
        if path.suffix in (".py", ".txt", ".md", ".rst", ".h", ".js", ".json") and path.stat().st_size < 2_000_000:
            counts.update(re.findall("[a-z]{2,18}", path.read_text(errors="ignore").lower()))
    return [word for word, _ in counts.most_common()]


def vocabulary(real: list[str]) -> list[str]:
    """So many distinct words: the real ones, and misread ones, of frequent words more."""
    words = dict.fromkeys(real[: WORDS * 4 // 10])
    frequent = [word for word in words if len(word) > 3]
    while len(words) < WORDS:
        words[misread(frequent[int(len(frequent) ** rng.random()) - 1])] = None
        words[misread(rng.choice(frequent))] = None
    return list(words)[:WORDS]


def misread(word: str) -> str:
    for _ in range(rng.choice((1, 1, 2))):
        this, other = rng.choice(MISTAKEN)
        word = word.replace(this, other, 1) if this in word else typo(word)
    return word


def typo(word: str) -> str:
    place, letter = rng.randrange(len(word)), rng.choice(LETTERS)
    kind = rng.choice(("insert", "delete", "replace", "swap"))
    if kind == "swap":
        place = min(place, len(word) - 2)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + ("" if kind == "delete" else letter) + word[place + (kind != "insert") :]


def asked(words: list[str], typos: int, count: int) -> list[tuple[str, str]]:
    """[(what was meant, what was typed), ...]"""
    pairs = []
    while len(pairs) < count:
        meant = typed = rng.choice(words)
        for _ in range(typos):
            typed = typo(typed)
        if typed != meant:
            pairs.append((meant, typed))
    return pairs


# --- the gallery
def main() -> None:
    real = written()
    words = vocabulary(real)
    with own_gallery():
        print(f"{len(words):,} words, {min(len(real), len(words)):,} of them real, in {IMAGES:,} pictures", flush=True)
        fill(words, real)
        long_enough = [word for word in real[: WORDS * 4 // 10] if len(word) > 4]
        compare(words, long_enough)
        whole_questions(long_enough)


def fill(words: list[str], real: list[str]) -> None:
    """Each word once, and beside it one of the frequent ones: a picture holds ten."""
    from django.db import connection

    from search.ocr_words import sweep
    from tests.gallery.made import rows

    ids = rows(IMAGES)
    shuffled = rng.sample(words, len(words))
    with connection.cursor() as cursor:
        with cursor.copy("COPY gallery_ocrtext (image_id, text, words, origin, state, offered) FROM STDIN") as copy:
            for place, image_id in enumerate(ids):
                line = shuffled[5 * place : 5 * place + 5] + [real[int(20_000 ** rng.random()) - 1] for _ in range(5)]
                copy.write_row((image_id, " ".join(line), "[]", "bench", "accepted", True))
        print_rates(ids)
        # The rest without the index, which is then built at once: the rates are known, the order of words is no matter.
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'ocr_word_keys'")
        (definition,) = cursor.fetchone()
        cursor.execute("DROP INDEX ocr_word_keys")
        sweep()
        cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE")
        for name in ("search_ocrword", "ocr_word_keys", "ocr_word_once", "search_ocrposting", "ocr_posting_words"):
            cursor.execute("SELECT pg_relation_size(%s::regclass)", [name])
            print(f"  {name:20} {cursor.fetchone()[0] / 2**20:6.0f} MiB")


def print_rates(ids: list[int]) -> None:
    from search.models import OcrPosting
    from search.ocr_words import index_images

    first = ids[: IMAGES // 20]
    for what in ("most words are new", "all words are known"):
        OcrPosting.objects.filter(image__in=first).update(word_ids=None)
        started = time.perf_counter()
        index_images(first)
        print(f"read {len(first) / (time.perf_counter() - started):.0f} texts a second, {what}", flush=True)


# --- figures
def compare(words: list[str], long_enough: list[str]) -> None:
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    from search.ocr_vocabulary import alike
    from search.ocr_words import ALIKE_AT_ALL

    def ours(typed: str) -> list[str]:
        return [each.word for each in alike(typed, ALIKE_AT_ALL, 10)]

    def all_compared(typed: str) -> list[str]:
        return [each[0] for each in process.extract(typed, words, scorer=OSA.distance, score_cutoff=4, limit=10)]

    by_trigrams = trigrams(words)
    ways: dict[str, tuple[Callable[[str], list[str]], int]] = {
        "this": (ours, ASKED),
        "trigrams": (by_trigrams, ASKED_OF_ALL),
        "full text": (full_text, ASKED),
        "every word": (all_compared, ASKED_OF_ALL),
    }
    print(f"{'words alike':12} {'typos':>5} {'recall@10':>10} {'median ms':>10} {'p99 ms':>8}")
    for typos in (0, 1, 2):
        pairs = asked(long_enough, typos, ASKED) if typos else [(word, word) for word in long_enough[:ASKED]]
        for name, (way, count) in ways.items():
            found, times = 0, []
            for meant, typed in pairs[:count]:
                started = time.perf_counter()
                found += meant in way(typed)
                times.append(1000 * (time.perf_counter() - started))
            print(
                f"{name:12} {typos:5} {found / count:10.3f} {statistics.median(times):10.1f} {p99(times):8.1f}",
                flush=True,
            )


def full_text(typed: str) -> list[str]:
    """The words of ten pictures that it finds."""
    from gallery.models import Image, OcrText

    found = Image.objects.filter(document=typed).values("pk")[:10]
    return " ".join(OcrText.objects.filter(image__in=found).values_list("text", flat=True)).split()


def trigrams(words: list[str]) -> Callable[[str], list[str]]:
    """The words that share most trigrams, then by edits."""
    from django.db import connection
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    def grams(word: str) -> list[int]:
        word = f"^{word}$"
        return sorted({int.from_bytes(word[i : i + 3].encode(), "big") for i in range(len(word) - 2)})

    cursor = connection.cursor()
    cursor.execute("CREATE TABLE by_trigrams (word text, grams integer[])")
    with cursor.copy("COPY by_trigrams FROM STDIN") as copy:
        for word in words:
            copy.write_row((word, grams(word)))
    cursor.execute("CREATE INDEX by_trigrams_grams ON by_trigrams USING gin (grams)")
    cursor.execute("VACUUM ANALYZE by_trigrams")
    cursor.execute("SELECT pg_relation_size('by_trigrams_grams')")
    print(f"  {'by_trigrams_grams':20} {cursor.fetchone()[0] / 2**20:6.0f} MiB")

    def way(typed: str) -> list[str]:
        these = grams(typed)
        cursor.execute(
            "SELECT word FROM (SELECT word, unnest(grams) AS gram FROM by_trigrams WHERE grams && %s) each"
            " WHERE gram = ANY (%s) GROUP BY word HAVING count(*) >= %s",
            [these, these, max(1, len(these) // 3)],
        )
        near = [word for (word,) in cursor.fetchall()]
        return [each[0] for each in process.extract(typed, near, scorer=OSA.distance, limit=10)]

    return way


def whole_questions(long_enough: list[str]) -> None:
    from gallery.models import Image
    from gallery.models.images import VISIBLE
    from search.ocr_words import ocr_condition, ocr_hits

    def page(text: str, phrase: bool = False) -> list[Any]:
        return list(Image.objects.filter(VISIBLE & ocr_condition(text, phrase)).order_by("-pk")[:60])

    one = [typed for _, typed in asked(long_enough, 1, 200)]
    two = [f"{a} {b}" for a, b in zip(one, reversed(one), strict=True)]
    common = [typed for _, typed in asked(long_enough[:100], 1, 200)]
    print(f"{'whole questions':40} {'median ms':>10} {'p99 ms':>8}")
    for name, ask in questions(page, ocr_hits, one, two, common):
        times = []
        for action in ask:
            started = time.perf_counter()
            action()
            times.append(1000 * (time.perf_counter() - started))
        print(f"{name:40} {statistics.median(times):10.1f} {p99(times):8.1f}", flush=True)


def questions(page: Any, hits: Any, one: Any, two: Any, common: Any) -> Iterator[tuple[str, list[Callable]]]:
    def each(ask: Callable, texts: list[str], *options: Any) -> list[Callable]:
        return [lambda text=text: ask(text, *options) for text in texts]

    yield "page, a word with a typo", each(page, one)
    yield "page, a common word with a typo", each(page, common)
    yield "page, two words with typos", each(page, two)
    yield "page, a phrase of two with typos", each(page, two, True)
    yield "page, beginning (abc*)", each(page, [f"{word[:4]}*" for word in one])
    yield "page, middle (*bcd*)", each(page, [f"*{word[1:5]}*" for word in one[:20]])
    yield "1,000 hits, a word with a typo", each(hits, one, 1000)
    yield "1,000 hits, a common word with a typo", each(hits, common, 1000)
    yield "1,000 hits, two words with typos", each(hits, two, 1000)


def p99(times: list[float]) -> float:
    return sorted(times)[int(0.99 * len(times))]


if __name__ == "__main__":
    main()

"""Text in pictures: pictures a second, what the detector skips and misses, how much is read of drawn signs.

On 150 photographs, or as many as it is told: ``python -m tests.bench.bench_ocr 40``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
django.setup()

from gallery.pictures import decode  # noqa: E402
from ingestion.annotators.ocr import enlarged, read, read_upright  # noqa: E402
from ingestion.reading import Line, text_of  # noqa: E402
from ingestion.text_detector import ROW, longest_row  # noqa: E402
from search.encoders import get_network  # noqa: E402
from search.encoders._base import Reader  # noqa: E402
from search.encoders.sift import cv2  # noqa: E402
from tests.bench.copies import photos  # noqa: E402
from tests.ingestion.signs import GREEN, RED, YELLOW, plate, sign  # noqa: E402

WORDS = {
    "eng": [
        "SECURITY",
        "parking",
        "forbidden",
        "Harbour",
        "street",
        "Museum",
        "entrance",
        "bakery",
        "Private",
        "garden",
    ],
    "deu": ["Straße", "Übergang", "Ausfahrt", "freihalten", "Bäckerei", "Müller", "Brücke", "Schlüssel", "Gebäude"],
    "rus": ["ВЫХОД", "Библиотека", "Музей", "Осторожно", "улица", "Площадь", "магазин", "Аптека", "Вокзал"],
}
HOW: dict[str, dict[str, Any]] = {
    "large": {"height": 80},
    "usual": {"height": 40},
    "small": {"height": 16},
    "very small": {"height": 11},
    "low contrast": {"ink": 100, "ground": 130},
    "light on dark": {"ink": 235, "ground": 40},
    "tilted by 5 degrees": {"degrees": 5},
    "tilted by 12 degrees": {"degrees": 12},
    "turned by a quarter": {"quarters": 1},
    "upside down": {"quarters": 2},
    "a small picture": {"size": (360, 270), "height": 14},
}
SHORT = ["EXIT", "STOP", "TAXI", "CAFE", "Cafe", "BAR"]
COLOURS: list[tuple[Any, Any]] = [("white", GREEN), ("white", RED), ("black", YELLOW)]
SIGNS = 6
"""Of each kind and language."""


def main(count: int = 150) -> None:
    if photos():
        of_photographs(photos()[:: max(1, len(photos()) // count)][:count])
    of_short_words()
    of_signs()


def reader(language: str) -> Reader:
    network = get_network(f"tesseract:{language}", Path("/"))
    assert isinstance(network, Reader)
    return network


def of_photographs(paths: list[Path]) -> None:
    """The truth is what Tesseract reads without the detector; its mistakes are for the reader of the list."""
    pictures = [decode(path, longest=1600).pixels for path in paths]
    greys = [grey(picture) for picture in pictures]
    rows, of_detector = timed(lambda each: longest_row(each, ROW), greys)
    every, without = timed(lambda each: read_upright(reader("eng"), enlarged(each)), greys)
    _, with_detector = timed(lambda each: read(reader("eng"), each), pictures)
    skipped = [row < ROW for row in rows]
    print(f"{len(paths)} photographs")
    print(f"  detector: {1000 * of_detector / len(paths):.1f} ms a picture, skips {np.mean(skipped):.0%}")
    print(f"  all read, upright only: {len(paths) / without:.2f} pictures a second of one core")
    print(f"  as the gallery does it: {len(paths) / with_detector:.2f} pictures a second of one core")
    print(f"  {sum(map(bool, every))} have words; of these the detector skips:")
    for path, lines, skip in zip(paths, every, skipped, strict=True):
        if skip and lines:
            print(f"    {path.name}: {said(lines)}")
    print("  what is read in the others:")
    for path, lines, skip in zip(paths, every, skipped, strict=True):
        if lines and not skip:
            print(f"    {path.name}: {said(lines)}")


def of_short_words() -> None:
    print(f"\nOne word alone ({', '.join(SHORT)}) in {len(COLOURS)} colours: share read, and in brackets skipped")
    for height in (30, 60, 90, 160, 280):
        pictures = [(word, np.asarray(plate(word, height, *colours))) for word in SHORT for colours in COLOURS]
        read_ = np.mean([text_of(read(reader("eng"), pixels)) == word for word, pixels in pictures])
        skipped = np.mean([longest_row(grey(pixels), ROW) < ROW for _, pixels in pictures])
        print(f"  letters of {height:3} pixels: {read_:.2f} ({skipped:.2f})")


def of_signs() -> None:
    print("\nDrawn signs, two words each: share of the words that are read, and in brackets that the detector skips")
    print(f"{'':22}" + "".join(f"{language:>14}" for language in WORDS))
    for name, how in HOW.items():
        cells = [recall(language, how) for language in WORDS]
        print(f"{name:22}" + "".join(f"{read:8.2f} ({skipped:.2f})" for read, skipped in cells))


def recall(language: str, how: dict[str, Any]) -> tuple[float, float]:
    """(share of words read, share of signs that are skipped)"""
    found, skipped = [], []
    for number in range(SIGNS):
        words = [WORDS[language][(number + step) % len(WORDS[language])] for step in (0, 3)]
        pixels = np.asarray(sign(*words, **{"size": (1200, 900), **how}, seed=number))
        there = text_of(read(reader(language), pixels)).casefold().split()
        found += [word.casefold() in there for word in words]
        skipped.append(longest_row(grey(pixels), ROW) < ROW)
    return float(np.mean(found)), float(np.mean(skipped))


def grey(pixels: np.ndarray) -> np.ndarray:
    levels: np.ndarray = cv2().cvtColor(pixels, cv2().COLOR_RGB2GRAY)
    return levels


def said(lines: list[Line]) -> str:
    return text_of(lines).replace("\n", " / ")[:100]


def timed(work: Callable[[Any], Any], items: Iterable[Any]) -> tuple[list[Any], float]:
    """Seconds of a processor, of this process and of its children: whatever else the machine does meanwhile."""
    started = sum(os.times()[:4])
    return [work(item) for item in items], sum(os.times()[:4]) - started


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))

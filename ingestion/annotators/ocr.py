"""Words inside pictures, by a program that reads (search/encoders/tesseract.py), where there seem to be any.

Each picture is read twice, as a page and as a place with signs: the first finds text on 3 of 30 photographs and the
second on 25, most of it noise. What both have seen is merged, and what does not look like a word is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from django.db import transaction

from gallery.models import OcrText, Opinion
from ingestion import thresholds
from ingestion.annotators._network import NetworkAnnotator
from ingestion.reading import Line, confidence_of, letters, merged, packed, text_of, turned_back, unpacked, words_of
from ingestion.text_detector import ROW, SURE_ROW, longest_row
from search.encoders._base import Network, Reader
from search.encoders.sift import cv2
from search.ocr_words import index_images
from search.threads import CORES

VERSION = 1
"""Of reading: counts up when the same program would give other words."""
SMALL = 1000
"""Pictures with no side of so many pixels are enlarged to twice their size: letters of 10 pixels are hardly read."""

TURNED = 1.5
"""Upside down some letters are others: what is read in a turned picture must be so much more."""


class TextReader(NetworkAnnotator):
    name = "ocr"
    label = "Text in pictures"
    words = OcrText
    batch = 4
    line = 0.0
    about = "How sure the program is of the words that it has read: the mean, each as much as it has letters."

    def fingerprint(self, network: Network) -> str:
        return hashlib.sha256(f"{VERSION} {network.fingerprint()}".encode()).hexdigest()

    def make(self, inputs: Sequence[Any]) -> list[bytes]:
        reader = self.network
        assert isinstance(reader, Reader)
        with ThreadPoolExecutor(min(CORES, self.batch)) as side_by_side:
            return list(side_by_side.map(lambda picture: packed(read(reader, picture.pixels)), inputs))

    def write(self, image_ids: Sequence[int], made: Sequence[bytes]) -> None:
        """Suggestions; a text that people have decided about, of whatever network, they get as it was decided."""
        read = {pk: lines for pk, data in zip(image_ids, made, strict=True) if (lines := unpacked(data))}
        decided = self.decided(list(read))
        answers = self.answers()  # first: who moves a line waits from here on
        least = thresholds.line_of(self.name)
        OcrText.objects.bulk_create(
            [self._text(pk, lines, decided, answers, least) for pk, lines in read.items()], ignore_conflicts=True
        )
        # Afterwards: it waits for others who bring the same words. If it fails, the sweep does it.
        transaction.on_commit(partial(index_images, list(read)), robust=True)

    def _text(self, pk: int, lines: list[Line], decided: dict[Any, str], answers: bool, least: float) -> OcrText:
        text, confidence = text_of(lines), round(confidence_of(lines), 4)
        word: OcrText = self._word(
            pk,
            text=text,
            words=[each.row for line in lines for each in line],
            confidence=confidence,
            state=decided.get((pk, text), Opinion.SUGGESTED),
            offered=answers and confidence >= least,
        )
        return word


def read(reader: Reader, pixels: np.ndarray) -> list[Line]:
    """Lines of words in a (h, w, 3) uint8 picture; shares of its sides. RuntimeError as of Reader.read."""
    grey = cv2().cvtColor(np.ascontiguousarray(pixels), cv2().COLOR_RGB2GRAY)
    row = longest_row(grey, SURE_ROW)
    if row < ROW:
        return []
    grey = enlarged(grey)
    upright = read_upright(reader, grey)
    if row < SURE_ROW or letters(upright) >= SURE_ROW:
        return upright
    turned = read_turned(reader, grey)
    return turned if letters(turned) > TURNED * letters(upright) else upright


def enlarged(grey: np.ndarray) -> np.ndarray:
    if max(grey.shape) >= SMALL:
        return grey
    large: np.ndarray = cv2().resize(grey, None, fx=2, fy=2, interpolation=cv2().INTER_CUBIC)
    return large


def read_upright(reader: Reader, grey: np.ndarray) -> list[Line]:
    return merged(read_once(reader, grey, False), read_once(reader, grey, True))


def read_turned(reader: Reader, grey: np.ndarray) -> list[Line]:
    """As it is read best when it is turned by one, two or three quarters."""
    turned = {quarters: np.ascontiguousarray(np.rot90(grey, quarters)) for quarters in (1, 2, 3)}
    read = {quarters: read_once(reader, picture, True) for quarters, picture in turned.items()}
    best = max(read, key=lambda quarters: letters(read[quarters]))
    if not read[best]:
        return []
    return turned_back(merged(read_once(reader, turned[best], False), read[best]), best)


def read_once(reader: Reader, grey: np.ndarray, scattered: bool) -> list[Line]:
    height, width = grey.shape
    return words_of(reader.read(grey, scattered), width, height)


ROLE = TextReader()

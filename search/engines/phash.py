"""The same picture again: a perceptual hash of 576 bits.

The 24 x 24 lowest DCT coefficients of a 96 x 96 grey picture, each against their median: bit for bit what ImageHash's
``phash(hash_size=24)`` makes of the same pixels. Mirroring or turning a picture negates or transposes coefficients, so
the 8 orientations of a query cost nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from gallery.pictures import Picture
from search.borders import WHOLE, inner_boxes
from search.engines._base import Engine, Grade, Hit, Probe
from search.indexes._base import Index

SIDE, LOW = 96, 24
"""Pixels of the reduced picture, coefficients kept in each direction."""
BITS, BYTES = LOW * LOW, LOW * LOW // 8
CERTAIN = 112
LIMIT = 184
_EDGE_BOXES = 4
_DETAIL_STEPS = 16
_ENOUGH_DETAIL = 1.0

_ACROSS = np.where(np.arange(LOW) % 2, -1.0, 1.0)[None, :]
"""Mirroring left to right negates the coefficients of odd horizontal frequency."""
_DOWN = _ACROSS.T
ORIENTATIONS = (
    (False, 1 + 0 * _ACROSS * _DOWN, ""),
    (False, _ACROSS + 0 * _DOWN, "mirrored"),
    (False, _DOWN + 0 * _ACROSS, "upside down and mirrored"),
    (False, _ACROSS * _DOWN, "upside down"),
    (True, 1 + 0 * _ACROSS * _DOWN, "turned left and mirrored"),
    (True, _ACROSS + 0 * _DOWN, "turned right"),
    (True, _DOWN + 0 * _ACROSS, "turned left"),
    (True, _ACROSS * _DOWN, "turned right and mirrored"),
)
"""(transposed first?, signs (24, 24), words)"""


class PHash(Engine):
    name = "phash"
    label = "Same picture"
    version = 1

    def extract(self, picture: Picture) -> bytes:
        coefficients = lowest_coefficients(_small(_grey(picture)))
        return hash_bits(coefficients).tobytes() + bytes([_detail(coefficients)])

    def rows(self, features: list[bytes]) -> np.ndarray:
        if any(len(f) != BYTES + 1 for f in features):
            raise ValueError(f"a phash feature has {BYTES + 1} bytes")
        return np.frombuffer(b"".join(features), np.uint8).reshape(-1, BYTES + 1)[:, :BYTES]

    def new_index(self) -> Index:
        from search.indexes.faiss_index import FaissIndex

        return FaissIndex("hamming", BYTES)

    def probe(self, picture: Picture) -> Probe:
        grey = _grey(picture)
        vectors, names, detail = [], [], 0
        for box, words in [(WHOLE, ""), *inner_boxes(grey, _EDGE_BOXES)]:
            coefficients = lowest_coefficients(_small(grey, box))
            if box == WHOLE:
                detail = _detail(coefficients)
            elif _detail(coefficients) < _ENOUGH_DETAIL * _DETAIL_STEPS:
                continue  # a plain bar looks like any other
            turned, how = _oriented(coefficients, 8 if box == WHOLE else 2)
            vectors.append(hash_bits(turned))
            names += [", ".join(filter(None, (words, turn))) for turn in how]
        return Probe(np.concatenate(vectors), tuple(names), _is_detailed(detail))

    def probe_stored(self, feature: bytes) -> Probe:
        row = self.rows([feature])[0]
        signs = np.unpackbits(row).reshape(LOW, LOW) * 2.0 - 1
        turned, how = _oriented(signs)
        return Probe(np.packbits(turned.reshape(-1, BITS) > 0, axis=1), tuple(how), _is_detailed(feature[BYTES]))

    def search(self, probe: Probe, index: Index, k: int, among: np.ndarray | None = None) -> list[Hit]:
        ids, distances = index.search(probe.vectors, k, among)
        best: dict[int, tuple[int, int]] = {}
        for row, column in zip(*np.nonzero((ids >= 0) & (distances < LIMIT)), strict=True):
            image, found = int(ids[row, column]), (int(distances[row, column]), int(row))
            best[image] = min(found, best.get(image, found))
        ranked = sorted((distance, image, row) for image, (distance, row) in best.items())[:k]
        return [_hit(probe, image, distance, row) for distance, image, row in ranked]

    def explain(self, evidence: dict[str, Any]) -> str:
        words = f"{evidence['distance']} of {evidence['bits']} bits differ"
        return f"{words}, {evidence['how']}" if evidence["how"] else words


def _hit(probe: Probe, image_id: int, distance: int, row: int) -> Hit:
    certain = distance <= CERTAIN and probe.may_be_certain
    evidence = {"distance": distance, "bits": BITS, "how": probe.names[row]}
    grade = Grade.SAME if certain else Grade.LOOKS_LIKE
    return Hit(image_id, max(0.0, 1 - distance / (2 * LIMIT)), grade, certain, evidence)


def _grey(picture: Picture) -> Image.Image:
    """Shorter side 256 to 511 pixels, unless the picture is smaller."""
    image = Image.fromarray(picture.pixels)
    return image.reduce(max(1, min(image.size) // 256)).convert("L")


def _small(grey: Image.Image, box: tuple[float, float, float, float] = WHOLE) -> np.ndarray:
    """(96, 96) uint8 of a box of the picture."""
    width, height = grey.size
    pixels = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=pixels))


@cache
def _cosines() -> np.ndarray:
    """(24, 96): the lowest rows of the unnormalised DCT-II, as scipy.fftpack.dct makes it."""
    return 2 * np.cos(np.pi / SIDE * np.outer(np.arange(LOW), np.arange(SIDE) + 0.5))


def lowest_coefficients(small: np.ndarray) -> np.ndarray:
    """(24, 24) float64 of (96, 96) grey levels; [0, 0] is the mean."""
    return (_cosines() @ small.astype(np.float64) @ _cosines().T).round(6)  # what is zero shall be zero


def hash_bits(coefficients: np.ndarray) -> np.ndarray:
    """(..., 72) uint8 of (..., 24, 24) coefficients."""
    flat = coefficients.reshape(*coefficients.shape[:-2], BITS)
    return np.packbits(flat > np.median(flat, axis=-1, keepdims=True), axis=-1)


def _detail(coefficients: np.ndarray) -> int:
    typical = np.median(np.abs(coefficients)) / (2 * SIDE)  # orthonormal: in grey levels
    return int(min(255, typical * _DETAIL_STEPS))


def _is_detailed(detail: int) -> bool:
    return detail >= _ENOUGH_DETAIL * _DETAIL_STEPS


def _oriented(coefficients: np.ndarray, most: int = 8) -> tuple[np.ndarray, list[str]]:
    """(n, 24, 24) coefficients of the picture turned and mirrored, and in words."""
    chosen = ORIENTATIONS[:most]
    turned = [(coefficients.T if transposed else coefficients) * signs for transposed, signs, _ in chosen]
    return np.array(turned), [words for _, _, words in chosen]


ENGINE = PHash()

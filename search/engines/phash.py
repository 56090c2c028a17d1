"""The same picture again: a perceptual hash of 576 bits.

The 24 x 24 lowest DCT coefficients of a 96 x 96 grey picture, each against their median: bit for bit what
ImageHash's ``phash(hash_size=24)`` makes of the same pixels. Mirroring or turning a picture negates or transposes
coefficients, so that the 8 orientations of a query cost nothing.

Figures here: 300 photographs x the 35 edits of shared/bench/copydetect.py, 3.1 million unrelated pairs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from gallery.pictures import Picture
from search.borders import CUT_OUT, WHOLE, Box, inner_boxes
from search.engines._base import Engine, Grade, Hit, Probe
from search.indexes._base import VectorIndex

SIDE, LOW = 96, 24
"""Pixels of the reduced picture; coefficients kept in each direction."""
BITS, BYTES = LOW * LOW, LOW * LOW // 8

CERTAIN = 128
"""Pictures with text on them: proven 0.94 at 128, 0.85 at 112, 0.17 at the customary 64. No unrelated pair of
photographs is below 202, of drawn pages, charts and screenshots none below 150 (forms filled in differently)."""
UNRELATED = 184
"""All edits that keep the geometry are nearer. Unrelated pairs get ten times rarer every 9 bits: one in a million at
212, and so about one in a billion here."""
LIMIT = 208
"""Beyond it even the best of a large gallery is most likely unrelated."""

_EDGE_BOXES = 4
"""Collages proven: 0.39 with 2, 0.43 with 4, 0.44 with 8."""
_DETAIL_STEPS = 8
_ENOUGH_DETAIL = 5.0
"""Grey levels. Photographs have 12 or more; gradients, vignettes and plain paper, all alike to this hash, 0 to 0.5; a
page with a single line of words 1 to 3; one circle 2 to 6."""

_EVEN = np.ones((LOW, LOW))
_ACROSS = _EVEN * np.where(np.arange(LOW) % 2, -1.0, 1.0)
"""Mirroring left to right negates the coefficients of odd horizontal frequency."""
_DOWN = _ACROSS.T
ORIENTATIONS = (
    (False, _EVEN, ""),
    (False, _ACROSS, "mirrored"),
    (False, _DOWN, "upside down and mirrored"),
    (False, _ACROSS * _DOWN, "upside down"),
    (True, _EVEN, "turned left and mirrored"),
    (True, _ACROSS, "turned right"),
    (True, _DOWN, "turned left"),
    (True, _ACROSS * _DOWN, "turned right and mirrored"),
)
"""(transposed first?, signs, what was done to the query)"""


class PHash(Engine):
    name = "phash"
    label = "Same picture"
    version = 1

    def extract(self, picture: Picture) -> bytes:
        """The hash, and a byte that says how much detail there is to it."""
        coefficients = lowest_coefficients(_small(_grey(picture)))
        return hash_bits(coefficients).tobytes() + bytes([_detail(coefficients)])

    def rows(self, features: list[bytes]) -> np.ndarray:
        if any(len(f) != BYTES + 1 for f in features):
            raise ValueError(f"a phash feature has {BYTES + 1} bytes")
        return np.frombuffer(b"".join(features), np.uint8).reshape(-1, BYTES + 1)[:, :BYTES]

    def new_index(self) -> VectorIndex:
        from search.indexes.faiss_index import FaissIndex

        return FaissIndex("hamming", BYTES)

    def probe(self, picture: Picture) -> Probe:
        """The whole picture in 8 orientations; what lies inside its borders, bars and edges as it is and mirrored."""
        grey = _grey(picture)
        boxes = [(WHOLE, ""), *inner_boxes(grey, _EDGE_BOXES)]
        readings = [(words, lowest_coefficients(_small(grey, box))) for box, words in boxes]
        detailed = [(words, found) for words, found in readings if _is_detailed(_detail(found))]
        turned = [_oriented(found, words, 2 if words else 8) for words, found in detailed or readings[:1]]
        vectors = np.concatenate([hash_bits(coefficients) for coefficients, _ in turned])
        return Probe(vectors, tuple(name for _, names in turned for name in names), bool(detailed))

    def probe_stored(self, feature: bytes) -> Probe:
        """The 8 orientations. The median is nearly 0: a negated coefficient is a bit turned over."""
        signs = np.unpackbits(self.rows([feature])[0]).reshape(LOW, LOW) * 2.0 - 1
        turned, names = _oriented(signs, "", 8)
        return Probe(np.packbits(turned.reshape(-1, BITS) > 0, axis=1), names, _is_detailed(feature[BYTES]))

    def search(self, probe: Probe, index: VectorIndex, k: int, among: np.ndarray | None = None) -> list[Hit]:
        ids, distances = index.search(probe.vectors, k, among)
        best: dict[int, tuple[int, int]] = {}
        for row, column in np.argwhere((ids >= 0) & (distances < LIMIT)):
            image, found = int(ids[row, column]), (int(distances[row, column]), int(row))
            best[image] = min(found, best.get(image, found))
        ranked = sorted((distance, image, row) for image, (distance, row) in best.items())[:k]
        return [_hit(probe, image, distance, row) for distance, image, row in ranked]

    def explain(self, evidence: dict[str, Any]) -> str:
        words = f"{evidence['distance']} of {evidence['bits']} bits differ"
        return f"{words}, {evidence['how']}" if evidence["how"] else words


def _hit(probe: Probe, image_id: int, distance: int, row: int) -> Hit:
    certain = distance <= CERTAIN and probe.may_be_certain
    whole = Grade.CONTAINS if CUT_OUT in probe.names[row] else Grade.SAME
    grade = whole if certain else Grade.LOOKS_LIKE
    evidence = {"distance": distance, "bits": BITS, "how": probe.names[row]}
    return Hit(image_id, 1 - distance / UNRELATED / 2, grade, certain, evidence)


def _grey(picture: Picture) -> Image.Image:
    """Shorter side 256 to 511 pixels, unless the picture is smaller."""
    image = Image.fromarray(picture.pixels)
    return image.reduce(max(1, min(image.size) // 256)).convert("L")


def _small(grey: Image.Image, box: Box = WHOLE) -> np.ndarray:
    """(96, 96) uint8 of a box of the picture."""
    width, height = grey.size
    pixels = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=pixels))


@cache
def _cosines() -> np.ndarray:
    """(24, 96): the lowest rows of the DCT-II, not normalised, as in scipy.fftpack.dct."""
    return 2 * np.cos(np.pi / SIDE * np.outer(np.arange(LOW), np.arange(SIDE) + 0.5))


def lowest_coefficients(small: np.ndarray) -> np.ndarray:
    """(24, 24) float64 of (96, 96) grey levels; [0, 0] is the mean."""
    coefficients = _cosines() @ small.astype(np.float64) @ _cosines().T
    return coefficients.round(6)  # what should be 0 is 0: plain pictures get the same bits on every machine


def hash_bits(coefficients: np.ndarray) -> np.ndarray:
    """(..., 72) uint8 of (..., 24, 24) coefficients."""
    flat = coefficients.reshape(*coefficients.shape[:-2], BITS)
    return np.packbits(flat > np.median(flat, axis=-1, keepdims=True), axis=-1)


def _detail(coefficients: np.ndarray) -> int:
    """How strong the coefficients are that decide the bits: their median in steps of 1/8 grey level, at most 255."""
    orthonormal = np.abs(coefficients) / (2 * SIDE)
    return int(min(255, np.median(orthonormal) * _DETAIL_STEPS))


def _is_detailed(detail: int) -> bool:
    return detail >= _ENOUGH_DETAIL * _DETAIL_STEPS


def _oriented(coefficients: np.ndarray, words: str, most: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n, 24, 24) coefficients of the picture turned and mirrored, and for each what was done to it."""
    turned, names = [], []
    for transposed, signs, how in ORIENTATIONS[:most]:
        turned.append((coefficients.T if transposed else coefficients) * signs)
        names.append(", ".join(filter(None, (how, words))))
    return np.array(turned), tuple(names)


ENGINE = PHash()

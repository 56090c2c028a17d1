"""The same colours: a histogram of 8 x 8 x 8 RGB bins, square roots, one byte a bin, compared by L1.

The root lets small areas of a colour count: recall@1 over 31 edits 0.82, where the plain histogram has 0.78
(baselines.md, section 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from gallery.pictures import Picture
from search.engines._base import Engine, Grade, Hit, Probe
from search.indexes._base import Index

BINS = 512
Colour = tuple[int, int, int]

# Measured on 300 photographs (shared/photos): of all pairs 1.7 % share 66 % of their palette or more, and people would
# call most of those pairs same-coloured; at 60 % it is 7 % of all pairs and most are not. Of crops to half the area
# 99 % share more than 66 %, of crops to 15 % of the area 73 %, of pictures 1.4 times brighter 64 %.
_UNRELATED = 0.66
# Photographs that hold a colour on 2 to 3 % of their area take up 0.13 of what is asked; others 0.00 to 0.05.
_HOLDS, _TRACE = 0.13, 0.04

_LONGEST = 256
_SPREAD = 9.0
"""Standard deviation in Lab of the bins around a colour that is asked for. Best of 6 to 16, and better than in RGB:
the first ten of 300 photographs then hold 0.8 of the share of the colour that the best ten hold; in its own bin alone
0.3, by chance 0.2."""
_STRENGTH = 2.0
"""Asked for twice as strongly as one picture could hold it, so that more of the colour is always nearer."""
_CANDIDATES = 1000


class Color(Engine):
    name = "color"
    label = "Same colours"
    version = 1

    def extract(self, picture: Picture) -> bytes:
        return _roots(_histogram(_reduced(picture))).tobytes()

    def rows(self, features: list[bytes]) -> np.ndarray:
        if any(len(f) != BINS for f in features):
            raise ValueError(f"a color feature has {BINS} bytes")
        return np.frombuffer(b"".join(features), np.uint8).reshape(-1, BINS)

    def new_index(self) -> Index:
        from search.indexes.faiss_index import FaissIndex

        return FaissIndex("l1", BINS)

    def probe(self, picture: Picture) -> Probe:
        return self.probe_stored(self.extract(picture))

    def probe_stored(self, feature: bytes) -> Probe:
        return Probe(self.rows([feature]), ("",), may_be_certain=False)

    def probe_colours(self, colours: Sequence[Colour]) -> Probe:
        """Each colour alone, then all together; the names are the colours, "3366cc", and "" at the end."""
        rows = [histogram_of_colours([colour]) for colour in colours] + [histogram_of_colours(colours)]
        names = ["{:02x}{:02x}{:02x}".format(*colour) for colour in colours]
        return Probe(np.array(rows), (*names, ""), may_be_certain=False)

    def search(self, probe: Probe, index: Index, k: int, among: np.ndarray | None = None) -> list[Hit]:
        if len(probe.vectors) > 1:
            return _search_colours(probe, index, k, among)
        ids, distances = index.search(probe.vectors, k, among)
        both = 2 * max(1, int(probe.vectors.sum()))
        return [_hit(int(i), int(d), both) for i, d in zip(ids[0], distances[0], strict=True) if i >= 0]

    def explain(self, evidence: dict[str, Any]) -> str:
        if "colours" in evidence:
            return "holds " + ", ".join(f"#{colour}" for colour in evidence["colours"])
        return f"{round(100 * evidence['shared'])} % of the palette shared"


def _hit(image_id: int, distance: int, both: int) -> Hit:
    """``both``: what two such palettes hold together. That the other holds as much is true of near ones only."""
    shared = max(0.0, 1 - distance / both)
    score = max(0.0, 1 - (1 - shared) / (1 - _UNRELATED) / 2)
    return Hit(image_id, score, Grade.SAME_COLOURS, False, {"distance": distance, "shared": round(shared, 3)})


def _search_colours(probe: Probe, index: Index, k: int, among: np.ndarray | None) -> list[Hit]:
    """Pictures that hold all the colours, by the one that they hold least of.

    L1 also counts what else is in a picture. The distance from an empty histogram is all that a picture holds, and
    |a| + |b| - L1(a, b) twice what both hold: so the candidates are sorted by what they hold of the colours alone.
    """
    ids, _ = index.search(probe.vectors, max(_CANDIDATES, 10 * k), among)
    candidates = np.unique(ids[ids >= 0])
    asked = np.vstack([probe.vectors[:-1], np.zeros((1, BINS), np.uint8)])
    held = _by_id(*index.search(asked, len(candidates), candidates))
    sums = asked[:-1].sum(1, dtype=np.int64)[:, None]
    least = ((sums + held[-1] - held[:-1]) / 2 / sums).min(0)
    best = np.lexsort((candidates, -least))[:k]
    return [_colour_hit(int(candidates[i]), float(least[i]), probe.names[:-1]) for i in best if least[i] >= _TRACE]


def _by_id(ids: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Distances in the order of the ids instead of the nearest first."""
    return np.take_along_axis(distances, np.argsort(ids, axis=1), axis=1).astype(np.int64)


def _colour_hit(image_id: int, least: float, colours: Sequence[str]) -> Hit:
    evidence = {"shared": round(least, 3), "colours": list(colours)}
    return Hit(image_id, least / (least + _HOLDS), Grade.SAME_COLOURS, False, evidence)


def _reduced(picture: Picture) -> np.ndarray:
    """(h, w, 3) uint8, longest side at most 256; equal areas of the original are averaged."""
    image = Image.fromarray(picture.pixels)
    share = min(1.0, _LONGEST / max(image.size))
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _histogram(pixels: np.ndarray) -> np.ndarray:
    """(512,) shares of the area, index = red * 64 + green * 8 + blue, each 0..7."""
    levels = pixels.reshape(-1, 3).astype(np.int32) >> 5
    counts = np.bincount(levels @ np.array([64, 8, 1], np.int32), minlength=BINS)
    return counts / counts.sum()


def _roots(histogram: np.ndarray) -> np.ndarray:
    """(512,) uint8: 255 for a bin that holds everything."""
    return np.minimum(255, np.sqrt(histogram) * 255).round().astype(np.uint8)


def histogram_of_colours(colours: Sequence[Colour], shares: Sequence[float] | None = None) -> np.ndarray:
    """(512,) uint8 to search with: RGB colours in the given shares (equal ones), each spread over the bins around it.

    The bin of a colour alone would be too harsh: its neighbours look the same.
    """
    weights = np.ones(len(colours)) if shares is None else np.asarray(shares, float)
    squares = ((_lab(np.array(colours))[:, None] - _bin_centres()[None]) ** 2).sum(2)
    spread = np.exp(-(squares - squares.min(1, keepdims=True)) / (2 * _SPREAD**2))
    spread *= (weights / weights.sum() / spread.sum(1))[:, None]
    return _roots(spread.sum(0) * _STRENGTH**2)


@cache
def _bin_centres() -> np.ndarray:
    """(512, 3) Lab."""
    return _lab((np.indices((8, 8, 8)).reshape(3, -1).T + 0.5) * 32)


def _lab(colours: np.ndarray) -> np.ndarray:
    """(n, 3) sRGB 0..255 as CIE L*a*b*, white D65 (IEC 61966-2-1, CIE 15)."""
    shares = np.clip(colours / 255, 0, 1)
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear @ np.array(to_xyz).T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


ENGINE = Color()

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
from search.indexes._base import VectorIndex

BINS = 512
Colour = tuple[int, int, int]

# Measured on 300 photographs (shared/photos): of all pairs 1.7 % share 66 % of their palette or more, and people would
# call most of those pairs same-coloured; at 60 % it is 7 % of all pairs and most are not. Of crops to half the area
# 99 % share more than 66 %, of crops to 15 % of the area 73 %, of pictures 1.4 times brighter 64 %.
_UNRELATED = 0.66
_HELD = 0.03
"""Share of the area on which a colour is seen at a glance."""

_LONGEST = 256
_SPREAD = 12.0
"""Standard deviation in Lab of the bins that count as a colour. Best of 6 to 18: of what the ten photographs that hold
most of a colour hold, the first ten hold 0.95, for two colours at once 0.93 (by the bin alone 0.26 and 0.02)."""
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

    def new_index(self) -> VectorIndex:
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

    def search(self, probe: Probe, index: VectorIndex, k: int, among: np.ndarray | None = None) -> list[Hit]:
        if len(probe.vectors) > 1:
            return _search_colours(probe, index, k, among)
        ids, distances = index.search(probe.vectors, k, among)
        both = 2 * max(1, int(probe.vectors.sum()))
        return [_hit(int(i), int(d), both) for i, d in zip(ids[0], distances[0], strict=True) if i >= 0]

    def explain(self, evidence: dict[str, Any]) -> str:
        if "held" in evidence:
            return ", ".join(f"{round(100 * share)} % #{colour}" for colour, share in evidence["held"].items())
        return f"{round(100 * evidence['shared'])} % of the palette shared"


def _hit(image_id: int, distance: int, both: int) -> Hit:
    """``both``: what two such palettes hold together. That the other holds as much is true of near ones only."""
    shared = max(0.0, 1 - distance / both)
    score = max(0.0, 1 - (1 - shared) / (1 - _UNRELATED) / 2)
    return Hit(image_id, score, Grade.SAME_COLOURS, False, {"distance": distance, "shared": round(shared, 3)})


def _search_colours(probe: Probe, index: VectorIndex, k: int, among: np.ndarray | None) -> list[Hit]:
    """Pictures that hold all the colours, by the share of the area of the one that they hold least of.

    L1 also counts what else is in a picture, so that it only finds the candidates.
    """
    near, _ = index.search(probe.vectors, max(_CANDIDATES, 10 * k), among)
    ids, rows = index.rows(near[near >= 0])
    areas = rows.astype(np.float32) ** 2
    colours = probe.names[:-1]
    shares = areas @ np.stack([_likeness(_from_hex(colour)) for colour in colours], 1).astype(np.float32)
    shares /= np.maximum(1, areas.sum(1, keepdims=True))
    least = shares.min(1)
    best = np.lexsort((ids, -least))[:k]
    return [_colour_hit(int(ids[i]), colours, shares[i]) for i in best]


def _colour_hit(image_id: int, colours: Sequence[str], shares: np.ndarray) -> Hit:
    least = float(shares.min())
    evidence = {"held": {colour: round(float(share), 3) for colour, share in zip(colours, shares, strict=True)}}
    return Hit(image_id, least / (least + _HELD), Grade.SAME_COLOURS, False, evidence)


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
    spread = np.stack([_likeness(colour) for colour in colours])
    spread *= (weights / weights.sum() / spread.sum(1))[:, None]
    return _roots(spread.sum(0) * _STRENGTH**2)


def _likeness(colour: Colour) -> np.ndarray:
    """(512,): 1 for the bin nearest to a colour, less for others."""
    squares = ((_lab(np.array([colour])) - _bin_centres()) ** 2).sum(1)
    return np.exp(-(squares - squares.min()) / (2 * _SPREAD**2))


def _from_hex(colour: str) -> Colour:
    red, green, blue = bytes.fromhex(colour)
    return red, green, blue


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

"""Contains, or is a part of: keypoints that lie alike in both pictures.

Crops, collages, screenshots, mirrored and turned copies: whatever keeps a piece of the picture. Votes of the nearest
keypoints name the candidates, the geometry of all their keypoints is the proof (search/geometry.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from gallery.pictures import Picture
from search.encoders._base import KeypointEncoder
from search.encoders.sift import ENCODER as SIFT
from search.engines._base import Engine, Grade, Hit, Probe
from search.geometry import ENOUGH, Alignment, align, where
from search.keypoints import MOST, Keypoints, Mirror, as_rows, nothing, pack, unpack

CANONICAL = 256
"""Pixels of the longest side. Larger is slower and finds no more (baselines.md, section 2)."""
ENLARGED = 4
"""Smaller pictures are enlarged up to so many times: keypoints of a thumbnail must have the sizes of its original's."""
_SMALLEST = 16
_CELLS = 12

_NEIGHBOURS = 8
_CANDIDATES = 20
_SURE = 2 * ENOUGH
_MISSES = 3
"""After a sure match, so many candidates in a row without one end the search."""


class LocalFeatures(Engine):
    name = "local_features"
    label = "Contains or part of"
    weight = 2.0
    encoder: KeypointEncoder = SIFT
    """Others: see search/apps.py."""

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.encoder.version

    @property
    def mirror(self) -> Mirror | None:
        return self.encoder.mirror if self.encoder.mirrors else None

    def extract(self, picture: Picture) -> bytes:
        return pack(self.keypoints(canonical(picture)))

    def keypoints(self, grey: np.ndarray) -> Keypoints:
        """The strongest keypoints of each part of (h, w) uint8 grey levels, at most MOST."""
        from search.encoders.sift import detect
        from search.kernels import spread

        height, width = grey.shape
        found = detect(grey)
        if not found:
            return nothing(width, height)
        at = np.array([keypoint.pt for keypoint in found], np.float32)
        chosen = [found[i] for i in spread(at, width, height, _CELLS, MOST)]
        described, descriptors = self.encoder.describe(grey, chosen)
        places = np.array([(k.pt[0], k.pt[1], k.size, k.angle % 360) for k in described], np.float32).reshape(-1, 4)
        return Keypoints(width, height, places, descriptors)

    def rows(self, features: list[bytes]) -> np.ndarray:
        return as_rows(features)

    def new_index(self) -> Any:
        from search.indexes.keypoint_index import KeypointIndex

        return KeypointIndex()

    def probe(self, picture: Picture) -> Probe:
        return self.probe_stored(self.extract(picture))

    def probe_stored(self, feature: bytes) -> Probe:
        return Probe(self.rows([feature]), ("",))

    def search(self, probe: Probe, index: Any, k: int, among: np.ndarray | None = None) -> list[Hit]:
        query = unpack(probe.vectors[0].tobytes())
        if not len(query) or k < 1:
            return []
        readings = [query] + ([query.mirrored(self.mirror)] if self.mirror else [])
        candidates = _candidates(readings, index, among)
        ids, rows = index.rows(np.array([image for image, _ in candidates], np.int64))
        stored = dict(zip(ids.tolist(), rows, strict=True))
        hits, misses, sure = [], 0, False
        for image, vote in candidates:
            if image not in stored:
                continue
            found = align(query, unpack(stored[image].tobytes()), self.mirror)
            hits.append(_hit(image, found, vote))
            points = found.points if found else 0
            sure = sure or points >= _SURE
            misses = 0 if points >= ENOUGH else misses + sure
            if misses >= _MISSES:
                break
        return sorted(hits, key=lambda hit: (-hit.score, hit.image_id))[:k]

    def explain(self, evidence: dict[str, Any]) -> str:
        """ "62 matching points, mirrored, covers 31 % of the original, upper left"."""
        words = [f"{evidence['points']} matching points"]
        if "relation" in evidence:
            words += ["mirrored"] if evidence["mirrored"] else []
            words += _PLACES[evidence["relation"]](evidence)
        return ", ".join(filter(None, words))


_PLACES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "same": lambda e: [],
    "part": lambda e: [f"covers {e['covers']:.0%} of the original".replace("%", " %"), where(e["in_match"])],
    "whole": lambda e: [f"covers {e['covered']:.0%} of the query".replace("%", " %"), where(e["in_query"])],
    "overlap": lambda e: [f"shares {e['covers']:.0%} of it".replace("%", " %"), where(e["in_match"])],
}


def _candidates(readings: list[Keypoints], index: Any, among: np.ndarray | None) -> list[tuple[int, float]]:
    """(image, votes) of at most _CANDIDATES images, most votes first."""
    from search.kernels import votes

    numbers, far = index.nearest(np.concatenate([r.descriptors for r in readings]), _NEIGHBOURS, among)
    weights = 1 - far / np.maximum(1, np.where(numbers >= 0, far, 0).max(1, keepdims=True))
    best: dict[int, float] = {}
    n = len(readings[0])
    for i, reading in enumerate(readings):
        mine = slice(i * n, (i + 1) * n)
        for image, vote in zip(*votes(numbers[mine], weights[mine].astype("f4"), reading.places), strict=True):
            best[int(image)] = max(best.get(int(image), 0.0), float(vote))
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))[:_CANDIDATES]


def _hit(image: int, found: Alignment | None, vote: float) -> Hit:
    points = found.points if found else 0
    if found is None or not found.certain:
        return Hit(image, round(min(0.49, points / ENOUGH / 2), 4), Grade.LOOKS_LIKE, False, {"points": points})
    grade = Grade.SAME if found.relation == "same" else Grade.CONTAINS
    return Hit(image, round(1 - 0.5 ** (points / ENOUGH), 4), grade, True, evidence_of(found))


def evidence_of(found: Alignment) -> dict[str, Any]:
    """JSON-safe. Polygons and homography are in shares of the sides: the corners are (0, 0) and (1, 1)."""
    return {
        "points": found.points,
        "mirrored": found.mirrored,
        "relation": found.relation,
        "covers": round(found.covers, 3),
        "covered": round(found.covered, 3),
        "in_query": [list(point) for point in found.in_query],
        "in_match": [list(point) for point in found.in_match],
        "homography": [round(float(v), 6) for v in found.homography.ravel()],
    }


def canonical(picture: Picture) -> np.ndarray:
    """(h, w) uint8 grey, longest side CANONICAL; smaller if that would enlarge the picture too much."""
    image = Image.fromarray(picture.pixels).convert("L")
    share = min(ENLARGED, CANONICAL / max(image.size))
    size = max(_SMALLEST, round(image.width * share)), max(_SMALLEST, round(image.height * share))
    how = Image.Resampling.BOX if share < 1 else Image.Resampling.BICUBIC
    return np.ascontiguousarray(image.resize(size, how))


ENGINE = LocalFeatures()

"""Contains, or is a part of: keypoints that lie alike in both pictures.

Crops, collages, screenshots, mirrored and turned copies: whatever keeps a piece of the picture. Votes of the nearest
keypoints name the candidates, the geometry of all their keypoints is the proof (search/geometry.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gallery.pictures import Picture
from search.encoders._base import KeypointEncoder
from search.encoders.hardnet import HardNet8
from search.encoders.sift import ENCODER as SIFT
from search.encoders.sift import RootSift
from search.engines._base import Engine, Grade, Hit, Probe
from search.geometry import ENOUGH, Alignment, align_reading, where
from search.keypoints import GREY, MOST, Keypoints, as_rows, pack, unpack

if TYPE_CHECKING:
    from search.indexes.keypoint_index import KeypointIndex

CANONICAL = 256
"""Pixels of the longest side. Larger is slower and finds no more (baselines.md, section 2)."""
COARSE, FINE = 128, 512
"""A query is read at other sizes too: a crop shows its original's coarse keypoints large, a collage its originals'
keypoints small. Of the pictures of a 3 x 3 collage 0.52 are proven at 256 pixels, 0.96 at 512 with 500 keypoints."""
_FINE_KEYPOINTS, _FINE_GREY = 2 * MOST, 192
_ENLARGED = 4
"""Smaller pictures are enlarged up to so many times: keypoints of a thumbnail must have the sizes of its original's."""
_SMALLEST = 16
_CELLS = 12

_NEIGHBOURS = 8
_CANDIDATES = 10
"""Looked at closely, for each reading."""
_SURE = 2 * ENOUGH
_MISSES = 3
"""After a sure match, so many candidates in a row without one end the search."""
_EXPLAINED = 0.9
"""When a match agrees with so much of all that the query shows, nothing else is in it."""


@dataclass(frozen=True)
class Reading:
    """One way to look at the query."""

    keypoints: Keypoints
    mirrored: bool = False


@dataclass(frozen=True)
class Effort:
    """How hard candidates are looked for, for each reading."""

    voters: int
    """Keypoints that vote, the strongest of each part."""
    candidates: int
    lists: int | None = None
    """As KeypointIndex.nearest takes it."""


class LocalFeatures(Engine):
    name = "local_features"
    label = "Contains or part of"
    weight = 2.0
    looks_at_few = True
    kept = frozenset({RootSift.version, HardNet8.version})
    encoder: KeypointEncoder = SIFT
    """Others: see search/apps.py."""

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.encoder.version

    def extract(self, picture: Picture) -> bytes:
        return pack(self.keypoints(canonical(picture)))

    def keypoints(self, grey: np.ndarray, most: int = MOST, kept: int = GREY) -> Keypoints:
        """The strongest keypoints of each part of (h, w) uint8 grey levels. ``kept``: pixels of Keypoints.grey."""
        from search.encoders.sift import detect
        from search.kernels import spread

        height, width = grey.shape
        found = detect(grey)
        at = np.array([keypoint.pt for keypoint in found], np.float32).reshape(-1, 2)
        chosen = [found[i] for i in spread(at, width, height, _CELLS, most)]
        described, descriptors = self.encoder.describe(grey, chosen)
        places = np.array([(k.pt[0], k.pt[1], k.size, k.angle % 360) for k in described], np.float32).reshape(-1, 4)
        return Keypoints(width, height, places, descriptors, _resized(Image.fromarray(grey), kept))

    def rows(self, features: list[bytes]) -> np.ndarray:
        return as_rows(features)

    def new_index(self) -> KeypointIndex:
        from search.indexes.keypoint_index import KeypointIndex

        return KeypointIndex()

    def probe(self, picture: Picture) -> Probe:
        row = self.rows([self.extract(picture)])
        return Probe(row, ("",), more=lambda: self._more(picture))

    def _more(self, picture: Picture) -> list[Reading]:
        """The picture at other sizes; at the fine one not mirrored: mirrored collages are rare."""
        readings = self._both_ways(self.keypoints(canonical(picture, COARSE), kept=COARSE))
        if not self.encoder.mirrors:
            mirrored = replace(picture, pixels=np.ascontiguousarray(picture.pixels[:, ::-1]))
            readings.append(Reading(self.keypoints(canonical(mirrored)), mirrored=True))
        if max(picture.pixels.shape) >= 1.5 * CANONICAL:
            readings.append(Reading(self.keypoints(canonical(picture, FINE), _FINE_KEYPOINTS, _FINE_GREY)))
        return readings

    def _both_ways(self, keypoints: Keypoints) -> list[Reading]:
        if not self.encoder.mirrors:
            return [Reading(keypoints)]
        return [Reading(keypoints), Reading(keypoints.mirrored(self.encoder.mirror), mirrored=True)]

    def probe_stored(self, feature: bytes) -> Probe:
        """A quick look: no fine reading, fewer voters. Of 94 edits among 1,000 pictures it proves 92, one fewer than
        with all voters, in half the time. What only a close look shows of images of the gallery is found in the
        background (search/proven.py)."""
        return Probe(self.rows([feature]), ("",))

    def search(self, probe: Probe, index: KeypointIndex, k: int, among: np.ndarray | None = None) -> list[Hit]:
        found: dict[int, Alignment | None] = {}
        effort = Effort(2 * MOST, _CANDIDATES) if probe.more else Effort(96, _CANDIDATES // 2, lists=8)
        for readings in self._stages(probe) if k > 0 and len(index) else ():
            for image, alignment in _look(readings, index, among, probe.besides, effort):
                if image not in found or _better(alignment, found[image]):
                    found[image] = alignment
            if any(alignment and _explains(alignment) for alignment in found.values()):
                break
        hits = [_hit(image, alignment) for image, alignment in found.items()]
        return sorted(hits, key=lambda hit: (-hit.score, hit.image_id))[:k]

    def compare(self, probe: Probe, feature: bytes) -> Alignment | None:
        """How the query lies on one stored image, in the reading that shows it best. None if nothing agrees."""
        match, best = unpack(feature), None
        for readings in self._stages(probe):
            for reading in readings:
                alignment = align_reading(reading.keypoints, match, reading.mirrored)
                best = alignment if _better(alignment, best) else best
            if best and _explains(best):
                break
        return best

    def _stages(self, probe: Probe) -> Iterator[list[Reading]]:
        """The readings to try first, and those to try when the query is not explained by what these find."""
        yield self._both_ways(unpack(probe.vectors[0].tobytes()))
        if probe.more:
            yield probe.more()

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
    "detail": lambda e: ["of a detail only", where(e["in_match"])],
    "overlap": lambda e: [f"shares {e['covers']:.0%} of it".replace("%", " %"), where(e["in_match"])],
}


def _look(
    readings: list[Reading], index: KeypointIndex, among: np.ndarray | None, besides: int | None, effort: Effort
) -> Iterator[tuple[int, Alignment | None]]:
    """Images with their alignments, the likeliest first. The query itself would explain everything: ``besides``."""
    candidates = [one for one in _candidates(readings, index, among, effort) if one[1] != besides]
    ids, rows = index.rows(np.unique(np.array([image for _, image, _ in candidates], np.int64)))
    stored = {image: unpack(row.tobytes()) for image, row in zip(ids.tolist(), rows, strict=True)}
    sure, misses = False, 0
    for _, image, at in candidates:
        if image not in stored:
            continue
        alignment = align_reading(readings[at].keypoints, stored[image], readings[at].mirrored)
        yield image, alignment
        certain = alignment is not None and alignment.certain
        sure = sure or (alignment is not None and certain and alignment.points >= _SURE)
        misses = 0 if certain else misses + sure
        if misses == _MISSES:
            break


def _candidates(
    readings: list[Reading], index: KeypointIndex, among: np.ndarray | None, effort: Effort
) -> list[tuple[float, int, int]]:
    """(votes, image, number of the reading), the most votes first."""
    from search.kernels import votes

    voters = [reading.keypoints.descriptors[: effort.voters] for reading in readings]
    descriptors = np.concatenate(voters)
    if not len(descriptors):
        return []
    numbers, far = index.nearest(descriptors, _NEIGHBOURS, among, effort.lists)
    # A neighbour counts by how much nearer it is than the last one, which is taken for unrelated.
    weights = 1 - far / np.maximum(1, np.where(numbers >= 0, far, 0).max(1, keepdims=True))
    found, start = [], 0
    for at, reading in enumerate(readings):
        mine = slice(start, start + len(voters[at]))
        places = reading.keypoints.places[: effort.voters]
        ids, sums = votes(numbers[mine], weights[mine].astype(np.float32), places)
        found += [(float(v), int(image), at) for image, v in zip(ids, sums, strict=True)]
        start = mine.stop
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))[: effort.candidates * len(readings)]


def _better(one: Alignment | None, other: Alignment | None) -> bool:
    return one is not None and (other is None or one.order() > other.order())


def _explains(alignment: Alignment) -> bool:
    """The query shows one image and nothing else."""
    whole = alignment.relation in ("same", "part")
    return alignment.certain and whole and alignment.agreement.share >= _EXPLAINED


def _hit(image: int, found: Alignment | None) -> Hit:
    points = found.points if found else 0
    if found is None or (points < ENOUGH and not found.certain):
        return Hit(image, round(0.49 * min(1.0, points / ENOUGH), 4), Grade.LOOKS_LIKE, False, {"points": points})
    if not found.certain:
        score = 0.5 + 0.1 * (1 - 0.5 ** (points / ENOUGH))
        return Hit(image, round(score, 4), Grade.LOOKS_LIKE, False, evidence_of(found) | {"relation": "detail"})
    grade = Grade.SAME if found.relation == "same" else Grade.CONTAINS
    return Hit(image, round(1 - 0.5 ** (1 + points / ENOUGH), 4), grade, True, evidence_of(found))


def evidence_of(found: Alignment) -> dict[str, Any]:
    """JSON-safe. Polygons and homography are in shares of the sides: the corners are (0, 0) and (1, 1)."""
    return {
        "points": found.points,
        "mirrored": found.mirrored,
        "relation": found.relation,
        "covers": round(found.covers, 3),
        "covered": round(found.covered, 3),
        "agree": round(found.agreement.share, 2),
        "in_query": [list(point) for point in found.in_query],
        "in_match": [list(point) for point in found.in_match],
        "homography": [round(float(v), 6) for v in found.homography.ravel()],
    }


def canonical(picture: Picture, longest: int = CANONICAL) -> np.ndarray:
    """(h, w) uint8 grey; smaller than asked for if that would enlarge the picture too much."""
    image = Image.fromarray(picture.pixels)
    image = image.reduce(max(1, max(image.size) // (2 * longest))).convert("L")
    return _resized(image, longest)


def _resized(image: Image.Image, longest: int) -> np.ndarray:
    share = min(_ENLARGED, longest / max(image.size))
    size = [min(longest, max(_SMALLEST, round(side * share))) for side in image.size]
    how = Image.Resampling.BOX if share < 1 else Image.Resampling.BICUBIC
    return np.ascontiguousarray(image.resize((size[0], size[1]), how))


ENGINE = LocalFeatures()

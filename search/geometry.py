"""What two pictures have in common, proven by the places of their keypoints.

A matched pair of keypoints has a place, a size and an angle on both sides: one pair alone says how one picture lies on
the other (a similarity). The hypothesis that most pairs agree with is counted; enough of them at different places are
proof, because unrelated pictures have like details, but not like details in like places.

Pure: numpy, numba kernels, and OpenCV for the last step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search.agreement import NONE, Agreement, agreement
from search.encoders.sift import cv2
from search.keypoints import Keypoints, Mirror

RATIO = 0.9
"""A match must be nearer than this share of the distance to the second nearest (Lowe, section 7.1)."""
TOLERANCE = 0.04
"""Share of the longest side of the match within which a pair agrees with a hypothesis; perspective needs it."""
SCALE_TOLERANCE = 1.6
PLACE = 8
"""Pixels: pairs that are closer together, on either side, count as one. Repeated texture gives bursts of pairs."""
ENOUGH = 6
"""Pairs at different places that are proof, if the pictures agree in what they show: of 44,850 pairs of different
photographs none has more than 5."""
_AGREE, _AGREE_IN_PART, _ALIKE = 0.6, 0.4, 0.65
"""Shares of the blocks that agree, and the correlation that the smaller share needs besides. Copies, words on them
included, have 0.48 or more and 0.68 or more. Of 740 pairs of different photographs under the same words, logo or
watermark none reaches 0.6, or 0.4 with a correlation of 0.65."""
_AGREE_AT_MANY, _MANY = 0.3, 50
"""So many pairs need less: a picture with another one pasted over 40 % of it has 0.33 or more, while the same words
on two photographs give at most 43 pairs."""
_FEW, _AGREE_WELL, _CORRELATED, _MANY_BLOCKS = 3, 0.75, 0.85, 10
"""Fewer pairs are proof if the pictures agree nearly everywhere: of the 44,850 none with 10 blocks or more reached
0.66."""
_AGREE_ALL = 0.7
"""To be called the same picture: pages in the same window agree in 0.51 (half of them), copies with words in 0.89."""
_FOR_PERSPECTIVE = 12
"""Pairs from which a homography can be told; fewer give an affine map."""
_MOST = 0.75
"""Share of a picture's area that counts as "most of it"."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Alignment:
    """How a picture (the query) lies on another one (the match)."""

    points: int
    """Matched points at different places."""
    mirrored: bool
    homography: np.ndarray
    """(3, 3): from the query to the match, both with corners (0, 0) and (1, 1); the mirroring is in it."""
    in_query: tuple[Point, ...]
    """Outline of the match on the query: a polygon inside the unit square."""
    in_match: tuple[Point, ...]
    """Outline of the query on the match."""
    pairs: np.ndarray = field(repr=False)
    """(n, 4): x, y on the query and x, y on the match, 0..1."""
    agreement: Agreement = NONE
    """Of what both show, once one is laid on the other."""

    @property
    def covers(self) -> float:
        """Share of the match's area that the query shows."""
        return area(self.in_match)

    @property
    def covered(self) -> float:
        """Share of the query's area that shows the match."""
        return area(self.in_query)

    @property
    def certain(self) -> bool:
        seen = self.agreement
        if self.points < ENOUGH:
            well = seen.share >= _AGREE_WELL and seen.correlation >= _CORRELATED
            return self.points >= _FEW and well and seen.blocks >= _MANY_BLOCKS
        in_part = seen.share >= _AGREE_IN_PART and seen.correlation >= _ALIKE
        return seen.share >= _AGREE or in_part or (seen.share >= _AGREE_AT_MANY and self.points >= _MANY)

    def order(self) -> tuple[bool, int]:
        return self.certain, self.points

    @property
    def relation(self) -> str:
        """ "same": most of both; "part": the query is a part of the match; "whole": it contains the match;
        "overlap": they share a part."""
        if min(self.covers, self.covered) >= _MOST:
            return "same" if self.agreement.share >= _AGREE_ALL else "overlap"
        if max(self.covers, self.covered) < _MOST:
            return "overlap"
        return "part" if self.covered > self.covers else "whole"


def where(polygon: Any) -> str:
    """A place in words: "upper left", "right", "centre"; "" where it fills most of the picture."""
    corners = np.asarray(polygon, float).reshape(-1, 2)
    if not len(corners) or area(corners) >= _MOST:
        return ""
    x, y = (corners.min(0) + corners.max(0)) / 2
    words = [_third(y, "upper", "lower"), _third(x, "left", "right")]
    return " ".join(filter(None, words)) or "centre"


def _third(value: float, low: str, high: str) -> str:
    return low if value < 0.4 else high if value > 0.6 else ""


def area(polygon: Any) -> float:
    """Of a polygon in the unit square, 0..1 (the shoelace formula)."""
    points = np.asarray(polygon, float).reshape(-1, 2)
    x, y = points[:, 0], points[:, 1]
    return float(min(1.0, abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2))


def align(query: Keypoints, match: Keypoints, mirror: Mirror | None = None) -> Alignment | None:
    """The better alignment of the query as it is and, if ``mirror`` can be told, mirrored. None if nothing agrees."""
    found = [align_reading(query, match)]
    if mirror:
        found.append(align_reading(query.mirrored(mirror), match, mirrored=True))
    return max(filter(None, found), key=Alignment.order, default=None)


def align_reading(query: Keypoints, match: Keypoints, mirrored: bool = False) -> Alignment | None:
    """Without trying it mirrored; ``mirrored``: the query was mirrored already. None for fewer than three places."""
    return alignment_of(query, match, agreeing(query, match), mirrored)


def matched(query: Keypoints, match: Keypoints) -> np.ndarray:
    """(n, 2) int64: numbers of keypoints that are each other's nearest, and clearly nearer than the second (smnn)."""
    from search.kernels import mutual_matches

    if len(query) < 2 or len(match) < 2:
        return np.empty((0, 2), np.int64)
    a, b = query.descriptors.astype(np.float32), match.descriptors.astype(np.float32)
    return mutual_matches(a @ b.T, (a * a).sum(1), (b * b).sum(1), np.float32(RATIO**2))


def agreeing(query: Keypoints, match: Keypoints) -> np.ndarray:
    """(n, 2) int64: the matched pairs that agree with the best similarity."""
    from search.kernels import similar_pairs

    pairs = matched(query, match)
    if len(pairs) < 3:
        return pairs[:0]
    reach = TOLERANCE * max(match.width, match.height)
    agree = similar_pairs(query.places[pairs[:, 0]], match.places[pairs[:, 1]], reach, SCALE_TOLERANCE)
    return pairs[agree]


def distinct(query: Keypoints, match: Keypoints, pairs: np.ndarray) -> int:
    """How many different places the pairs have, on the side where they have fewer."""
    sides = (query.places[pairs[:, 0], :2], match.places[pairs[:, 1], :2])
    return min(len(np.unique(side // PLACE, axis=0)) for side in sides)


def alignment_of(query: Keypoints, match: Keypoints, pairs: np.ndarray, mirrored: bool) -> Alignment | None:
    """From agreeing pairs; ``query`` is the reading that they belong to. None for fewer than three places."""
    points = distinct(query, match, pairs)
    if points < 3:
        return None
    source = (query.places[pairs[:, 0], :2] + 0.5) / query.size
    target = (match.places[pairs[:, 1], :2] + 0.5) / match.size
    if mirrored:
        source[:, 0] = 1 - source[:, 0]
    homography = _fitted(source * query.size, target * match.size, points, mirrored)
    homography = np.diag([1 / match.width, 1 / match.height, 1]) @ homography @ np.diag([query.width, query.height, 1])
    homography /= np.linalg.norm(homography)
    if not np.isfinite(homography).all() or min(abs(np.linalg.det(homography)), abs(homography[2, 2])) < 1e-9:
        return None
    homography /= homography[2, 2]
    in_match, in_query = outline(homography), outline(np.linalg.inv(homography))
    if len(in_match) < 3 or len(in_query) < 3:
        return None
    lines = np.concatenate([source, target], 1)
    grey = query.grey[:, ::-1] if mirrored else query.grey  # as the homography means it: not mirrored
    seen = agreement(np.ascontiguousarray(grey), match.grey, homography)
    return Alignment(points, mirrored, homography, in_query, in_match, lines, seen)


def _fitted(source: np.ndarray, target: np.ndarray, points: int, mirrored: bool) -> np.ndarray:
    """(3, 3) from (n, 2) pixels to (n, 2) pixels: a homography where one can be told, else the least squares."""
    reach = TOLERANCE * float(np.ptp(target, axis=0).max() + 1)
    if points >= _FOR_PERSPECTIVE:
        found, _ = cv2().findHomography(source, target, cv2().USAC_MAGSAC, max(3.0, reach / 2), None, 2000, 0.999)
        if found is not None and _is_sane(found, source):
            return found
    return _affine(source, target, mirrored)


def _affine(source: np.ndarray, target: np.ndarray, mirrored: bool) -> np.ndarray:
    """Least squares; a similarity where the points nearly lie on a line."""
    centre = source.mean(0)
    spread = np.linalg.svd(source - centre, compute_uv=False)
    if len(source) >= 4 and spread[-1] > 0.25 * spread[0]:
        solved, *_ = np.linalg.lstsq(np.c_[source, np.ones(len(source))], target, rcond=None)
        affine = np.vstack([solved.T, [0, 0, 1]])
        if _is_sane(affine, source):
            return affine
    return _similarity(source, target, mirrored)


def _similarity(source: np.ndarray, target: np.ndarray, mirrored: bool) -> np.ndarray:
    """Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.

    Places on a line fit a turning and a mirroring equally well: which of the two it is, is known from the pairs.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) * (-1 if mirrored else 1)])
    scale = (s * signs).sum() / max(1e-9, (a**2).sum())
    linear = scale * (u * signs) @ vt
    moved = target.mean(0) - linear @ source.mean(0)
    return np.vstack([np.c_[linear, moved], [0, 0, 1]])


def _is_sane(homography: np.ndarray, source: np.ndarray) -> bool:
    """It keeps the points in front, and stretches none of their surroundings out of all proportion."""
    depth = np.c_[source, np.ones(len(source))] @ homography[2]
    if depth.min() * depth.max() <= 0 or np.abs(depth).max() > 3 * np.abs(depth).min():
        return False
    centre = np.append(source.mean(0), 1)
    around = (centre + np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])) @ homography.T
    moved = around[:, :2] / around[:, 2:]
    stretch = np.linalg.svd(moved[1:] - moved[0], compute_uv=False)
    return bool(stretch[1] > 0 and stretch[0] < 4 * stretch[1])


def outline(homography: np.ndarray) -> tuple[Point, ...]:
    """The unit square carried over by a homography, clipped to the unit square; () if they do not meet.

    What lies behind the horizon is cut away first (Sutherland and Hodgman, CACM 1974).
    """
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], float) @ homography.T
    if corners[:, 2].mean() < 0:
        corners = -corners
    # Half-planes in homogeneous coordinates: w > 0, x >= 0, y >= 0, x <= w, y <= w.
    for plane in np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 1], [0, -1, 1]], float):
        corners = _clipped(corners, corners @ plane - (1e-6 if plane[2] == 1 and not plane[:2].any() else 0))
        if len(corners) < 3:
            return ()
    flat = corners[:, :2] / corners[:, 2:]
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in flat)


def _clipped(corners: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The part of a polygon where ``inside``, linear along its edges, is not negative."""
    kept = []
    for i in range(len(corners)):
        a, b = inside[i - 1], inside[i]
        if (a < 0) != (b < 0):
            share = a / (a - b)
            kept.append(corners[i - 1] + share * (corners[i] - corners[i - 1]))
        if b >= 0:
            kept.append(corners[i])
    return np.array(kept).reshape(-1, 3)

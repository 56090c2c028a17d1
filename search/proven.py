"""What was proven of an image already: duplicates are looked for in the background, as closely as can be
(search/duplicates.py). A search by that image need not do it again."""

from __future__ import annotations

import numpy as np

from gallery.models import Image
from search.engines import get_engine
from search.engines._base import Grade, Hit
from search.models import Examination, Pair

CLOSE = "local_features"
"""Looks at each candidate closely: its certain hits are the pairs. What it sees of a detail only is not kept: among 444
photographs and edits of them that was 5 of 5,778 matches found by nothing else, all of them the same words or watermark
on another picture."""
ENGINES = (CLOSE, "phash")
MOST = 200
"""Of one image, the surest ones."""

_PROOFS = """
    SELECT * FROM search_pair
    WHERE (low_id = %(image)s OR high_id = %(image)s) AND versions = %(versions)s AND grade <= %(grade)s
    ORDER BY grade, score DESC LIMIT %(most)s
"""
"""Written out: it is asked with every search by an image, and mostly finds nothing."""


def versions() -> str:
    """ "local_features 3, phash 1": an image that other ones examined is examined again."""
    return ", ".join(f"{name} {get_engine(name).version}" for name in ENGINES)


def is_examined(image: Image) -> bool:
    """By these versions of the engines, and none of them failed."""
    row = Examination.objects.filter(image=image).values_list("versions", "notice").first()
    return row == (versions(), "")


def proofs_of(image_id: int, among: np.ndarray | None) -> dict[str, list[Hit]]:
    """{engine: certain hits}, as if the image had been the query. ``among``: as a search takes it."""
    given = {"image": image_id, "versions": versions(), "grade": Grade.CONTAINS, "most": MOST}
    found: dict[str, list[Hit]] = {}
    for pair in Pair.objects.raw(_PROOFS, given):
        other = pair.high_id if pair.low_id == image_id else pair.low_id
        if among is None or np.isin(other, among):
            evidence = pair.seen_from(image_id).evidence
            by = "local_features" if _is_placed(evidence.get("local_features", {})) else "phash"
            hit = Hit(other, pair.score, Grade(pair.grade), True, evidence.get(by, {}))
            found.setdefault(by, []).append(hit)
    return found


def _is_placed(evidence: dict) -> bool:
    """It says where one lies on the other, and of more than a detail."""
    return evidence.get("relation", "detail") != "detail"


def with_proofs(hits: list[Hit], proofs: list[Hit]) -> list[Hit]:
    """The better one of each image, best first."""
    best = {hit.image_id: hit for hit in hits}
    for proof in proofs:
        found = best.get(proof.image_id)
        if found is None or not found.certain or found.grade > proof.grade:
            best[proof.image_id] = proof
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.image_id))

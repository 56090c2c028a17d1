"""Evidence of a pair seen from the other side: what was the query becomes the match. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

_RELATIONS = {"part": "whole", "whole": "part"}


def turned(evidence: dict[str, Any]) -> dict[str, Any]:
    """{engine: evidence of its hit} with query and match exchanged. What has no sides stays as it is."""
    return {engine: _turned(seen) for engine, seen in evidence.items()}


def _turned(seen: dict[str, Any]) -> dict[str, Any]:
    other = dict(seen)
    if "how" in seen:
        other["how"] = _how(seen["how"])
    if "relation" in seen:
        other["relation"] = _RELATIONS.get(seen["relation"], seen["relation"])
        for mine, theirs in (("covers", "covered"), ("in_query", "in_match")):
            other[mine], other[theirs] = seen[theirs], seen[mine]
        inverse = np.linalg.inv(np.array(seen["homography"]).reshape(3, 3))
        other["homography"] = [round(float(v), 6) for v in (inverse / inverse[2, 2]).ravel()]
    return other


def _how(words: str) -> str:
    """Undoing a quarter turn is the turn the other way; what is mirrored as well undoes itself."""
    if "mirrored" in words:
        return words
    swap = {"turned left": "turned right", "turned right": "turned left"}
    return ", ".join(swap.get(part, part) for part in words.split(", "))

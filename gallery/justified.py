"""Justified rows without a script and without inline styles (which the content policy forbids).

A flex item whose basis and growth are both proportional to its width/height ratio keeps the height of its row equal,
whatever the width of the window. The ratio reaches CSS through a class: ratios are rounded to steps of 2 %, and
``object-fit: cover`` hides what the rounding leaves (at most 1 % of a side).
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

NARROWEST, WIDEST = 0.4, 3.2
"""Longer pictures are cut to this shape in the rows; the image page shows all of them."""
STEP = math.log(1.02)


def ratio_step(width: int, height: int) -> int:
    """The number of the step whose ratio is nearest to width / height (pixels), within the limits."""
    ratio = min(WIDEST, max(NARROWEST, width / height))
    return round(math.log(ratio) / STEP)


@lru_cache(maxsize=10_000)
def ratio_class(width: int, height: int) -> str:
    """ "r12" for a landscape, "rn12" for a portrait."""
    return f"r{ratio_step(width, height)}".replace("-", "n")


@cache
def stylesheet() -> str:
    """One rule a step; about 110 rules."""
    steps = range(ratio_step(1, 1000), ratio_step(1000, 1) + 1)
    return "".join(f".r{step}{{--ratio:{math.exp(step * STEP):.3f}}}\n".replace("r-", "rn") for step in steps)

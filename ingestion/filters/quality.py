"""Blurred, enlarged, badly compressed, noisy, framed, flat, under- or overexposed: classical measures, always on.

Each score is 0 for a good photograph and 1 for one that is ruined. The lines are where at most 2 of 100 photographs are
beyond each, of 300 of about 500 pixels; what they find of the same ones spoilt says tests/bench/bench_quality.py. They
ask a person, and never drop a picture.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np

from gallery.pictures import Picture
from ingestion import measures
from ingestion.filters._base import Filter, Finding, Score, Screened

_BLUR = (0.2, 0.7)
_EMPTINESS = (0.0, 2.5)
_BLOCKING = (0.0, 1.0)
_NOISE = (0.0, 25.0)
"""From which raw number a score begins, and where it ends."""
_OFFERED = 0.01
"""Share of the picture from which on it is worth saying that it has a border."""


class Quality(Filter):
    name = "quality"
    label = "Quality"
    order = 30
    scores = (
        Score(
            "blur",
            "Blur",
            "How little is lost by blurring it once more: 0 is sharp.",
            "low",
            cut_off=0.48,
        ),
        Score(
            "upscaled",
            "Enlarged",
            "How little detail it has for its size: 0 is full of it.",
            "low",
            cut_off=0.26,
        ),
        Score("blocking", "Compression", "How strong a JPEG's squares are: 0 is none.", "low", cut_off=0.44),
        Score("noise", "Noise", "Grain in its plain parts: 1 is a deviation of 25 grey levels.", "low", cut_off=0.3),
        Score("borders", "Border", "Share of it that is a border of one colour.", "low", cut_off=0.12),
        Score("flat", "Flat", "Share of the grey levels that are not in use: 1 is a single grey.", "low", cut_off=0.47),
        Score("dark", "Underexposed", "How far its brightest parts are from white: 1 is black.", "low", cut_off=0.37),
        Score("bright", "Overexposed", "Share of it that is burnt out: 1 is all white.", "low", cut_off=0.33),
    )

    def judge(self, screened: Screened, options: dict[str, Any]) -> Finding:
        picture = screened.picture
        grey = np.asarray(picture.pil().convert("L"))
        scale = max(grey.shape) / max(picture.width, picture.height)
        flat, dark, bright = measures.exposure(grey)
        box = measures.borders(grey)
        border = 1 - (box[2] - box[0]) * (box[3] - box[1]) / grey.size
        scores = {
            "blur": _between(measures.blur(grey), _BLUR),
            "upscaled": _between(measures.emptiness(grey), _EMPTINESS),
            "blocking": _between(measures.blocking(grey, scale), _BLOCKING),
            "noise": _between(measures.noise(grey), _NOISE),
            "borders": round(border, 4),
            "flat": round(flat, 4),
            "dark": round(dark, 4),
            "bright": round(bright, 4),
        }
        if border <= _OFFERED:
            return Finding(scores)
        left, top, right, bottom = inside = _in_file(box, scale, picture)
        sentence = f"It has a border: without it there are {right - left} × {bottom - top} pixels."
        return Finding(scores, sentence, facts={"inside": list(inside)})


def _between(raw: float, ends: tuple[float, float]) -> float:
    return round(float(np.clip((raw - ends[0]) / (ends[1] - ends[0]), 0, 1)), 4)


def _in_file(box: measures.Box, scale: float, picture: Picture) -> measures.Box:
    """The same box in pixels of the file, rounded inwards: no line of the border stays."""
    left, top, right, bottom = (side / scale for side in box)
    width, height = picture.width, picture.height
    return ceil(left), ceil(top), max(1, min(width, floor(right))), max(1, min(height, floor(bottom)))


FILTER = Quality()

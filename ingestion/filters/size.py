"""Too small, too long or too tall; and what its source says of it: a video, removed, not for everybody.

The usual lines are those of a crawler that ran for years: 1280 x 1024 pixels, at most three times as wide as high and
twice as high as wide. What a source says is believed before the picture is fetched, the file afterwards.
"""

from __future__ import annotations

from typing import Any

from ingestion.filters._base import Filter, Finding, Outcome, Score, Screened
from ingestion.sources._base import Found, What


class Size(Filter):
    name = "size"
    label = "Size"
    order = 10
    scores = (
        Score("megapixels", "Megapixels", "Width times height of the file, in millions.", "high", high=24.0),
        Score("proportion", "Proportion", "Width over height: 1 is a square.", "low", high=4.0),
    )
    defaults = {"least_pixels": 1280 * 1024, "widest": 3.0, "tallest": 2.0, "over_18": False}
    words = {
        "least_pixels": ("Smallest area", "Pixels, width times height: 1310720 are 1280 × 1024."),
        "widest": ("Widest shape", "Width over height, at most."),
        "tallest": ("Tallest shape", "Height over width, at most."),
        "over_18": ("Also what is for adults", "As far as the source says so."),
    }

    def foresee(self, found: Found, options: dict[str, Any]) -> str:
        if why := _unwanted(found, options):
            return why
        if found.what != What.PICTURE or found.width <= 0 or found.height <= 0:
            return ""  # an archive, or nobody knows
        return _wrong_size(found.width, found.height, options)

    def judge(self, screened: Screened, options: dict[str, Any]) -> Finding:
        width, height = screened.picture.width, screened.picture.height
        why = _unwanted(screened.found, options) or _wrong_size(width, height, options)
        return Finding(
            scores={"megapixels": width * height / 1e6, "proportion": width / height},
            sentence=why,
            outcome=Outcome.REJECT if why else Outcome.PASS,
        )


def _unwanted(found: Found, options: dict[str, Any]) -> str:
    if found.what == What.VIDEO:
        return "It is a video."
    if found.what == What.REMOVED:
        return "It was removed where it was found."
    if found.over_18 and not options["over_18"]:
        return "Its source says that it is only for adults."
    return ""


def _wrong_size(width: int, height: int, options: dict[str, Any]) -> str:
    """In a sentence what is wrong with it; "": nothing."""
    if width * height < options["least_pixels"]:
        least = f"{options['least_pixels'] / 1e6:.2g}"
        return f"It has {width} × {height} pixels: less than {least} megapixels."
    if width > height * options["widest"]:
        return f"It is {width / height:.3g} times as wide as high; at most {options['widest']:g} times is wanted."
    if height > width * options["tallest"]:
        return f"It is {height / width:.3g} times as high as wide; at most {options['tallest']:g} times is wanted."
    return ""


FILTER = Size()

"""What a program may ask of the search, and what is meant by it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from ninja import Schema
from pydantic import ConfigDict, Field, field_validator

from gallery.api_pages import NO_NUL, Cursor, Id, Limit, example
from gallery.pictures import Picture
from gallery.refusal import Refusal
from search.engines import all_engines
from search.engines._base import Grade
from search.meaning import MAX_TEXT

GRADES = {grade.name.lower(): grade for grade in Grade}
LEAST_SIDE = 8
"""Pixels of a box: smaller ones show nothing."""

Line = Annotated[str, Field(max_length=MAX_TEXT, pattern=NO_NUL)]
Short = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class Wanted(Schema):
    """What is asked beside a picture, and how much is answered."""

    model_config = ConfigDict(extra="forbid")
    text: Line = Field("", description="Plain words: what is to be seen. After a ~ what is not.")
    q: Line = Field("", description="In the query language: only pictures that fit are answered; bare words mean text.")
    colours: Short = Field("", description="Comma separated hex: 3366cc,fff. Beside a picture or words: it has them.")
    engines: Short = Field("", description="Comma separated; empty: all. GET /api/search/engines lists them.")
    grades: Short = Field("", description=f"Comma separated, of {', '.join(GRADES)}; empty: all.")
    least: float = Field(0.0, ge=0, le=1, description="Matches have at least this score.")
    weak: bool = Field(False, description="Also those that are probably nothing, at the end.")
    limit: Limit = 50
    cursor: Cursor = ""
    explain: bool = Field(False, description="Say what each engine has seen.")

    @field_validator("engines", "grades")
    @classmethod
    def _known(cls, written: str, info: Any) -> str:
        known = GRADES if info.field_name == "grades" else all_engines()
        for name in names_in(written):
            if name not in known:
                raise ValueError(f"there is no “{name[:40]}”; choose of {', '.join(known)}")
        return written

    @property
    def asked(self) -> tuple[Any, ...]:
        """What a cursor belongs to: all but how much of the answer is wanted."""
        left_out = {"limit", "cursor", "explain", "picture", "url"}
        return tuple((name, value) for name, value in sorted(self.model_dump().items()) if name not in left_out)


class Asking(Wanted):
    """A whole search. The picture is one of: a file in the field ``picture`` of a form, ``url``, ``id``; or none."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=example(text="a boat at sea", q="width>=1000", limit=20)
    )
    url: Annotated[str, Field(max_length=2_000, pattern=NO_NUL)] = Field(
        "", description="Address of a picture on the web; this server fetches it."
    )
    id: Id | None = Field(None, description="A picture of this gallery.")
    box: Short = Field(
        "", description="x,y,width,height in shares 0..1 of the asked picture: ask with this part of it."
    )

    @field_validator("id", mode="before")
    @classmethod
    def _empty(cls, written: Any) -> Any:
        return None if written == "" else written

    @field_validator("box")
    @classmethod
    def _readable(cls, written: str) -> str:
        if written:
            box_in(written)
        return written


def names_in(written: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in written.split(",") if name.strip()))


def box_in(written: str) -> tuple[float, float, float, float]:
    """(x, y, width, height). ValueError."""
    try:
        x, y, width, height = (float(part) for part in written.split(","))
    except ValueError:
        raise ValueError("write four numbers: x,y,width,height") from None
    edges = (x, y, width, height, x + width, y + height)
    if not all(math.isfinite(each) and 0 <= each <= 1 + 1e-6 for each in edges) or not (width and height):
        raise ValueError("all four are shares from 0 to 1, and the box lies inside of the picture")
    return x, y, width, height


def cropped(picture: Picture, written: str) -> Picture:
    """The part of it in the box. Refusal if there is next to nothing in it."""
    x, y, width, height = box_in(written)
    rows, columns = picture.pixels.shape[:2]
    left, top = int(x * columns), int(y * rows)
    right, bottom = min(columns, math.ceil((x + width) * columns)), min(rows, math.ceil((y + height) * rows))
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        raise Refusal(422, "invalid", f"box: there are less than {LEAST_SIDE} pixels in it")
    part = np.ascontiguousarray(picture.pixels[top:bottom, left:right])
    return replace(
        picture, pixels=part, width=max(1, round(picture.width * width)), height=max(1, round(picture.height * height))
    )

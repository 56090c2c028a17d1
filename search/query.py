"""The question of a search."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from gallery.pictures import Picture
from search.errors import QueryError
from search.language.tree import Word
from search.meaning import Meaning, parse_meaning

MAX_COLOURS = 5
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Query:
    """At least one of its parts must be there; an engine answers the parts that it understands."""

    picture: Picture | None = None
    image_id: int | None = None
    """A picture of the gallery: it is not part of the answer. Without ``picture`` its stored features are asked."""
    colours: tuple[Colour, ...] = ()
    text: str = ""
    """As somebody wrote it: see search/meaning.py. Beside a picture it says how the picture should be different."""
    words: tuple[Word, ...] = ()
    """To be looked up in what is said of pictures and written in them; see search/lexical.py. Not beside a picture."""
    words_weigh: float = 0.5
    """0..1: how much the text counts beside the picture."""
    among: np.ndarray | None = field(default=None, compare=False)
    """Sorted int64 ids: only these images may be answered. None: all."""

    @property
    def meaning(self) -> Meaning:
        return parse_meaning(self.text)

    def __post_init__(self) -> None:
        asked = self.picture is not None or self.image_id is not None or self.colours or self.meaning or self.words
        if not asked:
            raise QueryError("Nothing was asked: give words, a picture or colours.")


def parse_colours(text: str) -> tuple[Colour, ...]:
    """ "3366cc,#fff" -> ((51, 102, 204), (255, 255, 255)). QueryError names what is wrong."""
    parts = [part.strip().lstrip("#").lower() for part in text[:100].split(",") if part.strip()]
    if len(parts) > MAX_COLOURS:
        raise QueryError(f"At most {MAX_COLOURS} colours can be searched at once.")
    return tuple(_colour(part) for part in parts)


def _colour(part: str) -> Colour:
    if re.fullmatch("[0-9a-f]{3}", part):
        part = "".join(digit * 2 for digit in part)
    if not re.fullmatch("[0-9a-f]{6}", part):
        raise QueryError(f"“{part}” is no colour: write it like 3366cc.")
    return int(part[:2], 16), int(part[2:4], 16), int(part[4:], 16)

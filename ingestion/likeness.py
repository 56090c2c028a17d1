"""What was proven of a new picture and one that is here, in words, and what speaks for which decision. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MORE = 1.1
"""Times the pixels from which on a picture counts as the larger one: an edit changes a few of them."""
_LEADS = {
    "same": "The same picture as",
    "part": "A part of",
    "whole": "It contains",
    "overlap": "It shares a part with",
}


@dataclass(frozen=True)
class Likeness:
    """A proof that a new picture and an image of the gallery show the same."""

    image: int
    """Its id."""
    grade: str
    """ "same" or "contains"."""
    relation: str
    """Of the new picture to the image: search.geometry.relation."""
    evidence: str
    """What the engines saw: "62 matching points, mirrored, covers 31 % of the original, upper left"."""
    points: int = 0
    """Matched points; 0 if the picture as a whole was recognised by its hash alone."""
    mirrored: bool = False
    covers: float = 1.0
    """Share of the image that the new picture shows."""
    covered: float = 1.0
    """Share of the new picture that shows the image."""
    place: str = ""
    """Where: on the image if the new one is a part of it, else on the new one: "upper left"."""
    enlarged: bool = False
    """The new picture has more pixels than the image, and no more detail."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def lead(self) -> str:
        """ "A part of", to be followed by the name of the image."""
        return _LEADS[self.relation]

    @property
    def proof(self) -> str:
        """ "62 matching points, mirrored, covers 31 % of it, upper left"."""
        if not self.points:
            return self.evidence
        words = [f"{self.points} matching points"] + (["mirrored"] if self.mirrored else [])
        if self.relation in ("part", "overlap"):
            words += [f"covers {self.covers:.0%} of it".replace("%", " %"), self.place]
        elif self.relation == "whole":
            words += [f"on {self.covered:.0%} of yours".replace("%", " %"), self.place]
        return ", ".join(filter(None, words))

    @property
    def sentence(self) -> str:
        """ "A part of #12: 62 matching points, covers 31 % of it."."""
        return f"{self.lead} #{self.image}: {self.proof}."


@dataclass(frozen=True)
class Size:
    """Of a picture, in pixels and bytes."""

    width: int
    height: int
    bytes: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class Advice:
    """What we would do. Nobody but a person does it."""

    action: str
    """ "keep", "replace" or "drop"; "" if nothing is advised."""
    reason: str


def detail(new: Size, here: Size, likeness: Likeness) -> float:
    """How many times the pixels the new picture has where both show the same."""
    return (new.pixels * likeness.covered) / max(1.0, here.pixels * likeness.covers)


def advice(new: Size, others: Sequence[tuple[Likeness, Size]]) -> Advice:
    """``others``: the images that are still here, the best match first."""
    if not others:
        return Advice("keep", "What it was like is not here any more, so nothing speaks against storing it.")
    likeness, here = others[0]
    finer = detail(new, here, likeness)
    if likeness.relation == "same":
        return _only_enlarged(finer) if likeness.enlarged else _of_the_same(new, here, finer)
    if likeness.relation == "part":
        if finer > MORE:
            return Advice("keep", f"Yours shows less, but {_times(finer)} the detail: we would keep both.")
        return Advice("drop", "The one here shows more, and as sharp: we would not store yours.")
    if likeness.relation == "whole" and len(others) == 1:
        if finer * MORE >= 1:
            return Advice("replace", "Yours shows more, and as sharp: we would replace the one here.")
        return Advice("keep", "Yours shows more, but the one here is sharper: we would keep both.")
    return Advice("keep", "Each shows something that the other does not: we would keep both.")


def _only_enlarged(finer: float) -> Advice:
    words = f"Yours has {_times(finer)} the pixels, but no more detail: it was only enlarged. We would not store yours."
    return Advice("drop", words)


def _of_the_same(new: Size, here: Size, finer: float) -> Advice:
    if finer > MORE:
        return Advice("replace", f"Yours is larger, {_times(finer)} the pixels: we would replace the one here.")
    if finer * MORE < 1:
        return Advice("drop", f"The one here is larger, {_times(1 / finer)} the pixels: we would not store yours.")
    if new.bytes > here.bytes * MORE:
        return Advice("keep", "Both are as large, but yours has more bytes, so it may be the better one: look at both.")
    return Advice("drop", "The one here is as large: we would not store yours.")


def _times(share: float) -> str:
    """ "4 times", "2.3 times"."""
    return f"{share:.0f} times" if share >= 10 else f"{share:.1f} times".replace(".0 ", " ")

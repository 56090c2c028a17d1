"""What a network has learned, asked with photographs and typefaces that it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ingestion.watermarks import drawing
from ingestion.watermarks.drawing import Example
from ingestion.watermarks.pupils import Material, as_picture, picture
from search.encoders.watermark import Watermark

LINE = 0.5
"""From this score on it counts as marked."""
OPACITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.01)
_AT_ONCE = 16
_POINTS = 60
"""Of the curve."""


@dataclass(frozen=True)
class Answer:
    """To one question. It can be drawn again: it depends on the file, the seed and the typefaces only."""

    file: Path
    seed: str
    is_marked: bool
    kind: str
    family: str
    opacity: float
    score: float

    @property
    def is_right(self) -> bool:
        return (self.score >= LINE) == self.is_marked


@dataclass(frozen=True)
class Examination:
    answers: list[Answer] = field(default_factory=list)

    @property
    def confusion(self) -> dict[str, int]:
        cells = {
            "marked_found": (True, True),
            "marked_missed": (True, False),
            "clean_passed": (False, True),
            "clean_refused": (False, False),
        }
        of = [(answer.is_marked, answer.is_right) for answer in self.answers]
        return {name: of.count(cell) for name, cell in cells.items()}

    def figures(self) -> dict[str, Any]:
        """For JSON. "false_negatives" is the share of the marked that were missed."""
        cells = self.confusion
        marked, clean = self._of(True), self._of(False)
        return {
            "accuracy": _share(self.answers),
            "false_negatives": round(cells["marked_missed"] / max(1, len(marked)), 4),
            "false_positives": round(cells["clean_refused"] / max(1, len(clean)), 4),
            "auc": round(auc([a.score for a in marked], [a.score for a in clean]), 4),
            "questions": len(self.answers),
            "confusion": cells,
            "right_by_kind": _shares(self.answers, lambda answer: answer.kind),
            "right_by_opacity": _shares(marked, _band),
            "right_by_typeface": _shares(marked, lambda answer: answer.family),
            "curve": self.curve(),
        }

    def _of(self, is_marked: bool) -> list[Answer]:
        return [answer for answer in self.answers if answer.is_marked == is_marked]

    def curve(self) -> list[tuple[float, float, float]]:
        """[(line, share of the clean above it, share of the marked above it), ...], from the strictest line on."""
        marked, clean = (np.array([answer.score for answer in self._of(each)]) for each in (True, False))
        lines = np.unique(np.concatenate([marked, clean]))[::-1]
        some = lines[np.unique(np.linspace(0, len(lines) - 1, _POINTS).round().astype(int))] if len(lines) else lines
        return [(round(float(x), 4), _above(clean, x), _above(marked, x)) for x in some]


def auc(marked: Sequence[float], clean: Sequence[float]) -> float:
    """How often a marked picture has the higher score of the two; equal ones count half."""
    if not len(marked) or not len(clean):
        return 0.5
    others = np.sort(clean)
    low, high = np.searchsorted(others, marked, "left"), np.searchsorted(others, marked, "right")
    return float((low + high).sum() / (2 * len(marked) * len(clean)))


Question = tuple[Path, str, bool]
"""(picture, seed, whether it gets a mark)"""


def questions(material: Material, count: int, seed: int = 0) -> Iterator[Question]:
    """About ``count`` of them, half of them marked."""
    for number in range(max(1, count // 2)):
        for is_marked in (True, False):
            yield material.held[number % len(material.held)], f"examination {seed} {number} {is_marked}", is_marked


def drawn(file: Path, seed: str, is_marked: bool, material: Material) -> Example:
    draw = drawing.marked if is_marked else drawing.clean
    return draw(picture(file), Random(seed), material.held_faces)


def examine(
    network: Watermark, material: Material, count: int, seed: int = 0, say: Callable[[int], object] = lambda done: None
) -> Examination:
    """By the same call with which filters ask. ``say`` is told how many more were answered."""
    answers: list[Answer] = []
    for some in _pieces(questions(material, count, seed)):
        examples = [drawn(file, seed_, is_marked, material) for file, seed_, is_marked in some]
        scores = network.score([as_picture(example.image) for example in examples])
        answers += [
            Answer(file, seed_, marked, example.kind, example.family, round(example.opacity, 3), float(score))
            for (file, seed_, marked), example, score in zip(some, examples, scores, strict=True)
        ]
        say(len(some))
    return Examination(answers)


def _pieces(items: Iterable[Question]) -> Iterator[list[Question]]:
    piece: list[Question] = []
    for item in items:
        piece.append(item)
        if len(piece) == _AT_ONCE:
            yield piece
            piece = []
    if piece:
        yield piece


def _share(answers: Sequence[Answer]) -> float:
    return round(sum(answer.is_right for answer in answers) / max(1, len(answers)), 4)


def _shares(answers: Sequence[Answer], by: Callable[[Answer], str]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(by(answer), []).append(answer)
    return {name: {"right": _share(groups[name]), "of": len(groups[name])} for name in sorted(groups)}


def _band(answer: Answer) -> str:
    upper = next(i for i, edge in enumerate(OPACITIES) if answer.opacity < edge)
    return f"{OPACITIES[upper - 1]:.1f} to {min(1.0, OPACITIES[upper]):.1f}"


def _above(scores: np.ndarray, line: float) -> float:
    return round(float((scores >= line).mean()), 4) if len(scores) else 0.0

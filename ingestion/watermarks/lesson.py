"""All of it, one after the other: learn, write the weights, examine them, report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.watermarks import report
from ingestion.watermarks.examination import examine
from ingestion.watermarks.pupils import Material, TrainingError
from ingestion.watermarks.training import STATE, Course, Progress, Say, Training
from search.encoders import watermark, weights
from search.encoders.pytorch import torch
from search.encoders.watermark import FILE, Watermark
from search.errors import WeightsMissing

REPORT = "report"
_HALF = 0.5


@dataclass(frozen=True)
class Lesson:
    network: Watermark
    material: Material
    course: Course
    questions: int = 1000
    start: Path | None = None
    """Weights to begin with, such as a backbone's that knows photographs already."""
    again: bool = False
    """Whether a training that was stopped is forgotten."""

    @property
    def folder(self) -> Path:
        return self.network.folder


def network(model: str, folder: Path, out: Path | None) -> Watermark:
    """One of its own, whose weights will lie in ``out``. WeightsMissing if no such network is known."""
    found = watermark.network(model, folder)
    found.folder = out or found.folder
    return found


def learn(lesson: Lesson, say: Say) -> Training:
    """Until the time of the course is over; the weights are then where the network reads them. TrainingError."""
    training = Training(lesson.network, lesson.material, lesson.course, lesson.folder)
    if lesson.again or not training.resume():
        _begin(training, lesson.start)
    try:
        training.run(say)
    except KeyboardInterrupt:
        training.save()
        raise
    training.keep(lesson.folder / FILE)
    return training


def judge(lesson: Lesson, progress: Progress, say: Callable[[int], object]) -> dict[str, Any]:
    """Examine what was learned; the figures, as in report.json. The training is over then, and forgotten."""
    found = examine(lesson.network, lesson.material, lesson.questions, lesson.course.seed, say)
    said = report.write(lesson.folder / REPORT, _about(lesson, progress), found, lesson.material)
    (lesson.folder / STATE).unlink(missing_ok=True)
    return said


def _about(lesson: Lesson, progress: Progress) -> dict[str, Any]:
    material, file = lesson.material, lesson.folder / FILE
    return {
        "network": lesson.network.name,
        "label": lesson.network.label,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "minutes": round(progress.seconds / 60, 1),
        "steps": progress.step,
        "examples": progress.examples,
        "pictures": len(material.learned),
        "held_pictures": len(material.held),
        "typefaces": sorted({face.family for face in material.faces}),
        "held_typefaces": sorted({face.family for face in material.held_faces}),
        "torch": str(torch().__version__),
    }


def _begin(training: Training, start: Path | None) -> None:
    """With the weights of a file, as far as they fit: its last layer names other things."""
    if start is None:
        return
    own = training.module.state_dict()
    try:
        given = weights.read(start)
    except WeightsMissing as error:
        raise TrainingError(str(error)) from error
    named = {name: given.get(name, given.get(name.partition(".")[2])) for name in own}
    fitting = {name: tensor for name, tensor in named.items() if tensor is not None and tensor.shape == own[name].shape}
    if len(fitting) < _HALF * len(own):
        raise TrainingError(f"{start} holds the weights of another network than {training.network.label}.")
    training.module.load_state_dict(own | fitting)
    training.smooth = {name: tensor.clone() for name, tensor in training.module.state_dict().items()}

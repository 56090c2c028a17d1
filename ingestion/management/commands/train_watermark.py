"""``manage.py train_watermark DIR``: teach a network to see watermarks, from a folder of clean pictures."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ingestion.watermarks import lesson as lessons
from ingestion.watermarks.lesson import REPORT, Lesson
from ingestion.watermarks.pupils import Material, TrainingError, material
from ingestion.watermarks.report import HTML
from ingestion.watermarks.training import Course, Progress
from ingestion.watermarks.typefaces import FOLDERS, typefaces
from search.encoders.watermark import FILE
from search.errors import EngineError, WeightsMissing
from search.threads import CORES

LONGEST_MINUTES = 60 * 24 * 30


class Command(BaseCommand):
    """Without the database: what it makes are files."""

    help = (
        "Train the network that sees watermarks. DIR holds clean pictures, without any watermark: marks are drawn on "
        "them. A fifth of the pictures and of the typefaces is kept for the examination. Safe to stop: the same "
        "command goes on."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path, help="Clean pictures, also in folders below.")
        parser.add_argument(
            "--network",
            default="small",
            help="small (the default), efficientnet, or clip/MODEL, as clip/ViT-B-16/openai; its weights must be here.",
        )
        parser.add_argument("--minutes", type=_minutes, default=60.0, help="How long to learn; 60 unless said.")
        parser.add_argument("--out", type=Path, help="Where weights and report go; unless said, where they are used.")
        parser.add_argument("--threads", type=_count, default=CORES, help="Unless said, one a processor.")
        parser.add_argument(
            "--pairs", type=_count, default=8, help="Pictures in a batch, each with and without a mark."
        )
        parser.add_argument("--rate", type=_rate, default=2e-3, help="Of learning; 0.002 unless said.")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--questions", type=_count, default=1000, help="In the examination.")
        parser.add_argument("--fonts", type=Path, action="append", default=[], help="Another folder of typefaces.")
        parser.add_argument("--start", type=Path, help="Weights to begin with, such as timm's of EfficientNetV2-B0.")
        parser.add_argument("--again", action="store_true", help="Forget a training that was stopped.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lesson = self._lesson(options)
            progress = self._learn(lesson)
            self._report(lesson, self._judge(lesson, progress))
        except (TrainingError, WeightsMissing, EngineError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or 'A file'}: {error.strerror or error}.") from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped. The same command goes on where it was.", returncode=130) from error

    def _lesson(self, options: dict[str, Any]) -> Lesson:
        folder: Path = options["folder"].expanduser()
        network = lessons.network(options["network"], settings.WEIGHTS, options["out"])
        with tqdm(desc="pictures", unit="", file=self.stderr, disable=None) as bar:
            found = material(folder, typefaces([*FOLDERS, *options["fonts"]]), bar.update)
        self._say_material(found)
        course = Course(options["minutes"], 0, options["threads"], options["pairs"], options["rate"], options["seed"])
        return Lesson(network, found, course, options["questions"], options["start"], options["again"])

    def _say_material(self, found: Material) -> None:
        for sentence in found.left_out:
            self.stderr.write(f"Left out: {sentence}")
        families, held = ({face.family for face in faces} for faces in (found.faces, found.held_faces))
        self.stdout.write(
            f"{len(found.learned)} pictures and {len(families)} families of typefaces to learn from; "
            f"{len(found.held)} and {len(held)} others for the examination."
        )
        if families == held:
            self.stderr.write("There is one family of typefaces only, so the examination knows no other: see --fonts.")

    def _learn(self, lesson: Lesson) -> Progress:
        total = round(60 * lesson.course.minutes)
        with tqdm(desc="learning", total=total, unit="s", file=self.stderr, disable=None) as bar:

            def say(progress: Progress) -> None:
                bar.set_postfix(examples=progress.examples, right=f"{progress.right:.1%}", refresh=False)
                bar.update(min(total, round(progress.seconds)) - bar.n)

            return lessons.learn(lesson, say).progress

    def _judge(self, lesson: Lesson, progress: Progress) -> dict[str, Any]:
        with tqdm(desc="examination", total=lesson.questions, file=self.stderr, disable=None) as bar:
            return lessons.judge(lesson, progress, bar.update)

    def _report(self, lesson: Lesson, said: dict[str, Any]) -> None:
        self.stdout.write(
            f"{said['accuracy']:.1%} right of {said['questions']} questions; {said['false_negatives']:.1%} of the "
            f"marked were missed, {said['false_positives']:.1%} of the clean were taken for marked. "
            f"Weights: {lesson.folder / FILE}. Report: {lesson.folder / REPORT / HTML}"
        )


def _minutes(said: str) -> float:
    minutes = float(said)
    if not 0 < minutes <= LONGEST_MINUTES:
        raise ValueError
    return minutes


def _rate(said: str) -> float:
    rate = float(said)
    if not 0 < rate <= 1:
        raise ValueError
    return rate


def _count(said: str) -> int:
    count = int(said)
    if not 0 < count <= 1_000_000:
        raise ValueError
    return count

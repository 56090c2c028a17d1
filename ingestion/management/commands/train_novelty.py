"""``manage.py train_novelty``: learn what is accepted here, show the curve, and propose the model."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from gallery.commands import GalleryCommand
from ingestion.mixture import COMPONENTS, CRITERIA, TooFew
from ingestion.models import NoveltyModel
from ingestion.novelty_tasks import ring_for_novelty
from ingestion.novelty_training import Trained, columns, learned

MOST = 100


def components(text: str) -> tuple[int, int]:
    """ "1-10", or "4"."""
    low, dash, high = text.partition("-")
    parts = (low, high if dash else low)
    numbers = [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 4]
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1] <= MOST:
        raise ArgumentTypeError(f"write a number of components or a range, like 4 or 1-10, at most {MOST}")
    return numbers[0], numbers[1]


class Command(GalleryCommand):
    help = "Train a novelty model on the accepted pictures. It is proposed on the page Novelty; the first one is used."

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = f"{COMPONENTS[0]}-{COMPONENTS[1]}"
        parser.add_argument(
            "--components", type=components, default=COMPONENTS, metavar="N", help=f"A number or a range ({usual})."
        )
        parser.add_argument("--criterion", choices=CRITERIA, default="bic", help="What chooses the number (bic).")
        parser.add_argument("--switch", action="store_true", help="Use it at once.")

    def handle(self, *args: Any, criterion: str, switch: bool, **options: Any) -> None:
        started = time.monotonic()
        try:
            with tqdm(total=1, desc="training", unit=" steps", file=self.stderr, disable=None) as bar:
                trained = learned(criterion, options["components"], lambda done, of: _advance(bar, done, of))
        except TooFew as error:
            raise CommandError(str(error)) from error
        self._say(trained, criterion, time.monotonic() - started)
        self._propose(trained, criterion, switch)

    def _say(self, trained: Trained, criterion: str, seconds: float) -> None:
        fit = trained.fit
        self.stdout.write(f"Learned from {len(trained.ids):,} accepted pictures in {seconds:.1f} s.")
        self.stdout.write(f"{len(fit.mixture.directions)} directions of {fit.mixture.dimension}.")
        self.stdout.write("components         BIC         AIC")
        for k, bic, aic in fit.curve:
            mark = f"  chosen by {criterion.upper()}" if k == fit.components else ""
            self.stdout.write(f"{k:10}{bic:12.1f}{aic:12.1f}{mark}")

    def _propose(self, trained: Trained, criterion: str, switch: bool) -> None:
        is_first = NoveltyModel.objects.current() is None
        found = columns(trained)
        report = found["report"]
        if "auc" in report:
            self.stdout.write(f"Accepted from rejected ({report['rejected']}): AUC {report['auc']:.3f}, held out.")
        if "gain" in report:
            self.stdout.write(
                f"On {report['new']} pictures that are new to both it is {report['gain']:+.2f} ± {report['error']:.2f} "
                f"more likely than the model in use, in log-likelihood a picture."
            )
        NoveltyModel.objects.filter(state=NoveltyModel.State.PROPOSED).delete()
        model = NoveltyModel.objects.create(criterion=criterion, **found)
        if (is_first or switch) and model.use():
            self.stdout.write("It is in use now.")
            ring_for_novelty()
        else:
            self.stdout.write("It is proposed on the page Novelty.")


def _advance(bar: Any, done: int, of: int) -> None:
    bar.total = of
    bar.update(done - bar.n)

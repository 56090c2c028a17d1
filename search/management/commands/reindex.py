"""``manage.py reindex``: make the features that are missing, or all of them, and write fresh indexes."""

from __future__ import annotations

from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from gallery import originals
from gallery.commands import GalleryCommand
from gallery.models import Image, decode_limits
from gallery.pictures import DecoderBusy, PictureError, decode
from gallery.threads import in_threads
from search.current import current_engine, current_engines
from search.engines import all_engines
from search.engines._base import Engine
from search.errors import EngineError
from search.filling import fill_one
from search.live_index import live_index
from search.models import Feature, Generation, images_without, store_features

BATCH = 200
FILL_SECONDS = 5


class Command(GalleryCommand):
    help = "Make missing features (--all: every one) and write new index snapshots. Search goes on meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("engines", nargs="*", metavar="ENGINE", help="All engines if none is named.")
        parser.add_argument("--all", action="store_true", help="Make features again that are there already.")

    def handle(self, *args: Any, engines: list[str], **options: Any) -> None:
        unknown = set(engines) - set(all_engines())
        if unknown:
            raise CommandError(f"No such engine: {', '.join(unknown)}. There are: {', '.join(all_engines())}.")
        for name in engines or current_engines():
            if all_engines()[name].of_network:
                self._fill(name, options["all"] and bool(engines))
            else:
                self._reindex(all_engines()[name], options["all"])

    def _fill(self, name: str, everything: bool) -> None:
        """What a network has made is never thrown away here: it is made again beside, on the page Models."""
        generation = Generation.objects.current(name)
        if generation is None or everything:
            why = "cannot be made again like this" if generation else "waits for its network, or for pictures"
            raise CommandError(f"{name} {why}: see the page Models, or manage.py weights list.")
        with tqdm(
            total=generation.missing().count(), desc=name, unit=" pictures", file=self.stderr, disable=None
        ) as bar:
            before = bar.total
            while fill_one(generation, FILL_SECONDS):
                now = generation.missing().count()
                bar.update(before - now)
                before = now
        generation.refresh_from_db(fields=["error"])
        if generation.error:
            raise CommandError(f"{name}: {generation.error}")
        self._write(current_engine(name), generation.missing().count() + generation.unmade.count())

    def _reindex(self, engine: Engine, everything: bool) -> None:
        images = Image.objects.filter(trashed_at__isnull=True) if everything else images_without(engine)
        failed = 0
        with tqdm(total=images.count(), desc=engine.name, unit=" pictures", file=self.stderr, disable=None) as bar:
            renew = partial(_renew, engine, everything)
            for _, has_failed in in_threads(renew, images.order_by("pk").iterator(BATCH)):
                failed += has_failed
                bar.update()
        if not images_without(engine).exists():  # else going back to the older program would lose them
            kept = {engine.version, *engine.kept}
            Feature.objects.filter(engine=engine.name).exclude(version__in=kept).delete()
        self._write(engine, failed)

    def _write(self, engine: Engine, failed: int) -> None:
        try:
            live = live_index(engine)
            index = live.fresh(seconds=3600)
            live.write_snapshot()
        except (EngineError, OSError) as error:
            raise CommandError(f"{engine.name}: {error}") from error
        self.stdout.write(f"{engine.name}: {len(index)} pictures in the index, {failed} without a feature.")


def _renew(engine: Engine, everything: bool, image: Image) -> bool:
    """True if it failed; the old feature stays then."""
    try:
        picture = decode(originals.path_of(image.sha256, image.format), longest=1600, limits=decode_limits())
        return bool(store_features(image, picture, [engine], again=everything))
    except (PictureError, DecoderBusy, OSError):
        return True

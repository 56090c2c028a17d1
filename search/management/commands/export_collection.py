"""``manage.py export_collection TOKEN --to FOLDER``: a collection as a dataset."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from gallery.commands import GalleryCommand
from search.datasets import packing, saying
from search.datasets.errors import CollectionError
from search.datasets.index import FORMATS
from search.models import Collection


class Command(GalleryCommand):
    help = "Write the pictures of a collection into a folder, with an index and the licences, as its owner sees them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("token", metavar="TOKEN", help="Of the collection: the end of its address.")
        parser.add_argument("--to", required=True, metavar="FOLDER", help="An empty one, or one that is not there yet.")
        parser.add_argument("--index", choices=list(FORMATS), default="jsonl")
        parser.add_argument("--longest", type=int, default=0, metavar="PIXELS", help="Of a side; 0: the originals.")
        parser.add_argument("--metadata", action="store_true", help="Originals byte by byte, with places and cameras.")
        parser.add_argument("--base", default="http://localhost:8000", metavar="URL", help="Of the gallery.")

    def handle(self, *args: Any, token: str, to: str, base: str, **options: Any) -> None:
        found = Collection.objects.alive().select_related("owner").filter(token=token).first()
        if found is None:
            raise CommandError(f"There is no collection {token[:64]}.")
        place = Path(to).expanduser()
        try:
            wish = packing.Wish.of(options)
            total = found.items_for(found.owner).count()
            with tqdm(total=total, unit=" pictures", file=self.stderr, disable=None) as bar:
                packed = packing.to_folder(found, found.owner, wish, place, base, lambda n: bar.update(n - bar.n))
        except CollectionError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{place} cannot be written: {error.strerror or error}.") from error
        for left in packed.left_out:
            self.stderr.write(f"Picture {left['image']} is left out: {left['why']}")
        self.stdout.write(f"{saying.pictures(packed.count)} are in {place}.")

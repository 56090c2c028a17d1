"""A folder of this machine whose pictures have to pass the filters and a person, like those of strangers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import dropwhile, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django import forms

from gallery.originals import BLOCK
from ingestion.download import Answer, DownloadError
from ingestion.folders import SETTLED, Entry, find, new_entries
from ingestion.forms import checked_folder
from ingestion.models import MAX_FOLDER
from ingestion.sidecar_words import stored_path
from ingestion.sources._base import Crawler, Found, Options, Page, SourceError
from ingestion.sources._words import NAME, line

if TYPE_CHECKING:
    from gallery.originals import Incoming
    from ingestion.download import Web

PAGE = 1_000
"""Pictures that are told at once: a crawl ends after some pages without news, and nothing costs less than a look here.
"""


class FolderOptions(Options):
    folder = forms.CharField(
        max_length=MAX_FOLDER, help_text="Its whole path on the machine that runs the gallery, with all folders in it."
    )
    author = forms.CharField(required=False, max_length=255, help_text="Of all pictures in it, if it is known.")
    licence = forms.CharField(required=False, max_length=255, help_text="The same.")

    def clean_folder(self) -> str:
        return checked_folder(self.cleaned_data["folder"])


class FolderCrawler(Crawler):
    kind = "folder"
    label = "Folder"
    about = "The pictures in a folder of this machine: copied, and left where they are."
    options = FolderOptions

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        """In the order of their names. ``since``: {"after": where the last one lies in that order}; then {} again.

        A picture that has changed is another one. What was imported by watching the folder is left out.
        """
        folder = Path(options["folder"])
        after = tuple(map(tuple, since.get("after", ())))
        try:
            entries = dropwhile(lambda entry: _order(entry.path, folder) <= after, find(folder))
            new = new_entries(filter(_is_settled, entries))
            while page := list(islice(new, PAGE)):
                yield Page([_found(entry, options) for entry in page], {"after": _order(page[-1].path, folder)})
        except OSError as error:
            # A disk that is away comes back by itself, a right does not.
            refused = isinstance(error, PermissionError)
            raise SourceError(f"The folder cannot be read: {error.strerror}.", pauses=refused) from error
        yield Page([], {})

    def fetch(self, found: Found, options: dict[str, Any], web: Web, into: Incoming) -> Answer | None:
        path = os.fsdecode(bytes.fromhex(found.more["bytes"])) if "bytes" in found.more else found.url
        if not Path(os.path.normpath(path)).is_relative_to(options["folder"]):
            raise DownloadError("forbidden", "It does not lie in the folder of this source.")
        try:
            file = open(path, "rb")  # noqa: SIM115 - what goes wrong behind it may be our own disk
        except FileNotFoundError as error:
            raise DownloadError("gone", "The file is not there any more.") from error
        except OSError as error:
            raise DownloadError("forbidden", f"The file cannot be read: {error.strerror}.") from error
        with file:
            into.fill(iter(lambda: file.read(BLOCK), b""))
        return Answer(found.url, 200)


def _is_settled(entry: Entry) -> bool:
    """Nobody is writing it any more."""
    return abs(time.time() - entry.modified_ns / 1e9) > SETTLED


def _order(path: str, folder: Path) -> tuple[tuple[int, str], ...]:
    """As ``find`` walks: in each folder its files, then the folders in it."""
    *folders, name = Path(path).relative_to(folder).parts
    return (*((1, stored_path(each)) for each in folders), (0, stored_path(name)))


def _found(entry: Entry, options: dict[str, Any]) -> Found:
    shown = stored_path(entry.path)
    more: dict[str, Any] = {"size": entry.bytes}
    if shown != entry.path:  # no text, but bytes: the only way back to the file
        more["bytes"] = os.fsencode(entry.path).hex()
    return Found(
        shown,
        name=line(os.path.basename(shown), NAME),
        author=options.get("author", ""),
        licence=options.get("licence", ""),
        key=f"{shown}#{entry.bytes}-{entry.modified_ns}",
        more=more,
    )


CRAWLER = FolderCrawler()

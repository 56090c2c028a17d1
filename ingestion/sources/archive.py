"""An archive of pictures, on this machine or at an address: each picture in it is one thing found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from django import forms

from gallery.pictures import PictureError
from ingestion.archives import ArchiveError, PassedOver, is_archive, members
from ingestion.download import Answer, DownloadError, decoded
from ingestion.kept_archives import Kept, is_url, keep, refused_path
from ingestion.sources._base import Crawler, Found, Options, Page, SourceError
from ingestion.sources._words import file_name
from ingestion.unpacking import archived

if TYPE_CHECKING:
    from gallery.originals import Incoming
    from ingestion.download import Web

PAGE = 100
"""Members that are told at once."""


class ArchiveOptions(Options):
    address = forms.CharField(
        label="Archive",
        max_length=2000,
        help_text="A zip, tar or rar: its address, or its whole path on the machine that runs the gallery.",
    )
    author = forms.CharField(required=False, max_length=255, help_text="Of all pictures in it, if it is known.")
    licence = forms.CharField(required=False, max_length=255, help_text="The same.")

    def clean_address(self) -> str:
        address = self.cleaned_data["address"].strip()
        if is_url(address):
            return decoded(address)
        if why_not := refused_path(address):
            raise forms.ValidationError(why_not)
        try:
            if not is_archive(address):
                raise forms.ValidationError("This file is no archive: zip, tar and rar can be read.")
        except OSError as error:
            raise forms.ValidationError(f"This file cannot be read: {error.strerror}.") from error
        return os.path.realpath(address)


class ArchiveCrawler(Crawler):
    kind = "archive"
    label = "Archive"
    about = "The pictures in a zip, tar or rar, each as a candidate of its own; rar needs unrar or the like for most."
    options = ArchiveOptions

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        """``since``: {"of": the archive, "stamp": its version, "next": pictures told, "done", "passed_over"}"""
        address = options["address"]
        of = hashlib.sha256(address.encode()).hexdigest()[:16]
        seen = since if since.get("of") == of else {}
        kept = None
        try:
            kept = keep(address, web, news=bool(seen.get("done")))
            if kept is None or (seen.get("done") and kept.stamp == seen.get("stamp")):
                return
            begin = seen.get("next", 0) if kept.stamp == seen.get("stamp") else 0
            yield from self._pages(options, kept, begin, {"of": of, "stamp": kept.stamp})
        except (ArchiveError, PictureError) as error:
            if kept:
                kept.forget()
            raise SourceError(f"The archive was not read to its end. {error}", pauses=True) from error

    def _pages(self, options: dict[str, Any], kept: Kept, begin: int, since: dict[str, Any]) -> Iterator[Page]:
        passed_over = PassedOver()
        inside = islice(archived(_whole(options), kept.path, passed_over), begin, None)
        while page := [found for found, _ in islice(inside, PAGE)]:
            begin += len(page)
            yield Page(page, since | {"next": begin})
        yield Page([], since | {"next": begin, "done": True, "passed_over": passed_over.sentence})

    def fetch(self, found: Found, options: dict[str, Any], web: Web, into: Incoming) -> Answer | None:
        try:
            kept = keep(found.url, web)
            if kept is None:
                raise DownloadError("gone", "The archive is not there any more.")
            if not any(_fill(kept, found, place, into) for place in (found.more.get("place", ()), ())):
                raise DownloadError("gone", "The archive is another one by now, and this picture is not in it.")
        except ArchiveError as error:
            raise PictureError("corrupt", str(error)) from error
        return Answer(found.url, 200)


def _whole(options: dict[str, Any]) -> Found:
    """The archive itself."""
    address = options["address"]
    name = file_name(address) if is_url(address) else os.path.basename(address)
    author, licence = options.get("author", ""), options.get("licence", "")
    return Found(address, page=address if is_url(address) else "", name=name, author=author, licence=licence)


def _fill(kept: Kept, found: Found, place: Iterable[int], into: Incoming) -> bool:
    """With the member at its place; ``place`` (): wherever its name is met first, in another version of the archive."""
    for member in members(kept.path, place):
        if member.path == found.more.get("member") and not member.error:
            into.fill(member.open())
            return True
    return False


CRAWLER = ArchiveCrawler()

from __future__ import annotations

from collections.abc import Mapping

from django.utils.datastructures import MultiValueDict

from gallery.originals import IncomingFile, StorageError
from gallery.pictures import PictureError
from search.models import QueryPicture

MAX_PAGE = 1000


class PictureForm:
    """One picture in the field "picture". Not a Django form: its decoder would open the file in this process."""

    def __init__(self, data: Mapping, files: MultiValueDict) -> None:
        self.file: IncomingFile | None = files.get("picture")

    def accept(self) -> QueryPicture:
        """PictureError if nothing came, or no picture; StorageError, one too, if the disk refuses it."""
        if self.file is None:
            raise PictureError("empty", "No picture came with this search. Choose a file first.")
        if self.file.error:
            raise self.file.error
        try:
            return QueryPicture.accept(self.file.incoming)
        except OSError as error:
            raise StorageError(error) from error


class PageForm:
    """Which part of an answer is shown. Nonsense in the address means the first page."""

    def __init__(self, params: Mapping[str, str]) -> None:
        page = params.get("page", "1")
        self.page = min(MAX_PAGE, int(page)) if page.isascii() and page.isdecimal() and 0 < len(page) < 9 else 1
        self.page = max(1, self.page)
        self.weak = params.get("weak") == "1"

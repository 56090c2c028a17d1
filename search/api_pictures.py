"""The picture that a program asks with: a file, an address, a picture of the gallery, or that of the page before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from gallery.models import decode_limits
from gallery.originals import IncomingFile, StorageError
from gallery.pictures import Picture, decode
from gallery.refusal import Refusal
from gallery.views import find_image
from search.api_answers import Place
from search.api_fields import Asking, cropped
from search.models import QueryPicture
from search.models.queries import QUERY_LONGEST
from search.query import Query
from search.retrieval import query_of

OVER = "The picture of this search is deleted by now. Send it again, without a cursor."
NO_PIXELS = "The thumbnail of this picture is missing or damaged, so no part of it can be asked with."


class Brought:
    """What somebody asks with; ``query`` is None if that is no picture. PictureError, Http404, Refusal.

    A cursor knows its picture: what is sent beside it is not looked at again.
    """

    def __init__(self, request: HttpRequest, asking: Asking, file: IncomingFile | None) -> None:
        self.request, self.asking, self.file = request, asking, file
        self.token = Place.of(asking).token
        self.told: dict[str, Any] = {}
        self.query = self._query()
        if self.query is None and asking.box:
            raise Refusal(422, "invalid", "box: there is no picture to take a part of")
        if self.query and asking.box:
            self.query = self._part(self.query)
            self.told["box"] = asking.box

    def keep(self) -> str:
        """The token under which the picture can be asked with again; "" if the fields say which it is."""
        if self.file is not None and not self.token:
            self.token = _accepted(self.file).token
        return self.token

    def _query(self) -> Query | None:
        if self.asking.id is not None:
            image = find_image(self.request, self.asking.id)
            self.told = {"id": image.pk}
            return query_of(image, closely=bool(self.asking.box))
        if self.token or self.asking.url:
            return Query(picture=self._kept())
        if self.file is not None:
            picture = decode(_whole(self.file), longest=QUERY_LONGEST, limits=decode_limits())
            return self._named(picture, self.file.name or "")
        return None

    def _kept(self) -> Picture:
        row = QueryPicture.objects.alive().filter(token=self.token).first() if self.token else self._fetched()
        if row is None:
            raise Refusal(410, "over", OVER)
        self.token = row.token
        try:
            picture = row.picture()
        except FileNotFoundError as error:
            raise Refusal(410, "over", OVER) from error
        self._named(picture, row.name)
        return picture

    def _fetched(self) -> QueryPicture:
        return import_string(settings.FETCH_PICTURE)(self.asking.url, self.request)

    def _named(self, picture: Picture, name: str) -> Query:
        self.told = {"picture": {"name": name, "width": picture.width, "height": picture.height}}
        return Query(picture=picture)

    def _part(self, query: Query) -> Query:
        """Nothing is stored of a part: its pixels are asked with."""
        if query.picture is None:
            raise Refusal(410, "missing", NO_PIXELS)
        return replace(query, picture=cropped(query.picture, self.asking.box), image_id=None)


def _whole(file: IncomingFile) -> Any:
    """The path of what came. PictureError."""
    if file.error:
        raise file.error
    return file.incoming.path


def _accepted(file: IncomingFile) -> QueryPicture:
    try:
        return QueryPicture.accept(file.incoming)
    except OSError as error:
        raise StorageError(error) from error

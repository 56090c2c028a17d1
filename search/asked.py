"""The picture that is asked with, as pages show it: one that somebody brought, or one of the gallery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from gallery.models import Image
from gallery.pictures import PictureError, decode
from gallery.views import find_image
from search.errors import QueryError
from search.evidence import EvidenceError
from search.models import QueryPicture
from search.query import Query
from search.retrieval import query_of

GONE = "This query is over: its picture is gone."
MISSING = "The thumbnail of a picture is missing or damaged. The owner of the gallery can see why."


@dataclass(frozen=True)
class Asked:
    query: Query
    name: str
    width: int
    height: int
    format: str
    picture: str
    """Address of a rendition of at most 720 pixels."""
    address: str
    """Of its answer."""
    image: Image | None = None
    kept: QueryPicture | None = None

    @classmethod
    def brought(cls, token: str) -> Asked:
        """Http404 if the query is over; EvidenceError if what was kept of it is damaged."""
        kept = get_object_or_404(QueryPicture.objects.alive(), token=token)
        try:
            query = Query(picture=kept.picture())
        except FileNotFoundError as error:
            raise Http404(GONE) from error
        except PictureError as error:
            raise EvidenceError(str(error), error.status) from error
        picture, address = reverse("query_picture", args=[token]), kept.get_absolute_url()
        return cls(query, kept.name, kept.width, kept.height, kept.format, picture, address, kept=kept)

    @classmethod
    def of_gallery(cls, request: HttpRequest, pk: int, closely: bool = False) -> Asked:
        """``closely``: as query_of means it."""
        image = find_image(request, pk)
        query, address = query_of(image, closely), reverse("like", args=[pk])
        return cls(query, image.name, image.width, image.height, image.format, middle(image), address, image=image)

    @property
    def called(self) -> str:
        """In the beginning of a sentence."""
        return self.image.name if self.image else "Your picture"

    def pixels(self) -> np.ndarray:
        """(h, w, 3) uint8."""
        if self.query.picture is not None:
            return self.query.picture.pixels
        if self.image is None:
            raise QueryError("Nothing was asked with a picture.")
        return pixels_of(self.image)


def middle(image: Image) -> str:
    """The address of its rendition of 720 pixels, or of the largest one below."""
    return image.renditions[:2][-1].url


def pixels_of(image: Image, longest: int = 1600) -> np.ndarray:
    """(h, w, 3) uint8 of a picture of the gallery, from its largest rendition."""
    try:
        return decode(image.screen.path, longest=longest).pixels
    except (OSError, PictureError) as error:
        raise EvidenceError(MISSING, 503) from error

"""Pictures of the gallery: read, describe, tag, throw away and take back. search/images_api.py lists them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db import transaction
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field

from gallery import api_edits, views
from gallery.api_access import Access
from gallery.api_bodies import WEBP, answers_with
from gallery.api_pages import NO_NUL, REFUSALS, Id, Problem, example, reader_of
from gallery.images_schemas import ImageOut, image_out
from gallery.models import Edit, Image, Scope
from gallery.refusal import Refusal
from gallery.renditions import LONGEST
from gallery.views import find_image
from gallery.words import LONGEST_CAPTION, LONGEST_TAG, MOST_TAGS

TagWritten = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG, pattern=r"^[^\x00,、，]+$")]
SIZES = ", ".join(map(str, LONGEST))
Longest = Annotated[int, Field(ge=1, le=100_000, description=f"Pixels of its longest side, of {SIZES}.")]
MOST_EDITS = 200
KEPT, KEPT_PRIVATE = 86_400, 300
"""Seconds for which a browser keeps a copy: what is private may be gone by then, what is public may become so."""

router = Router(tags=["images"])


class Change(Schema):
    """What to change; what is left out stays as it is. A person's word stands above every machine's."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=example(caption="A boat at sea", add_tags=["sea", "boat"])
    )
    caption: Annotated[str, Field(max_length=LONGEST_CAPTION, pattern=NO_NUL)] | None = Field(
        None, description="Empty: take yours away."
    )
    add_tags: list[TagWritten] = Field([], max_length=MOST_TAGS, description="New ones are made.")
    remove_tags: list[TagWritten] = Field([], max_length=MOST_TAGS, description="No network suggests them again.")
    private: bool | None = Field(None, description="Only its owners may say.")


class EditOut(Schema):
    id: int
    at: datetime
    by: str | None = Field(description="null for an account that is removed.")
    sentence: str


@router.get("/{id}", auth=Access(), response={200: ImageOut, REFUSALS: Problem}, summary="One picture")
def read(request: HttpRequest, id: Id) -> ImageOut:
    """What is known of it. Owners and moderators also get what is in the trash."""
    return _out(request, find_image(request, id))


@router.patch("/{id}", auth=Access(Scope.WRITE), response={200: ImageOut, REFUSALS: Problem}, summary="Describe it")
def change(request: HttpRequest, id: Id, change: Change) -> ImageOut:
    """Caption, tags, private or not: all of it or nothing. The history of the picture keeps it and can revert it. Its
    name is that of the file as it came, and stays."""
    image, user = find_image(request, id), reader_of(request)
    with transaction.atomic():
        if change.private is not None:
            api_edits.make_private(image, change.private, user)
        if change.caption is not None:
            api_edits.caption(image, change.caption, user)
        api_edits.tag(image, change.add_tags, change.remove_tags, user)
    return _out(request, find_image(request, id))


@router.delete("/{id}", auth=Access(Scope.WRITE), response={204: None, REFUSALS: Problem}, summary="Into the trash")
def delete(request: HttpRequest, id: Id) -> Status:
    """Your own picture, or as a moderator any public one. It can be restored until the trash is emptied."""
    api_edits.trash(find_image(request, id), reader_of(request))
    return Status(204, None)


@router.post(
    "/{id}/restore", auth=Access(Scope.WRITE), response={200: ImageOut, REFUSALS: Problem}, summary="Out of the trash"
)
def restore(request: HttpRequest, id: Id) -> ImageOut:
    """It is shown again as soon as its thumbnails are made again."""
    image = find_image(request, id)
    api_edits.restore(image, reader_of(request))
    return _out(request, image)


@router.get(
    "/{id}/original",
    auth=Access(),
    response={REFUSALS: Problem},
    url_name="original",
    summary="Its file",
    openapi_extra=answers_with("image/*", "The bytes as they came."),
)
def original(request: HttpRequest, id: Id) -> HttpResponseBase:
    """The bytes as they came, with all that a camera wrote into them."""
    response = views.original(request, id)
    if response.status_code == 503:
        raise Refusal(410, "missing", "The file of this picture is missing. The owner of the gallery can see why.")
    return response


@router.get(
    "/{id}/renditions/{longest}",
    auth=Access(),
    response={REFUSALS: Problem},
    url_name="rendition",
    summary="A sized copy",
    openapi_extra=WEBP,
)
def rendition(request: HttpRequest, id: Id, longest: Longest) -> FileResponse:
    """WebP without any metadata; 404 where the picture has none of this size, or none yet."""
    image = find_image(request, id)
    here = next((each for each in image.renditions if each.longest == longest), None)
    try:
        file = here.path.open("rb") if here else None
    except FileNotFoundError:
        file = None
    if file is None:
        raise Refusal(404, "not_found", "There is no such copy of this picture.")
    response = FileResponse(file, content_type="image/webp")
    patch_cache_control(response, private=True, max_age=KEPT_PRIVATE if image.private else KEPT)
    return response


@router.get(
    "/{id}/history", auth=Access(), response={200: list[EditOut], REFUSALS: Problem}, summary="What people did to it"
)
def history(request: HttpRequest, id: Id) -> list[EditOut]:
    """The newest first, at most 200. Each can be reverted on the page of its history."""
    edits = Edit.objects.visible_to(request.user).with_people().filter(image=find_image(request, id))[:MOST_EDITS]
    return [EditOut(id=e.pk, at=e.at, by=e.by.get_username() if e.by else None, sentence=e.sentence) for e in edits]


def _out(request: HttpRequest, image: Image) -> ImageOut:
    return image_out(image, request.user, request)

"""A picture of the gallery as the API tells it: everywhere the same, with as few questions for a list as for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from ninja import Schema
from pydantic import Field

from gallery.models import Image, ImageSource, Role, Tag, role_of
from gallery.renditions import Rendition

Person = AbstractBaseUser | AnonymousUser


class TagName(Schema):
    name: str
    category: str


class RenditionOut(Schema):
    """A sized copy, WebP without metadata."""

    url: str = Field(description="Open to whoever may see the picture, also with a token.")
    width: int
    height: int


class OriginOut(Schema):
    kind: str
    address: str = Field(description="URL, or for moderators the path on the server; empty if it is not told.")
    title: str
    author: str
    licence: str


class ImageOut(Schema):
    """A picture of the gallery. Addresses are absolute."""

    id: int
    name: str
    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    added_at: datetime
    taken_at: datetime | None
    caption: str
    tags: list[TagName] = Field(description="That are shown, with those that they imply, by name.")
    palette: list[tuple[str, float]] = Field(description="Colours as hex, each with its share 0..1, largest first.")
    private: bool = Field(description="Only its owners see it.")
    state: str = Field(description="ready; new: still being prepared; trashed.")
    page: str
    original: str
    thumbnail: str
    renditions: list[RenditionOut] = Field(description="Smallest first.")
    sources: list[OriginOut]


def image_out(image: Image, user: Person, request: HttpRequest) -> ImageOut:
    """``request``: what its addresses begin with."""
    return images_out([image], user, request)[0]


def images_out(images: Sequence[Image], user: Person, request: HttpRequest) -> list[ImageOut]:
    """In the same order, with three statements however many they are. Of images that this user may see."""
    tags, sources = _tags_of(images), _sources_of(images, user)
    return [
        ImageOut(**facts_of(image, request), tags=tags.get(image.pk, []), sources=sources.get(image.pk, []))
        for image in images
    ]


def facts_of(image: Image, request: HttpRequest) -> dict[str, Any]:
    """What the row itself says."""
    absolute = request.build_absolute_uri
    same = ("name", "width", "height", "format", "bytes", "sha256", "added_at", "taken_at", "caption", "private")
    return {
        "id": image.pk,
        **{name: getattr(image, name) for name in same},
        "palette": image.palette,
        "state": "trashed" if image.trashed_at else image.state,
        "page": absolute(image.get_absolute_url()),
        "original": absolute(reverse("api:original", args=[image.pk])),
        "thumbnail": absolute(_address(image, image.thumbnail)),
        "renditions": [
            RenditionOut(url=absolute(_address(image, each)), width=each.width, height=each.height)
            for each in image.renditions
        ],
    }


def _address(image: Image, rendition: Rendition) -> str:
    """Where the public mount has it not, the operation that takes a token."""
    if image.private or settings.ACCESS != "public":
        return reverse("api:rendition", args=[image.pk, rendition.longest])
    return rendition.url


def _tags_of(images: Iterable[Image]) -> dict[int, list[TagName]]:
    """{image: tags by name}"""
    have = dict(Image.objects.filter(pk__in=[image.pk for image in images]).values_list("pk", "tag_ids"))
    wanted = {pk for ids in have.values() for pk in ids}
    rows = Tag.objects.filter(pk__in=wanted).order_by("name") if wanted else ()
    names = {tag.pk: TagName(name=tag.name, category=tag.category) for tag in rows}
    place = {pk: number for number, pk in enumerate(names)}
    return {
        pk: [names[each] for each in sorted(set(ids) & place.keys(), key=place.__getitem__)] for pk, ids in have.items()
    }


def _sources_of(images: Iterable[Image], user: Person) -> dict[int, list[OriginOut]]:
    found: dict[int, list[OriginOut]] = {}
    for row in ImageSource.objects.visible_to(user).filter(image__in=[image.pk for image in images]):
        found.setdefault(row.image_id, []).append(_source_out(row, user))
    return found


def _source_out(row: ImageSource, user: Person) -> OriginOut:
    """A path of the server is told to moderators only; of an upload there is none, its address is a file name."""
    told = role_of(user) >= Role.MODERATOR or row.address.lower().startswith(("http://", "https://"))
    return OriginOut(
        kind=row.kind, address=row.address if told else "", title=row.title, author=row.author, licence=row.licence
    )

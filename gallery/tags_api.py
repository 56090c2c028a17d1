"""Tags: list and read. search/complete_api.py completes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from gallery.api_access import Access
from gallery.api_pages import NO_NUL, REFUSALS, Cursor, Id, Limit, Page, Problem, opened, reader_of, sealed
from gallery.models import Role, Tag, role_of
from gallery.tags import Shelf

router = Router(tags=["tags"])

Part = Annotated[str, Field(max_length=100, pattern=NO_NUL)]


class TagOut(Schema):
    id: int
    name: str
    category: str
    pictures: int = Field(description="How many of the gallery have it.")


class TagDetail(TagOut):
    aliases: list[str] = Field(description="Other names of it.")
    implies: list[str] = Field(description="What has it has these as well.")
    implied_by: list[str]


class Asked(Schema):
    prefix: Part = Field("", description="What its name begins with.")
    part: Part = Field("", description="What its name, or another name of it, has in it.")
    category: Part | None = Field(None, description="Only of this one; empty: those of none.")
    sort: Literal["most", "name"] = "most"
    limit: Limit = 100
    cursor: Cursor = ""


@dataclass(frozen=True)
class _Begun(Shelf):
    prefix: str = ""

    def tags(self) -> QuerySet[Tag]:
        return super().tags().filter(name__startswith=self.prefix)


@router.get("", auth=Access(), response={200: Page[TagOut], REFUSALS: Problem}, summary="All tags")
def tags(request: HttpRequest, asked: Query[Asked]) -> Page[TagOut]:
    """With the number of pictures that have each. Moderators also get those that no picture has."""
    what = asked.prefix.lower(), asked.part.lower(), asked.category, asked.sort
    shelf = _Begun(asked.sort, asked.category, what[1], _all(request), what[0], user=reader_of(request))
    rows, after = shelf.page(opened(asked.cursor, "tags", *what), asked.limit)
    return Page[TagOut](items=[_out(tag) for tag in rows], next=sealed(after, "tags", *what) if after else None)


@router.get("/{id}", auth=Access(), response={200: TagDetail, REFUSALS: Problem}, summary="One tag")
def tag(request: HttpRequest, id: Id) -> TagDetail:
    """Its other names, and what it implies."""
    told = Tag.objects.told_to(reader_of(request))
    found: Any = told.counted().filter(pk=id).first()
    if found is None or not (found.pictures > 0 or _all(request)):
        raise Http404
    names = told.order_by("name").values_list("name", flat=True)
    return TagDetail(
        **_out(found).model_dump(),
        aliases=list(found.aliases.values_list("name", flat=True)),
        implies=list(names.filter(implied_by__tag=found)),
        implied_by=list(names.filter(implications__implied=found)),
    )


def _all(request: HttpRequest) -> bool:
    return role_of(reader_of(request)) >= Role.MODERATOR


def _out(tag: Any) -> TagOut:
    return TagOut(id=tag.pk, name=tag.name, category=tag.category, pictures=max(0, tag.pictures))

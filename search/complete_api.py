"""What a few letters of a tag may become."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from gallery.api_access import Access
from gallery.api_pages import NO_NUL, REFUSALS, Problem
from search.complete import complete_tag

router = Router(tags=["tags"])


class Written(Schema):
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = Field(description="What is written of the name.")


class Completed(Schema):
    name: str
    pictures: int
    category: str
    says: str = Field(description="The other name by which it was found, if it was.")


@router.get("/complete", auth=Access(), response={200: list[Completed], REFUSALS: Problem}, summary="Complete a name")
def complete(request: HttpRequest, written: Query[Written]) -> list[dict[str, Any]]:
    """Tags whose name, or another name, begins so; then those that are written nearly so."""
    found = complete_tag(written.q, used=not request.user.is_authenticated, user=request.user)
    return [
        {"name": one.label, "pictures": max(0, one.count or 0), "category": one.note, "says": one.said} for one in found
    ]

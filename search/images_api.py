"""Pictures of the gallery by a query, page by page without end; and what is like one of them."""

from __future__ import annotations

from dataclasses import replace
from secrets import randbelow
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from gallery.api_access import Access
from gallery.api_pages import NO_NUL, REFUSALS, Cursor, Id, Limit, Page, Problem, opened, reader_of, sealed
from gallery.images_schemas import ImageOut, images_out
from gallery.limits import search_limit, take_as_visitor
from gallery.paging import ORDERS, Order
from gallery.views import find_image
from search.api_answers import Question, SearchAnswer, answer_to
from search.api_errors import refusing
from search.api_fields import Line, Wanted
from search.errors import QueryError
from search.language import parse
from search.listing import Listing, sort_of
from search.retrieval import only_meaning, query_of

router = Router(tags=["images"])
router.add_decorator(refusing)


class Asked(Schema):
    q: Line = Field("", description="In the query language, taken to the letter; empty: all pictures.")
    sort: Annotated[str, Field(max_length=20, pattern=NO_NUL)] = Field(
        "", description=f"One of {', '.join(ORDERS)}; empty: as the query says, or newest."
    )
    cursor: Cursor = ""
    limit: Limit = 60


@router.get("", auth=Access(), response={200: Page[ImageOut], REFUSALS: Problem}, summary="All pictures, or some")
def images(request: HttpRequest, asked: Query[Asked]) -> Page[ImageOut]:
    """In an order that new pictures do not shift. Random ones are shuffled anew with each first page."""
    if asked.q.strip():
        take_as_visitor(request, search_limit())  # as on the page of searching
    seed, place = _place(asked)
    listing = _listing(request, asked, seed)
    rows, after = listing.page(place, asked.limit)
    return Page[ImageOut](
        items=images_out(rows, reader_of(request), request),
        next=sealed(f"{seed}:{after}", asked.q, asked.sort) if after else None,
    )


def _place(asked: Asked) -> tuple[int, str]:
    """(seed of a shuffle, place in the order)"""
    opened_place = opened(asked.cursor, asked.q, asked.sort)
    if not opened_place:
        return randbelow(10**6), ""
    seed, _, place = opened_place.partition(":")
    return int(seed), place


def _listing(request: HttpRequest, asked: Asked, seed: int) -> Listing:
    parsed = parse(asked.q.strip())
    if parsed.tree is None and parsed.without:
        raise QueryError(only_meaning(parsed.without[0]))
    sort = sort_of(asked.sort) if asked.sort else parsed.sort
    order = Order(sort if sort in ORDERS else "newest", seed)
    return Listing(replace(parsed, sort=""), reader_of(request), order)


@router.get("/{id}/similar", auth=Access(), response={200: SearchAnswer, REFUSALS: Problem}, summary="What is like it")
def similar(request: HttpRequest, id: Id, wanted: Query[Wanted]) -> SearchAnswer:
    """The same as a search by id."""
    image = find_image(request, id)
    take_as_visitor(request, search_limit())
    told: dict[str, Any] = {"id": image.pk}
    return answer_to(Question(request, wanted, query_of(image), told, besides=id), lambda: "")

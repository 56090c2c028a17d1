"""Searches that somebody has named."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, QueryDict
from django.urls import resolve, reverse
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field

from gallery.api_access import Access
from gallery.api_pages import NO_NUL, REFUSALS, Cursor, Limit, Page, Problem, Token, example, page_by_id, reader_of
from gallery.limits import search_limit, take_as_visitor
from gallery.models import Scope
from gallery.refusal import Refusal
from gallery.views import find_image
from search.api_answers import Question, SearchAnswer, answer_to
from search.api_errors import refusing
from search.api_fields import Wanted
from search.models import SavedSearch
from search.models.queries import new_token
from search.retrieval import query_of
from search.saved_address import LONGEST_ADDRESS, LONGEST_NAME, SaveError, storable, storable_name
from search.saved_views import MOST, TAKEN

router = Router(tags=["saved searches"])
router.add_decorator(refusing)

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=NO_NUL)]
Text = Annotated[str, Field(max_length=1_000, pattern=NO_NUL)]


class SavedOut(Schema):
    token: str
    name: str
    address: str = Field(description="Path and query of the page that answers it.")
    page: str = Field(description="The same, whole.")
    feed: str | None = Field(description="An Atom feed of it; null where nothing can be followed.")
    mine: bool
    shared: bool
    created_at: datetime


class NewSaved(Schema):
    """``q`` in the query language, or the ``address`` of any answer on the pages of this gallery."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=example(name="wide and winter", q="winter && width>=1920")
    )
    name: Name
    q: Text = ""
    address: Annotated[str, Field(max_length=LONGEST_ADDRESS, pattern=NO_NUL)] = ""
    shared: Annotated[bool, Field(description="Everybody who may look at the gallery sees it.")] = False


class SavedChange(Schema):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(shared=True))
    name: Name | None = None
    shared: bool | None = Field(None, description="A search that is shared no more gets another token.")


class Part(Schema):
    weak: bool = False
    limit: Limit = 50
    cursor: Cursor = ""
    explain: bool = False


class Listed(Schema):
    limit: Limit = 100
    cursor: Cursor = ""


@router.get("", auth=Access(), response={200: Page[SavedOut], REFUSALS: Problem}, summary="Yours, and shared ones")
def saved(request: HttpRequest, listed: Query[Listed]) -> Page[SavedOut]:
    """Oldest first."""
    rows = SavedSearch.objects.visible_to(reader_of(request))
    page, onward = page_by_id(rows, listed.limit, listed.cursor, "saved", rising=True)
    return Page[SavedOut](items=[_out(request, each) for each in page], next=onward)


@router.post("", auth=Access(Scope.WRITE), response={201: SavedOut, REFUSALS: Problem}, summary="Give a search a name")
def save(request: HttpRequest, new: NewSaved) -> Status:
    """409 if you have another search of this name."""
    if bool(new.q) == bool(new.address):
        raise Refusal(422, "invalid", "Send q or address, one of them.")
    query = QueryDict(mutable=True)
    query["q"] = new.q
    address = new.address or f"{reverse('search')}?{query.urlencode()}"
    mine = SavedSearch.objects.filter(owner=reader_of(request))
    if mine.alive().count() >= MOST:
        raise Refusal(409, "too_many", f"You have {MOST:,} saved searches: delete one first.")
    mine.expired().delete()
    row = SavedSearch(owner=reader_of(request), is_shared=new.shared)
    row.name, row.address = _storable(new.name, address)
    return Status(201, _out(request, _written(row)))


@router.patch(
    "/{token}", auth=Access(Scope.WRITE), response={200: SavedOut, REFUSALS: Problem}, summary="Rename or share it"
)
def change(request: HttpRequest, token: Token, change: SavedChange) -> SavedOut:
    """Only your own."""
    row = _mine(request, token)
    if change.name is not None:
        row.name, _ = _storable(change.name, row.address)
    if change.shared is not None:
        if row.is_shared and not change.shared:
            row.token = new_token()  # whoever has seen it knows the one before
        row.is_shared = change.shared
    return _out(request, _written(row))


@router.delete(
    "/{token}", auth=Access(Scope.WRITE), response={204: None, REFUSALS: Problem}, summary="Delete it, for a day"
)
def delete(request: HttpRequest, token: Token) -> Status:
    """It can be restored for a day."""
    SavedSearch.objects.filter(pk=_mine(request, token).pk).update(deleted_at=Now())
    return Status(204, None)


@router.post(
    "/{token}/restore", auth=Access(Scope.WRITE), response={200: SavedOut, REFUSALS: Problem}, summary="Take it back"
)
def restore(request: HttpRequest, token: Token) -> SavedOut:
    """What has got its name meanwhile keeps it: 409."""
    row = SavedSearch.objects.kept().filter(token=token, owner=reader_of(request)).first()
    if row is None:
        raise Http404
    row.deleted_at = None
    return _out(request, _written(row))


@router.get("/{token}/results", auth=Access(), response={200: SearchAnswer, REFUSALS: Problem}, summary="Its answer")
def results(request: HttpRequest, token: Token, part: Query[Part]) -> SearchAnswer:
    """What it finds now."""
    row = SavedSearch.objects.visible_to(reader_of(request)).filter(token=token).first()
    if row is None:
        raise Http404
    take_as_visitor(request, search_limit())
    return answer_to(_question(request, row, part), lambda: "")


def _question(request: HttpRequest, row: SavedSearch, part: Part) -> Question:
    params, route = QueryDict(row.query), resolve(row.address.partition("?")[0])
    wanted = Wanted.model_construct(q=params.get("q", ""), colours=params.get("c", ""), **part.model_dump())
    if route.url_name != "like":
        return Question(request, wanted, params=params)
    image = find_image(request, route.kwargs["pk"])
    return Question(request, wanted, query_of(image), {"id": image.pk}, besides=image.pk, params=params)


def _mine(request: HttpRequest, token: str) -> SavedSearch:
    """Http404 if it is somebody else's."""
    row = SavedSearch.objects.alive().filter(token=token, owner=reader_of(request)).first()
    if row is None:
        raise Http404
    return row


def _storable(name: str, address: str) -> tuple[str, str]:
    try:
        return storable_name(name), storable(address)
    except SaveError as error:
        raise Refusal(422, "invalid", str(error)) from error


def _written(row: SavedSearch) -> SavedSearch:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Refusal(409, "taken", TAKEN) from error
    row.refresh_from_db()
    return row


def _out(request: HttpRequest, row: SavedSearch) -> SavedOut:
    absolute = request.build_absolute_uri
    return SavedOut(
        token=row.token,
        name=row.name,
        address=row.address,
        page=absolute(row.address),
        feed=absolute(reverse("saved_atom", args=[row.token])) if row.is_in_words else None,
        mine=row.owner_id == request.user.pk,
        shared=row.is_shared,
        created_at=row.created_at,
    )

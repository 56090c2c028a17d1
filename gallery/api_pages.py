"""What operations of the API share: numbers and words that come in, pages that go out, and how they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from ninja import Schema
from pydantic import Field

from gallery.refusal import Refusal

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)
MOST = 1_000
Limit = Annotated[int, Field(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str, Field(max_length=400, description="The next of the page before; empty for the first one.")]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""Of a row: larger numbers would be an error in PostgreSQL."""
Token = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
"""Of a row that is not told by its number: it cannot be guessed."""
NO_NUL = r"^[^\x00]*$"
"""A pattern for every string that comes in: no text in PostgreSQL holds a NUL."""

REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 503, 507})
"""Any operation may answer so, with a Problem."""


class Problem(Schema):
    """Every refusal."""

    detail: str = Field(description="A sentence for a person.")
    code: str = Field(description="One word for a program.")


class Page(Schema, Generic[Item]):
    items: list[Item]
    next: str | None = Field(None, description="The cursor of the next page; null on the last one.")


def example(**fields: Any) -> dict[str, Any]:
    """``json_schema_extra`` of a body: what somebody may send."""
    return {"examples": [fields]}


def sealed(place: str, *asked: Any) -> str:
    """A cursor that only fits what was asked here."""
    return f"{place}~{_seal(place, asked)}"


def opened(cursor: str, *asked: Any) -> str:
    """The place in a cursor; "" for the first page. Refusal if it was changed, or belongs to something else."""
    if not cursor:
        return ""
    place, _, seal = cursor.rpartition("~")
    if not constant_time_compare(seal, _seal(place, asked)):
        sentence = "This cursor belongs to another question. Ask for the first page again, without it."
        raise Refusal(400, "cursor", sentence)
    return place


def page_by_id(
    rows: QuerySet[Row], limit: int, cursor: str, *asked: Any, rising: bool = False
) -> tuple[list[Row], str | None]:
    """(rows of this page, the cursor of the next one), the newest first, or as they came. ``asked``: what the cursor
    belongs to. Refusal."""
    place = opened(cursor, *asked)
    if place:
        rows = rows.filter(pk__gt=int(place)) if rising else rows.filter(pk__lt=int(place))
    found = list(rows.order_by("pk" if rising else "-pk")[: limit + 1])
    page = found[:limit]
    return page, sealed(str(page[-1].pk), *asked) if len(found) > limit else None


def _seal(place: str, asked: Sequence[Any]) -> str:
    return salted_hmac("gallery.api", repr((place, asked)), algorithm="sha256").hexdigest()[:20]


def reader_of(request: HttpRequest) -> Any:
    """Who asks: Access has looked. In one place, for Django says ``AbstractBaseUser | AnonymousUser`` of it."""
    return request.user

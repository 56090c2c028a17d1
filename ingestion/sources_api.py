"""Where pictures are looked for: add a source, try it, watch what it brings, pause it. For admins."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Annotated, Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import Field

from gallery.api_access import Access
from gallery.api_pages import REFUSALS, Cursor, Limit, Page, Problem, opened, reader_of, sealed
from gallery.models import Scope
from gallery.refusal import Refusal
from ingestion import mining_tasks
from ingestion.models import Crawl, Source
from ingestion.sources import all_crawlers
from ingestion.sources._base import Crawler
from ingestion.sources_schemas import (
    KindOut,
    Name,
    SourceChange,
    SourceListed,
    SourceNew,
    SourceOut,
    SourceTried,
    TrialOut,
    forms_of,
    kind_out,
    source_out,
    sources_out,
    trial_out,
)
from ingestion.trial import HOW_MANY, Busy, trial

LONGEST_TRIAL = 45.0
"""Seconds, after which no further picture is begun: a server may want a second between two."""
UNTITLED = "untitled"
ADMIN = Access(Scope.ADMIN)
HowMany = Annotated[int, Field(ge=1, le=HOW_MANY, description="Pictures.")]

router = Router(tags=["sources"])


# --- looking
@router.get("", auth=ADMIN, response={200: Page[SourceListed], REFUSALS: Problem}, summary="All sources")
def list_sources(
    request: HttpRequest,
    removed: Annotated[bool, Field(description="Instead, those that were removed.")] = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """By their names, with what each has brought."""
    after = opened(cursor, "sources", removed)
    rows = (Source.objects.exclude(removed_at=None) if removed else Source.objects.here()).filter(name__gt=after)
    found = list(rows.order_by("name")[: limit + 1])
    more = len(found) > limit
    return {
        "items": sources_out(found[:limit]),
        "next": sealed(found[limit - 1].name, "sources", removed) if more else None,
    }


@router.get("/kinds", auth=ADMIN, response={200: list[KindOut], REFUSALS: Problem}, summary="Kinds of sources")
def kinds(request: HttpRequest) -> list[dict[str, Any]]:
    """What each asks for when one is added."""
    return [kind_out(crawler) for crawler in all_crawlers().values()]


@router.post(
    "/test", auth=ADMIN, response={200: list[TrialOut], REFUSALS: Problem}, summary="Test a source to be added"
)
def try_new(request: HttpRequest, said: SourceTried, limit: HowMany = 5) -> list[dict[str, Any]]:
    """The first pictures that it would bring, with every score. Nothing is stored, not even the source."""
    return _tried(forms_of(said, _crawler(said.kind), name=UNTITLED).filled(), limit)


@router.get("/{name}", auth=ADMIN, response={200: SourceOut, REFUSALS: Problem}, summary="One source")
def read_source(request: HttpRequest, name: Name) -> dict[str, Any]:
    """Its pace, what it has brought, and how its last crawls have ended."""
    return source_out(_source(name))


# --- adding and changing
@router.post("", auth=ADMIN, response={201: SourceOut, REFUSALS: Problem}, summary="Add a source")
def add_source(request: HttpRequest, said: SourceNew) -> Status[dict[str, Any]]:
    """It is crawled at once. Test it first with POST /api/sources/test."""
    source = forms_of(said, _crawler(said.kind), name=said.name).filled()
    source.created_by = reader_of(request)
    try:
        with transaction.atomic():
            source.save()
    except IntegrityError as error:
        raise Refusal(409, "taken", f"Somebody has added a source called {source.name} at this moment.") from error
    Crawl.objects.begin(source)
    mining_tasks.ring()
    source.refresh_from_db()
    return Status(201, source_out(source))


@router.patch("/{name}", auth=ADMIN, response={200: SourceOut, REFUSALS: Problem}, summary="Change a source")
def change_source(request: HttpRequest, name: Name, said: SourceChange) -> dict[str, Any]:
    """With other options it begins anew. Options are changed one by one, rules as a whole."""
    source = _source(name)
    forms_of(said, _crawler(source.kind, 409), source).save()
    return source_out(_source(name))


# --- trying
@router.post("/{name}/test", auth=ADMIN, response={200: list[TrialOut], REFUSALS: Problem}, summary="Test a source")
def try_source(request: HttpRequest, name: Name, limit: HowMany = 5) -> list[dict[str, Any]]:
    """The first pictures that it would bring, with every score. Nothing is stored."""
    return _tried(_source(name), limit)


def _tried(source: Source, limit: int) -> list[dict[str, Any]]:
    results, ends = [], time.monotonic() + LONGEST_TRIAL
    try:
        with closing(trial(source, limit)) as looked:  # type: ignore[type-var] # a generator
            for result in looked:
                results.append(trial_out(result))
                if time.monotonic() > ends:
                    break
    except Busy as error:
        raise Refusal(503, "busy", str(error), {"Retry-After": "60"}) from error
    return results


# --- deciding
@router.post("/{name}/crawl", auth=ADMIN, response={202: SourceOut, REFUSALS: Problem}, summary="Crawl it now")
def crawl_now(request: HttpRequest, name: Name) -> Status[dict[str, Any]]:
    """If it is being crawled already, nothing more happens."""
    source = _here(name)
    if not source.active:
        raise Refusal(409, "paused", f"{source.name} is paused. Let it go on first.")
    Crawl.objects.begin(source)
    mining_tasks.ring()
    return Status(202, source_out(source))


@router.post("/{name}/pause", auth=ADMIN, response={200: SourceOut, REFUSALS: Problem}, summary="Pause it")
def pause(request: HttpRequest, name: Name) -> dict[str, Any]:
    """What it has brought stays."""
    source = _here(name)
    source.pause()
    return source_out(_source(name))


@router.post("/{name}/resume", auth=ADMIN, response={200: SourceOut, REFUSALS: Problem}, summary="Let it go on")
def resume(request: HttpRequest, name: Name) -> dict[str, Any]:
    """Within a minute."""
    _here(name).resume()
    return source_out(_source(name))


@router.delete("/{name}", auth=ADMIN, response={204: None, REFUSALS: Problem}, summary="Remove it")
def remove(request: HttpRequest, name: Name) -> Status[None]:
    """It is crawled no more; what it has brought stays, and it can be brought back."""
    _here(name).remove()
    return Status(204, None)


@router.post("/{name}/restore", auth=ADMIN, response={200: SourceOut, REFUSALS: Problem}, summary="Bring it back")
def restore(request: HttpRequest, name: Name) -> dict[str, Any]:
    """As it was when it was removed."""
    _source(name).bring_back()
    return source_out(_source(name))


def _source(name: str) -> Source:
    found = Source.objects.filter(name=name).first()
    if found is None:
        raise Refusal(404, "not_found", f"There is no source called {name}.")
    return found


def _here(name: str) -> Source:
    source = _source(name)
    if source.removed_at:
        raise Refusal(409, "removed", f"{name} was removed. Bring it back first.")
    return source


def _crawler(kind: str, status: int = 422) -> Crawler:
    crawler = all_crawlers().get(kind)
    if crawler is None:
        raise Refusal(
            status, "kind", f"There is no kind of source called {kind}; there are {', '.join(all_crawlers())}."
        )
    return crawler

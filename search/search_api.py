"""Searching: by picture, words, tags, colours, or a picture of the gallery, alone or together."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from gallery.api_access import Access
from gallery.api_bodies import in_three_ways, read_body
from gallery.api_pages import REFUSALS, Problem
from gallery.limits import search_limit, take_as_visitor
from gallery.models import Scope
from gallery.refusal import Refusal
from search.api_answers import Question, SearchAnswer, answer_to
from search.api_errors import refusing
from search.api_fields import Asking
from search.api_pictures import Brought
from search.current import current_engines
from search.engines import all_engines
from search.engines._embedding import EmbeddingEngine

ONE_PICTURE = "Send one of picture, url and id, or none."

router = Router(tags=["search"])
router.add_decorator(refusing)


class EngineOut(Schema):
    name: str
    label: str
    version: str
    state: str = Field(description="ready, or off: its network is not there, or has made nothing yet.")
    network: str = Field(description="What has made its features; empty for engines that need none.")
    answers: list[str] = Field(description="Of picture, colours, text.")


@router.get("/engines", auth=Access(), response={200: list[EngineOut], REFUSALS: Problem}, summary="The engines")
def engines(request: HttpRequest) -> list[dict[str, Any]]:
    """Who answers a search, and whether they can now."""
    ready = current_engines()
    return [
        {
            "name": name,
            "label": engine.label,
            "version": str(engine.version),
            "state": "ready" if name in ready else "off",
            "network": _network_of(ready.get(name)),
            "answers": ["picture", *_others(engine)],
        }
        for name, engine in all_engines().items()
    ]


def _network_of(engine: Any) -> str:
    return engine.network.label if isinstance(engine, EmbeddingEngine) else ""


def _others(engine: Any) -> list[str]:
    return ["text"] * engine.answers_text + ["colours"] * (engine.probe_colours([(255, 0, 0)]) is not None)


@router.get("", auth=Access(), response={200: SearchAnswer, REFUSALS: Problem}, summary="Search")
def search(request: HttpRequest, asking: Query[Asking]) -> SearchAnswer:
    """By words, tags, colours, the address of a picture or a picture of the gallery; alone or together."""
    return _answer(request, asking, None)


@router.post(
    "",
    auth=Access(Scope.READ, files=1),
    response={200: SearchAnswer, REFUSALS: Problem},
    summary="Search with a picture",
    openapi_extra=in_three_ways(Asking, file="picture"),
)
def search_by_picture(request: HttpRequest) -> SearchAnswer:
    """The same with a file in the field picture. It is kept, for a day, only where more matches are to come."""
    asking = read_body(request, Asking)
    files = request.FILES if request.content_type == "multipart/form-data" else {}
    if set(files) - {"picture"}:
        raise Refusal(422, "invalid", "The field of the picture is called picture.")
    return _answer(request, asking, files.get("picture"))


def _answer(request: HttpRequest, asking: Asking, file: Any) -> SearchAnswer:
    if sum((file is not None, bool(asking.url), asking.id is not None)) > 1:
        raise Refusal(422, "invalid", ONE_PICTURE)
    take_as_visitor(request, search_limit())
    brought = Brought(request, asking, file)
    question = Question(request, asking, brought.query, brought.told, besides=asking.id)
    return answer_to(question, brought.keep)

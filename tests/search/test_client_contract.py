"""What the client asks for is what the OpenAPI document of the gallery offers: paths, parameters and fields."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest

from gallery.api import api
from search.client.answers import Image, Upload, Work
from search.client.calls import Call, Reply
from search.client.gallery import Operations
from search.client.operations import listing, operation

WITHOUT_METHOD = {
    "get /api/search": "the same as POST /api/search",
    "get /api/images/{id}/similar": "the same as POST /api/search with an id",
    "get /api/tags/complete": "for boxes in which somebody writes",
    "get /api/images/{id}/renditions/{longest}": "export asks for what Image.renditions names",
    "post /api/sources/{name}/test": "try_source tries options, before and after",
}
"""{operation: why the client leaves it out}"""
NOW = {"added_at": "2026-01-01T00:00:00+00:00"}
IMAGE = {"id": 7, "name": "a", "width": 9, "height": 9, "format": "PNG", "bytes": 1, "sha256": "00", **NOW}
WORK = {"token": "w", "collection": "c", "kind": "add", "state": "done"}
PART_OF = {"weak": True, "cursor": "x", "explain": True}
NARROWED = {"q": "a", "engines": ["phash"], "grades": "same", "least": 0.5, **PART_OF}
PART = {"text": "a", "box": (0, 0, 1, 1)} | NARROWED
DESCRIBED = {"private": True, "tags": ["a"], "caption": "a", "edits": "keep", "source": "a", "author": "a"}
SAID = DESCRIBED | {"title": "a", "licence": "a"}
ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "search": ((b"x",), {"colours": "fff"} | PART),
    "from_image": ((b"x",), {"colours": "fff"} | PART),
    "from_url": (("http://x",), PART),
    "from_text": (("a",), NARROWED),
    "from_colours": ((["fff"],), NARROWED),
    "similar": ((7,), PART),
    "images": (("a",), {"sort": "oldest"}),
    "edit": ((7,), {"caption": "a", "add_tags": "a", "remove_tags": "b", "private": True}),
    "tag": ((7, "a"), {}),
    "untag": ((7, "a"), {}),
    "download": ((7, "x"), {}),
    "tags": (("a",), {"part": "a", "category": "a", "sort": "name"}),
    "upload": ((b"x",), SAID),
    "upload_url": (("http://x",), SAID),
    "until_ready": ((Upload("stored", job="9", image=Image(**IMAGE)),), {}),
    "questions": ((), {"decided": True}),
    "answer_upload": (("t", "replace"), {"image": 7, "tags": "a", "caption": "a"}),
    "save_search": (("a", "b"), {"address": "/", "shared": True}),
    "saved_results": (("t",), PART_OF),
    "change_saved": (("t",), {"name": "a", "shared": True}),
    "collections": ((), {"mine": True}),
    "create_collection": (("a",), {"note": "a", "shared": True}),
    "change_collection": (("t",), {"name": "a", "note": "a", "shared": True}),
    "add_to_collection": (("t", [7]), {"query": "a", "like": 7, "colours": "a", "address": "/", "limit": 5}),
    "remove_from_collection": (("t", [7]), {}),
    "send_scores": (("t", b"x"), {}),
    "thin_collection": (("t",), {"bits": 5, "likeness": 0.9, "engine": "a", "preview": "w"}),
    "sample_collection": (("t", 5), {"into": "a", "seed": 1, "low": 0.1, "high": 0.2, "engine": "a"}),
    "export_collection": (("t", "x"), {"longest": 100, "metadata": True}),
    "work": ((Work(**WORK),), {}),
    "undo_work": ((Work(**WORK),), {}),
    "stop_work": ((Work(**WORK),), {}),
    "wait_for": ((Work(**WORK | {"state": "waiting"}),), {}),
    "candidates": ((), {"source": "a", "advice": "hold", "sort": "newest"}),
    "pending": ((), {"source": "a", "sort": "newest"}),
    "accept": ((["t"],), {"note": "a"}),
    "reject": ((["t"], "a"), {"note": "a"}),
    "skip": ((["t"],), {"note": "a"}),
    "decisions": ((), {"mine": True}),
    "jobs": (("failed",), {}),
    "retry_jobs": (([7],), {"image": 7}),
    "try_line": (("blur", 0.5), {"source": "a"}),
    "draw_line": (("blur", 0.5, "hold"), {"source": "a"}),
    "forget_line": (("blur",), {"source": "a"}),
    "apply_line": (("blur", 0.5, "accept"), {"source": "a"}),
    "filter": (([b"x"],), {"filters": ["size"], "rules": {}, "lines": {}}),
    "sources": ((), {"removed": True}),
    "add_source": (("a", "page", {}), {"rules": {}, "every": 5, "budget": 5, "publishes": True}),
    "try_source": (("page", {}), {}),
    "change_source": (("a",), {"options": {}, "rules": {}, "every": 5, "budget": 5, "publishes": True}),
}
"""Everything that can be said to a method; of others, their only argument."""
MADE_OF_OTHERS = {"upload_files", "upload_folder", "export"}


def calls_of(name: str, method: Any) -> list[Call[Any]]:
    """All that a method asks for, answered as briefly as it can be."""
    said = [ARGUMENTS.get(name, _only_argument(method.build)), *([((7,), {})] if name == "undo_decision" else [])]
    return [call for arguments, options in said for call in _asked(name, method, arguments, options)]


def _asked(name: str, method: Any, arguments: Any, options: Any) -> list[Call[Any]]:
    talk = method.build(*arguments, **options)
    if isinstance(method, listing):
        return [talk("x")]
    steps, asked = iter(talk), []
    try:
        step = next(steps)
        while True:
            asked += [step] if isinstance(step, Call) else []
            step = steps.send(step.read(_brief(step)) if isinstance(step, Call) and _goes_on(name) else None)
    except StopIteration:
        return asked


def _goes_on(name: str) -> bool:
    return name in {"until_ready", "wait_for", "export_collection"} | {n for n in ARGUMENTS if n.endswith("collection")}


def _brief(call: Call[Any]) -> Reply:
    body: Any = WORK | {"token": "w"}
    if call.path == "/api/collections":
        body = {"token": "t", "name": "a"}
    if call.path.startswith("/api/uploads"):
        body = {"state": "stored", "ready": True, "image": IMAGE}
    return Reply(200, json.dumps(body | {"name": "a"}).encode())


def _only_argument(build: Callable[..., Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    wanted = [p for p in inspect.signature(build).parameters.values() if p.default is p.empty]
    return tuple("t" if each.annotation in ("str", "Token") else 7 for each in wanted), {}


METHODS = {name: each for name, each in vars(Operations).items() if isinstance(each, operation | listing)}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return api.get_openapi_schema()


@pytest.mark.parametrize("name", [name for name in METHODS if name not in MADE_OF_OTHERS])
def test_it_works(document, name):
    calls = calls_of(name, METHODS[name])
    assert calls
    for call in calls:
        offered = document["paths"][call.path][call.method.lower()]
        places = {p["name"]: p["in"] for p in offered.get("parameters", [])}
        assert {n for n, where in places.items() if where == "path"} == set(call.within)
        assert set(call.query) <= {n for n, where in places.items() if where == "query"}
        if call.path == "/api/filter":
            continue  # its files may have any name
        kind = "multipart/form-data" if call.files else "application/x-www-form-urlencoded"
        assert set(call.form or ()) | set(call.files) <= fields_of(document, offered, kind)
        assert set(call.json or ()) <= fields_of(document, offered, "application/json")


def fields_of(document: dict[str, Any], offered: dict[str, Any], kind: str) -> set[str]:
    """That a body of this kind may have."""
    schema = offered.get("requestBody", {}).get("content", {}).get(kind, {}).get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema.get("properties", ()))


def test_what_is_left_out_is_known(document):
    offered = {
        f"{verb} {path}"
        for path, verbs in document["paths"].items()
        for verb in verbs
        if verb in ("get", "post", "put", "patch", "delete")
    }
    asked = {
        f"{call.method.lower()} {call.path}"
        for name, method in METHODS.items()
        if name not in MADE_OF_OTHERS
        for call in calls_of(name, method)
    }
    assert offered - asked == set(WITHOUT_METHOD)

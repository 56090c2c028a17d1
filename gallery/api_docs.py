"""The page that explains the API: what each operation takes and answers, from the OpenAPI document, and a form to try
it. All of it comes from this server, as everything does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from gallery.access import may_look
from gallery.api_codes import CODES, as_table

DESCRIPTION = """\
Everything that the pages do, for programs.

Whoever may look at the gallery may also ask this API. For more, send a token: make one on the page of your account, and
send it with each request in the header `Authorization: Bearer lka_…`. A token may do what its scopes say, as far as
your account may.

    curl -H "Authorization: Bearer $TOKEN" -F picture=@photo.jpg $GALLERY/api/search

Lists come in pages: send the `next` of one as `cursor` to get the one after it. Every refusal is
`{"detail": a sentence, "code": one word}` with the status that fits; after a 429 or 503 the header `Retry-After` says
when it is worth asking again. Times are in UTC, as ISO 8601. What the codes mean:

""" + as_table()
TAGS = [
    {"name": "site", "description": "What this gallery is, who asks, whether it is well."},
    {
        "name": "search",
        "description": "By picture, address, words, colours or a picture of the gallery, or all at once.",
    },
    {"name": "images", "description": "Pictures of the gallery: list, read, describe, tag, throw away and take back."},
    {"name": "tags", "description": "Tags, how many pictures have them, and what a few letters may become."},
    {"name": "saved searches", "description": "Searches under a name."},
    {"name": "collections", "description": "Pictures gathered by hand or by searches, and datasets made of them."},
    {"name": "uploads", "description": "Bring pictures in."},
    {"name": "sources", "description": "Where pictures come from by themselves; for admins."},
    {"name": "candidates", "description": "Pictures that wait for a moderator."},
    {"name": "filter", "description": "Judge pictures without keeping them."},
]
FORM, JSON = "multipart/form-data", "application/json"


@dataclass(frozen=True)
class Field:
    """What an operation takes, as an input of the form."""

    name: str
    place: str
    """path, query, form or file."""
    says: str = ""
    required: bool = False
    kind: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    name: str
    summary: str
    description: str
    needs: str
    fields: list[Field]
    body: str
    """An example of the JSON that it takes; "" if it takes none."""
    curl: str


@require_safe
def page(request: HttpRequest, api: NinjaAPI) -> HttpResponse:
    if not may_look(request):
        return redirect_to_login(request.get_full_path())
    document = api.get_openapi_schema()
    context = {
        "codes": sorted(CODES.items()),
        "groups": list(_groups(document)),
        "document": reverse("api:openapi-json"),
        "example": f'curl -H "Authorization: Bearer $TOKEN" {request.build_absolute_uri("/api/me")}',
    }
    return render(request, "gallery/api_docs.html", context)


def _groups(document: dict[str, Any]) -> Iterator[tuple[dict[str, str], list[Operation]]]:
    """(tag, its operations) in the order of TAGS, what has none of them last."""
    every = [
        (operation.get("tags", ["more"])[0], _operation(document, method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    known = {tag["name"] for tag in TAGS}
    others = [{"name": name, "description": ""} for name in dict.fromkeys(tag for tag, _ in every) if name not in known]
    for tag in [*TAGS, *others]:
        mine = [operation for name, operation in every if name == tag["name"]]
        if mine:
            yield tag, mine


def _operation(document: dict[str, Any], method: str, path: str, said: dict[str, Any]) -> Operation:
    fields = [
        _field(document, each["name"], each["in"], each["schema"], each.get("required", False))
        for each in said.get("parameters", [])
        if each["in"] in ("path", "query")
    ]
    content = said.get("requestBody", {}).get("content", {})
    body = ""
    if FORM in content:
        form = _whole(document, content[FORM]["schema"])
        fields += [_field(document, name, "form", each) for name, each in form.get("properties", {}).items()]
    elif JSON in content:
        body = json.dumps(_example(document, content[JSON]["schema"]), indent=2, ensure_ascii=False)
    return Operation(
        method=method.upper(),
        path=path,
        name=said["operationId"],
        summary=said.get("summary", ""),
        description=said.get("description", ""),
        needs=said.get("x-needs", ""),
        fields=fields,
        body=body,
        curl=_curl(method.upper(), path, fields, body, said),
    )


def _field(document: dict[str, Any], name: str, place: str, schema: dict[str, Any], required: bool = False) -> Field:
    whole = _whole(document, schema)
    is_file = whole.get("format") == "binary" or whole.get("items", {}).get("format") == "binary"
    kind = {"integer": "number", "number": "number", "boolean": "boolean"}.get(whole.get("type", ""), "text")
    says = schema.get("description") or whole.get("description", "")
    choices = tuple(str(each) for each in whole.get("enum", []))
    return Field(name, "file" if is_file else place, says, required, kind, choices)


def _whole(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for; of several possibilities the first that is not null."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _whole(document, document["components"]["schemas"][name])
    some = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    return _whole(document, some[0]) if some else schema


def _example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    whole = _whole(document, schema)
    if "examples" in whole:
        return whole["examples"][0]
    if "properties" in whole:
        return {name: _example(document, each) for name, each in whole["properties"].items()}
    empty: dict[str, Any] = {"array": [], "boolean": False, "integer": 1, "number": 0.5, "object": {}}
    return whole.get("enum", [empty.get(whole.get("type", ""), "")])[0]


def _curl(method: str, path: str, fields: list[Field], body: str, said: dict[str, Any]) -> str:
    parts = ["curl"] + ([] if method in ("GET", "POST") and (method == "GET" or fields or body) else [f"-X {method}"])
    parts += ['-H "Authorization: Bearer $TOKEN"'] if said.get("security") else []
    parts += [f"-F {field.name}=@photo.jpg" for field in fields if field.place == "file"]
    if body:
        sent = json.dumps(json.loads(body), ensure_ascii=False).replace("'", "’")
        parts += ["-H 'Content-Type: application/json'", f"-d '{sent}'"]
    return " ".join([*parts, f'"$GALLERY{path}"'])

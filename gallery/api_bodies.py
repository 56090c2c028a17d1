"""Bodies that an operation takes in three ways, a form, a form with files, JSON; and answers that are files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from django.http import HttpRequest
from ninja import Schema
from ninja.errors import ValidationError
from pydantic import ValidationError as Invalid

from gallery.refusal import Refusal

Fields = TypeVar("Fields", bound=Schema)
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
KINDS = (*FORMS, "application/json")


def read_body(request: HttpRequest, kind: type[Fields]) -> Fields:
    """Refusal, ValidationError; and what Django raises for broken forms, which the API knows."""
    if request.content_type == "application/json":
        return checked(kind, _json(request.body))
    if request.content_type in FORMS:
        return checked(kind, request.POST.dict())
    if not request.META.get("CONTENT_LENGTH") or request.META["CONTENT_LENGTH"] == "0":
        return checked(kind, {})
    raise Refusal(415, "unsupported_type", f"Send one of {', '.join(KINDS)}.")


def checked(kind: type[Fields], fields: Any) -> Fields:
    """ValidationError, as the API's own."""
    try:
        return kind.model_validate(fields)
    except Invalid as error:
        # Its last part is the field, as of ninja's own; what was sent is not repeated.
        said = [
            {**each, "loc": ("body", *each["loc"])} for each in error.errors(include_input=False, include_url=False)
        ]
        raise ValidationError(said) from error


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "broken", "The body is no JSON.") from error
    if not isinstance(fields, dict):
        raise Refusal(422, "invalid", "The body is a JSON object: {…}.")
    return fields


def in_three_ways(kind: type[Schema], file: str = "") -> dict[str, Any]:
    """``openapi_extra`` of such an operation; ``file``: the field of the form that may hold one."""
    schema = kind.model_json_schema()
    form = {**schema, "properties": {**schema["properties"]}}
    if file:
        form["properties"][file] = {"type": "string", "format": "binary", "description": "A picture, as a file."}
    content = {name: {"schema": form if name == FORMS[0] else schema} for name in KINDS}
    return {"requestBody": {"content": content, "required": False}}


def answers_with(kind: str, says: str) -> dict[str, Any]:
    """``openapi_extra`` of an operation that answers with a file of this type."""
    return {"responses": {200: {"description": says, "content": {kind: {"schema": {}}}}}}


WEBP = answers_with("image/webp", "The picture.")

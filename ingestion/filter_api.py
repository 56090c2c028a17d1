"""The filters, for other programs: POST /api/filter judges a batch of pictures and stores nothing.

multipart/form-data with up to 32 files (whatever their fields are called), and if wanted one field ``options``, JSON:
{"filters": [names], "rules": {filter: {option: value}}, "lines": {score: number, or [number, "hold" or "reject"]}}.
Without them all filters judge, with the lines that hold for all sources. A member asks, or a program with the token of
one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from ninja import Router, Schema
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from gallery.api_access import Access
from gallery.api_pages import REFUSALS, Problem
from gallery.models import Role, Scope
from gallery.names import safe_name
from gallery.originals import IncomingFile
from gallery.pictures import DecoderBusy, PictureError
from gallery.refusal import Refusal
from ingestion.cut_offs import lines
from ingestion.filters import OptionError, all_filters, all_scores, checked_options
from ingestion.filters._base import Outcome
from ingestion.judgement import worst
from ingestion.screening import judge_all, scores_of, screened, verdicts
from ingestion.sources._base import Found
from ingestion.unjudged import SENTENCE, is_unjudged

MOST_PICTURES = 32
"""In one batch: its client waits for the last one."""
MOST_BYTES = 256 * 2**20
AT_ONCE = 2
"""Batches: each holds a thread of the web server for as long as it takes."""
LONGEST_OPTIONS = 20_000

FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["pictures"],
                    "properties": {
                        "pictures": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "maxItems": MOST_PICTURES,
                        },
                        "options": {
                            "type": "string",
                            "maxLength": LONGEST_OPTIONS,
                            "description": "JSON: {filters, rules, lines}.",
                        },
                    },
                }
            }
        },
    }
}

router = Router(tags=["filter"])
_places = threading.BoundedSemaphore(AT_ONCE)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    filters: list[str] | None = None
    rules: dict[str, JsonValue] = {}
    lines: dict[str, float | tuple[float, str]] = {}


@dataclass(frozen=True)
class Wanted:
    """Options that make sense."""

    filters: list[str]
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[str, tuple[float, str]] = field(default_factory=dict)


class ErrorOut(Schema):
    """Why a picture cannot be judged."""

    detail: str
    code: str


class FilterVerdict(Schema):
    filter: str
    outcome: str = Field(description="pass, hold or reject.")
    sentence: str
    scores: dict[str, float]
    facts: dict[str, Any]
    version: int
    own: str = Field(description="Its outcome before any line.")
    said: str


class JudgedOut(Schema):
    index: int
    name: str
    outcome: str | None = Field(None, description="The worst of the verdicts; null if it cannot be judged.")
    scores: dict[str, float] | None = None
    verdicts: list[FilterVerdict] | None = None
    error: ErrorOut | None = None


class BatchOut(Schema):
    good: list[int] = Field(description="Indexes of what passes.")
    pictures: list[JudgedOut]


class ToFilter(Access):
    """A member with a form of files: what else is sent is not read."""

    def _require_size(self, request: HttpRequest) -> None:
        if request.content_type != "multipart/form-data":
            raise Refusal(415, "unsupported_type", "Send the pictures as multipart/form-data.")
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > MOST_BYTES:
            raise Refusal(413, "too_large", f"At most {MOST_BYTES >> 20} MiB are taken at once.")


# --- the batch
@router.post(
    "",
    # One too many is let in, so that it can be said that there are too many.
    auth=ToFilter(Scope.READ, Role.MEMBER, files=MOST_PICTURES + 1),
    response={200: BatchOut, REFUSALS: Problem},
    exclude_none=True,
    url_name="filter",
    summary="Judge pictures",
    openapi_extra=FORM,
)
def filter_pictures(request: HttpRequest) -> dict[str, Any]:
    """{"good": [indexes], "pictures": [{index, name, outcome, scores, verdicts, error?}]}: good is what passes.

    A picture that cannot be judged is an entry with its ``error`` ({detail, code}) and no outcome.
    """
    files, wanted = _read(request)
    with _place():
        pictures = [_judged(index, file, wanted) for index, file in enumerate(files)]
    good = [entry["index"] for entry in pictures if entry.get("outcome") == Outcome.PASS]
    return {"good": good, "pictures": pictures}


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(blocking=False):
        sentence = "Other batches are being judged just now: try again in a moment."
        raise Refusal(503, "busy", sentence, {"Retry-After": "5"})
    try:
        yield
    finally:
        _places.release()


def _read(request: HttpRequest) -> tuple[list[UploadedFile], Wanted]:
    try:
        files = [file for name in request.FILES for file in request.FILES.getlist(name)]
        said = request.POST.get("options", "")
    except (UnreadablePostError, MultiPartParserError, SuspiciousOperation) as error:
        raise Refusal(400, "broken", "The form cannot be read: it was broken off, or is none.") from error
    if not files:
        raise Refusal(422, "empty", "No picture came.")
    if len(files) > MOST_PICTURES:
        raise Refusal(413, "too_many", f"At most {MOST_PICTURES} pictures are taken at once.")
    return files, _wanted(said)


def _judged(index: int, file: UploadedFile, wanted: Wanted) -> dict[str, Any]:
    name = safe_name(file.name or "")
    entry: dict[str, Any] = {"index": index, "name": name}
    try:
        assert isinstance(file, IncomingFile)  # what our upload handler makes
        incoming = file.incoming
        picture = screened(incoming.path, Found(name, name=name), incoming.sha256, incoming.bytes)
    except PictureError as error:
        return entry | {"error": {"detail": str(error), "code": error.code}}
    except DecoderBusy as error:
        return entry | {"error": {"detail": str(error), "code": "busy"}}
    findings = judge_all(picture, wanted.rules)
    said = verdicts({name: findings[name] for name in findings if name in wanted.filters}, wanted.lines)
    return entry | {
        "outcome": worst(verdict.outcome for verdict in said),
        "scores": scores_of(said),
        "verdicts": [_told(asdict(verdict)) for verdict in said],
    }


def _told(verdict: dict[str, Any]) -> dict[str, Any]:
    """Why a filter cannot judge is for who runs the gallery: it names folders of the machine."""
    return verdict | {"sentence": SENTENCE, "said": SENTENCE} if is_unjudged(verdict) else verdict


# --- what is wanted
def _wanted(said: str) -> Wanted:
    if len(said) > LONGEST_OPTIONS:
        raise Refusal(422, "options", "These options are too long.")
    try:
        options = Options.model_validate_json(said or "{}")
        filters = _filters(options.filters)
        unknown = [name for name in options.rules if name not in all_filters()]
        if unknown:
            raise OptionError(_no_such("filter", unknown[0], list(all_filters())))
        rules = {name: checked_options(all_filters()[name], given) for name, given in options.rules.items()}
        return Wanted(filters, rules, dict(lines()) | _lines(options.lines))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:80]
        raise Refusal(422, "options", f"options: {where + ': ' if where else ''}{first['msg']}.") from error
    except OptionError as error:
        raise Refusal(422, "options", str(error)) from error


def _filters(names: list[str] | None) -> list[str]:
    for name in names or []:
        if name not in all_filters():
            raise OptionError(_no_such("filter", name, list(all_filters())))
    return list(all_filters()) if names is None else names


def _lines(given: dict[str, float | tuple[float, str]]) -> dict[str, tuple[float, str]]:
    drawn = {name: line if isinstance(line, tuple) else (line, Outcome.HOLD.value) for name, line in given.items()}
    for name, (value, action) in drawn.items():
        if name not in all_scores():
            raise OptionError(_no_such("score", name, list(all_scores())))
        if not math.isfinite(value) or action not in (Outcome.HOLD, Outcome.REJECT):
            raise OptionError(f'The line of {name} is a number, or a number and "hold" or "reject".')
    return drawn


def _no_such(what: str, name: str, names: list[str]) -> str:
    return f"There is no {what} {name[:40]!r}; there are {', '.join(names)}."

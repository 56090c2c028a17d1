"""Sources as the API tells them, and what it is told of one: the same forms as on the page say what is wrong."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from django import forms
from django.utils.datastructures import MultiValueDict
from ninja import Schema
from pydantic import ConfigDict, Field

from gallery.api_pages import NO_NUL, example
from gallery.refusal import Refusal
from ingestion.models import Crawl, Source
from ingestion.source_forms import SourceForms
from ingestion.source_yields import Yield, yields
from ingestion.sources import all_crawlers
from ingestion.sources._base import Crawler
from ingestion.trial import TrialResult

Text = Annotated[str, Field(max_length=2_000, pattern=NO_NUL)]
Value = bool | int | float | Text | list[Text] | None
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_-]+$")]
Options = dict[Annotated[str, Field(max_length=64, pattern=NO_NUL)], Value]
NAMED = ("name", "every", "budget", "publishes")
YIELD = ("found", "fetched", "known", "novel", "waiting", "accepted", "rejected", "failed", "left", "share", "per_hour")


class SourceChange(Schema):
    """What is left out stays as it is, or as is usual."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=example(every=1440, rules={"size": {"least_pixels": 500_000}})
    )
    every: Annotated[int, Field(ge=1, le=60 * 24 * 30, description="Minutes between two crawls.")] | None = None
    budget: Annotated[int, Field(ge=1, le=100_000, description="Pictures a crawl, at most.")] | None = None
    publishes: Annotated[bool, Field(description="What passes every filter is published unasked.")] | None = None
    options: Annotated[Options, Field(description="As its kind asks for: GET /api/sources/kinds.")] | None = None
    rules: Annotated[dict[str, Options], Field(description="{filter: {option: value}} where not as usual.")] | None = (
        None
    )


class SourceTried(SourceChange):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra=example(kind="folder", options={"folder": "/srv/pictures"})
    )
    kind: Name


class SourceNew(SourceTried):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra=example(name="shelf", kind="folder", options={"folder": "/srv/pictures"})
    )
    name: Name


class OptionOut(Schema):
    name: str
    label: str
    about: str
    required: bool
    type: str = Field(description="text, number, yes or no, one of its choices, some of its choices.")
    choices: list[str]


class KindOut(Schema):
    kind: str
    label: str
    about: str
    missing: str = Field(description="Why it cannot be crawled now, and what to do; empty: it can.")
    options: list[OptionOut]


class CrawlOut(Schema):
    id: int
    state: str
    pages: int
    found: int = Field(description="All that was offered.")
    known: int
    left: int = Field(description="Left out by the rules of its filters.")
    new: int
    error: str
    created_at: datetime
    finished_at: datetime | None


class YieldOut(Schema):
    """What it has brought, over all crawls."""

    found: int
    fetched: int
    known: int
    novel: int
    waiting: int
    accepted: int
    rejected: int
    failed: int
    left: int
    share: float | None = Field(description="Accepted, of what people have decided.")
    per_hour: float = Field(description="New candidates, over the last week.")


class SourceListed(Schema):
    name: str
    kind: str
    options: dict[str, Any]
    rules: dict[str, Any]
    active: bool
    paused_because: str
    publishes: bool
    every: int = Field(description="Minutes.")
    slowness: int = Field(description="Times its interval, while it brings nothing.")
    next_at: datetime
    budget: int
    created_at: datetime
    removed_at: datetime | None
    crawling: CrawlOut | None
    yields: YieldOut


class SourceOut(SourceListed):
    missing: str
    crawls: list[CrawlOut] = Field(description="The last ones that have ended, the newest first, with their errors.")


class VerdictOut(Schema):
    filter: str
    outcome: str
    sentence: str


class TrialOut(Schema):
    """What would become of one thing that it offers; or, with an empty url, why it brings no more."""

    url: str
    title: str
    error: str = Field(description="Why it cannot be had.")
    left: str = Field(description="Why it would not even be fetched.")
    advice: str = Field(description="pass, hold, reject; empty if it was not looked at.")
    width: int
    height: int
    format: str
    bytes: int
    scores: dict[str, float]
    verdicts: list[VerdictOut]
    thumbnail: str = Field(description="A data: address.")


# --- told
def kind_out(crawler: Crawler) -> dict[str, Any]:
    said = {"kind": crawler.kind, "label": crawler.label, "about": crawler.about, "missing": crawler.missing()}
    return said | {"options": [_option_out(name, field) for name, field in crawler.options().fields.items()]}


def _option_out(name: str, field: forms.Field) -> dict[str, Any]:
    choices = [str(value) for value, _ in getattr(field, "choices", ())]
    return {
        "name": name,
        "label": str(field.label or name.replace("_", " ").capitalize()),
        "about": str(field.help_text),
        "required": field.required,
        "type": _type_of(field),
        "choices": choices,
    }


def _type_of(field: forms.Field) -> str:
    for kind, words in (
        (forms.BooleanField, "yes or no"),
        (forms.IntegerField, "number"),
        (forms.MultipleChoiceField, "some of its choices"),
        (forms.ChoiceField, "one of its choices"),
    ):
        if isinstance(field, kind):
            return words
    return "text"


def sources_out(sources: Iterable[Source]) -> list[dict[str, Any]]:
    rows = list(sources)
    brought = yields(rows)
    crawling = {crawl.source_id: crawl for crawl in Crawl.objects.open().filter(source__in=rows)}
    return [_source_out(row, brought[row.pk], crawling.get(row.pk)) for row in rows]


def source_out(source: Source, crawls: int = 20) -> dict[str, Any]:
    (said,) = sources_out([source])
    crawler = all_crawlers().get(source.kind)
    missing = crawler.missing() if crawler else f"There is no source of the kind {source.kind} any more."
    ended = source.crawls.exclude(finished_at=None)[:crawls]
    return said | {"missing": missing, "crawls": [crawl_out(crawl) for crawl in ended]}


def _source_out(source: Source, brought: Yield, crawling: Crawl | None) -> dict[str, Any]:
    left_out = {"crawling", "yields"}
    facts = {name: getattr(source, name) for name in SourceListed.model_fields if name not in left_out}
    return facts | {
        "crawling": crawl_out(crawling) if crawling else None,
        "yields": {name: getattr(brought, name) for name in YIELD},
    }


def crawl_out(crawl: Crawl) -> dict[str, Any]:
    return {name: crawl.pk if name == "id" else getattr(crawl, name) for name in CrawlOut.model_fields}


def trial_out(result: TrialResult) -> dict[str, Any]:
    found = result.found
    same = ("error", "left", "advice", "width", "height", "format", "bytes", "scores")
    drawn = base64.b64encode(result.thumbnail).decode()
    return {name: getattr(result, name) for name in same} | {
        "url": found.url if found else "",
        "title": found.title if found else "",
        "verdicts": [{"filter": v.filter, "outcome": str(v.outcome), "sentence": v.sentence} for v in result.verdicts],
        "thumbnail": f"data:image/webp;base64,{drawn}" if drawn else "",
    }


# --- asked
def forms_of(said: SourceChange, crawler: Crawler, source: Source | None = None, name: str = "") -> SourceForms:
    """Filled in and right. Refusal says what is wrong."""
    now = source or Source(kind=crawler.kind)
    options = (now.options if source else _initial(crawler)) | (said.options or {})
    rules = now.rules if said.rules is None else said.rules
    _require_known("options", options, crawler.options().fields)
    written: MultiValueDict[str, Any] = MultiValueDict()
    for field in NAMED:
        given = getattr(said, field, None)
        _write(written, field, getattr(now, field) if given is None else given)
    _write(written, "name", now.name or name)
    _write(written, "unit", 1)
    for field, value in options.items():
        _write(written, f"option-{field}", value)
    forms_ = SourceForms(crawler, source, data=written)
    flat = {f"{filter_}.{option}": value for filter_, some in rules.items() for option, value in some.items()}
    _require_known("rules", flat, forms_.rules.fields)
    for field, bound in forms_.rules.fields.items():
        _write(written, f"rule-{field}", flat.get(field, _usual(bound, field)))
    if not forms_.is_valid():
        raise Refusal(422, "invalid", " ".join(_wrong(forms_)))
    return forms_


def _initial(crawler: Crawler) -> dict[str, Any]:
    return {name: field.initial for name, field in crawler.options().fields.items() if field.initial is not None}


def _usual(field: forms.Field, name: str) -> Any:
    from ingestion.filters import all_filters

    filter_, _, option = name.partition(".")
    return all_filters()[filter_].defaults[option]


def _write(written: MultiValueDict[str, Any], name: str, value: Any) -> None:
    """As a browser would send it; a box that is not ticked is sent in words."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    written.setlist(name, [str(each) for each in values])


def _require_known(what: str, given: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    for name in given:
        if name not in fields:
            raise Refusal(
                422, "invalid", f"{what}: there is no {name[:80]!r}; there are {', '.join(fields) or 'none'}."
            )


def _wrong(forms_: SourceForms) -> list[str]:
    parts = (("", forms_.about), ("options.", forms_.options), ("rules.", forms_.rules))
    return [
        f"{place}{name}: {' '.join(str(each) for each in said)}"
        for place, form in parts
        for name, said in form.errors.items()
    ]
